//! The Sheets API: table S.

use std::time::Duration;

use serde_json::{Value, json};

use crate::probe::{Answer, Probe, TAB, message};
use crate::report::Verdict::{AsWritten, Differs, Learnt, NotAsked};

type Said = (u16, Value);

fn text(text: &str) -> Value {
    json!({ "userEnteredValue": { "stringValue": text } })
}

/// A row at the end of the tab.
fn row(cells: &[Value]) -> Value {
    row_in(TAB, cells)
}

fn row_in(tab: i64, cells: &[Value]) -> Value {
    json!({ "appendCells": { "sheetId": tab, "rows": [{ "values": cells }], "fields": "userEnteredValue" } })
}

fn marker(id: i64, value: &str) -> Value {
    json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataId": id, "metadataKey": "rkprobe", "metadataValue": value,
        "location": { "spreadsheet": true }, "visibility": "PROJECT",
    } } })
}

fn delete(id: i64) -> Value {
    json!({ "deleteDeveloperMetadata": { "dataFilter": { "developerMetadataLookup": { "metadataId": id } } } })
}

fn said((status, body): &Said) -> String {
    if *status == 200 { "200".into() } else { format!("{status} {}", message(body)) }
}

/// Another tab, of 20 rows and 5 columns, for what needs to know where rows are.
fn tab(probe: &Probe<'_>, id: i64, title: &str) -> Result<(), String> {
    let grid = json!({ "rowCount": 20, "columnCount": 5 });
    let properties = json!({ "sheetId": id, "title": title, "gridProperties": grid });
    must(probe.batch(&json!([{ "addSheet": { "properties": properties } }]))?).map(drop)
}

/// The values of a tab, row by row.
fn values(probe: &Probe<'_>, tab: &str) -> Result<Vec<Vec<String>>, String> {
    let answer = probe.sheet_call("GET", &format!("/values/{tab}!A1:Z?valueRenderOption=FORMULA"), None)?;
    let cell = |cell: &Value| cell.as_str().map_or_else(|| cell.to_string(), str::to_owned);
    let rows = answer.1["values"].as_array().into_iter().flatten();
    Ok(rows.map(|row| row.as_array().into_iter().flatten().map(cell).collect()).collect())
}

/// How many rows have this in column A.
fn count(probe: &Probe<'_>, wanted: &str) -> Result<usize, String> {
    Ok(values(probe, "probe")?.iter().filter(|row| row.first().is_some_and(|cell| cell == wanted)).count())
}

fn must(answer: Said) -> Result<Value, String> {
    if answer.0 == 200 { Ok(answer.1) } else { Err(format!("could not be prepared: {}", said(&answer))) }
}

fn metadata(probe: &Probe<'_>, id: i64) -> Result<Said, String> {
    probe.sheet_call("GET", &format!("/developerMetadata/{id}"), None)
}

pub(crate) fn created(probe: &mut Probe<'_>) -> Answer {
    let answer = probe.sheet_call("GET", "?fields=spreadsheetId", None)?;
    let verdict = if answer.0 == 200 { AsWritten } else { Differs };
    Ok(("made, read and written under drive.file alone".into(), said(&answer), verdict))
}

pub(crate) fn foreign(probe: &mut Probe<'_>) -> Answer {
    // An id of the right shape that nobody has.
    let answer = probe.sheets("GET", &format!("v4/spreadsheets/1{}", "x7Q-".repeat(10) + "abc"), None)?;
    let not_found = answer.0 == 404 && answer.1["error"]["status"] == "NOT_FOUND";
    Ok(("404 NOT_FOUND".into(), said(&answer), if not_found { AsWritten } else { Differs }))
}

