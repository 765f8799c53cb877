//! Turning rows into the exact bytes of one request.
//!
//! The marker comes first, so that its refusal is the whole batch's; then what the header needs; then the rows.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use alloc::vec::Vec;

use serde_json::{Value, json};

use crate::cell::{Cell, Format, Row};
use crate::durable::FrozenTab;
use crate::ids::{Digest, Fate, MarkerId, sheet_id_of_table};
use crate::layout::{ID_COLUMN, LAYOUT_KEY, Layout, Register, Tab, Versions, register_value};
use crate::room::Growth;
use crate::wire::a1_first_row;

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

/// The body that makes the batch's own bytes inapplicable for ever.
pub(crate) fn void_body(id: MarkerId, key: &str, digest: Digest) -> Arc<[u8]> {
    [head(id, key, &Fate::Void.value(digest)).as_bytes(), b"]}"].concat().into()
}

/// The key of the register that names the next spreadsheet.
pub(crate) const NEXT_KEY: &str = "rknext";

/// The body that makes `successor` the spreadsheet after `spreadsheet`, for all devices that share it.
pub(crate) fn next_body(spreadsheet: &str, successor: &str) -> Arc<[u8]> {
    [head(MarkerId::of_next(spreadsheet), NEXT_KEY, successor).as_bytes(), b"]}"].concat().into()
}

/// The body that retires an identity in favour of `tag`: of two copies one is refused.
pub(crate) fn retire_body(base: u32, key: &str, tag: &str) -> Arc<[u8]> {
    [head(MarkerId::of_retired(base), key, tag).as_bytes(), b"]}"].concat().into()
}

/// The body of a write that leaves nothing behind: its answer shows these ranges as they are then, or only the tabs.
pub(crate) fn look_body(id: MarkerId, key: &str, ranges: &[String]) -> Arc<[u8]> {
    let lookup = json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": CLOSED});
    let delete = json!({"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}});
    json!({
        "requests": [create_metadata(id, key, CLOSED), delete],
        "includeSpreadsheetInResponse": true,
        "responseRanges": ranges,
        "responseIncludeGridData": !ranges.is_empty(),
    })
    .to_string()
    .into_bytes()
    .into()
}

/// The body that prunes markers: by id and key and value together, for by id alone a repeated prune could remove
/// another device's marker, and by key alone it removes younger ones.
pub(crate) fn prune_body<'a>(markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>, how: PruneBy) -> Arc<[u8]> {
    json!({ "requests": prunes(markers, how) }).to_string().into_bytes().into()
}

/// The same, and the answer shows the spreadsheet.
pub(crate) fn prune_and_look_body<'a>(
    markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>,
    how: PruneBy,
) -> Arc<[u8]> {
    let body = json!({"requests": prunes(markers, how), "includeSpreadsheetInResponse": true});
    body.to_string().into_bytes().into()
}

fn prunes<'a>(markers: impl Iterator<Item = (MarkerId, &'a str, &'a str)>, how: PruneBy) -> Vec<Value> {
    markers
        .map(|(id, key, value)| {
            let lookup = match how {
                PruneBy::All => json!({"metadataId": id.as_u32(), "metadataKey": key, "metadataValue": value}),
                PruneBy::Key => json!({ "metadataKey": key }),
                PruneBy::Id => json!({"metadataId": id.as_u32()}),
            };
            json!({"deleteDeveloperMetadata": {"dataFilter": {"developerMetadataLookup": lookup}}})
        })
        .collect()
}

/// What a prune names. Only [`PruneBy::All`] is right.
#[derive(Clone, Copy)]
pub(crate) enum PruneBy {
    All,
    #[cfg_attr(not(feature = "mutations"), expect(dead_code, reason = "a mutation"))]
    Key,
    #[cfg_attr(not(feature = "mutations"), expect(dead_code, reason = "a mutation"))]
    Id,
}

