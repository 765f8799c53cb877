//! Turning rows into the exact bytes of one request.
//!
//! The marker comes first, so that its refusal is the whole batch's; then what the header needs; then the rows.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::Value;

use crate::a1::a1_first_row;
use crate::cell::Row;
use crate::durable::FrozenTab;
use crate::ids::{Digest, Fate, MarkerId, sheet_id_of_table};
use crate::layout::{LAYOUT_KEY, Layout, Register, Tab, Versions, register_value};
use crate::registers::{create_metadata, head};
use crate::room::Growth;
use crate::tabs::{Part, Tables, change_header, column_format, number_format};

/// Google recommends 2 MB for a request; larger ones were accepted (4.5 and 9 MB, docs/google.md), but take longer.
pub const MAX_BODY_BYTES: usize = 2_000_000;
/// Rows of one batch: as many as one transaction and one look at the queue may reasonably hold.
pub(crate) const MAX_ROWS: u32 = 5_000;

/// What a batch will be, all but its marker.
#[derive(Debug)]
pub(crate) struct Plan {
    /// How many of the rows it takes, from the first on.
    pub(crate) rows: usize,
    /// Everything behind the marker's request, to the end of the body.
    tail: Vec<u8>,
    /// The tabs it relies on.
    pub(crate) tabs: Vec<FrozenTab>,
    /// The layout once it is applied.
    pub(crate) after: Layout,
    /// The registers once it is applied.
    pub(crate) versions_after: Versions,
    /// The cells it needs.
    pub(crate) grows: Vec<Growth>,
}

/// A batch's identity and bytes.
#[derive(Debug)]
pub(crate) struct Sealed {
    pub(crate) body: Arc<[u8]>,
    pub(crate) digest: Digest,
}

impl Plan {
    /// Takes as many of `rows`, in order, as belong together and fit. `layout` covers all their tables.
    pub(crate) fn of(rows: &[Row], layout: &Layout, versions: &Versions, spreadsheet: &str, max_bytes: usize) -> Self {
        let mut tables = Tables { layout, parts: Vec::new() };
        let mut bytes = 0;
        let mut taken = 0;
        for row in &rows[..belonging_together(rows)] {
            let (table, json) = tables.place(row);
            bytes += json.len() + 1;
            if taken > 0 && bytes > max_bytes {
                break;
            }
            tables.add(table, &json);
            taken += 1;
        }

        let mut plan = Self {
            rows: taken,
            tail: Vec::new(),
            tabs: Vec::new(),
            after: layout.clone(),
            versions_after: versions.clone(),
            grows: Vec::new(),
        };
        // Rows that were refused go without a tab's name: it may be what was refused, if a person changes it all the time.
        let shows = rows.first().is_none_or(|row| row.at_most.is_none());
        let (mut changes, mut appends) = (Vec::new(), String::new());
        // A row that did not fit may have brought a table of its own.
        for part in tables.parts.into_iter().filter(|part| !part.rows.is_empty()) {
            plan.add(part, spreadsheet, shows, &mut changes, &mut appends);
        }
        for change in changes {
            plan.tail.push(b',');
            plan.tail.extend_from_slice(change.to_string().as_bytes());
        }
        plan.tail.extend_from_slice(appends.as_bytes());
        plan.tail.extend_from_slice(showing(&plan.tabs).as_bytes());
        plan
    }