pub(crate) fn atomic(probe: &mut Probe<'_>) -> Answer {
    let bad = json!({ "appendCells": { "sheetId": TAB + 1, "rows": [{ "values": [text("x")] }], "fields": "*" } });
    let answer = probe.batch(&json!([row(&[text("half")]), bad]))?;
    let left = count(probe, "half")?;
    let good = answer.0 == 400 && left == 0;
    let observed = format!("{}; {left} rows of the good half", said(&answer));
    Ok(("400, and nothing applied".into(), observed, if good { AsWritten } else { Differs }))
}

pub(crate) fn marker_refused(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    must(probe.batch(&json!([marker(id, "one"), row(&[text("once")])]))?)?;
    let again = probe.batch(&json!([marker(id, "one"), row(&[text("once")])]))?;
    let rows = count(probe, "once")?;
    let good = again.0 == 400 && rows == 1;
    let observed = format!("{}; {rows} row", said(&again));
    Ok(("400, and one row".into(), observed, if good { AsWritten } else { Differs }))
}

/// What exactly-once rests on when a first attempt is late.
pub(crate) fn simultaneous(probe: &mut Probe<'_>) -> Answer {
    const ROUNDS: usize = 5;
    const AT_ONCE: usize = 3;
    let (mut one_winner, mut statuses, mut rows) = (0, Vec::new(), 0);
    for round in 0..ROUNDS {
        let (id, key) = (probe.metadata_id(), format!("race {round}"));
        let answers = probe.simultaneously(&json!([marker(id, &key), row(&[text(&key)])]), AT_ONCE)?;
        let codes: Vec<_> = answers.iter().map(|answer| answer.0).collect();
        let landed = count(probe, &key)?;
        rows += landed;
        one_winner += usize::from(landed == 1 && codes.iter().filter(|code| **code == 200).count() <= 1);
        statuses.push(format!("{codes:?}"));
    }
    let observed = format!(
        "{one_winner} of {ROUNDS} times one winner; {rows} rows of {ROUNDS} wanted; answers {}",
        statuses.join(" ")
    );
    // More than one row would be the end of exactly-once.
    let verdict = if rows == ROUNDS && one_winner == ROUNDS { Learnt } else { Differs };
    Ok((format!("{AT_ONCE} at once: one is applied, the others refused"), observed, verdict))
}

pub(crate) fn metadata_room(probe: &mut Probe<'_>) -> Answer {
    let ids: Vec<i64> = (0..3).map(|_| probe.metadata_id()).collect();
    let filling = "m".repeat(14_000);
    let mut answers = Vec::new();
    for id in &ids {
        answers.push(probe.batch(&json!([marker(*id, &filling)]))?);
    }
    for id in &ids {
        probe.batch(&json!([delete(*id)]))?;
    }
    let observed = answers.iter().map(said).collect::<Vec<_>>().join("; ");
    let good = answers.iter().map(|answer| answer.0).collect::<Vec<_>>() == [200, 200, 400];
    Ok(("two of 14,000 characters fit, a third is 400".into(), observed, if good { AsWritten } else { Differs }))
}

pub(crate) fn delete_without_match(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    let deleted = probe.batch(&json!([delete(id)]))?;
    let search = json!({ "dataFilters": [{ "developerMetadataLookup": { "metadataId": id } }] });
    let searched = probe.sheet_call("POST", "/developerMetadata:search", Some(&search))?;
    let observed = format!("{}, {}; a search: {} {}", said(&deleted), kind(&deleted), searched.0, shorten(&searched.1));
    Ok(("400, or 200 with an empty reply; pruning takes either".into(), observed, Learnt))
}

/// What lets a start be one read: does a filter of ranges keep the spreadsheet's own metadata out?
pub(crate) fn look_by_filter(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    must(probe.batch(&json!([marker(id, "look")]))?)?;
    let filter = json!({ "dataFilters": [{ "gridRange": { "sheetId": TAB, "startRowIndex": 0, "endRowIndex": 1 } }] });
    let fields =
        ":getByDataFilter?fields=spreadsheetId,developerMetadata(metadataId,metadataKey),sheets.properties.sheetId";
    let answer = must(probe.sheet_call("POST", fields, Some(&filter))?)?;
    let entries = answer["developerMetadata"].as_array().map_or(&[][..], Vec::as_slice);
    let there = entries.iter().any(|entry| entry["metadataId"] == id);
    let observed = format!(
        "{} tabs and {} pieces of metadata; the newest is {}",
        answer["sheets"].as_array().map_or(0, Vec::len),
        entries.len(),
        if there { "there" } else { "not there: a start takes two reads" }
    );
    Ok(("the spreadsheet's own metadata is there, or it is searched for".into(), observed, Learnt))
}

