//! What each method reads and writes, once the call is admitted.

use std::time::Duration;

use serde_json::{Value, json};

use super::{
    errors::Refusal,
    mask::Mask,
    metadata,
    method::Method,
    ranges::Area,
    sheet::GridParts,
    spreadsheet::Spreadsheet,
    values::{self, Reading},
};
use crate::{oauth::Caller, wire::Params};

/// Rows and cells that one request may read: what a reply of some hundred megabytes has. Google's own limit, if it has
/// one, is unknown to us.
const MOST_READ: usize = 5_000_000;

/// One admitted call.
pub(super) struct Call<'a> {
    pub(super) query: &'a Params,
    pub(super) body: &'a Value,
    pub(super) caller: &'a Caller,
    pub(super) origin: &'a str,
    pub(super) mask: Option<&'a Mask>,
    pub(super) now: Duration,
}

impl Call<'_> {
    /// With a field mask `includeGridData` is ignored: the mask decides.
    pub(super) fn data(&self, asked: bool) -> Option<GridParts> {
        match self.mask {
            None => asked.then_some(GridParts::ALL),
            Some(mask) => parts_of(mask),
        }
    }

    /// And so is `responseIncludeGridData`, for the spreadsheet in the answer to a batch update.
    fn data_back(&self) -> Option<GridParts> {
        match self.mask {
            None => (self.body["responseIncludeGridData"] == true).then_some(GridParts::ALL),
            Some(mask) => parts_of(mask.under("updatedSpreadsheet")?),
        }
    }

    fn areas<'t>(&self, book: &Spreadsheet, texts: impl Iterator<Item = &'t str>) -> Result<Vec<Area>, Refusal> {
        texts.map(|text| book.resolve_a1(text)).collect()
    }

    /// Refused as what the emulator cannot do: a short request may name a large tab a thousand times.
    fn check_extent<'r>(
        &self,
        book: &Spreadsheet,
        areas: impl IntoIterator<Item = &'r Area>,
        parts: GridParts,
    ) -> Result<(), Refusal> {
        let mut left = MOST_READ;
        for area in areas {
            left = left.checked_sub(book.sheets[area.sheet].extent(area, parts, left)).ok_or_else(|| {
                Refusal::not_emulated(&format!("reading more than {MOST_READ} rows and cells in one request"))
            })?;
        }
        Ok(())
    }

    fn filters(&self) -> &[Value] {
        self.body["dataFilters"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub(super) fn spreadsheet(
        &self,
        book: &Spreadsheet,
        ranges: &[Area],
        data: Option<GridParts>,
    ) -> Result<Value, Refusal> {
        if let Some(parts) = data {
            let whole: Vec<Area> = match ranges {
                [] => (0..book.sheets.len()).map(|at| book.whole(at)).collect(),
                ranges => ranges.to_vec(),
            };
            self.check_extent(book, &whole, parts)?;
        }
        Ok(book.to_json(self.origin, &self.caller.project_number, ranges, data, self.now))
    }

    pub(super) fn batch_reply(&self, book: &Spreadsheet, replies: Vec<Value>) -> Result<Value, Refusal> {
        let mut json = json!({
            "spreadsheetId": book.id, "replies": replies, "commentUpdateState": "NO_UPDATES_REQUESTED",
        });
        if self.body["includeSpreadsheetInResponse"] == true {
            let texts = self.body["responseRanges"].as_array().into_iter().flatten().filter_map(Value::as_str);
            let ranges = self.areas(book, texts)?;
            json["updatedSpreadsheet"] = self.spreadsheet(book, &ranges, self.data_back())?;
        }
        Ok(json)
    }

    fn reading(&self) -> Result<Reading, Refusal> {
        Reading::new(
            self.query.filled("valueRenderOption"),
            self.query.filled("dateTimeRenderOption"),
            self.query.filled("majorDimension"),
            self.now,
        )
    }

    pub(super) fn read(&self, book: &Spreadsheet, method: &Method) -> Result<Value, Refusal> {
        let project = &self.caller.project_number;
        match method {
            Method::Get => {
                let ranges = self.areas(book, self.query.all("ranges").filter(|range| !range.is_empty()))?;
                self.spreadsheet(book, &ranges, self.data(self.query.flag("includeGridData")))
            }
            Method::GetByDataFilter => {
                let mut ranges = Vec::new();
                for filter in self.filters() {
                    ranges.extend(book.select_areas(filter, project)?);
                }
                self.spreadsheet(book, &ranges, self.data(self.body["includeGridData"] == true))
            }
            Method::GetMetadata { id } => {
                let id = metadata::parse_id(id)?;
                let entry = book.metadata.visible(id, project);
                let missing = || Refusal::new(404, format!("No developer metadata with ID {id}"));
                entry.map(metadata::Entry::to_json).ok_or_else(missing)
            }
            Method::SearchMetadata => book.search_metadata(self.body, project),
            Method::ValuesGet { range } => Ok(book.read(&book.resolve_a1(range)?, self.reading()?)),
            Method::ValuesBatchGet => {
                let (areas, reading) = (self.areas(book, self.query.all("ranges"))?, self.reading()?);
                self.check_extent(book, &areas, GridParts::VALUES)?;
                let ranges: Vec<Value> = areas.iter().map(|area| book.read(area, reading)).collect();
                let mut json = json!({ "spreadsheetId": book.id });
                if !ranges.is_empty() {
                    json["valueRanges"] = ranges.into();
                }
                Ok(json)
            }
            Method::ValuesBatchGetByDataFilter => {
                let text = |name: &str| self.body[name].as_str();
                let reading = Reading::new(
                    text("valueRenderOption"),
                    text("dateTimeRenderOption"),
                    text("majorDimension"),
                    self.now,
                )?;
                let mut matched: Vec<(Area, Vec<Value>)> = Vec::new();
                for filter in self.filters() {
                    for area in book.select_areas(filter, project)? {
                        match matched.iter_mut().find(|(known, _)| *known == area) {
                            Some((_, filters)) => filters.push(filter.clone()),
                            None => matched.push((area, vec![filter.clone()])),
                        }
                    }
                }
                self.check_extent(book, matched.iter().map(|(area, _)| area), GridParts::VALUES)?;
                let ranges: Vec<Value> = matched
                    .iter()
                    .map(|(area, filters)| json!({ "valueRange": book.read(area, reading), "dataFilters": filters }))
                    .collect();
                let mut json = json!({ "spreadsheetId": book.id });
                if !ranges.is_empty() {
                    json["valueRanges"] = ranges.into();
                }
                Ok(json)
            }
            _ => Err(Refusal::not_emulated(method.rpc())),
        }
    }

    pub(super) fn write(&self, book: &mut Spreadsheet, method: &Method) -> Result<Value, Refusal> {
        let query_input = || values::input(self.query.filled("valueInputOption"), self.now);
        let body_input = || values::input(self.body["valueInputOption"].as_str(), self.now);
        let data = self.body["data"].as_array().map(Vec::as_slice).unwrap_or_default();
        match method {
            Method::ValuesUpdate { range } => {
                let area = book.resolve_a1(range)?;
                let strict = range.contains(':');
                self.check_range(book, range)?;
                let written = book.write(&area, self.body, query_input()?, strict)?;
                Ok(book.written(&written, values::back(self.query, self.now)?))
            }
            Method::ValuesAppend { range } => {
                let area = book.resolve_a1(range)?;
                let insert_rows = match self.query.filled("insertDataOption") {
                    None | Some("OVERWRITE") => false,
                    Some("INSERT_ROWS") => true,
                    Some(other) => {
                        let text = format!("Invalid value at 'insert_data_option' (TYPE_ENUM), \"{other}\"");
                        return Err(Refusal::invalid(text));
                    }
                };
                let (table, written) = book.append(&area, self.body, query_input()?, insert_rows)?;
                let updates = book.written(&written, values::back(self.query, self.now)?);
                let mut json = json!({ "spreadsheetId": book.id, "updates": updates });
                if let Some(table) = table {
                    json["tableRange"] = book.a1_of(&table).into();
                }
                Ok(json)
            }
            Method::ValuesClear { range } => {
                let area = book.resolve_a1(range)?;
                book.clear(&area);
                Ok(json!({ "spreadsheetId": book.id, "clearedRange": book.a1_of(&area) }))
            }
            Method::ValuesBatchClear => {
                let texts = self.body["ranges"].as_array().into_iter().flatten().filter_map(Value::as_str);
                let areas = self.areas(book, texts)?;
                areas.iter().for_each(|area| book.clear(area));
                let cleared: Vec<String> = areas.iter().map(|area| book.a1_of(area)).collect();
                Ok(json!({ "spreadsheetId": book.id, "clearedRanges": cleared }))
            }
            Method::ValuesBatchClearByDataFilter => {
                let mut cleared = Vec::new();
                for filter in self.filters() {
                    for area in book.select_areas(filter, &self.caller.project_number)? {
                        book.clear(&area);
                        cleared.push(book.a1_of(&area));
                    }
                }
                Ok(json!({ "spreadsheetId": book.id, "clearedRanges": cleared }))
            }
            Method::ValuesBatchUpdate => {
                let (input, back) = (body_input()?, values::back_of_body(self.body, self.now)?);
                let (mut responses, mut totals) = (Vec::new(), Totals::default());
                for one in data {
                    let range = one["range"].as_str().unwrap_or_default();
                    let area = book.resolve_a1(range)?;
                    let written = book.write(&area, one, input, range.contains(':'))?;
                    totals.add(&written);
                    responses.push(book.written(&written, back));
                }
                Ok(totals.json(book, responses))
            }
            Method::ValuesBatchUpdateByDataFilter => {
                let (input, back) = (body_input()?, values::back_of_body(self.body, self.now)?);
                let (mut responses, mut totals) = (Vec::new(), Totals::default());
                for one in data {
                    for area in book.select_areas(&one["dataFilter"], &self.caller.project_number)? {
                        let written = book.write(&area, one, input, true)?;
                        totals.add(&written);
                        let mut response = book.written(&written, back);
                        if let Some(members) = response.as_object_mut() {
                            members.remove("spreadsheetId");
                            members.insert("dataFilter".into(), one["dataFilter"].clone());
                        }
                        responses.push(response);
                    }
                }
                Ok(totals.json(book, responses))
            }
            _ => Err(Refusal::not_emulated(method.rpc())),
        }
    }

    /// The body may repeat the range of the path, and then it must be the same one.
    fn check_range(&self, book: &Spreadsheet, range: &str) -> Result<(), Refusal> {
        match self.body["range"].as_str().filter(|text| !text.is_empty()) {
            Some(text) if book.resolve_a1(text)? != book.resolve_a1(range)? => Err(Refusal::unsourced(format!(
                "Requested range '{range}' does not match value range in body '{text}'"
            ))),
            _ => Ok(()),
        }
    }
}

#[derive(Default)]
struct Totals {
    rows: usize,
    columns: usize,
    cells: usize,
    sheets: std::collections::BTreeSet<usize>,
}

impl Totals {
    fn add(&mut self, written: &values::Written) {
        self.rows += written.rows;
        self.columns += written.columns;
        self.cells += written.cells;
        self.sheets.insert(written.area.sheet);
    }

    fn json(&self, book: &Spreadsheet, responses: Vec<Value>) -> Value {
        let mut json = json!({ "spreadsheetId": book.id });
        if !responses.is_empty() {
            json["responses"] = responses.into();
            json["totalUpdatedRows"] = self.rows.into();
            json["totalUpdatedColumns"] = self.columns.into();
            json["totalUpdatedCells"] = self.cells.into();
            json["totalUpdatedSheets"] = self.sheets.len().into();
        }
        json
    }
}

/// What a mask of a spreadsheet takes of its grids.
fn parts_of(book: &Mask) -> Option<GridParts> {
    book.under("sheets")?.under("data").map(|data| GridParts {
        rows: data.takes("rowData"),
        row_metadata: data.takes("rowMetadata"),
        column_metadata: data.takes("columnMetadata"),
    })
}
