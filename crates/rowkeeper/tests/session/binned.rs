//! A spreadsheet that somebody put into the bin of Google Drive: rows still go there, and go with it.

use std::time::Duration;

use google_emulator::Faults;
use rowkeeper::clock::Stop;
use rowkeeper::delivery::Change;
use rowkeeper::outbox;
use rowkeeper::record::Record;
use rowkeeper::{Device, Event};
use sheet_courier::Wish;

use crate::world::World;

fn record(device: &Device, word: &str) {
    device.recorder().record(Record::from_words([word], None).unwrap()).unwrap();
}

/// A daemon says so within a day, and `status` until it is out again; whoever cannot look says nothing.
#[test]
fn a_daemon_says_that_its_spreadsheet_is_in_the_bin() {
    for can_look in [true, false] {
        let world = World::new();
        world.signed_in();
        let device = world.device();
        record(&device, "a=1");
        let (stop, mut notices, mut idle, mut last_errors) = (Stop::new(), Vec::new(), 0, Vec::new());
        let mut on = |event: Event| match event {
            Event::Delivery(Change::Delivered(_)) => {
                let sheet = device.status().unwrap().sheet.unwrap().spreadsheet_id;
                world.google(|model| model.set_trashed(&sheet, true)).unwrap();
                if !can_look {
                    let rule = r#"{"path": "/drive/", "action": {"do": "status", "status": 403}}"#;
                    let rules = vec![serde_json::from_str(rule).unwrap()];
                    world.google(|model| model.set_faults(Faults { rules, ..Faults::default() }));
                }
            }
            Event::Notice(why) => notices.push((world.board.world().as_secs() / 3600, why)),
            // Each look: hourly while it is there, then daily.
            Event::Idle => {
                idle += 1;
                let status = device.status().unwrap();
                last_errors.push(status.delivery.last_error.is_some());
                if idle == 4 {
                    world.google(|model| model.set_trashed(&status.sheet.unwrap().spreadsheet_id, false)).unwrap();
                }
                if idle == 8 {
                    stop.stop();
                }
            }
            _ => {}
        };
        device.run(&mut on, &stop).unwrap();
        if can_look {
            // At once, not each hour, not again when it is out; and what was said is taken back.
            assert_eq!(notices.len(), 1, "{notices:?}");
            assert!(notices[0].0 == 1 && notices[0].1.contains("in the bin of Google Drive"), "{notices:?}");
            assert!(last_errors[1] && last_errors[3] && !last_errors[7], "{last_errors:?}");
        } else {
            assert!(notices.is_empty() && !last_errors.contains(&true), "{notices:?} {last_errors:?}");
        }
    }
}

/// Whatever else is said meanwhile; and not of another spreadsheet.
#[test]
fn status_says_it_until_rows_go_elsewhere() {
    let world = World::new();
    world.signed_in();
    let device = world.device();
    record(&device, "a=1");
    let stop = Stop::new();
    let mut on = |event: Event| match event {
        Event::Delivery(Change::Delivered(_)) => {
            let sheet = device.status().unwrap().sheet.unwrap().spreadsheet_id;
            world.google(|model| model.set_trashed(&sheet, true)).unwrap();
        }
        Event::Notice(_) => stop.stop(),
        _ => {}
    };
    device.run(&mut on, &stop).unwrap();
    let last_error = || device.status().unwrap().delivery.last_error;
    let said = |text: &str| outbox::Status { last_error: Some(text.into()), next_try: None };
    device.outbox().set_status(&said("no answer")).unwrap();
    assert_eq!(last_error().as_deref(), Some("no answer"));
    device.outbox().set_status(&outbox::Status::default()).unwrap();
    assert!(last_error().unwrap().contains("in the bin of Google Drive"));
    let give_up = device.clock().mono() + Duration::from_secs(600);
    device.go_to(&Wish::New, give_up, &Stop::new()).unwrap();
    assert_eq!(last_error(), None);
}
