//! A sign-in, a power cut in the middle of it, and a refresh, on a Cortex-M3 with 64 KiB of RAM and no operating system.
//!
//! The provider's replies are fed in by [`wire`], which checks every request first: address, parameters, and that none
//! came sooner than the provider allowed. A failed check prints and ends with an error, which `cargo xtask bare` reports.
#![no_std]
#![no_main]

extern crate alloc;

mod board;
mod wire;

use alloc::boxed::Box;
use alloc::vec::Vec;

use cortex_m as _; // its critical section, which the heap needs
use cortex_m_semihosting::hprintln;
use device_grant::{
    Answer, Ask, Client, ClientAuth, ClientSecret, History, Pending, Provider, Refresh, Refreshed, Reply, SignIn, Step,
    Tokens,
};

use crate::board::Board;
use crate::wire::Wire;

#[cortex_m_rt::entry]
fn main() -> ! {
    static mut BOARD: Board = Board::new();
    board::start_heap();
    let (board, mut wire) = (BOARD, Wire::default());
    let secret = ClientSecret::parse("GOCSPX-firmware".into()).expect("printable");
    let provider = Provider::preset("google", None).expect("a preset");
    let client = Client::new(provider, "1234.apps.example", ClientAuth::Post(secret)).expect("printable");

    // The first boot ends by a power cut while the person is typing; the second one goes on from flash.
    let mut boots = 0;
    let tokens = loop {
        boots += 1;
        match sign_in(&client, board, &mut wire) {
            Some(tokens) => break tokens,
            None => board.reboot(),
        }
    };
    assert_eq!((boots, board.shown), (2, 2), "the code is shown again after the power cut");
    assert_eq!(tokens.access.expose(), "ya29.first");
    assert!(tokens.missing_scopes.is_empty());
    let account = tokens.account.as_ref().and_then(|account| account.label.as_ref());
    assert_eq!(account.map(|label| label.as_str()), Some("maker@example.com"));

    let renewed = refresh(&client, &tokens, board, &mut wire);
    assert_eq!(renewed.access.expose(), "ya29.second");
    assert!(renewed.refresh.is_none(), "Google does not rotate");
    assert!(wire.is_used_up(), "every reply was asked for");

    board::report();
    board::exit_well()
}

/// One boot of the device: begins, or goes on with what is in flash. `None`: the power was cut.
///
/// This is the loop of a real device; only `board` and `wire` would have hardware behind them.
fn sign_in(client: &Client, board: &mut Board, wire: &mut Wire) -> Option<Box<Tokens>> {
    let mut machine = match board.flash() {
        None => SignIn::start(client, Ask::new(client.provider().default_scopes()), board.now()),
        Some(sealed) => {
            let pending = Pending::unseal(sealed).expect("what was sealed is read back");
            SignIn::resume(client, pending, &board.stamp()).expect("the same client")
        }
    };
    loop {
        match machine.next(board.now()) {
            Step::Show(prompt) => {
                board.shown += 1;
                hprintln!("open {} and type {}", prompt.verification_uri, prompt.user_code);
                assert_eq!(prompt.user_code.as_str(), "GQVQ-JKEC");
                assert!(prompt.deadline > board.now());
            }
            Step::WaitUntil(time) => board.sleep_until(time),
            Step::Send(request) => {
                // Before it is sent: a power cut from here on must not lose the code, nor make the next boot poll at once.
                let sealed = machine.seal(&board.stamp());
                board.write_flash(sealed.as_deref().map_or(&[], Vec::as_slice));
                let Some((status, body)) = wire.exchange(&request, board.now()) else { return None };
                drop(request);
                machine.reply(Reply::Answer(Answer::bare(status, body.as_bytes())), board.now());
            }
            Step::Done(tokens) => {
                board.write_flash(&[]);
                return Some(tokens);
            }
            Step::DoneLate(_) => panic!("nobody cancelled"),
            Step::Failed(error) => panic!("{error}"),
        }
    }
}

fn refresh(client: &Client, tokens: &Tokens, board: &mut Board, wire: &mut Wire) -> Box<Tokens> {
    let wait = tokens.refresh_after(0).expect("the life of the token is known");
    board.sleep_until(tokens.asked_at + wait);
    let token = tokens.refresh.as_ref().expect("a refresh token");
    let attempt = Refresh::new(client, token, &tokens.scopes, History::Clear);
    let asked_at = board.now();
    let (status, body) = wire.exchange(&attempt.request(), asked_at).expect("power");
    match attempt.outcome(Reply::Answer(Answer::bare(status, body.as_bytes())), asked_at) {
        Refreshed::Renewed(renewed) => renewed,
        other => panic!("not renewed: {other:?}"),
    }
}
