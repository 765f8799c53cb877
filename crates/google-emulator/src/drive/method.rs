//! Which method of Drive v3 a request calls, which scopes it takes, and what it answers with.

use crate::wire::{Plus, Request, decode};

const WRITE: &[&str] = &["https://www.googleapis.com/auth/drive", "https://www.googleapis.com/auth/drive.file"];
const READ_CONTENT: &[&str] = &[
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/drive.file",
    "https://www.googleapis.com/auth/drive.meet.readonly",
    "https://www.googleapis.com/auth/drive.readonly",
];
const READ: &[&str] = &[
    "https://www.googleapis.com/auth/drive",
    "https://www.googleapis.com/auth/drive.file",
    "https://www.googleapis.com/auth/drive.metadata",
    "https://www.googleapis.com/auth/drive.metadata.readonly",
    "https://www.googleapis.com/auth/drive.readonly",
];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Method {
    About,
    GenerateIds,
    List,
    Create,
    Get(String),
    Update(String),
    Delete(String),
    Copy(String),
    Export(String),
    ListComments(String),
    ListPermissions(String),
    CreatePermission(String),
    GetPermission(String, String),
    UpdatePermission(String, String),
    DeletePermission(String, String),
    /// Part of Drive, but not of the emulator.
    Other,
}

impl Method {
    /// None: the front end's HTML 404, also for a wrong verb.
    pub(super) fn of(request: &Request) -> Option<Self> {
        let path = request.path();
        if path.starts_with("/upload/drive/v3/") {
            return Some(Self::Other);
        }
        let rest = path.strip_prefix("/drive/v3/")?;
        let id = |text: &str| decode(text, Plus::Literal);
        let parts: Vec<&str> = rest.split('/').collect();
        Some(match (request.method.as_str(), parts.as_slice()) {
            ("GET", ["about"]) => Self::About,
            ("GET", ["files", "generateIds"]) => Self::GenerateIds,
            ("GET", ["files", "generateCseToken"]) | ("DELETE", ["files", "trash"]) => Self::Other,
            ("GET", ["files"]) => Self::List,
            ("POST", ["files"]) => Self::Create,
            ("GET", ["files", file]) => Self::Get(id(file)),
            ("PATCH", ["files", file]) => Self::Update(id(file)),
            ("DELETE", ["files", file]) => Self::Delete(id(file)),
            ("POST", ["files", file, "copy"]) => Self::Copy(id(file)),
            ("GET", ["files", file, "export"]) => Self::Export(id(file)),
            ("GET", ["files", file, "comments"]) => Self::ListComments(id(file)),
            ("GET", ["files", file, "permissions"]) => Self::ListPermissions(id(file)),
            ("POST", ["files", file, "permissions"]) => Self::CreatePermission(id(file)),
            ("GET", ["files", file, "permissions", one]) => Self::GetPermission(id(file), id(one)),
            ("PATCH", ["files", file, "permissions", one]) => Self::UpdatePermission(id(file), id(one)),
            ("DELETE", ["files", file, "permissions", one]) => Self::DeletePermission(id(file), id(one)),
            (verb, parts) => return is_known(verb, parts).then_some(Self::Other),
        })
    }

    pub(super) fn scopes(&self) -> &'static [&'static str] {
        match self {
            Self::About
            | Self::List
            | Self::Get(_)
            | Self::Export(_)
            | Self::ListPermissions(_)
            | Self::GetPermission(..) => READ,
            Self::ListComments(_) => READ_CONTENT,
            _ => WRITE,
        }
    }

    /// "The `fields` parameter must be set" (discovery document).
    pub(super) fn needs_fields(&self) -> bool {
        matches!(self, Self::About | Self::ListComments(_))
    }

    /// unknown to us: the names of Drive's methods in error details.
    pub(super) fn rpc(&self) -> &'static str {
        match self {
            Self::About => "google.apps.drive.v3.DriveAbout.Get",
            Self::GenerateIds => "google.apps.drive.v3.DriveFiles.GenerateIds",
            Self::List => "google.apps.drive.v3.DriveFiles.List",
            Self::Create => "google.apps.drive.v3.DriveFiles.Create",
            Self::Get(_) => "google.apps.drive.v3.DriveFiles.Get",
            Self::Update(_) => "google.apps.drive.v3.DriveFiles.Update",
            Self::Delete(_) => "google.apps.drive.v3.DriveFiles.Delete",
            Self::Copy(_) => "google.apps.drive.v3.DriveFiles.Copy",
            Self::Export(_) => "google.apps.drive.v3.DriveFiles.Export",
            Self::ListComments(_) => "google.apps.drive.v3.DriveComments.List",
            Self::ListPermissions(_) => "google.apps.drive.v3.DrivePermissions.List",
            Self::CreatePermission(_) => "google.apps.drive.v3.DrivePermissions.Create",
            Self::GetPermission(..) => "google.apps.drive.v3.DrivePermissions.Get",
            Self::UpdatePermission(..) => "google.apps.drive.v3.DrivePermissions.Update",
            Self::DeletePermission(..) => "google.apps.drive.v3.DrivePermissions.Delete",
            Self::Other => "google.apps.drive.v3",
        }
    }

    /// The reply's message, and what comes back of it without `fields`.
    ///
    /// unknown to us: that it is these members; the discovery document names no default.
    pub(super) fn message(&self) -> (&'static str, &'static str) {
        match self {
            Self::About => ("About", "*"),
            Self::ListComments(_) => ("CommentList", "*"),
            Self::GenerateIds => ("GeneratedIds", "*"),
            Self::List => ("FileList", "kind,incompleteSearch,nextPageToken,files(kind,id,name,mimeType)"),
            Self::ListPermissions(_) => ("PermissionList", "kind,nextPageToken,permissions(kind,id,type,role)"),
            // "Permission kind, ID, type, and role are always returned" (discovery document).
            Self::CreatePermission(_) | Self::GetPermission(..) | Self::UpdatePermission(..) => {
                ("Permission", "kind,id,type,role")
            }
            _ => ("File", "kind,id,name,mimeType"),
        }
    }
}

/// Whether Google has such a method.
fn is_known(verb: &str, parts: &[&str]) -> bool {
    let fits = |template: &str, part: &str| match template.split_once('}') {
        Some((_, custom)) => part.len() > custom.len() && part.ends_with(custom),
        None => template == part,
    };
    include_str!("methods.v3.txt").lines().filter(|line| !line.starts_with('#')).any(|line| {
        let Some((_, (known, path))) =
            line.split_once(' ').map(|(name, rest)| (name, rest.split_once(' ').unwrap_or_default()))
        else {
            return false;
        };
        let templates: Vec<&str> = path.split('/').collect();
        known == verb && templates.len() == parts.len() && templates.iter().zip(parts).all(|(t, p)| fits(t, p))
    })
}
