//! Which method of the discovery document a request is, and what the document says about it.

use crate::wire::{Plus, Request, decode};

const DRIVE: &str = "https://www.googleapis.com/auth/drive";
const DRIVE_FILE: &str = "https://www.googleapis.com/auth/drive.file";
const DRIVE_READONLY: &str = "https://www.googleapis.com/auth/drive.readonly";
const SPREADSHEETS: &str = "https://www.googleapis.com/auth/spreadsheets";
const SPREADSHEETS_READONLY: &str = "https://www.googleapis.com/auth/spreadsheets.readonly";

/// Methods of the discovery document that are emulated; `path` parts that belong to them are decoded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    Create,
    Get,
    GetByDataFilter,
    BatchUpdate,
    GetMetadata { id: String },
    SearchMetadata,
    CopyTo { sheet: String },
    ValuesGet { range: String },
    ValuesUpdate { range: String },
    ValuesAppend { range: String },
    ValuesClear { range: String },
    ValuesBatchGet,
    ValuesBatchUpdate,
    ValuesBatchClear,
    ValuesBatchGetByDataFilter,
    ValuesBatchUpdateByDataFilter,
    ValuesBatchClearByDataFilter,
}

impl Method {
    /// None: the front end's HTML 404, also for a wrong verb.
    pub(super) fn of(request: &Request) -> Option<(Self, Option<String>)> {
        let rest = request.path().strip_prefix("/v4/spreadsheets")?;
        let verb = request.method.as_str();
        if rest.is_empty() {
            return (verb == "POST").then_some((Self::Create, None));
        }
        let rest = rest.strip_prefix('/')?;
        let (first, below) = match rest.split_once('/') {
            Some((first, below)) => (first, Some(below)),
            None => (rest, None),
        };
        let plain = |text: &str| decode(text, Plus::Literal);
        let (id, custom) = match first.split_once(':') {
            Some((id, custom)) => (id, Some(custom)),
            None => (first, None),
        };
        if id.is_empty() || (below.is_some() && custom.is_some()) {
            return None;
        }
        let method = match (verb, custom, below) {
            ("GET", None, None) => Self::Get,
            ("POST", Some("batchUpdate"), None) => Self::BatchUpdate,
            ("POST", Some("getByDataFilter"), None) => Self::GetByDataFilter,
            ("GET", None, Some("values:batchGet")) => Self::ValuesBatchGet,
            ("POST", None, Some("values:batchUpdate")) => Self::ValuesBatchUpdate,
            ("POST", None, Some("values:batchClear")) => Self::ValuesBatchClear,
            ("POST", None, Some("values:batchGetByDataFilter")) => Self::ValuesBatchGetByDataFilter,
            ("POST", None, Some("values:batchUpdateByDataFilter")) => Self::ValuesBatchUpdateByDataFilter,
            ("POST", None, Some("values:batchClearByDataFilter")) => Self::ValuesBatchClearByDataFilter,
            ("POST", None, Some("developerMetadata:search")) => Self::SearchMetadata,
            (verb, None, Some(below)) => {
                let (collection, item) = below.split_once('/')?;
                match (verb, collection) {
                    ("GET", "values") => Self::ValuesGet { range: plain(item) },
                    ("PUT", "values") => Self::ValuesUpdate { range: plain(item) },
                    ("POST", "values") => match item.rsplit_once(':')? {
                        (range, "append") => Self::ValuesAppend { range: plain(range) },
                        (range, "clear") => Self::ValuesClear { range: plain(range) },
                        _ => return None,
                    },
                    ("GET", "developerMetadata") => Self::GetMetadata { id: plain(item) },
                    ("POST", "sheets") => Self::CopyTo { sheet: plain(item.strip_suffix(":copyTo")?) },
                    _ => return None,
                }
            }
            _ => return None,
        };
        Some((method, Some(plain(id))))
    }