    fn add(&mut self, part: Part, spreadsheet: &str, shows: bool, changes: &mut Vec<Value>, appends: &mut String) {
        let sheet_id = part.tab.as_ref().map_or(sheet_id_of_table(&part.table), |tab| tab.sheet_id);
        let version = self.versions_after.get(&sheet_id).copied().unwrap_or_default().version;
        let old = part.tab.as_ref().map_or(0, |tab| tab.header.len());
        let old_columns = part.tab.as_ref().map_or(0, |tab| tab.grid_columns);
        let mut grid_columns = old_columns;
        // Without a register nobody has set this tab up, even if it has a header.
        if version == 0 || part.header.len() > old {
            let register = MarkerId::of_layout(spreadsheet, sheet_id, version + 1);
            let next = Register { version: version + 1, columns: part.header.len() as u32 };
            changes.push(create_metadata(register, LAYOUT_KEY, &register_value(sheet_id, next)));
            change_header(&part, sheet_id, version, changes);
            grid_columns = grid_columns.max(part.header.len() as u32);
            self.versions_after.insert(sheet_id, next);
        }
        self.grows.push(Growth { sheet_id, old_columns, columns: grid_columns, rows: part.count });
        let title = part.tab.as_ref().map_or_else(|| part.table.clone(), |tab| tab.title.clone());
        self.tabs.push(FrozenTab {
            table: part.table.clone(),
            sheet_id,
            version,
            written: part.header.clone(),
            title: part.tab.as_ref().filter(|_| shows).map_or_else(String::new, |tab| tab.title.clone()),
            header: part.tab.map(|tab| tab.header),
        });
        appends.push_str(r#",{"appendCells":{"sheetId":"#);
        appends.push_str(&sheet_id.to_string());
        // What is in the mask and not in a cell is emptied: formats are not, where no cell brings one.
        let and_formats = if part.cells_bring_formats { ",userEnteredFormat.numberFormat" } else { "" };
        appends.push_str(r#","fields":"userEnteredValue"#);
        appends.push_str(and_formats);
        appends.push_str(r#"","rows":["#);
        appends.push_str(&part.rows);
        appends.push_str("]}}");
        // Behind the rows: the grid has a row below the header only from here on.
        for (column, format) in part.formats.iter().filter(|(column, _)| version == 0 || **column >= old) {
            appends.push(',');
            appends.push_str(&column_format(sheet_id, *column, &number_format(*format)).to_string());
        }
        self.after.tabs.insert(part.table, Some(Tab { sheet_id, title, grid_columns, header: part.header }));
    }

    /// The bytes under this id.
    pub(crate) fn seal(&self, spreadsheet: &str, id: MarkerId, key: &str) -> Sealed {
        seal(spreadsheet, id, key, &self.tail)
    }

    /// For the mutation that takes no layout register: the same bytes without it.
    #[cfg(feature = "mutations")]
    pub(crate) fn without_registers(&mut self) {
        let end = showing(&self.tabs);
        let requests = &self.tail[..self.tail.len() - end.len()];
        let mut requests: Vec<Value> = serde_json::from_slice(&[b"[0", requests, b"]"].concat()).unwrap_or_default();
        requests.retain(|request| request.get("createDeveloperMetadata").is_none());
        let kept = Value::from(requests).to_string();
        self.tail = [&kept.as_bytes()[2..kept.len() - 1], end.as_bytes()].concat();
    }

    /// For the mutation that sends no marker.
    #[cfg(feature = "mutations")]
    pub(crate) fn without_marker(&self) -> Arc<[u8]> {
        [br#"{"requests":["#, &self.tail[1..]].concat().into()
    }
}

/// The end of the body. The answer is to show the header rows that the rows landed under; a tab that this batch makes is
/// not asked for: whether it may be named before it is there is unknown (docs/google.md, S30).
fn showing(tabs: &[FrozenTab]) -> String {
    let old = tabs.iter().filter(|tab| !tab.title.is_empty());
    let ranges: Vec<String> = old.map(|tab| a1_first_row(&tab.title)).collect();
    if ranges.is_empty() {
        return String::from("]}");
    }
    let mut end =
        String::from(r#"],"includeSpreadsheetInResponse":true,"responseIncludeGridData":true,"responseRanges":"#);
    end.push_str(&Value::from(ranges).to_string());
    end.push('}');
    end
}

/// The same rows under a new id: only the marker's request differs, and with it the digest.
pub(crate) fn reseal(spreadsheet: &str, body: &[u8], old: (MarkerId, Digest), new: MarkerId, key: &str) -> Sealed {
    let head = head(old.0, key, &Fate::Applied.value(old.1));
    seal(spreadsheet, new, key, body.get(head.len()..).unwrap_or_default())
}

fn seal(spreadsheet: &str, id: MarkerId, key: &str, tail: &[u8]) -> Sealed {
    let digest = Digest::of(spreadsheet, &[head(id, key, "").as_bytes(), tail]);
    let body = [head(id, key, &Fate::Applied.value(digest)).as_bytes(), tail].concat();
    Sealed { body: body.into(), digest }
}

/// Rows that were refused together travel in smaller batches, and not with rows that nothing is known against.
fn belonging_together(rows: &[Row]) -> usize {
    let suspect = rows.first().is_some_and(|row| row.at_most.is_some());
    let mut limit = MAX_ROWS;
    let mut count = 0;
    for row in rows {
        limit = limit.min(row.at_most.unwrap_or(MAX_ROWS)).max(1);
        if row.at_most.is_some() != suspect || count >= limit {
            break;
        }
        count += 1;
    }
    count as usize
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use serde_json::json;

    use super::*;
    use crate::cell::{Cell, Format, Precision};
    use crate::registers::void_body;

    const MOMENT: Format = Format::DateTime(Precision::Second);
    const NEW_TAB: &str = concat!(
        r#"{"requests":[{"createDeveloperMetadata":{"developerMetadata":{"location":{"spreadsheet":true},"metadataId":9,"metadataKey":"rkaaaaaa","metadataValue":"A1viLiMasrgE","visibility":"DOCUMENT"}}},"#,
        r#"{"createDeveloperMetadata":{"developerMetadata":{"location":{"spreadsheet":true},"metadataId":1135799848,"metadataKey":"rklayout","metadataValue":"1921477741.1.3","visibility":"DOCUMENT"}}},"#,
        r#"{"addSheet":{"properties":{"gridProperties":{"columnCount":3,"frozenRowCount":1,"rowCount":2},"sheetId":1921477741,"title":"t"}}},"#,
        r#"{"updateCells":{"fields":"userEnteredValue","rows":[{"values":[{"userEnteredValue":{"stringValue":"_id"}},{"userEnteredValue":{"stringValue":"at"}},{"userEnteredValue":{"stringValue":"note"}}]}],"start":{"columnIndex":0,"rowIndex":0,"sheetId":1921477741}}},"#,
        r#"{"updateDimensionProperties":{"fields":"hiddenByUser","properties":{"hiddenByUser":true},"range":{"dimension":"COLUMNS","endIndex":1,"sheetId":1921477741,"startIndex":0}}},"#,
        r#"{"appendCells":{"sheetId":1921477741,"fields":"userEnteredValue,userEnteredFormat.numberFormat","rows":[{"values":[{"userEnteredValue":{"stringValue":"r1"}},{"userEnteredValue":{"numberValue":46000.5},"userEnteredFormat":{"numberFormat":{"type":"DATE_TIME","pattern":"yyyy-mm-dd hh:mm:ss"}}},{"userEnteredValue":{"stringValue":"é=\"\\"}}]}]}},"#,
        r#"{"repeatCell":{"cell":{"userEnteredFormat":{"numberFormat":{"pattern":"yyyy-mm-dd hh:mm:ss","type":"DATE_TIME"}}},"fields":"userEnteredFormat.numberFormat","range":{"endColumnIndex":2,"sheetId":1921477741,"startColumnIndex":1,"startRowIndex":1}}}]}"#,
    );
    const ONE_ROW: &str = concat!(
        r#"{"requests":[{"createDeveloperMetadata":{"developerMetadata":{"location":{"spreadsheet":true},"metadataId":10,"metadataKey":"rkaaaaaa","metadataValue":"AXJiPZ06KH2k","visibility":"DOCUMENT"}}},"#,
        r#"{"appendCells":{"sheetId":1921477741,"fields":"userEnteredValue","rows":[{"values":[{"userEnteredValue":{"stringValue":"r2"}},{"userEnteredValue":{"numberValue":1.5}}]}]}}],"#,
        r#""includeSpreadsheetInResponse":true,"responseIncludeGridData":true,"responseRanges":["'t'!1:1"]}"#,
    );

    fn row(handle: i64, table: &str, cells: &[(&str, Cell)]) -> Row {
        Row {
            handle,
            id: format!("r{handle}"),
            table: table.into(),
            cells: cells.iter().map(|(name, cell)| ((*name).into(), cell.clone())).collect(),
            recorded: None,
            at_most: None,
            refusals: 0,
        }
    }

    /// Columns of the grid, and the header.
    type Shape<'a> = Option<(u32, &'a [&'a str])>;

    fn layout(tabs: &[(&str, Shape<'_>)]) -> Layout {
        let tab = |table: &str, tab: Shape<'_>| {
            tab.map(|(grid_columns, header)| Tab {
                title: table.into(),
                sheet_id: sheet_id_of_table(table),
                grid_columns,
                header: header.iter().map(|name| (*name).into()).collect(),
            })
        };
        Layout { tabs: tabs.iter().map(|(table, shape)| ((*table).into(), tab(table, *shape))).collect() }
    }

    fn requests(plan: &Plan) -> Vec<Value> {
        let sealed = plan.seal("sheet", MarkerId::of(0, 0), "rkaaaaaa");
        let body: Value = serde_json::from_slice(&sealed.body).unwrap();
        body["requests"].as_array().unwrap().clone()
    }

    fn names(plan: &Plan) -> Vec<String> {
        requests(plan).iter().map(|request| request.as_object().unwrap().keys().next().unwrap().clone()).collect()
    }

    #[test]
    fn a_lone_row_is_a_marker_and_a_row_in_its_columns() {
        let sheet_id = sheet_id_of_table("t");
        let versions = Versions::from([(sheet_id, Register { version: 1, columns: 3 })]);
        let rows = [row(1, "t", &[("b", Cell::Text("=1+1".into())), ("a", Cell::Serial(2.5, MOMENT))])];
        let plan = Plan::of(&rows, &layout(&[("t", Some((5, &["_id", "a", "", "b"])))]), &versions, "sheet", 1000);
        let requests = requests(&plan);
        assert_eq!(names(&plan), ["createDeveloperMetadata", "appendCells"]);
        assert_eq!(
            requests[1]["appendCells"]["rows"][0]["values"],
            json!([
                {"userEnteredValue": {"stringValue": "r1"}},
                {"userEnteredValue": {"numberValue": 2.5},
                 "userEnteredFormat": {"numberFormat": {"type": "DATE_TIME", "pattern": "yyyy-mm-dd hh:mm:ss"}}},
                {},
                {"userEnteredValue": {"stringValue": "=1+1"}},
            ])
        );
        assert!(!requests[1].to_string().contains("formulaValue"));
    }

    #[test]
    fn new_columns_come_behind_their_register_and_in_the_same_call() {
        let sheet_id = sheet_id_of_table("t");
        let versions = Versions::from([(sheet_id, Register { version: 4, columns: 2 })]);
        let rows = [row(1, "t", &[("a", Cell::Bool(true)), ("new", Cell::Number(1.0)), ("newer", Cell::Blank)])];
        let plan = Plan::of(&rows, &layout(&[("t", Some((3, &["_id", "a"])))]), &versions, "sheet", 1000);
        assert_eq!(
            names(&plan),
            ["createDeveloperMetadata", "createDeveloperMetadata", "appendDimension", "updateCells", "appendCells"]
        );
        let register = &requests(&plan)[1]["createDeveloperMetadata"]["developerMetadata"];
        assert_eq!(register["metadataId"], MarkerId::of_layout("sheet", sheet_id, 5).as_u32());
        assert_eq!(register["metadataValue"], format!("{sheet_id}.5.4"));
        assert_eq!(plan.versions_after[&sheet_id].version, 5);
    }

    #[test]
    fn formats_in_the_sheet_are_left_alone_where_no_cell_brings_one() {
        let row = |cell: Cell| row(1, "t", &[("a", cell), ("b", Cell::Number(1.0))]);
        let known = layout(&[("t", Some((3, &["_id", "a", "b"])))]);
        let append = |cell: Cell| {
            let plan = Plan::of(&[row(cell)], &known, &Versions::new(), "sheet", 1000);
            requests(&plan).into_iter().find_map(|one| one.get("appendCells").cloned()).unwrap()
        };
        let bare = append(Cell::Bare(2.5, MOMENT));
        assert_eq!(bare["fields"], "userEnteredValue");
        assert_eq!(bare["rows"][0]["values"][1], json!({"userEnteredValue": {"numberValue": 2.5}}));
        assert_eq!(append(Cell::Serial(2.5, MOMENT))["fields"], "userEnteredValue,userEnteredFormat.numberFormat");
    }

    #[test]
    fn a_column_gets_its_format_once_with_the_call_that_adds_it() {
        let sheet_id = sheet_id_of_table("t");
        let cells = [
            ("a", Cell::Serial(2.5, MOMENT)),
            ("day", Cell::Empty(Format::Date)),
            ("took", Cell::Serial(1.5, Format::Duration(Precision::Millisecond))),
            ("n", Cell::Number(1.0)),
        ];
        let rows = [row(1, "t", &cells), row(2, "t", &cells)];
        let formats = |known: &[&str], version: u32| {
            let columns = known.len() as u32;
            let versions = Versions::from([(sheet_id, Register { version, columns })]);
            let plan = Plan::of(&rows, &layout(&[("t", Some((columns, known)))]), &versions, "sheet", 10_000);
            let all = requests(&plan);
            assert!(
                all.iter().position(|one| one.get("appendCells").is_some())
                    < all.iter().position(|one| one.get("repeatCell").is_some())
                    || known.len() == 5 && version > 0
            );
            let repeats = all.iter().filter_map(|request| request.get("repeatCell"));
            let of = |repeat: &Value| {
                let (range, format) = (&repeat["range"], &repeat["cell"]["userEnteredFormat"]["numberFormat"]);
                assert_eq!((&range["startRowIndex"], range.get("endRowIndex")), (&json!(1), None));
                format!("{} {} {}", range["startColumnIndex"], format["type"], format["pattern"])
            };
            repeats.map(of).collect::<Vec<_>>()
        };
        let moment = r#"1 "DATE_TIME" "yyyy-mm-dd hh:mm:ss""#;
        let (day, took) = (r#"2 "DATE" "yyyy-mm-dd""#, r#"3 "TIME" "[h]:mm:ss.000""#);
        let all = ["_id", "a", "day", "took", "n"];
        assert_eq!(formats(&all, 0), [moment, day, took], "a tab that nobody has set up");
        assert_eq!(formats(&["_id", "a"], 3), [day, took]);
        assert_eq!(formats(&all, 3), [] as [&str; 0], "a person may have chosen another since");
    }

    #[test]
    fn a_missing_tab_is_added_with_its_header() {
        let rows = [row(1, "t", &[("a", Cell::Number(f64::NAN))])];
        let plan = Plan::of(&rows, &layout(&[("t", None)]), &Versions::new(), "sheet", 1000);
        assert_eq!(
            names(&plan),
            [
                "createDeveloperMetadata",
                "createDeveloperMetadata",
                "addSheet",
                "updateCells",
                "updateDimensionProperties",
                "appendCells"
            ]
        );
        assert!(requests(&plan)[5].to_string().contains(r#"{"stringValue":"NaN"}"#));
    }

    #[test]
    fn a_batch_keeps_to_its_limits_but_takes_one_row() {
        let rows: Vec<Row> = (0..10).map(|n| row(n, "t", &[("a", Cell::Text("x".repeat(100)))])).collect();
        let known = layout(&[("t", Some((2, &["_id", "a"])))]);
        let taken = |rows: &[Row], bytes| Plan::of(rows, &known, &Versions::new(), "sheet", bytes).rows;
        assert_eq!(taken(&rows, 1), 1);
        assert_eq!(taken(&rows, 100_000), 10);
        assert!((2..6).contains(&taken(&rows, 700)));
        let mut suspect = rows.clone();
        for row in &mut suspect[..3] {
            row.at_most = Some(2);
        }
        assert_eq!(taken(&suspect, 100_000), 2, "no more than a refused half");
        assert_eq!(taken(&suspect[2..], 100_000), 1, "and not with rows that nothing is known against");
    }

    /// What was frozen by one version is sent, and compared with its digest, by the next.
    #[test]
    fn a_batch_is_these_bytes() {
        let cells = [("at", Cell::Serial(46_000.5, MOMENT)), ("note", Cell::Text("\u{e9}=\"\\".into()))];
        let plan = Plan::of(&[row(1, "t", &cells)], &layout(&[("t", None)]), &Versions::new(), "sheet", 1000);
        let sealed = plan.seal("sheet", MarkerId::of(7, 1), "rkaaaaaa");
        assert_eq!(core::str::from_utf8(&sealed.body).unwrap(), NEW_TAB);
        let versions = Versions::from([(sheet_id_of_table("t"), Register { version: 1, columns: 3 })]);
        let known = layout(&[("t", Some((3, &["_id", "at", "note"])))]);
        let plan = Plan::of(&[row(2, "t", &[("at", Cell::Number(1.5))])], &known, &versions, "sheet", 1000);
        let sealed = plan.seal("sheet", MarkerId::of(7, 2), "rkaaaaaa");
        assert_eq!(core::str::from_utf8(&sealed.body).unwrap(), ONE_ROW);
    }

    #[test]
    fn the_same_rows_under_another_id_differ_in_the_marker_only() {
        let rows = [row(1, "t", &[("a", Cell::Number(1.0))])];
        let plan = Plan::of(&rows, &layout(&[("t", None)]), &Versions::new(), "sheet", 1000);
        let (one, two) = (MarkerId::of(7, 1), MarkerId::of(7, 2));
        let first = plan.seal("sheet", one, "rkaaaaaa");
        let second = reseal("sheet", &first.body, (one, first.digest), two, "rkaaaaaa");
        assert_eq!(second.body, plan.seal("sheet", two, "rkaaaaaa").body);
        assert_ne!(first.digest, second.digest);
        assert_ne!(first.digest, plan.seal("other", one, "rkaaaaaa").digest, "the spreadsheet is part of it");
        let void: Value = serde_json::from_slice(&void_body(one, "rkaaaaaa", first.digest)).unwrap();
        let marker = &void["requests"][0]["createDeveloperMetadata"]["developerMetadata"];
        assert_eq!(marker["metadataValue"], Fate::Void.value(first.digest));
    }
}