/// The body of `spreadsheets.create`: tabs and headers, never rows, for creating cannot be repeated safely.
pub(crate) fn create_body<'a>(
    title: &str,
    timezone: &str,
    tables: impl Iterator<Item = (&'a str, Vec<&'a str>)>,
) -> Arc<[u8]> {
    let sheets: Vec<Value> = tables
        .map(|(table, header)| {
            let cells: Vec<Value> = header.iter().map(|name| text_cell(name)).collect();
            json!({
                // Two rows: the header, frozen, and one that is not, for not all rows can be. Appending grows the grid.
                "properties": tab_properties(sheet_id_of_table(table), table, header.len()),
                "data": [{"startRow": 0, "startColumn": 0, "rowData": [{"values": cells}]}],
            })
        })
        .collect();
    json!({"properties": {"title": title, "timeZone": timezone}, "sheets": sheets}).to_string().into_bytes().into()
}

/// For the mutation that creates a spreadsheet with rows in it.
#[cfg(feature = "mutations")]
pub(crate) fn create_body_with_rows(
    title: &str,
    timezone: &str,
    tables: Vec<(&str, Vec<&str>)>,
    rows: &[Row],
) -> Arc<[u8]> {
    let body = create_body(title, timezone, tables.clone().into_iter());
    let mut body: Value = serde_json::from_slice(&body).unwrap_or_default();
    let mut layout = Layout::default();
    for (table, header) in &tables {
        let header: Vec<String> = header.iter().map(ToString::to_string).collect();
        let title = table.to_string();
        let tab = Tab { title, sheet_id: sheet_id_of_table(table), grid_columns: header.len() as u32, header };
        layout.tabs.insert(table.to_string(), Some(tab));
    }
    let mut placed = Tables { layout: &layout, parts: Vec::new() };
    for row in rows {
        let json = placed.place(row).1;
        let at = tables.iter().position(|(table, _)| *table == row.table).unwrap_or_default();
        if let Some(data) = body["sheets"][at]["data"][0]["rowData"].as_array_mut() {
            data.push(serde_json::from_str(&json).unwrap_or_default());
            let rows = data.len() + 1;
            body["sheets"][at]["properties"]["gridProperties"]["rowCount"] = Value::from(rows);
        }
    }
    body.to_string().into_bytes().into()
}

/// What an anchor says while its row may be written, and for ever after.
pub(crate) const OPEN: &str = "open";
pub(crate) const CLOSED: &str = "closed";

/// A row to be amended, as it was found.
#[derive(Clone, Debug)]
pub(crate) struct Spot {
    pub(crate) tab: Tab,
    /// Of the tab, with its version.
    pub(crate) register: Register,
    pub(crate) row: u32,
}

/// What an amendment needs besides the anchor.
pub(crate) struct Needs<'a> {
    /// The columns of its values, with how their numbers look, if that is known.
    pub(crate) columns: Vec<(&'a str, Option<Value>)>,
    /// How the numbers of single cells are to look. By index, unlike values: a person who sorts in this moment finds a
    /// cell that looks wrong, not one that is.
    pub(crate) looks: Vec<(usize, Value)>,
}

/// The body that puts an anchor on a row, and adds the columns that the amendment brings.
pub(crate) fn anchor_body(spreadsheet: &str, id: MarkerId, key: &str, spot: &Spot, needs: &Needs<'_>) -> Arc<[u8]> {
    let sheet_id = spot.tab.sheet_id;
    let range = json!({"sheetId": sheet_id, "dimension": "ROWS", "startIndex": spot.row, "endIndex": spot.row + 1});
    let mut requests = alloc::vec![create_metadata_at(&json!({ "dimensionRange": range }), id, key, OPEN)];
    let mut part = Part::new(String::new(), Some(spot.tab.clone()));
    let mut formats = Vec::new();
    for (name, look) in &needs.columns {
        let column = part.column(name);
        if let Some(look) = look.as_ref().filter(|_| column >= spot.tab.header.len()) {
            formats.push(column_format(sheet_id, column, look));
        }
    }
    if part.header.len() > spot.tab.header.len() {
        let next = Register { version: spot.register.version + 1, columns: part.header.len() as u32 };
        let register = MarkerId::of_layout(spreadsheet, sheet_id, next.version);
        requests.push(create_metadata(register, LAYOUT_KEY, &register_value(sheet_id, next)));
        change_header(&part, sheet_id, next.version, &mut requests);
        requests.append(&mut formats);
    }
    for (column, look) in &needs.looks {
        requests.push(json!({"updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": spot.row, "columnIndex": column},
            "rows": [{"values": [{"userEnteredFormat": look}]}],
            "fields": "userEnteredFormat.numberFormat",
        }}));
    }
    json!({ "requests": requests }).to_string().into_bytes().into()
}

