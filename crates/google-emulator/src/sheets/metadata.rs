//! Developer metadata: a register by id, tied to a place, which takes it along when it goes (docs/google.md 4.4).

use std::{collections::BTreeMap, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{
    errors::Refusal,
    mask::Mask,
    ranges::{Area, Dimension, index, int},
    spreadsheet::Spreadsheet,
};
use crate::random::Random;

/// Characters of keys and values on the spreadsheet, and on each sheet with its rows and columns.
const MOST_CHARACTERS: usize = 30_000;

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Metadata(BTreeMap<i64, Arc<Entry>>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Entry {
    pub(crate) id: i64,
    pub(crate) key: String,
    pub(crate) value: Option<String>,
    pub(crate) place: Place,
    /// The creating project, if nobody else may see it.
    project_only: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Place {
    Spreadsheet,
    Sheet(i64),
    /// Of a sheet, at this row or column.
    Line(i64, Dimension, usize),
}

impl Place {
    fn sheet(self) -> Option<i64> {
        match self {
            Self::Spreadsheet => None,
            Self::Sheet(id) | Self::Line(id, ..) => Some(id),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Spreadsheet => "SPREADSHEET",
            Self::Sheet(_) => "SHEET",
            Self::Line(_, Dimension::Rows, _) => "ROW",
            Self::Line(_, Dimension::Columns, _) => "COLUMN",
        }
    }

    fn to_json(self) -> Value {
        let mut location = json!({ "locationType": self.kind() });
        match self {
            Self::Spreadsheet => location["spreadsheet"] = true.into(),
            Self::Sheet(id) => location["sheetId"] = id.into(),
            Self::Line(id, dimension, at) => {
                let mut range = json!({ "dimension": dimension.name(), "endIndex": at + 1 });
                // proto3 leaves zeros out, and clients have to live with it (docs/google.md 8).
                if id != 0 {
                    range["sheetId"] = id.into();
                }
                if at != 0 {
                    range["startIndex"] = at.into();
                }
                location["dimensionRange"] = range;
            }
        }
        location
    }

    /// Whether the two have cells in common.
    fn meets(self, other: Self) -> bool {
        match (self, other) {
            (Self::Spreadsheet, _) | (_, Self::Spreadsheet) => true,
            (Self::Line(a, d, i), Self::Line(b, e, j)) => a == b && (d != e || i == j),
            (a, b) => a.sheet() == b.sheet(),
        }
    }
}

impl Entry {
    fn characters(&self) -> usize {
        self.key.chars().count() + self.value.as_ref().map_or(0, |value| value.chars().count())
    }

    fn is_visible(&self, project: &str) -> bool {
        self.project_only.as_deref().is_none_or(|owner| owner == project)
    }

    pub(crate) fn to_json(&self) -> Value {
        let mut json = json!({
            "metadataId": self.id, "metadataKey": self.key, "location": self.place.to_json(),
            "visibility": if self.project_only.is_some() { "PROJECT" } else { "DOCUMENT" },
        });
        if let Some(value) = &self.value {
            json["metadataValue"] = value.as_str().into();
        }
        json
    }
}

impl Metadata {
    pub(crate) fn visible(&self, id: i64, project: &str) -> Option<&Entry> {
        self.0.get(&id).map(|entry| &**entry).filter(|entry| entry.is_visible(project))
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.0.values().map(|entry| &**entry)
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    fn at(&self, project: &str, is_there: impl Fn(Place) -> bool) -> Vec<Value> {
        let is_wanted = |entry: &&Arc<Entry>| entry.is_visible(project) && is_there(entry.place);
        self.0.values().filter(is_wanted).map(|entry| entry.to_json()).collect()
    }

    pub(crate) fn on_spreadsheet(&self, project: &str) -> Vec<Value> {
        self.at(project, |place| place == Place::Spreadsheet)
    }

    pub(crate) fn on_sheet(&self, id: i64, project: &str) -> Vec<Value> {
        self.at(project, |place| place == Place::Sheet(id))
    }

    /// What is on the rows or columns of a sheet, by their place.
    pub(crate) fn on_lines(&self, id: i64, dimension: Dimension, project: &str) -> BTreeMap<usize, Vec<Value>> {
        let mut lines: BTreeMap<usize, Vec<Value>> = BTreeMap::new();
        for entry in self.0.values().filter(|entry| entry.is_visible(project)) {
            if let Place::Line(sheet, of, at) = entry.place
                && (sheet, of) == (id, dimension)
            {
                lines.entry(at).or_default().push(entry.to_json());
            }
        }
        lines
    }

    pub(crate) fn forget_sheet(&mut self, id: i64) {
        self.0.retain(|_, entry| entry.place.sheet() != Some(id));
    }

    /// Rows or columns of a sheet have new places; None for those that are gone.
    pub(crate) fn renumber(&mut self, sheet: i64, dimension: Dimension, new: impl Fn(usize) -> Option<usize>) {
        self.0.retain(|_, entry| match entry.place {
            Place::Line(id, d, at) if id == sheet && d == dimension => match new(at) {
                None => false,
                Some(to) => {
                    if to != at {
                        Arc::make_mut(entry).place = Place::Line(id, d, to);
                    }
                    true
                }
            },
            _ => true,
        });
    }

    fn check_storage(&self, place: Place) -> Result<(), Refusal> {
        let shares = |entry: &&Arc<Entry>| entry.place.sheet() == place.sheet();
        let characters: usize = self.0.values().filter(shares).map(|entry| entry.characters()).sum();
        if characters > MOST_CHARACTERS {
            let text = "Adding the requested developer metadata would exceed the allowed storage limit";
            return Err(Refusal::invalid(text));
        }
        Ok(())
    }
}

impl Spreadsheet {
    pub(crate) fn create_metadata(
        &mut self,
        wanted: &Value,
        project: &str,
        random: &mut Random,
    ) -> Result<Value, Refusal> {
        let key = wanted["metadataKey"].as_str().filter(|key| !key.is_empty());
        let key = key.ok_or_else(|| Refusal::unsourced("Developer metadata must have a key."))?;
        let place = self.place(&wanted["location"])?;
        let project_only = match wanted["visibility"].as_str() {
            Some("DOCUMENT") => None,
            Some("PROJECT") => Some(project.to_owned()),
            _ => return Err(Refusal::unsourced("Developer metadata must have a visibility.")),
        };
        let id = match wanted.get("metadataId").and_then(Value::as_i64).filter(|&id| id != 0) {
            Some(..=-1) => return Err(Refusal::unsourced("Developer metadata IDs must be positive.")),
            // Also when another project's entry has the id and this caller cannot see it (docs/google.md 4.4).
            Some(id) if self.metadata.0.contains_key(&id) => {
                return Err(Refusal::invalid(format!(
                    "Cannot add developer metadata with ID [{id}] because developer metadata with that ID already \
                     exists."
                )));
            }
            Some(id) => id,
            None => loop {
                let id = 1 + random.below(i32::MAX as u64 - 1) as i64;
                if !self.metadata.0.contains_key(&id) {
                    break id;
                }
            },
        };
        let value = wanted["metadataValue"].as_str().map(String::from);
        let entry = Entry { id, key: key.to_owned(), value, place, project_only };
        let json = entry.to_json();
        self.metadata.0.insert(id, Arc::new(entry));
        self.metadata.check_storage(place)?;
        Ok(json)
    }

    fn place(&self, location: &Value) -> Result<Place, Refusal> {
        if location["spreadsheet"] == true {
            return Ok(Place::Spreadsheet);
        }
        if let Some(range) = location.get("dimensionRange") {
            let (at, dimension, lines) = self.resolve_dimension(range)?;
            if lines.len() != 1 {
                return Err(Refusal::unsourced("Developer metadata can be on exactly one row or column."));
            }
            if lines.end > self.sheets[at].count(dimension) {
                return Err(self.sheets[at].exceeds());
            }
            return Ok(Place::Line(self.sheets[at].id, dimension, lines.start));
        }
        match location.get("sheetId") {
            Some(_) => {
                let id = int(location, "sheetId");
                self.sheet_at(id)?;
                Ok(Place::Sheet(id))
            }
            None => Err(Refusal::unsourced("Developer metadata must have a location.")),
        }
    }

    /// Entries a DataFilter selects, by id.
    pub(crate) fn select_metadata(&self, filter: &Value, project: &str) -> Result<Vec<Arc<Entry>>, Refusal> {
        let visible = self.metadata.0.values().filter(|entry| entry.is_visible(project));
        if let Some(lookup) = filter.get("developerMetadataLookup") {
            // By id alone there is nothing to search.
            if let Some(id) = lookup.get("metadataId").and_then(Value::as_i64).filter(|&id| id != 0) {
                let entry = self.metadata.0.get(&id).filter(|entry| entry.is_visible(project));
                let matches = |entry: &Arc<Entry>| self.matches(entry, lookup);
                return match entry {
                    Some(entry) if matches(entry)? => Ok(vec![Arc::clone(entry)]),
                    _ => Ok(Vec::new()),
                };
            }
            let mut found = Vec::new();
            for entry in visible {
                if self.matches(entry, lookup)? {
                    found.push(Arc::clone(entry));
                }
            }
            return Ok(found);
        }
        let area = self.filter_area(filter)?;
        let sheet = &self.sheets[area.sheet];
        let is_inside = |place: Place| match place {
            Place::Spreadsheet => false,
            Place::Sheet(id) => id == sheet.id && area == self.whole(area.sheet),
            Place::Line(id, Dimension::Rows, at) => id == sheet.id && area.rows.contains(&at),
            Place::Line(id, Dimension::Columns, at) => id == sheet.id && area.columns.contains(&at),
        };
        Ok(visible.filter(|entry| is_inside(entry.place)).cloned().collect())
    }

    fn filter_area(&self, filter: &Value) -> Result<Area, Refusal> {
        match (filter.get("a1Range").and_then(Value::as_str), filter.get("gridRange")) {
            (Some(text), _) => self.resolve_a1(text),
            (_, Some(range)) => self.resolve_range(range),
            _ => Err(Refusal::unsourced("A data filter must be specified.")),
        }
    }

    fn matches(&self, entry: &Entry, lookup: &Value) -> Result<bool, Refusal> {
        let text = |name: &str| lookup.get(name).and_then(Value::as_str);
        let plain = text("metadataKey").is_none_or(|key| key == entry.key)
            && text("metadataValue").is_none_or(|value| entry.value.as_deref() == Some(value))
            && text("visibility").is_none_or(|wanted| match wanted {
                "DOCUMENT" => entry.project_only.is_none(),
                "PROJECT" => entry.project_only.is_some(),
                _ => true,
            })
            && text("locationType").is_none_or(|kind| kind.ends_with("UNSPECIFIED") || kind == entry.place.kind());
        let Some(location) = lookup.get("metadataLocation").filter(|_| plain) else { return Ok(plain) };
        let place = self.place(location)?;
        Ok(match text("locationMatchingStrategy") {
            Some("INTERSECTING_LOCATION") => entry.place.meets(place),
            _ => entry.place == place,
        })
    }

    /// The cells a DataFilter selects; metadata stands for its whole row, column or sheet.
    pub(crate) fn select_areas(&self, filter: &Value, project: &str) -> Result<Vec<Area>, Refusal> {
        if filter.get("developerMetadataLookup").is_none() {
            return Ok(vec![self.filter_area(filter)?]);
        }
        let mut areas = Vec::new();
        for entry in self.select_metadata(filter, project)? {
            let Some(at) = entry.place.sheet().and_then(|id| self.sheet_at(id).ok()) else { continue };
            let whole = self.whole(at);
            areas.push(match entry.place {
                Place::Line(_, Dimension::Rows, row) => Area { rows: row..row + 1, ..whole },
                Place::Line(_, Dimension::Columns, column) => Area { columns: column..column + 1, ..whole },
                _ => whole,
            });
        }
        Ok(areas)
    }

    pub(crate) fn delete_metadata(&mut self, filter: &Value, project: &str) -> Result<Vec<Value>, Refusal> {
        let doomed = self.select_metadata(filter, project)?;
        doomed.iter().for_each(|entry| drop(self.metadata.0.remove(&entry.id)));
        Ok(doomed.iter().map(|entry| entry.to_json()).collect())
    }

    pub(crate) fn update_metadata(
        &mut self,
        filters: &[Value],
        wanted: &Value,
        mask: &Mask,
        project: &str,
    ) -> Result<Vec<Value>, Refusal> {
        let mut ids = Vec::new();
        for filter in filters {
            ids.extend(self.select_metadata(filter, project)?.iter().map(|entry| entry.id));
        }
        ids.sort_unstable();
        ids.dedup();
        let mut updated = Vec::new();
        for id in ids {
            let place = match mask.takes("location").then(|| wanted.get("location")).flatten() {
                Some(location) => Some(self.place(location)?),
                None => None,
            };
            let Some(entry) = self.metadata.0.get_mut(&id).map(Arc::make_mut) else { continue };
            if mask.takes("metadataKey") {
                let key = wanted["metadataKey"].as_str().filter(|key| !key.is_empty());
                entry.key = key.ok_or_else(|| Refusal::unsourced("Developer metadata must have a key."))?.to_owned();
            }
            if mask.takes("metadataValue") {
                entry.value = wanted["metadataValue"].as_str().map(String::from);
            }
            match wanted["visibility"].as_str().filter(|_| mask.takes("visibility")) {
                Some("DOCUMENT") => entry.project_only = None,
                Some("PROJECT") => entry.project_only = Some(project.to_owned()),
                _ => {}
            }
            entry.place = place.unwrap_or(entry.place);
            updated.push(entry.to_json());
            let place = entry.place;
            self.metadata.check_storage(place)?;
        }
        Ok(updated)
    }

    /// `developerMetadata:search`; nothing found is an empty object.
    pub(crate) fn search_metadata(&self, body: &Value, project: &str) -> Result<Value, Refusal> {
        let filters = body["dataFilters"].as_array().cloned().unwrap_or_default();
        if filters.is_empty() {
            return Err(Refusal::unsourced("Must specify at least one data filter."));
        }
        let mut found: BTreeMap<i64, (Value, Vec<Value>)> = BTreeMap::new();
        for filter in filters {
            for entry in self.select_metadata(&filter, project)? {
                let slot = found.entry(entry.id).or_insert_with(|| (entry.to_json(), Vec::new()));
                slot.1.push(filter.clone());
            }
        }
        if found.is_empty() {
            return Ok(json!({}));
        }
        let matched: Vec<Value> = found
            .into_values()
            .map(|(entry, filters)| json!({ "developerMetadata": entry, "dataFilters": filters }))
            .collect();
        Ok(json!({ "matchedDeveloperMetadata": matched }))
    }
}

/// The id of a path segment.
pub(crate) fn parse_id(text: &str) -> Result<i64, Refusal> {
    let id = json!({ "id": text.parse::<i64>().ok() });
    match index(&id, "id")? {
        Some(id) => Ok(id as i64),
        None => Err(Refusal::invalid(format!("Invalid value at 'metadata_id' (TYPE_INT32), \"{text}\""))),
    }
}