    /// The name in error details (docs/google.md 6.2).
    pub(super) fn rpc(&self) -> &'static str {
        match self {
            Self::Create => "CreateSpreadsheet",
            Self::Get => "GetSpreadsheet",
            Self::GetByDataFilter => "GetSpreadsheetByDataFilter",
            Self::BatchUpdate => "BatchUpdateSpreadsheet",
            Self::GetMetadata { .. } => "GetDeveloperMetadata",
            Self::SearchMetadata => "SearchDeveloperMetadata",
            Self::CopyTo { .. } => "CopySheetToAnotherSpreadsheet",
            Self::ValuesGet { .. } => "GetValues",
            Self::ValuesUpdate { .. } => "UpdateValues",
            Self::ValuesAppend { .. } => "AppendValues",
            Self::ValuesClear { .. } => "ClearValues",
            Self::ValuesBatchGet => "BatchGetValues",
            Self::ValuesBatchUpdate => "BatchUpdateValues",
            Self::ValuesBatchClear => "BatchClearValues",
            Self::ValuesBatchGetByDataFilter => "BatchGetValuesByDataFilter",
            Self::ValuesBatchUpdateByDataFilter => "BatchUpdateValuesByDataFilter",
            Self::ValuesBatchClearByDataFilter => "BatchClearValuesByDataFilter",
        }
    }

    pub(super) fn is_write(&self) -> bool {
        !matches!(
            self,
            Self::Get
                | Self::GetByDataFilter
                | Self::GetMetadata { .. }
                | Self::SearchMetadata
                | Self::ValuesGet { .. }
                | Self::ValuesBatchGet
                | Self::ValuesBatchGetByDataFilter
        )
    }

    /// Three reads also take read-only scopes (docs/google.md 3.1).
    pub(super) fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::Get | Self::ValuesGet { .. } | Self::ValuesBatchGet => {
                &[DRIVE, DRIVE_FILE, DRIVE_READONLY, SPREADSHEETS, SPREADSHEETS_READONLY]
            }
            _ => &[DRIVE, DRIVE_FILE, SPREADSHEETS],
        }
    }

    /// The messages of request and reply in the discovery document.
    pub(super) fn messages(&self) -> (&'static str, &'static str) {
        match self {
            Self::Create => ("Spreadsheet", "Spreadsheet"),
            Self::Get => ("", "Spreadsheet"),
            Self::GetByDataFilter => ("GetSpreadsheetByDataFilterRequest", "Spreadsheet"),
            Self::BatchUpdate => ("BatchUpdateSpreadsheetRequest", "BatchUpdateSpreadsheetResponse"),
            Self::GetMetadata { .. } => ("", "DeveloperMetadata"),
            Self::SearchMetadata => ("SearchDeveloperMetadataRequest", "SearchDeveloperMetadataResponse"),
            Self::CopyTo { .. } => ("CopySheetToAnotherSpreadsheetRequest", "SheetProperties"),
            Self::ValuesGet { .. } => ("", "ValueRange"),
            Self::ValuesUpdate { .. } => ("ValueRange", "UpdateValuesResponse"),
            Self::ValuesAppend { .. } => ("ValueRange", "AppendValuesResponse"),
            Self::ValuesClear { .. } => ("ClearValuesRequest", "ClearValuesResponse"),
            Self::ValuesBatchGet => ("", "BatchGetValuesResponse"),
            Self::ValuesBatchUpdate => ("BatchUpdateValuesRequest", "BatchUpdateValuesResponse"),
            Self::ValuesBatchClear => ("BatchClearValuesRequest", "BatchClearValuesResponse"),
            Self::ValuesBatchGetByDataFilter => {
                ("BatchGetValuesByDataFilterRequest", "BatchGetValuesByDataFilterResponse")
            }
            Self::ValuesBatchUpdateByDataFilter => {
                ("BatchUpdateValuesByDataFilterRequest", "BatchUpdateValuesByDataFilterResponse")
            }
            Self::ValuesBatchClearByDataFilter => {
                ("BatchClearValuesByDataFilterRequest", "BatchClearValuesByDataFilterResponse")
            }
        }
    }

    pub(super) fn query_names(&self) -> &'static [&'static str] {
        match self {
            Self::Get => &["commentsViewMode", "excludeTablesInBandedRanges", "includeGridData", "ranges"],
            Self::ValuesGet { .. } => &["dateTimeRenderOption", "majorDimension", "valueRenderOption"],
            Self::ValuesBatchGet => &["dateTimeRenderOption", "majorDimension", "ranges", "valueRenderOption"],
            Self::ValuesUpdate { .. } => &[
                "includeValuesInResponse",
                "responseDateTimeRenderOption",
                "responseValueRenderOption",
                "valueInputOption",
            ],
            Self::ValuesAppend { .. } => &[
                "includeValuesInResponse",
                "insertDataOption",
                "responseDateTimeRenderOption",
                "responseValueRenderOption",
                "valueInputOption",
            ],
            _ => &[],
        }
    }
}

/// Parameters that every method takes (discovery document, `parameters`).
pub(super) const COMMON_QUERY: [&str; 12] = [
    "$.xgafv",
    "access_token",
    "alt",
    "callback",
    "fields",
    "key",
    "oauth_token",
    "prettyPrint",
    "quotaUser",
    "upload_protocol",
    "uploadType",
    "$alt",
];