/// The body that makes an anchor that may be there unable to do anything.
pub(crate) fn update_anchor_body(id: MarkerId, key: &str) -> Arc<[u8]> {
    let update = json!({
        "dataFilters": [crate::wire::anchored(id, key, OPEN)],
        "developerMetadata": {"metadataValue": CLOSED},
        "fields": "metadataValue",
    });
    json!({"requests": [{"updateDeveloperMetadata": update}]}).to_string().into_bytes().into()
}

/// The body that makes sure that an anchor which is not there never comes.
pub(crate) fn close_anchor_body(id: MarkerId, key: &str) -> Arc<[u8]> {
    [head(id, key, CLOSED).as_bytes(), b"]}"].concat().into()
}

/// The same, and the answer shows these ranges as they are then.
pub(crate) fn show_body(id: MarkerId, key: &str, ranges: &[String]) -> Arc<[u8]> {
    json!({
        "requests": [create_metadata(id, key, CLOSED)],
        "includeSpreadsheetInResponse": true,
        "responseRanges": ranges,
        "responseIncludeGridData": true,
    })
    .to_string()
    .into_bytes()
    .into()
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

/// The rows of one table in one batch.
struct Part {
    table: String,
    tab: Option<Tab>,
    /// The tab's, with new columns behind.
    header: Vec<String>,
    columns: BTreeMap<String, usize>,
    /// Of the columns that have one.
    formats: BTreeMap<usize, Format>,
    cells_bring_formats: bool,
    /// `RowData` objects, comma-separated.
    rows: String,
    count: u32,
}

struct Tables<'a> {
    layout: &'a Layout,
    parts: Vec<Part>,
}

impl Tables<'_> {
    /// The row's table and its JSON, with columns added for what is new. A header that grew for a row that is then
    /// not taken is a column too early, and harmless.
    fn place(&mut self, row: &Row) -> (usize, String) {
        let at = self.parts.iter().position(|part| part.table == row.table).unwrap_or_else(|| {
            let tab = self.layout.tabs.get(&row.table).cloned().flatten();
            self.parts.push(Part::new(row.table.clone(), tab));
            self.parts.len() - 1
        });
        let part = &mut self.parts[at];
        let id = Cell::Text(row.id.clone());
        let mut cells: BTreeMap<usize, &Cell> = BTreeMap::from([(part.column(ID_COLUMN), &id)]);
        for (name, cell) in &row.cells {
            let column = part.column(name);
            if let Some(format) = cell.format() {
                part.formats.entry(column).or_insert(format);
            }
            part.cells_bring_formats |= matches!(cell, Cell::Serial(..));
            if !matches!(cell, Cell::Blank | Cell::Empty(_)) {
                cells.insert(column, cell);
            }
        }
        (at, row_json(&cells))
    }

    fn add(&mut self, at: usize, json: &str) {
        let Part { rows, count, .. } = &mut self.parts[at];
        *count += 1;
        if !rows.is_empty() {
            rows.push(',');
        }
        rows.push_str(json);
    }
}

impl Part {
    fn new(table: String, tab: Option<Tab>) -> Self {
        let header = tab.as_ref().map(|tab| tab.header.clone()).unwrap_or_default();
        let mut columns = BTreeMap::new();
        for (at, name) in header.iter().enumerate() {
            // Of two columns with one name the first is ours; the other is a person's copy.
            columns.entry(name.clone()).or_insert(at);
        }
        let (formats, rows) = (BTreeMap::new(), String::new());
        Self { table, tab, header, columns, formats, cells_bring_formats: false, rows, count: 0 }
    }

