//! Amending: new values for a record that was kept before, wherever it is now.

use std::fmt;

use crate::delivery;
use crate::outbox::{AcceptError, Accepted, Amended, Value};
use crate::record::{Record, Refused};
use crate::recorder::Recorder;
use crate::table::Table;

/// The id of a row, as `record` gave it out and as it stands in column A.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RowId(String);

impl RowId {
    /// An id that somebody typed or kept.
    ///
    /// # Errors
    /// [`Refused::BadId`]: no row has such an id.
    pub fn parse(text: &str) -> Result<Self, Refused> {
        // A device's tag, a dash, and a caller's own id of at most 100 characters.
        let fits = (1..=107).contains(&text.chars().count()) && !text.chars().any(char::is_control);
        fits.then(|| Self(text.to_owned())).ok_or(Refused::BadId)
    }

    /// As it was given out.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RowId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&Accepted> for RowId {
    fn from(accepted: &Accepted) -> Self {
        Self(accepted.id.clone())
    }
}

/// New values: keys (unique, checked) and what they are from now on. Null empties a cell.
#[derive(Clone, Debug, PartialEq)]
pub struct Fields(Vec<(String, Value)>);

impl Fields {
    /// Reads `KEY=VALUE` words as [`Record::from_words`] does.
    ///
    /// # Errors
    /// [`Refused`] says which word cannot be kept. What is only said once, when a record is made (`_id`, `_at`, `_table`),
    /// cannot be amended.
    pub fn from_words<'w>(words: impl IntoIterator<Item = &'w str>, table: Option<&Table>) -> Result<Self, Refused> {
        Self::of(Record::from_words(words, table)?)
    }

    /// The fields of a record that was made for this.
    ///
    /// # Errors
    /// It names a table, an id or a time: those cannot be amended.
    pub fn of(record: Record) -> Result<Self, Refused> {
        let fixed = [("_id", record.id.is_some()), ("_at", record.at.is_some()), ("_table", record.table.is_some())];
        match fixed.into_iter().find(|(_, is_there)| *is_there) {
            Some((key, _)) => Err(Refused::Key(key.into(), "it cannot be changed any more")),
            None => Ok(Self(record.fields)),
        }
    }

    /// In the caller's order.
    pub fn as_slice(&self) -> &[(String, Value)] {
        &self.0
    }
}

/// The amendment was not kept; everything is as it was.
#[derive(Debug)]
pub enum AmendError {
    /// No row with this id was recorded on this device.
    Unknown(RowId),
    /// The outbox or its disk is full: deliver some, make room, or raise `max_bytes`.
    Full(AcceptError),
    /// The disk is full or failing. The same amendment may be offered again.
    Disk(AcceptError),
}

impl fmt::Display for AmendError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown(id) => {
                let id: String = id.0.chars().take(107).collect();
                write!(f, "there is no record {id}: it was dropped, or not recorded on this device")
            }
            Self::Full(AcceptError::LittleRoom { .. }) => {
                write!(f, "not amended: the disk is nearly full; remove other files, or deliver some")
            }
            Self::Full(_) => write!(f, "not amended: the queue is full; deliver some, or raise max_bytes"),
            Self::Disk(_) => write!(f, "not amended: the outbox cannot be written"),
        }
    }
}

impl std::error::Error for AmendError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Unknown(_) => None,
            Self::Full(error) | Self::Disk(error) => Some(error),
        }
    }
}

impl Recorder {
    /// Gives a record new values for some of its fields. When this returns `Ok`, they survive a power cut.
    ///
    /// In the queue the record itself is changed; once it is being sent, the new values follow it into the sheet, to
    /// wherever a person has moved its row meanwhile. Several amendments come true in the order in which they were made.
    ///
    /// # Errors
    /// See [`AmendError`]; nothing was changed.
    pub fn amend(&self, id: &RowId, fields: Fields) -> Result<Amended, AmendError> {
        let amended = self.outbox.amend(&id.0, &fields.0).map_err(|error| match error {
            AcceptError::Full { .. } | AcceptError::LittleRoom { .. } => AmendError::Full(error),
            _ => AmendError::Disk(error),
        })?;
        if amended == Amended::Unknown {
            return Err(AmendError::Unknown(id.clone()));
        }
        delivery::ring(&self.config.state_dir);
        Ok(amended)
    }

    /// The table of a record, if this device still knows: its columns say how values are read.
    pub fn table_of(&self, id: &RowId) -> Option<&Table> {
        let name = self.outbox.table_of(&id.0).ok()??;
        self.table(Some(&name))
    }
}
