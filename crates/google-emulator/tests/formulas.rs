//! Formulas: kept as typed, worked out when read, followed when rows move.

mod common;

use common::{Sheet, World};
use google_emulator::Model;
use serde_json::{Value, json};

fn put(sheet: &mut Sheet<'_>, range: &str, rows: &Value) {
    let reply = sheet.put(&format!("/values/{range}?valueInputOption=USER_ENTERED"), &json!({ "values": rows }));
    assert_eq!(reply.status, 200, "{}", reply.text());
}

fn shown(sheet: &mut Sheet<'_>, range: &str, render: &str) -> Value {
    let reply = sheet.get(&format!("/values/{range}?valueRenderOption={render}"));
    reply.value()["values"].clone()
}

/// A time clock's sheet: who, in, out, hours.
fn time_clock(sheet: &mut Sheet<'_>) {
    let rows = json!([
        ["who", "in", "out", "hours"],
        ["Ada", "8:00", "16:30", "=(C2-B2)*24"],
        ["Bea", "9:15", "17:00", "=(C3-B3)*24"],
        ["Ada", "13:00", "", "=IF(C4=\"\",0,(C4-B4)*24)"],
        ["all", "", "", "=SUM(D2:D4)"],
    ]);
    put(sheet, "A1", &rows);
}

#[test]
fn a_time_clock_adds_up() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    time_clock(&mut sheet);
    assert_eq!(shown(&mut sheet, "D2:D5", "UNFORMATTED_VALUE"), json!([[8.5], [7.75], [0], [16.25]]));
    assert_eq!(shown(&mut sheet, "D5", "FORMULA"), json!([["=SUM(D2:D4)"]]));
    assert_eq!(shown(&mut sheet, "B2:D2", "FORMATTED_VALUE"), json!([["8:00", "16:30", "8.5"]]));
    let reply = sheet.get("?ranges=D5&includeGridData=true").value();
    let cell = &reply["sheets"][0]["data"][0]["rowData"][0]["values"][0];
    assert_eq!(cell["userEnteredValue"], json!({"formulaValue": "=SUM(D2:D4)"}));
    assert_eq!(cell["effectiveValue"], json!({"numberValue": 16.25}));
    assert_eq!(cell["formattedValue"], "16.25");
}