    fn column(&mut self, name: &str) -> usize {
        if let Some(at) = self.columns.get(name) {
            return *at;
        }
        let at = self.header.len();
        self.header.push(name.into());
        self.columns.insert(name.into(), at);
        at
    }
}

/// A tab that is missing, columns that are missing in the grid or in the header, and once per tab its manner.
fn change_header(part: &Part, sheet_id: i32, version: u32, changes: &mut Vec<Value>) {
    let width = part.header.len();
    let old = part.tab.as_ref().map_or(0, |tab| tab.header.len());
    match &part.tab {
        None => {
            let properties = tab_properties(sheet_id, &part.table, width);
            changes.push(json!({"addSheet": {"properties": properties}}));
        }
        Some(tab) if (tab.grid_columns as usize) < width => {
            let length = width - tab.grid_columns as usize;
            let append = json!({"sheetId": sheet_id, "dimension": "COLUMNS", "length": length});
            changes.push(json!({"appendDimension": append}));
        }
        Some(_) => {}
    }
    if width > old {
        let cells: Vec<Value> = part.header[old..].iter().map(|name| text_cell(name)).collect();
        changes.push(json!({"updateCells": {
            "start": {"sheetId": sheet_id, "rowIndex": 0, "columnIndex": old},
            "rows": [{"values": cells}],
            "fields": "userEnteredValue",
        }}));
    }
    if version == 0 {
        let at = part.columns.get(ID_COLUMN).copied().unwrap_or(0);
        changes.push(json!({"updateDimensionProperties": {
            "range": {"sheetId": sheet_id, "dimension": "COLUMNS", "startIndex": at, "endIndex": at + 1},
            "properties": {"hiddenByUser": true},
            "fields": "hiddenByUser",
        }}));
        // An adopted tab may have no row to scroll below the header yet; ours always has.
        if part.tab.is_some() {
            changes.push(json!({"updateSheetProperties": {
                "properties": {"sheetId": sheet_id, "gridProperties": {"frozenRowCount": 1}},
                "fields": "gridProperties.frozenRowCount",
            }}));
        }
    }
}

/// How the numbers of a whole column look, from below the header to the end of the grid: set once, with the call that
/// adds the column. What a person makes of it afterwards stays.
fn column_format(sheet_id: i32, column: usize, look: &Value) -> Value {
    json!({"repeatCell": {
        "range": {"sheetId": sheet_id, "startRowIndex": 1, "startColumnIndex": column, "endColumnIndex": column + 1},
        "cell": {"userEnteredFormat": look},
        "fields": "userEnteredFormat.numberFormat",
    }})
}

/// A `userEnteredFormat`.
pub(crate) fn number_format(format: Format) -> Value {
    let (kind, pattern) = format.type_and_pattern();
    json!({"numberFormat": {"type": kind, "pattern": pattern}})
}

fn tab_properties(sheet_id: i32, title: &str, columns: usize) -> Value {
    let grid = json!({"rowCount": 2, "columnCount": columns.max(1), "frozenRowCount": 1});
    json!({"sheetId": sheet_id, "title": title, "gridProperties": grid})
}