/// Does a look that is limited to one tab show how large the others are?
pub(crate) fn sizes_beside(probe: &mut Probe<'_>) -> Answer {
    let beside = json!({"title": "beside", "gridProperties": {"rowCount": 2, "columnCount": 2}});
    must(probe.batch(&json!([{ "addSheet": { "properties": beside } }]))?)?;
    let filter = json!({ "dataFilters": [{ "gridRange": { "sheetId": TAB, "startRowIndex": 0, "endRowIndex": 1 } }] });
    let fields = ":getByDataFilter?fields=spreadsheetId,sheets.properties(title,gridProperties(rowCount,columnCount))";
    let answer = must(probe.sheet_call("POST", fields, Some(&filter))?)?;
    let tabs = answer["sheets"].as_array().map_or(&[][..], Vec::as_slice);
    let there = tabs.iter().any(|tab| tab["properties"]["title"] == "beside");
    let observed = format!("{} tabs; the other is {}", tabs.len(), if there { "among them" } else { "not shown" });
    Ok(("shown or not: what is not shown counts as it was last seen".into(), observed, Learnt))
}

/// A batch that names a tab as it was called before: is it refused, and if so, was it applied all the same?
pub(crate) fn renamed_range(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    let body = json!({
        "requests": [marker(id, "shown")], "includeSpreadsheetInResponse": true, "responseRanges": ["'not any more'!1:1"],
    });
    let answer = probe.sheet_call("POST", ":batchUpdate?fields=spreadsheetId,replies", Some(&body))?;
    let applied = probe.sheet_call("GET", &format!("/developerMetadata/{id}"), None)?.0 == 200;
    let observed = format!(
        "{}, and {}",
        if answer.0 == 200 { "answered" } else { "refused" },
        if applied { "applied" } else { "not applied" }
    );
    Ok(("400 or not, applied or not: the marker tells".into(), observed, Learnt))
}

fn kind(answer: &Said) -> &'static str {
    if answer.0 == 200 { "an empty reply" } else { "the batch is refused" }
}

fn shorten(body: &Value) -> String {
    body.to_string().chars().take(120).collect()
}

pub(crate) fn delete_and_create(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    must(probe.batch(&json!([marker(id, "old")]))?)?;
    let answer = probe.batch(&json!([delete(id), marker(id, "new")]))?;
    let left = metadata(probe, id)?;
    let observed = format!("{}; afterwards its value is {}", said(&answer), left.1["metadataValue"]);
    Ok(("never done by the program".into(), observed, Learnt))
}

pub(crate) fn missing_metadata(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    let answer = metadata(probe, id)?;
    Ok(("404".into(), said(&answer), if answer.0 == 404 { AsWritten } else { Differs }))
}

