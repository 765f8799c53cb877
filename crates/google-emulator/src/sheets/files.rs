//! All spreadsheets, whose they are, and what a person or a test does with them by hand.

use std::{collections::BTreeMap, ops::Range, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};

use super::{
    cell::{Cell, CellValue},
    entry,
    errors::Refusal,
    mask::Mask,
    ranges::{Area, Dimension},
    spreadsheet::Spreadsheet,
};
use crate::{
    Model,
    drive::{Card, Role, role_of},
    oauth::Caller,
};

/// Every file of every account.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Files {
    files: BTreeMap<String, File>,
    created: u64,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct File {
    pub(crate) book: Arc<Spreadsheet>,
    number: u64,
    pub(crate) owner: String,
    /// Under `drive.file` only this project's clients see it (docs/google.md 3.2).
    project_number: String,
    /// The owner took writing away from the app.
    read_only: bool,
    pub(crate) modified: Duration,
    /// What Drive knows about it. A data file of before Drive was emulated has none.
    #[serde(default)]
    pub(crate) card: Card,
    /// Counts changes, for the viewer.
    pub(crate) version: u64,
    /// Removals of the app before it was made; see [`Options::files_return`](crate::Options).
    #[serde(default)]
    removals: u64,
    /// A folder of Drive; what it has of a spreadsheet is its name.
    #[serde(default)]
    pub(crate) is_folder: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Read,
    Write,
}

impl File {
    pub(crate) fn replace(&mut self, book: Spreadsheet, now: Duration) {
        self.book = Arc::new(book);
        self.touch(now);
    }

    /// Something changed.
    pub(crate) fn touch(&mut self, now: Duration) {
        self.modified = now;
        self.version += 1;
    }

    pub(crate) fn is_read_only(&self) -> bool {
        self.read_only
    }

    fn is_seen_by(&self, caller: &Caller) -> bool {
        // Wider scopes than `drive.file` cannot come from the device flow, but from other grants.
        let sees_all = caller.scopes.iter().any(|scope| {
            scope.ends_with("/auth/drive") || scope.contains("/auth/spreadsheets") || scope.ends_with("/drive.readonly")
        });
        let is_app =
            self.project_number == caller.project_number && (caller.sees_shared || self.owner == caller.account);
        let is_lost = !caller.files_return && self.owner == caller.account && self.removals < caller.removals;
        self.role_of(&caller.account).is_some() && (sees_all || (is_app && !is_lost))
    }

    /// None: no access at all.
    pub(crate) fn role_of(&self, account: &str) -> Option<Role> {
        if self.owner == account { Some(Role::Owner) } else { role_of(&self.card.shares, account) }
    }
}

impl Files {
    pub(crate) fn add(&mut self, book: Spreadsheet, caller: &Caller, now: Duration) {
        self.created += 1;
        let file = File {
            number: self.created,
            owner: caller.account.clone(),
            project_number: caller.project_number.clone(),
            read_only: false,
            modified: now,
            card: Card::new(now),
            version: 1,
            removals: caller.removals,
            is_folder: false,
            book: Arc::new(book),
        };
        self.files.insert(file.book.id.clone(), file);
    }

    /// What the app did not make is not there (docs/google.md 3.3).
    pub(crate) fn open(&mut self, id: &str, caller: &Caller, access: Access) -> Result<&mut File, Refusal> {
        let is_theirs = |file: &&mut File| file.is_seen_by(caller) && !file.is_folder;
        let file = self.files.get_mut(id).filter(is_theirs).ok_or_else(Refusal::not_found)?;
        match access {
            Access::Write if file.card.trashed && !caller.trashed_writes => Err(Refusal::no_permission()),
            Access::Write if file.read_only || file.role_of(&caller.account) < Some(Role::Writer) => {
                Err(Refusal::no_permission())
            }
            _ => Ok(file),
        }
    }

