//! Where the columns of each table are, found by the names in the header row.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::durable::FrozenTab;
use crate::ids::sheet_id_of_table;
use crate::wire::{Metadata, SheetProperties};

/// The header of the hidden column of row ids. The name is reserved in records, so no key can be called like it.
pub const ID_COLUMN: &str = "_id";

/// The key of all layout registers. They count against Google's 30,000 characters and are few.
pub(crate) const LAYOUT_KEY: &str = "rklayout";

/// The highest layout register of each tab.
pub(crate) type Versions = BTreeMap<i32, Register>;

/// What a layout register says.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Register {
    /// 0 if there is none.
    pub(crate) version: u32,
    /// How wide the header was with that change. A header that is read narrower is older than the register (reads may
    /// be older than writes), or a person deleted columns.
    pub(crate) columns: u32,
}

/// A table's tab, as read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Tab {
    pub(crate) sheet_id: i32,
    /// What it is called at the moment.
    pub(crate) title: String,
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

    /// Whether some header is narrower than its register says.
    pub(crate) fn looks_old(&self, versions: &Versions) -> bool {
        self.tabs.values().flatten().any(|tab| {
            let columns = versions.get(&tab.sheet_id).map_or(0, |register| register.columns);
            (tab.header.len() as u32) < columns
        })
    }

    /// Whether the tabs still are what a batch was frozen for.
    pub(crate) fn matches(&self, frozen: &[FrozenTab], versions: &Versions) -> bool {
        frozen.iter().all(|old| {
            let now = self.tabs.get(&old.table).and_then(Option::as_ref);
            let version = versions.get(&old.sheet_id).copied().unwrap_or_default().version;
            version == old.version
                && now.map(|tab| &tab.header) == old.header.as_ref()
                && now.is_none_or(|tab| old.title.is_empty() || tab.title == old.title)
                && now.is_none_or(|tab| tab.sheet_id == old.sheet_id)
        })
    }
}

/// The tab of a table: by the id we gave it, whatever it is called now; else, in an adopted spreadsheet, by name.
pub(crate) fn tab_of<'a>(table: &str, tabs: &'a [SheetProperties]) -> Option<&'a SheetProperties> {
    let id = sheet_id_of_table(table);
    tabs.iter().find(|tab| tab.sheet_id == id).or_else(|| tabs.iter().find(|tab| tab.title == table))
}

/// The value of the register of a tab's layout version: tab, version and width, for reading them back.
pub(crate) fn register_value(sheet_id: i32, register: Register) -> String {
    format!("{sheet_id}.{}.{}", register.version, register.columns)
}

/// The highest register of each tab among what a search found.
pub(crate) fn versions(found: &[Metadata]) -> Versions {
    let mut versions = Versions::new();
    for metadata in found.iter().filter(|found| found.metadata_key == LAYOUT_KEY) {
        let mut parts = metadata.metadata_value.split('.');
        let sheet_id = parts.next().and_then(|text| text.parse::<i32>().ok());
        let mut number = || parts.next().and_then(|text| text.parse::<u32>().ok());
        if let (Some(sheet_id), Some(version), Some(columns)) = (sheet_id, number(), number()) {
            // None of ours counts so far: there is always a next one.
            if version < u32::MAX {
                let highest = versions.entry(sheet_id).or_default();
                *highest = Register { version, columns }.max(*highest);
            }
        }
    }
    versions
}