pub(crate) fn append(probe: &mut Probe<'_>) -> Answer {
    let id = TAB + 2;
    tab(probe, id, "append")?;
    // A note far down in another column: rows land below it.
    let note = json!({ "updateCells": { "start": { "sheetId": id, "rowIndex": 18, "columnIndex": 3 },
        "rows": [{ "values": [text("a note")] }], "fields": "userEnteredValue" } });
    let rows = ["below", "beyond", "further"].map(|word| row_in(id, &[text(word)]));
    must(probe.batch(&json!([note, rows[0], rows[1], rows[2]]))?)?;
    let all = values(probe, "append")?;
    let at = |wanted: &str| all.iter().position(|row| row.first().is_some_and(|cell| cell == wanted)).map(|at| at + 1);
    let wide: Vec<_> = (0..30).map(|number| text(&number.to_string())).collect();
    let wide = probe.batch(&json!([row_in(id, &wide)]))?;
    // 0 for a row that is not there.
    let places = ["below", "beyond", "further"].map(|word| at(word).unwrap_or(0));
    let observed =
        format!("rows landed at {places:?} of a grid of 20; a row of 30 cells in 5 columns: {}", said(&wide));
    let good = places == [20, 21, 22] && wide.0 == 400;
    let expected = "rows 20, 21 and 22 (the grid grows); 400 for the wide one";
    Ok((expected.into(), observed, if good { AsWritten } else { Differs }))
}

pub(crate) fn inherited_format(probe: &mut Probe<'_>) -> Answer {
    let id = TAB + 3;
    tab(probe, id, "format")?;
    let format = json!({ "userEnteredFormat": { "numberFormat": { "type": "DATE_TIME", "pattern": "yyyy-mm-dd" } } });
    let column = json!({ "repeatCell": { "range": { "sheetId": id, "startColumnIndex": 0, "endColumnIndex": 1 },
        "cell": format, "fields": "userEnteredFormat.numberFormat" } });
    let number = json!({ "userEnteredValue": { "numberValue": 46_000.5 } });
    let mut requests = vec![column];
    requests.extend((0..25).map(|_| row_in(id, std::slice::from_ref(&number))));
    must(probe.batch(&json!(requests))?)?;
    let fields = "sheets.data.rowData.values.userEnteredFormat.numberFormat.pattern";
    let pattern = |row: u32| -> Result<Value, String> {
        let answer = must(probe.sheet_call("GET", &format!("?ranges=format!A{row}&fields={fields}"), None)?)?;
        Ok(answer["sheets"][0]["data"][0]["rowData"][0]["values"][0]["userEnteredFormat"]["numberFormat"]["pattern"]
            .clone())
    };
    let (old, new) = (pattern(3)?, pattern(24)?);
    let observed = match new.is_null() {
        true => format!("a row that the grid grew by has no format (an old one: {old})"),
        false => format!("a row that the grid grew by has {new} (an old one: {old})"),
    };
    Ok(("either; times carry their format with the cell".into(), observed, Learnt))
}

pub(crate) fn text_stays_text(probe: &mut Probe<'_>) -> Answer {
    must(probe.batch(&json!([row(&[text("formula"), text("=1+1")])]))?)?;
    let fields = "sheets.data.rowData.values.userEnteredValue";
    let answer = must(probe.sheet_call("GET", &format!("?ranges=probe!A1:B200&fields={fields}"), None)?)?;
    let rows = answer["sheets"][0]["data"][0]["rowData"].as_array().cloned().unwrap_or_default();
    let is_ours = |row: &&Value| row["values"][0]["userEnteredValue"]["stringValue"] == "formula";
    let cell = rows.iter().find(is_ours).map(|row| row["values"][1]["userEnteredValue"].clone()).unwrap_or_default();
    let verdict = if cell == json!({ "stringValue": "=1+1" }) { AsWritten } else { Differs };
    Ok(("a stringValue of =1+1".into(), cell.to_string(), verdict))
}

pub(crate) fn quota(probe: &mut Probe<'_>) -> Answer {
    const READS: usize = 150;
    if !probe.options.long {
        return Ok((String::new(), "uses up a minute of your quota: --long".into(), NotAsked));
    }
    let expected = "429 after about 60 reads in a minute, without Retry-After";
    for number in 1..=READS {
        let answer = probe.read_at_once()?;
        if answer.status == 429 {
            let wait = answer.header("retry-after").map(str::to_owned);
            probe.person.hear("S13 waits a minute for the quota");
            probe.wait(Duration::from_secs(65))?;
            let observed = format!("429 at read {number}, Retry-After {wait:?}");
            return Ok((expected.into(), observed, if wait.is_none() { AsWritten } else { Differs }));
        }
    }
    Ok((expected.into(), format!("no 429 in {READS} reads"), NotAsked))
}