    pub(crate) fn get(&self, id: &str) -> Option<&File> {
        self.files.get(id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut File> {
        self.files.get_mut(id)
    }

    pub(crate) fn seen_by<'a>(&'a self, caller: &'a Caller) -> impl Iterator<Item = &'a File> {
        let mut files: Vec<&File> = self.files.values().filter(|file| file.is_seen_by(caller)).collect();
        files.sort_by_key(|file| file.number);
        files.into_iter()
    }

    /// Folders too.
    pub(crate) fn everything(&self) -> impl Iterator<Item = &File> {
        self.files.values()
    }

    pub(crate) fn delete(&mut self, id: &str) -> bool {
        self.files.remove(id).is_some()
    }

    /// All spreadsheets, in order of creation.
    pub(crate) fn all(&self) -> Vec<&File> {
        let mut files: Vec<&File> = self.files.values().filter(|file| !file.is_folder).collect();
        files.sort_by_key(|file| file.number);
        files
    }
}

/// Why a change by hand could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EditError {
    /// No spreadsheet with that id.
    NoSpreadsheet,
    /// No tab with that title.
    NoTab,
    /// Refused as the API would refuse it, in its words.
    Refused(String),
}

impl std::fmt::Display for EditError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSpreadsheet => f.write_str("no such spreadsheet"),
            Self::NoTab => f.write_str("no such tab"),
            Self::Refused(why) => f.write_str(why),
        }
    }
}

impl std::error::Error for EditError {}

impl From<Refusal> for EditError {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal.message)
    }
}

/// What a person does in the browser; rows and columns count from 0, tabs go by their title.
impl Model {
    /// Ids of all spreadsheets, in order of creation.
    pub fn spreadsheet_ids(&self) -> Vec<String> {
        self.state.files.all().into_iter().map(|file| file.book.id.clone()).collect()
    }

    /// Titles of the tabs, from left to right.
    pub fn tabs(&self, spreadsheet: &str) -> Vec<String> {
        let file = self.state.files.get(spreadsheet);
        file.into_iter().flat_map(|file| &file.book.sheets).map(|sheet| sheet.title.clone()).collect()
    }

    /// Everything in a tab, up to the last row with data; rows end with their last value. None if there is no such
    /// spreadsheet or tab.
    pub fn rows(&self, spreadsheet: &str, tab: &str) -> Option<Vec<Vec<CellValue>>> {
        let book = &self.state.files.get(spreadsheet)?.book;
        let sheet = book.sheets.iter().find(|sheet| sheet.title == tab)?;
        let values = |cells: &[Cell]| {
            let used = cells.iter().rposition(|cell| !cell.value.is_empty()).map_or(0, |at| at + 1);
            cells[..used].iter().map(|cell| cell.value.clone()).collect()
        };
        Some(sheet.grid.rows().take(sheet.grid.end_of_data()).map(|row| values(&row.cells)).collect())
    }

    /// Developer metadata entries in a spreadsheet, of all projects.
    pub fn metadata_count(&self, spreadsheet: &str) -> usize {
        self.state.files.get(spreadsheet).map_or(0, |file| file.book.metadata.len())
    }

    /// Developer metadata of a spreadsheet, of all projects, in order of the ids: id, key and value.
    pub fn metadata(&self, spreadsheet: &str) -> Vec<(i64, String, Option<String>)> {
        let file = self.state.files.get(spreadsheet);
        let entries = file.into_iter().flat_map(|file| file.book.metadata.entries());
        entries.map(|entry| (entry.id, entry.key.clone(), entry.value.clone())).collect()
    }

    /// Deletes a spreadsheet for ever. False if there is none.
    pub fn delete_spreadsheet(&mut self, spreadsheet: &str) -> bool {
        self.state.files.delete(spreadsheet)
    }

    /// The owner moves a spreadsheet to the bin, or back. Sheets goes on serving it (docs/google.md 3.3).
    ///
    /// # Errors
    /// There is no such spreadsheet.
    pub fn set_trashed(&mut self, spreadsheet: &str, trashed: bool) -> Result<(), EditError> {
        let now = self.now;
        let file = self.state.files.files.get_mut(spreadsheet).ok_or(EditError::NoSpreadsheet)?;
        file.card.trashed = trashed;
        file.touch(now);
        Ok(())
    }