#[test]
fn what_formulas_give() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    time_clock(&mut sheet);
    for (formula, expected) in [
        ("=1+2*3", json!(7)),
        ("=-2^2", json!(4)),
        ("=50%", json!(0.5)),
        ("=\"a\"&1&TRUE", json!("a1TRUE")),
        ("=1=1", json!(true)),
        ("=\"A\"=\"a\"", json!(true)),
        ("=A2", json!("Ada")),
        ("=Log!A3", json!("Bea")),
        ("='Log'!A3", json!("Bea")),
        ("=E40", json!("#REF!")),
        ("=Nowhere!A1", json!("#REF!")),
        ("=1/0", json!("#DIV/0!")),
        ("=A2+1", json!("#VALUE!")),
        ("=nothing", json!("#NAME?")),
        ("=FILTER(A1:A5,1)", json!("#NAME?")),
        ("=1+", json!("#ERROR!")),
        ("=A10", json!("#REF!")),
        ("=SUM()", json!("#N/A")),
        ("=IFERROR(1/0,\"none\")", json!("none")),
        ("=ISERROR(1/0)", json!(true)),
        ("=COUNTA(A1:A5)", json!(5)),
        ("=COUNT(A1:D5)", json!(9)),
        ("=COUNTBLANK(C1:C5)", json!(2)),
        ("=COUNTIF(A1:A5,\"ada\")", json!(2)),
        ("=COUNTIF(D2:D5,\">8\")", json!(2)),
        ("=SUMIF(A2:A4,\"Ada\",D2:D4)", json!(8.5)),
        ("=SUMIFS(D2:D4,A2:A4,\"Ada\",B2:B4,\"<\"&TIME(10,0,0))", json!(8.5)),
        ("=AVERAGE(D2:D3)", json!(8.125)),
        ("=MAX(D2:D4)-MIN(D2:D4)", json!(8.5)),
        ("=ROUND(2.675,2)", json!(2.68)),
        ("=ROUND(-2.5)", json!(-3)),
        ("=MROUND(7.6,0.25)", json!(7.5)),
        ("=INT(-1.5)", json!(-2)),
        ("=MOD(-1,24)", json!(23)),
        ("=IF(AND(1,TRUE),\"yes\",\"no\")", json!("yes")),
        ("=IFS(FALSE,1,TRUE,2)", json!(2)),
        ("=TEXT(0.354166667,\"h:mm\")", json!("8:30")),
        ("=TEXT(1234.5,\"#,##0.00\")", json!("1,234.50")),
        ("=TEXT(1.25,\"[h]:mm\")", json!("30:00")),
        ("=HOUR(C2)&\":\"&MINUTE(C2)", json!("16:30")),
        ("=DATE(2026,11,22)", json!(46_348)),
        ("=DATE(2026,13,1)=DATE(2027,1,1)", json!(true)),
        ("=WEEKDAY(DATE(2026,11,22))", json!(1)),
        ("=EOMONTH(DATE(2026,1,31),1)", json!(46_081)),
        ("=VLOOKUP(\"Bea\",A2:D4,4,FALSE)", json!(7.75)),
        ("=INDEX(A1:D5,MATCH(\"Bea\",A1:A5,0),1)", json!("Bea")),
        ("=LEFT(\"workshop\",4)&MID(\"workshop\",5,1)", json!("works")),
        ("=SUBSTITUTE(\"a-b-c\",\"-\",\"\")", json!("abc")),
        ("=TEXTJOIN(\",\",TRUE,A2:A4)", json!("Ada,Bea,Ada")),
        ("=ROW()", json!(10)),
        ("=SUM(1,\"2\",TRUE)", json!(4)),
        ("=SUM(A1:A5)", json!(0)),
        ("=SUM({1,2;3,4})", json!(10)),
        ("=HYPERLINK(\"https://example.com\",\"here\")", json!("here")),
        ("=SWITCH(A2,\"Bea\",1,\"Ada\",2)", json!(2)),
        ("=B9", json!(0)),
    ] {
        put(&mut sheet, "A10", &json!([[formula]]));
        assert_eq!(shown(&mut sheet, "A10", "UNFORMATTED_VALUE"), json!([[expected]]), "{formula}");
    }
}

#[test]
fn the_time_is_the_emulators() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([["=NOW()", "=TODAY()"]]));
    // 2026-09-21 14:14 UTC.
    assert_eq!(shown(&mut sheet, "A1:B1", "FORMATTED_VALUE"), json!([["9/21/2026 14:14:00", "9/21/2026"]]));
    sheet.world.wait(60);
    assert_eq!(shown(&mut sheet, "A1", "FORMATTED_VALUE"), json!([["9/21/2026 14:15:00"]]));
    // Summer time, the day after, a quarter of an hour, and a zone that is none.
    for (zone, now, today) in [
        ("Europe/Berlin", "9/21/2026 16:15:00", "9/21/2026"),
        ("Pacific/Kiritimati", "9/22/2026 4:15:00", "9/22/2026"),
        ("Asia/Kathmandu", "9/21/2026 20:00:00", "9/21/2026"),
        ("Pacific/Honolulu", "9/21/2026 4:15:00", "9/21/2026"),
        ("Nowhere/Here", "9/21/2026 14:15:00", "9/21/2026"),
    ] {
        sheet.apply(json!([{"updateSpreadsheetProperties": {"properties": {"timeZone": zone}, "fields": "timeZone"}}]));
        assert_eq!(shown(&mut sheet, "A1:B1", "FORMATTED_VALUE"), json!([[now, today]]), "{zone}");
    }
}

#[test]
fn errors_say_what_kind_they_are() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([["=1/0", "=B1", "=C1+1"]]));
    let reply = sheet.get("?ranges=A1:C1&includeGridData=true").value();
    let cells = &reply["sheets"][0]["data"][0]["rowData"][0]["values"];
    assert_eq!(cells[0]["effectiveValue"]["errorValue"]["type"], "DIVIDE_BY_ZERO");
    assert_eq!(cells[0]["formattedValue"], "#DIV/0!");
    for cell in [&cells[1], &cells[2]] {
        assert_eq!(cell["effectiveValue"]["errorValue"]["type"], "REF", "it depends on itself: {cell}");
    }
}

