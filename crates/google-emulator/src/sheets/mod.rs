//! Sheets v4.

pub(crate) mod errors;

use serde::{Deserialize, Serialize};

use crate::{
    Model,
    random::Random,
    wire::{Reply, Request},
};

/// All spreadsheets.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Files {}

impl Files {
    pub(crate) fn delete(&mut self, _id: &str) -> bool {
        false
    }
}

pub(crate) fn spreadsheet_id(path: &str) -> Option<String> {
    let rest = path.strip_prefix("/v4/spreadsheets/")?;
    rest.split(['/', ':']).next().map(String::from)
}

pub(crate) fn is_write(request: &Request) -> bool {
    request.method != "GET"
}

pub(crate) fn handle(_model: &mut Model, _request: &Request, _origin: &str, _random: &mut Random) -> Reply {
    errors::html(404)
}

impl Model {
    /// Ids of all spreadsheets, in order of creation.
    pub fn spreadsheet_ids(&self) -> Vec<String> {
        Vec::new()
    }
    /// Deletes a spreadsheet for ever.
    pub fn delete_spreadsheet(&mut self, id: &str) -> bool {
        self.state.files.delete(id)
    }
}