    /// The owner takes writing away from the app, or gives it back.
    ///
    /// # Errors
    /// There is no such spreadsheet.
    pub fn set_read_only(&mut self, spreadsheet: &str, read_only: bool) -> Result<(), EditError> {
        let file = self.state.files.files.get_mut(spreadsheet).ok_or(EditError::NoSpreadsheet)?;
        file.read_only = read_only;
        Ok(())
    }

    /// Types into a cell; the text is read as Sheets reads it.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn type_in(
        &mut self,
        spreadsheet: &str,
        tab: &str,
        row: usize,
        column: usize,
        text: &str,
    ) -> Result<(), EditError> {
        let now = self.now;
        self.edit(spreadsheet, tab, |book, at| {
            let sheet = &mut book.sheets[at];
            if row >= sheet.row_count || column >= sheet.column_count {
                return Err(sheet.exceeds());
            }
            entry::type_in(sheet.grid.row_mut(row).cell_mut(column), text, now)
        })
    }

    /// Sorts the rows from `first_row` on by one column.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn sort(
        &mut self,
        spreadsheet: &str,
        tab: &str,
        first_row: usize,
        column: usize,
        descending: bool,
    ) -> Result<(), EditError> {
        let now = self.now;
        self.edit(spreadsheet, tab, |book, at| {
            let whole = book.whole(at);
            book.sort(&Area { rows: first_row..whole.rows.end, ..whole }, &[(column, descending)], now);
            Ok(())
        })
    }

    /// Deletes rows.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn delete_rows(&mut self, spreadsheet: &str, tab: &str, rows: Range<usize>) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.delete(at, Dimension::Rows, rows))
    }

    /// Inserts blank rows before `before`.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn insert_rows(&mut self, spreadsheet: &str, tab: &str, before: usize, count: usize) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.insert(at, Dimension::Rows, before..before + count))
    }

    /// Inserts one blank column before `before`.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn insert_column(&mut self, spreadsheet: &str, tab: &str, before: usize) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.insert(at, Dimension::Columns, before..before + 1))
    }

    /// Deletes one column.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn delete_column(&mut self, spreadsheet: &str, tab: &str, column: usize) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.delete(at, Dimension::Columns, column..column + 1))
    }

    /// Moves a column before another one.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn move_column(&mut self, spreadsheet: &str, tab: &str, from: usize, before: usize) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.relocate(at, Dimension::Columns, from..from + 1, before))
    }

    /// Renames a tab.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn rename_tab(&mut self, spreadsheet: &str, tab: &str, title: &str) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| {
            let properties = serde_json::json!({ "sheetId": book.sheets[at].id, "title": title });
            book.update_sheet(&properties, &Mask::parse("title", "SheetProperties")?)
        })
    }

    /// Deletes a tab.
    ///
    /// # Errors
    /// See [`EditError`]; nothing was changed then.
    pub fn delete_tab(&mut self, spreadsheet: &str, tab: &str) -> Result<(), EditError> {
        self.edit(spreadsheet, tab, |book, at| book.delete_sheet(book.sheets[at].id))
    }

    fn edit(
        &mut self,
        spreadsheet: &str,
        tab: &str,
        change: impl FnOnce(&mut Spreadsheet, usize) -> Result<(), Refusal>,
    ) -> Result<(), EditError> {
        let now = self.now;
        let file = self.state.files.files.get_mut(spreadsheet).ok_or(EditError::NoSpreadsheet)?;
        let at = file.book.sheets.iter().position(|sheet| sheet.title == tab).ok_or(EditError::NoTab)?;
        let mut copy = Spreadsheet::clone(&file.book);
        change(&mut copy, at)?;
        file.replace(copy, now);
        Ok(())
    }
}