#[test]
fn formulas_follow_what_they_point_at() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    time_clock(&mut sheet);
    let insert = |at: i64| json!([{"insertDimension": {"range": {"sheetId": 7, "dimension": "ROWS", "startIndex": at, "endIndex": at + 1}}}]);
    sheet.apply(insert(2));
    assert_eq!(shown(&mut sheet, "D6", "FORMULA"), json!([["=SUM(D2:D5)"]]));
    assert_eq!(shown(&mut sheet, "D4", "FORMULA"), json!([["=(C4-B4)*24"]]));
    sheet.apply(
        json!([{"deleteDimension": {"range": {"sheetId": 7, "dimension": "COLUMNS", "startIndex": 1, "endIndex": 2}}}]),
    );
    assert_eq!(shown(&mut sheet, "C2", "FORMULA"), json!([["=(B2-#REF!)*24"]]));
    assert_eq!(shown(&mut sheet, "C2", "FORMATTED_VALUE"), json!([["#REF!"]]));
    sheet.apply(json!([
        {"addSheet": {"properties": {"sheetId": 8, "title": "Sums"}}},
        {"updateCells": {"start": {"sheetId": 8}, "fields": "userEnteredValue",
            "rows": [{"values": [{"userEnteredValue": {"formulaValue": "=COUNTA(Log!A:A)"}}]}]}},
        {"updateSheetProperties": {"properties": {"sheetId": 7, "title": "Time clock"}, "fields": "title"}},
    ]));
    assert_eq!(shown(&mut sheet, "Sums!A1", "FORMULA"), json!([["=COUNTA('Time clock'!A:A)"]]));
    assert_eq!(shown(&mut sheet, "Sums!A1", "UNFORMATTED_VALUE"), json!([[5]]));
}

#[test]
fn a_named_range_is_a_name_in_formulas() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[1], [2], ["=SUM(hours)"]]));
    sheet.apply(json!([{"addNamedRange": {"namedRange": {"name": "hours",
        "range": {"sheetId": 7, "startRowIndex": 0, "endRowIndex": 2, "startColumnIndex": 0, "endColumnIndex": 1}}}}]));
    assert_eq!(shown(&mut sheet, "A3", "UNFORMATTED_VALUE"), json!([[3]]));
}

#[test]
fn sorting_looks_at_what_formulas_give() {
    let mut world = World::unlimited();
    let mut sheet = world.sheet();
    put(&mut sheet, "A1", &json!([[3, "=A1*2"], [1, "=A2*2"], [2, "=A3*2"]]));
    let range = json!({"sheetId": 7, "startRowIndex": 0, "endRowIndex": 3, "startColumnIndex": 0, "endColumnIndex": 2});
    sheet.apply(
        json!([{"sortRange": {"range": range, "sortSpecs": [{"dimensionIndex": 1, "sortOrder": "ASCENDING"}]}}]),
    );
    assert_eq!(shown(&mut sheet, "A1:B3", "UNFORMATTED_VALUE"), json!([[1, 2], [2, 4], [3, 6]]));
    assert_eq!(shown(&mut sheet, "B1", "FORMULA"), json!([["=A1*2"]]));
}

/// A running balance waits for the row above, thousands of rows deep; on the stack that a connection has.
#[test]
fn a_long_chain_does_not_overflow() {
    let chain = || {
        let mut world = World::unlimited();
        let mut sheet = world.sheet();
        let rows: Vec<Value> = (1..=5_000)
            .map(|row| match row {
                1 => json!(["=1"]),
                row => json!([format!("=((((((((((((A{}+1))))))))))))", row - 1)]),
            })
            .collect();
        sheet.apply(json!([{"appendDimension": {"sheetId": 7, "dimension": "ROWS", "length": 5_000}}]));
        put(&mut sheet, "A1", &json!(rows));
        assert_eq!(shown(&mut sheet, "A5000", "UNFORMATTED_VALUE"), json!([[5_000]]));
        put(&mut sheet, "A1", &json!([["=A5000"]]));
        assert_eq!(shown(&mut sheet, "A5000", "FORMATTED_VALUE"), json!([["#REF!"]]));
        drop(Model::clone(&sheet.world.model));
    };
    let thread = std::thread::Builder::new().stack_size(1 << 20).spawn(chain).expect("a thread starts");
    thread.join().expect("it did not overflow");
}
