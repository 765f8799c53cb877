//! Drive's way of saying no: `errors[]` with a reason, and no `status` (docs/google.md 3.3).

use serde_json::json;

use crate::wire::Reply;

/// Why a Drive call is refused.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Refusal {
    code: u16,
    message: String,
    domain: &'static str,
    reason: &'static str,
    location: Option<&'static str>,
}

impl Refusal {
    /// Deleted for ever, never ours, or access lost: one answer.
    pub(super) fn not_found(id: &str) -> Self {
        let message = format!("File not found: {id}.");
        Self { code: 404, message, domain: "global", reason: "notFound", location: Some("fileId") }
    }

    /// unknown to us: words and reasons of Drive's 400s; clients are not known to look at more than the status.
    pub(super) fn invalid(location: &'static str, message: impl Into<String>) -> Self {
        Self { code: 400, message: message.into(), domain: "global", reason: "invalid", location: Some(location) }
    }

    /// unknown to us: as [`Refusal::invalid`].
    pub(super) fn unreadable(message: impl Into<String>) -> Self {
        Self { code: 400, message: message.into(), domain: "global", reason: "parseError", location: None }
    }

    /// unknown to us: as [`Refusal::invalid`].
    pub(super) fn no_permission(id: &str) -> Self {
        let message = format!("Permission not found: {id}.");
        Self { code: 404, message, domain: "global", reason: "notFound", location: Some("permissionId") }
    }

    /// unknown to us: as [`Refusal::invalid`].
    pub(super) fn not_allowed(account: &str) -> Self {
        let message = format!("The user {account} does not have sufficient permissions for this file.");
        Self { code: 403, message, domain: "global", reason: "insufficientFilePermissions", location: None }
    }

    /// unknown to us: as [`Refusal::invalid`].
    pub(super) fn not_downloadable() -> Self {
        let message = "Only files with binary content can be directly downloaded. Use Export with Docs Editors files.";
        Self {
            code: 403,
            message: message.to_owned(),
            domain: "global",
            reason: "fileNotDownloadable",
            location: Some("alt"),
        }
    }

    /// The owner took writing away from the app (reason: docs/google.md 6.3; the words are the Sheets API's).
    pub(super) fn forbidden() -> Self {
        let message = "The caller does not have permission".to_owned();
        Self { code: 403, message, domain: "global", reason: "forbidden", location: None }
    }

    /// The legacy reason is Drive's (docs/google.md 6.3); unknown to us: whether the words are those of Sheets.
    pub(super) fn api_disabled(project_number: &str) -> Self {
        let message = format!(
            "Google Drive API has not been used in project {project_number} before or it is disabled. Enable it by \
             visiting https://console.developers.google.com/apis/api/drive.googleapis.com/overview?project=\
             {project_number} then retry. If you enabled this API recently, wait a few minutes for the action to \
             propagate to our systems and retry."
        );
        Self { code: 403, message, domain: "usageLimits", reason: "accessNotConfigured", location: None }
    }

    /// What this emulator, unlike Google, cannot do.
    pub(super) fn not_emulated(what: &str) -> Self {
        let message = format!("google-emulator does not emulate {what}");
        Self { code: 501, message, domain: "global", reason: "notImplemented", location: None }
    }

    pub(super) fn reply(self) -> Reply {
        let mut detail = json!({ "message": self.message, "domain": self.domain, "reason": self.reason });
        if let Some(location) = self.location {
            detail["location"] = location.into();
            detail["locationType"] = "parameter".into();
        }
        let error = json!({ "code": self.code, "message": self.message, "errors": [detail] });
        Reply::json(self.code, &json!({ "error": error }))
            .with_header("Vary", "Origin, X-Origin, Referer")
            .with_header("Cache-Control", "private")
    }
}
