//! Ten million cells: rows go on in the next spreadsheet before Google refuses them, as far as can be known.

use std::time::Duration;

use serde_json::{Value, json};
use sheet_courier::{Cause, Cell, Row, Transition, Wish};

use crate::bench::{Bench, row};

const MOST_CELLS: u64 = 10_000_000;

fn sheets(bench: &mut Bench, id: &str) -> Vec<Value> {
    let fields = "fields=sheets.properties(title,sheetId,gridProperties(rowCount,columnCount))";
    let found = bench.asks("GET", &format!("/v4/spreadsheets/{id}?{fields}"), &Value::Null);
    found["sheets"].as_array().unwrap().iter().map(|sheet| sheet["properties"].clone()).collect()
}

fn cells(bench: &mut Bench, id: &str) -> u64 {
    let size = |tab: &Value| {
        let grid = &tab["gridProperties"];
        grid["rowCount"].as_u64().unwrap() * grid["columnCount"].as_u64().unwrap()
    };
    sheets(bench, id).iter().map(size).sum()
}

/// A row a minute, and its number.
fn record(bench: &mut Bench, n: usize) {
    punch(bench, n);
    bench.runs_to_the_end();
}

fn punch(bench: &mut Bench, n: usize) {
    bench.now += Duration::from_secs(60);
    bench.queued.push(Row { recorded: Some(bench.now), ..row(n, Cell::Number(n as f64)) });
}

/// A spreadsheet with 30 rows that a person filled up with a tab of theirs, so that ten more rows fit.
fn nearly_full() -> (Bench, String) {
    let mut bench = Bench::with_rows(0);
    let id = bench.google.spreadsheet_ids().remove(0);
    (0..30).for_each(|n| record(&mut bench, n));
    let rows = MOST_CELLS - cells(&mut bench, &id) - 10 * 2;
    let big = json!({"title": "mine", "gridProperties": {"rowCount": rows, "columnCount": 1}});
    bench.updates(&id, &json!({"addSheet": {"properties": big}}));
    bench.answers.clear();
    (bench, id)
}

impl Bench {
    fn updates(&mut self, id: &str, request: &Value) {
        self.asks("POST", &format!("/v4/spreadsheets/{id}:batchUpdate"), &json!({"requests": [request]}));
    }

    fn wishes(&self) -> usize {
        self.changes.iter().filter(|change| matches!(change, Transition::Wished(Wish::Next))).count()
    }

    fn asked(&self, what: &str) -> usize {
        self.answers.iter().filter(|(path, _)| path == what).count()
    }
}

#[test]
fn the_last_row_that_fits_is_the_last_one_here() {
    let (mut bench, first) = nearly_full();
    (30..50).for_each(|n| record(&mut bench, n));
    bench.is_whole(50, "every row once");
    assert_eq!(bench.google.spreadsheet_ids().len(), 2);
    assert_eq!(cells(&mut bench, &first), MOST_CELLS);
    let second = bench.google.spreadsheet_ids().into_iter().find(|id| *id != first).unwrap();
    assert_eq!(bench.google.rows(&second, "t").unwrap().len(), 11, "a header and ten rows");
    // Two rows of 20 were more than one request: how large everybody's tabs are was seen in answers to prunes.
    assert_eq!((bench.causes(), bench.wishes()), (Vec::new(), 1));
    let no: Vec<_> = bench.answers.iter().filter(|(_, status)| *status == 400).collect();
    assert!(no.is_empty(), "nothing was refused: {no:?}");
    assert_eq!(bench.asked(&first), 1, "all tabs are looked at once, before it is left: {:?}", bench.answers);
}

/// What was seen is older than the deed of a person who made room.
#[test]
fn a_person_who_makes_room_is_noticed() {
    let (mut bench, first) = nearly_full();
    // Until its size was seen, and to the last row.
    (30..40).for_each(|n| record(&mut bench, n));
    let mine = sheets(&mut bench, &first).into_iter().find(|tab| tab["title"] == "mine").unwrap();
    bench.updates(&first, &json!({"deleteSheet": {"sheetId": mine["sheetId"]}}));
    (40..50).for_each(|n| record(&mut bench, n));
    bench.is_whole(50, "every row once");
    assert_eq!(bench.google.spreadsheet_ids(), [first.as_str()]);
    assert_eq!(bench.asked(&first), 1);
}

/// A read may be older than what others wrote: then Google says it.
#[test]
fn an_old_look_costs_a_refusal_and_no_row() {
    let (mut bench, first) = nearly_full();
    (30..40).for_each(|n| record(&mut bench, n));
    punch(&mut bench, 40);
    let mut looks = 0;
    while let Some(call) = bench.next_call() {
        if call.path.contains("gridProperties(rowCount,columnCount)") && call.method == "GET" && looks == 0 {
            looks += 1;
            let tabs = json!([{"properties": {"sheetId": 7, "gridProperties": {"rowCount": 2, "columnCount": 2}}}]);
            bench.replies(200, json!({"spreadsheetId": first, "sheets": tabs}).to_string().as_bytes());
        } else {
            bench.pass_on(&call);
        }
    }
    bench.is_whole(41, "every row once");
    assert_eq!((looks, bench.causes(), bench.wishes()), (1, vec![Cause::Full], 0));
    assert_eq!(bench.google.spreadsheet_ids().len(), 2);
}

/// A spreadsheet of ours has the cells that its rows need and no others.
#[test]
fn a_grid_grows_by_the_rows_that_come() {
    let mut bench = Bench::new(1);
    bench.runs_to_the_end();
    let id = bench.google.spreadsheet_ids().remove(0);
    assert_eq!(cells(&mut bench, &id), 2 * 2);
    (1..20).for_each(|n| record(&mut bench, n));
    assert_eq!(cells(&mut bench, &id), 21 * 2);
    let mut wide = row(20, Cell::Number(1.0));
    wide.cells.push(("more".into(), Cell::Bool(true)));
    bench.queued.push(wide);
    bench.runs_to_the_end();
    assert_eq!(cells(&mut bench, &id), 22 * 3);
}