/// Interior gaps are empty objects, so that cells keep their place. Written as text, not built as a tree first: half of
/// what a flood costs is here.
fn row_json(cells: &BTreeMap<usize, &Cell>) -> String {
    let mut json = String::from(r#"{"values":["#);
    let mut next = 0;
    for (column, cell) in cells {
        for at in next..=*column {
            let comma = if at > 0 { "," } else { "" };
            json.push_str(comma);
            if at < *column {
                json.push_str("{}");
            }
        }
        push_cell(&mut json, cell);
        next = column + 1;
    }
    json.push_str("]}");
    json
}

fn text_cell(text: &str) -> Value {
    json!({"userEnteredValue": {"stringValue": text}})
}

/// Never `formulaValue`: text that begins with `=` stays text (docs/google.md).
fn push_cell(json: &mut String, cell: &Cell) {
    json.push_str(r#"{"userEnteredValue":{"#);
    match cell {
        Cell::Text(text) => push_text(json, text),
        Cell::Bool(bool) => {
            json.push_str(if *bool { r#""boolValue":true"# } else { r#""boolValue":false"# });
        }
        Cell::Number(number) if number.is_finite() => push_number(json, *number),
        Cell::Number(number) => push_text(json, &number.to_string()),
        Cell::Bare(serial, _) | Cell::Serial(serial, _) => push_number(json, *serial),
        Cell::Blank | Cell::Empty(_) => {}
    }
    json.push('}');
    // The format goes with the cell too: whether rows that the grid grew by inherit their column's is unknown
    // (docs/google.md, S11).
    if let Cell::Serial(_, format) = cell {
        let (kind, pattern) = format.type_and_pattern();
        // Both are ours: nothing in them needs an escape.
        for piece in [r#","userEnteredFormat":{"numberFormat":{"type":""#, kind, r#"","pattern":""#, pattern, r#""}}"#]
        {
            json.push_str(piece);
        }
    }
    json.push('}');
}

fn push_text(json: &mut String, text: &str) {
    json.push_str(r#""stringValue":"#);
    // Text always becomes JSON.
    json.push_str(&serde_json::to_string(text).unwrap_or_else(|_| String::from("\"\"")));
}

fn push_number(json: &mut String, number: f64) {
    json.push_str(r#""numberValue":"#);
    let whole = number as i64;
    // Without `.0`; a double holds all of these, and a zero loses no sign.
    let is_whole = whole.unsigned_abs() < 1 << 53 && (whole as f64).to_bits() == number.to_bits();
    let text = if is_whole { whole.to_string() } else { serde_json::to_string(&number).unwrap_or_default() };
    json.push_str(&text);
}

/// The body as far as the end of the marker's request. The location is the spreadsheet: a marker on a tab, row or
/// column would go with it, and its id would be free again.
fn head(id: MarkerId, key: &str, value: &str) -> String {
    let mut head = String::from(r#"{"requests":["#);
    head.push_str(&create_metadata(id, key, value).to_string());
    head
}

fn create_metadata(id: MarkerId, key: &str, value: &str) -> Value {
    create_metadata_at(&json!({"spreadsheet": true}), id, key, value)
}

fn create_metadata_at(location: &Value, id: MarkerId, key: &str, value: &str) -> Value {
    json!({"createDeveloperMetadata": {"developerMetadata": {
        "metadataId": id.as_u32(),
        "metadataKey": key,
        "metadataValue": value,
        "location": location,
        "visibility": "DOCUMENT",
    }}})
}

#[cfg(test)]
mod tests {
    use alloc::format;

    use super::*;
    use crate::cell::Precision;

    const MOMENT: Format = Format::DateTime(Precision::Second);

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
    fn cells_are_json_that_holds_exactly_what_they_do() {
        let text = "\"=a\"\\ \u{0}\n\u{2028}\u{1F642}";
        let written = |cell: &Cell| -> Value {
            let mut json = String::new();
            push_cell(&mut json, cell);
            serde_json::from_str(&json).unwrap()
        };
        for held in [Cell::Text(text.into()), Cell::Number(f64::NAN)] {
            let text = if let Cell::Text(text) = &held { text } else { "NaN" };
            assert_eq!(written(&held), json!({"userEnteredValue": {"stringValue": text}}));
        }
        assert_eq!(written(&Cell::Bool(false)), json!({"userEnteredValue": {"boolValue": false}}));
        let beyond = 9_007_199_254_740_992.0;
        for number in
            [0.0, -0.0, 1.0, -17.0, 0.1 + 0.2, 46_349.059_182_754_63, beyond, -beyond, 1e300, f64::MIN_POSITIVE]
        {
            let read = written(&Cell::Number(number))["userEnteredValue"]["numberValue"].as_f64().unwrap();
            assert_eq!(read.to_bits(), number.to_bits(), "{number}");
        }
        let mut short = String::new();
        push_cell(&mut short, &Cell::Bare(21.0, MOMENT));
        assert_eq!(short, r#"{"userEnteredValue":{"numberValue":21}}"#);
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