pub(crate) fn limits(probe: &mut Probe<'_>) -> Answer {
    let long = probe.batch(&json!([row(&[text("long"), text(&"x".repeat(50_001))])]))?;
    let rows = json!({ "appendDimension": { "sheetId": TAB, "dimension": "ROWS", "length": 2_100_000 } });
    let many = probe.batch(&json!([rows]))?;
    let observed = format!("50,001 characters: {}; 10.5 million cells: {}", said(&long), said(&many));
    let good = long.0 == 400 && many.0 == 400 && message(&many.1).contains("10000000");
    Ok(("400 for both, 10000000 in the words".into(), observed, if good { AsWritten } else { Differs }))
}

pub(crate) fn characters(probe: &mut Probe<'_>) -> Answer {
    // 30,000 code points, 60,000 UTF-16 units.
    let answer = probe.batch(&json!([row(&[text("emoji"), text(&"\u{1F600}".repeat(30_000))])]))?;
    let meaning = match answer.0 {
        200 => "code points are counted (or nothing is)",
        _ => "UTF-16 units or bytes are counted",
    };
    Ok(("either; we count UTF-16 units".into(), format!("{meaning}: {}", said(&answer)), Learnt))
}

pub(crate) fn binned(probe: &mut Probe<'_>) -> Answer {
    let status = probe.bin(true)?;
    if status != 200 {
        let why = format!("Drive answered {status}; enable the Drive API in the project to know");
        return Ok((String::new(), why, NotAsked));
    }
    let answer = probe.batch(&json!([row(&[text("binned")])]))?;
    let back = probe.bin(false)?;
    let rows = count(probe, "binned")?;
    let observed = format!("a write to the bin: {}; taken out again ({back}) it has {rows} row of it", said(&answer));
    Ok(("200, and the row is there; or a refusal".into(), observed, Learnt))
}

pub(crate) fn restored(probe: &mut Probe<'_>) -> Answer {
    let id = probe.metadata_id();
    must(probe.batch(&json!([marker(id, "younger"), row(&[text("younger")])]))?)?;
    let deed = "in the browser: File > Version history > See version history, restore the oldest version";
    if !probe.person.did(deed) {
        return Ok((String::new(), format!("a person must do it: {deed}"), NotAsked));
    }
    let rows = count(probe, "younger")?;
    let left = metadata(probe, id)?;
    let observed = format!("the younger row: {rows} times; its marker: {}", said(&left));
    Ok(("either; a marker that is gone is noticed".into(), observed, Learnt))
}

pub(crate) fn read_after_write(probe: &mut Probe<'_>) -> Answer {
    const TIMES: usize = 5;
    let mut fresh = 0;
    for number in 0..TIMES {
        let (id, key) = (probe.metadata_id(), format!("fresh {number}"));
        must(probe.batch(&json!([marker(id, &key), row(&[text(&key)])]))?)?;
        fresh += usize::from(metadata(probe, id)?.0 == 200 && count(probe, &key)? == 1);
    }
    let observed = format!("{fresh} of {TIMES} reads right after a write showed the row and its marker");
    Ok(("any; no rule concludes \"not applied\" from a read alone".into(), observed, Learnt))
}

