//! Where the columns of each table are, found by the names in the header row.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::durable::FrozenTab;
use crate::ids::sheet_id_of_table;
use crate::wire::{Metadata, SheetProperties};

/// The header of the hidden column of row ids. The name is reserved in records, so no key can be called like it.
pub const ID_COLUMN: &str = "_id";

/// The key of all layout registers. They count against Google's 30,000 characters and are few.
pub(crate) const LAYOUT_KEY: &str = "rklayout";

/// The highest layout register of each tab.
pub(crate) type Versions = BTreeMap<i32, u32>;

/// A table's tab, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tab {
    pub(crate) sheet_id: i32,
    /// Columns of the grid, used or not.
    pub(crate) grid_columns: u32,
    pub(crate) header: Vec<String>,
}

/// The tabs of the tables that were asked about; none for a tab that is not there.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Layout {
    pub(crate) tabs: BTreeMap<String, Option<Tab>>,
}

impl Layout {
    pub(crate) fn covers<'a>(&self, mut tables: impl Iterator<Item = &'a str>) -> bool {
        tables.all(|table| self.tabs.contains_key(table))
    }

    /// Whether the tabs still are what a batch was frozen for.
    pub(crate) fn matches(&self, frozen: &[FrozenTab], versions: &Versions) -> bool {
        frozen.iter().all(|old| {
            let now = self.tabs.get(&old.table).and_then(Option::as_ref);
            let version = versions.get(&old.sheet_id).copied().unwrap_or(0);
            version == old.version
                && now.map(|tab| &tab.header) == old.header.as_ref()
                && now.is_none_or(|tab| tab.sheet_id == old.sheet_id)
        })
    }
}

/// The tab of a table: by the id we gave it, whatever it is called now; else, in an adopted spreadsheet, by name.
pub(crate) fn tab_of<'a>(table: &str, tabs: &'a [SheetProperties]) -> Option<&'a SheetProperties> {
    let id = sheet_id_of_table(table);
    tabs.iter().find(|tab| tab.sheet_id == id).or_else(|| tabs.iter().find(|tab| tab.title == table))
}

/// The value of the register of a tab's layout version: says which tab and version it is, for reading it back.
pub(crate) fn register_value(sheet_id: i32, version: u32) -> String {
    let mut value = sheet_id.to_string();
    value.push('.');
    value.push_str(&version.to_string());
    value
}

/// The highest register of each tab among what a search found.
pub(crate) fn versions(found: &[Metadata]) -> Versions {
    let mut versions = Versions::new();
    for register in found.iter().filter(|found| found.metadata_key == LAYOUT_KEY) {
        let parts = register.metadata_value.split_once('.');
        let Some((Ok(sheet_id), Ok(version))) = parts.map(|(tab, version)| (tab.parse(), version.parse::<u32>()))
        else {
            continue;
        };
        let highest = versions.entry(sheet_id).or_insert(0);
        *highest = version.max(*highest);
    }
    versions
}