pub(crate) fn row_anchor(probe: &mut Probe<'_>) -> Answer {
    let id = TAB + 4;
    tab(probe, id, "anchor")?;
    must(probe.batch(&json!([row_in(id, &[text("b")]), row_in(id, &[text("a")])]))?)?;
    let (anchor, create) = first_row_anchor(probe, id);
    let range = json!({ "sheetId": id, "startRowIndex": 0, "endRowIndex": 2 });
    let sort =
        json!({ "sortRange": { "range": range, "sortSpecs": [{ "dimensionIndex": 0, "sortOrder": "ASCENDING" }] } });
    must(probe.batch(&json!([create]))?)?;
    must(probe.batch(&json!([sort]))?)?;
    let answer = probe.sheet_call("POST", "/values:batchUpdateByDataFilter", Some(&by_anchor(anchor, "b")))?;
    let rows = values(probe, "anchor")?;
    let good = rows == [vec!["a".to_owned()], vec!["b".into(), "written".into()]];
    let observed = format!("{}; after sorting a before b: {rows:?}", said(&answer));
    Ok(("written into row 2, where b went".into(), observed, if good { AsWritten } else { Differs }))
}

/// Can metadata be taken off its row?
pub(crate) fn moved_metadata(probe: &mut Probe<'_>) -> Answer {
    let id = TAB + 5;
    tab(probe, id, "moved")?;
    must(probe.batch(&json!([row_in(id, &[text("a")]), row_in(id, &[text("b")])]))?)?;
    let (anchor, create) = first_row_anchor(probe, id);
    must(probe.batch(&json!([create]))?)?;
    let update = json!({ "updateDeveloperMetadata": {
        "dataFilters": [{ "developerMetadataLookup": { "metadataId": anchor, "metadataValue": "open" } }],
        "developerMetadata": { "metadataValue": "closed", "location": { "spreadsheet": true } },
        "fields": "metadataValue,location",
    } });
    let answer = probe.batch(&json!([update]))?;
    let first = json!({ "sheetId": id, "dimension": "ROWS", "startIndex": 0, "endIndex": 1 });
    must(probe.batch(&json!([{ "deleteDimension": { "range": first } }]))?)?;
    let left = metadata(probe, anchor)?;
    let observed = format!("{}; its row deleted, it is {}", said(&answer), said(&left));
    Ok(("200, and it outlives its row; or a refusal".into(), observed, Learnt))
}

/// The id of an anchor, and what puts it on the first row.
fn first_row_anchor(probe: &mut Probe<'_>, tab: i64) -> (i64, Value) {
    let anchor = probe.metadata_id();
    let place = json!({ "dimensionRange": { "sheetId": tab, "dimension": "ROWS", "startIndex": 0, "endIndex": 1 } });
    let create = json!({ "createDeveloperMetadata": { "developerMetadata": {
        "metadataId": anchor, "metadataKey": "rkprobe", "metadataValue": "open", "location": place, "visibility": "PROJECT",
    } } });
    (anchor, create)
}

fn by_anchor(anchor: i64, key: &str) -> Value {
    let filter = json!({ "developerMetadataLookup": { "metadataId": anchor, "metadataValue": "open" } });
    json!({ "valueInputOption": "RAW", "data": [{ "dataFilter": filter, "majorDimension": "ROWS", "values": [[key, "written"]] }] })
}

pub(crate) fn anchor_without_match(probe: &mut Probe<'_>) -> Answer {
    let anchor = probe.metadata_id();
    let body = by_anchor(anchor, "nowhere");
    let answer = probe.sheet_call("POST", "/values:batchUpdateByDataFilter", Some(&body))?;
    let observed = format!("{} {}; rows of it: {}", answer.0, shorten(&answer.1), count(probe, "nowhere")?);
    Ok(("either, and nothing is written".into(), observed, Learnt))
}

pub(crate) fn refusal_shape(probe: &mut Probe<'_>) -> Answer {
    let answer =
        probe.batch(&json!([{ "appendDimension": { "sheetId": TAB + 1, "dimension": "ROWS", "length": 1 } }]))?;
    let error = &answer.1["error"];
    let good = answer.0 == 400
        && error["code"] == 400
        && error["message"].is_string()
        && error["status"] == "INVALID_ARGUMENT";
    let expected = "400 {\"error\": {code, message, status INVALID_ARGUMENT}}";
    Ok((expected.into(), shorten(&answer.1), if good { AsWritten } else { Differs }))
}
