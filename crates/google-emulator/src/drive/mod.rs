//! The part of Drive v3 that a program with a spreadsheet needs: find it, name it, bin it, mark it as its own.
//!
//! Fields, parameters and scopes are those of the discovery document (revision 20261106). Only spreadsheets and folders are
//! emulated; they can be shared with other accounts.

mod errors;
mod method;
mod permissions;
mod search;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use self::{
    errors::Refusal,
    method::Method,
    search::{Facts, Query, ROOT},
};
use crate::{
    Model,
    calendar::rfc3339,
    oauth::Caller,
    random::Random,
    sheets::{
        File,
        errors::{bad_credentials, bearer, html, insufficient_scope, no_credentials},
        mask::Mask,
        spreadsheet::Spreadsheet,
    },
    wire::{Params, Reply, Request},
};
pub(crate) use permissions::{Role, Share, is_listed, role_of};

const SPREADSHEET: &str = "application/vnd.google-apps.spreadsheet";
const FOLDER: &str = "application/vnd.google-apps.folder";

/// What Drive keeps beside a spreadsheet's content.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Card {
    pub(crate) trashed: bool,
    starred: bool,
    description: Option<String>,
    created: Duration,
    properties: BTreeMap<String, String>,
    /// By project: "private to the requesting app".
    app_properties: BTreeMap<String, BTreeMap<String, String>>,
    /// Beside the owner.
    pub(crate) shares: Vec<Share>,
    /// The folder it is in; None for the root.
    parent: Option<String>,
}

impl Card {
    pub(crate) fn new(now: Duration) -> Self {
        Self { created: now, ..Self::default() }
    }
}

pub(crate) fn handle(model: &mut Model, request: &Request, origin: &str, random: &mut Random) -> Reply {
    let Some(method) = Method::of(request) else { return html(404) };
    let caller = match admit(model, request, &method) {
        Ok(caller) => caller,
        Err(reply) => return reply,
    };
    let query = request.query();
    let mut call = Call { model, request, query: &query, caller: &caller, origin };
    if let Method::Export(id) = &method {
        return call.export(id).unwrap_or_else(Refusal::reply);
    }
    let answered = call.answer(&method, random);
    match answered {
        Err(refusal) => refusal.reply(),
        // unknown to us: the status of an answer without a body; the discovery document gives `delete` none.
        Ok(None) => Reply { headers: Vec::new(), ..Reply::new(204, "", "") },
        Ok(Some(value)) => {
            let mut reply = Reply::json(200, &value).with_header("Cache-Control", "private");
            if query.is_compact() {
                reply.body = value.to_string().into_bytes();
            }
            reply
        }
    }
}

/// Drive's quotas are not known to us, and none is applied.
fn admit(model: &Model, request: &Request, method: &Method) -> Result<Caller, Reply> {
    let token = bearer(request).ok_or_else(|| no_credentials(method.rpc(), "drive"))?;
    let caller = model.state.sign_in.caller(model.now, &token).ok_or_else(bad_credentials)?.under(&model.options);
    if !caller.scopes.iter().any(|scope| method.scopes().contains(&scope.as_str())) {
        return Err(insufficient_scope(method.rpc(), "drive", method.scopes()));
    }
    match caller.drive_api_enabled {
        true => Ok(caller),
        false => Err(Refusal::api_disabled(&caller.project_number).reply()),
    }
}

/// One admitted call.
struct Call<'a> {
    model: &'a mut Model,
    request: &'a Request,
    query: &'a Params,
    caller: &'a Caller,
    origin: &'a str,
}

impl Call<'_> {
    fn answer(&mut self, method: &Method, random: &mut Random) -> Result<Option<Value>, Refusal> {
        if *method == Method::Other {
            return Err(Refusal::not_emulated("this part of Drive"));
        }
        let (message, default) = method.message();
        let fields = self.query.filled("fields").unwrap_or(default);
        let mask = Mask::parse(fields, message)
            .map_err(|_| Refusal::invalid("fields", format!("Invalid field selection {fields}")))?;
        let value = match method {
            method if method.needs_fields() && self.query.filled("fields").is_none() => {
                return Err(Refusal::invalid("fields", "The 'fields' parameter is required for this method."));
            }
            Method::About => self.about(),
            Method::GenerateIds => self.generate_ids(random)?,
            Method::List => self.list()?,
            Method::Create => self.create(random)?,
            Method::Get(id) if self.query.get("alt") == Some("media") => {
                self.find(id)?;
                return Err(Refusal::not_downloadable());
            }
            Method::Get(id) => self.resource(self.find(id)?),
            Method::Update(id) => self.update(id)?,
            Method::Copy(id) => self.copy(id, random)?,
            Method::Delete(id) => {
                let file = self.find(id)?;
                if file.owner != self.caller.account {
                    return Err(Refusal::not_allowed(&self.caller.account));
                }
                let id = file.book.id.clone();
                self.delete_tree(&id);
                return Ok(None);
            }
            // Nobody can write any here.
            Method::ListComments(id) => {
                self.find(id)?;
                json!({ "kind": "drive#commentList", "comments": [] })
            }
            Method::ListPermissions(id) => self.list_permissions(id)?,
            Method::CreatePermission(id) => self.create_permission(id)?,
            Method::GetPermission(id, permission) => self.permission(id, permission)?,
            Method::UpdatePermission(id, permission) => self.update_permission(id, permission)?,
            Method::DeletePermission(id, permission) => {
                self.delete_permission(id, permission)?;
                return Ok(None);
            }
            Method::Export(_) | Method::Other => return Err(Refusal::not_emulated("this way to export")),
        };
        Ok(Some(mask.filter(value)))
    }

    /// What the app did not make is not there (docs/google.md 3.3).
    fn find(&self, id: &str) -> Result<&File, Refusal> {
        self.model
            .state
            .files
            .seen_by(self.caller)
            .find(|file| file.book.id == id)
            .ok_or_else(|| Refusal::not_found(id))
    }

    /// The body as FileResource. unknown to us: whether Drive refuses unknown members; they are passed over.
    fn body(&self) -> Result<Map<String, Value>, Refusal> {
        match self.request.body.trim_ascii() {
            b"" => Ok(Map::new()),
            body => serde_json::from_slice(body).map_err(|_| Refusal::unreadable("Parse Error")),
        }
    }

    fn about(&self) -> Value {
        json!({ "kind": "drive#about", "user": self.user(&self.caller.account) })
    }

    fn user(&self, account: &str) -> Value {
        json!({
            "kind": "drive#user", "displayName": account.split('@').next(), "emailAddress": account,
            "me": account == self.caller.account, "permissionId": crate::oauth::subject(account),
        })
    }

    fn generate_ids(&self, random: &mut Random) -> Result<Value, Refusal> {
        let count = match self.query.filled("count").map(str::parse::<u32>) {
            None => 10,
            Some(Ok(count @ 1..=1000)) => count,
            Some(_) => return Err(Refusal::invalid("count", "Invalid value for count: must be between 1 and 1000.")),
        };
        let ids: Vec<String> = (0..count).map(|_| format!("1{}", random.opaque(32))).collect();
        Ok(json!({ "kind": "drive#generatedIds", "space": "drive", "ids": ids }))
    }

    fn create(&mut self, random: &mut Random) -> Result<Value, Refusal> {
        let body = self.body()?;
        let kind = body.get("mimeType").and_then(Value::as_str).unwrap_or("application/octet-stream");
        if kind != SPREADSHEET && kind != FOLDER {
            return Err(Refusal::not_emulated(&format!("files of type {kind}")));
        }
        let is_folder = kind == FOLDER;
        let chosen = body.get("id").and_then(Value::as_str);
        if chosen.is_some() && !is_folder && !self.model.options.generated_ids {
            return Err(Refusal::invalid("file.id", "Generated IDs are not supported for this type of file."));
        }
        if chosen.is_some_and(|id| self.model.state.files.get(id).is_some()) {
            return Err(Refusal::invalid("file.id", "A file already exists with the provided ID."));
        }
        let id = chosen.map_or_else(|| format!("1{}", random.opaque(43)), String::from);
        // unknown to us: the name of a file that was given none.
        let name = body.get("name").cloned().unwrap_or_else(|| "Untitled".into());
        let properties = json!({ "properties": { "title": name } });
        let book = Spreadsheet::create(id.clone(), &properties, &self.caller.project_number, random);
        let book = book.map_err(|refusal| Refusal::invalid("file", refusal.message))?;
        self.add(book, &body, is_folder)
    }

    /// A folder takes what is in it along.
    fn delete_tree(&mut self, id: &str) {
        let mut doomed = vec![id.to_owned()];
        while let Some(id) = doomed.pop() {
            let files = &self.model.state.files;
            let inside = files.everything().filter(|file| file.card.parent.as_deref() == Some(id.as_str()));
            doomed.extend(inside.map(|file| file.book.id.clone()));
            self.model.state.files.delete(&id);
        }
    }

    /// The first tab, as Google's own export of CSV has it: what is shown, not what was entered.
    fn export(&self, id: &str) -> Result<Reply, Refusal> {
        let file = self.find(id)?;
        let (kind, separator) = match self.query.filled("mimeType") {
            Some("text/csv") => ("text/csv", ','),
            Some("text/tab-separated-values") => ("text/tab-separated-values", '\t'),
            Some(other) => return Err(Refusal::not_emulated(&format!("the export as {other}"))),
            None => return Err(Refusal::invalid("mimeType", "Required parameter: mimeType")),
        };
        if file.is_folder {
            return Err(Refusal::invalid("fileId", "Export only supports Docs Editors files."));
        }
        Ok(Reply::new(200, kind, file.book.lines(separator, self.model.now)))
    }

    /// unknown to us: what `drive.file` sees of a copy; here the app that copies sees it. Its developer metadata is
    /// there too (docs/google.md 4.4).
    fn copy(&mut self, id: &str, random: &mut Random) -> Result<Value, Refusal> {
        let body = self.body()?;
        let file = self.find(id)?;
        if file.is_folder {
            return Err(Refusal::invalid("fileId", "A folder cannot be copied."));
        }
        let mut book = Spreadsheet::clone(&file.book);
        book.id = format!("1{}", random.opaque(43));
        let title = format!("Copy of {}", book.title());
        book.properties.insert("title".into(), title.into());
        self.add(book, &body, false)
    }

    fn add(&mut self, book: Spreadsheet, body: &Map<String, Value>, is_folder: bool) -> Result<Value, Refusal> {
        let now = self.model.now;
        let id = book.id.clone();
        self.model.state.files.add(book, self.caller, now);
        if let Some(file) = self.model.state.files.get_mut(&id) {
            file.is_folder = is_folder;
        }
        // Nothing is left behind when what the body says is refused.
        if let Err(refusal) = self.adopt(&id, body) {
            self.model.state.files.delete(&id);
            return Err(refusal);
        }
        Ok(self.resource(self.find(&id)?))
    }

    fn update(&mut self, id: &str) -> Result<Value, Refusal> {
        let body = self.body()?;
        let file = self.find(id)?;
        if file.role_of(&self.caller.account) < Some(Role::Writer) {
            return Err(Refusal::not_allowed(&self.caller.account));
        }
        let id = file.book.id.clone();
        let mut body = body;
        // A file is in one folder: what is added takes the place of what is removed.
        if let Some(added) = self.query.filled("addParents") {
            body.insert("parents".into(), added.split(',').take(1).collect());
        } else if let Some(removed) = self.query.filled("removeParents") {
            if removed.split(',').any(|removed| file.card.parent.as_deref() == Some(removed)) {
                body.insert("parents".into(), json!([ROOT]));
            }
        } else if body.contains_key("parents") {
            let text = "The parents field is not directly writable in update requests. Use the addParents and \
                        removeParents parameters instead.";
            return Err(Refusal::invalid("parents", text));
        }
        self.adopt(&id, &body)?;
        Ok(self.resource(self.find(&id)?))
    }

    /// Takes over what a body says; all or nothing.
    fn adopt(&mut self, id: &str, body: &Map<String, Value>) -> Result<(), Refusal> {
        let now = self.model.now;
        let project = self.caller.project_number.clone();
        let parent = self.parent(id, body)?;
        let file = self.model.state.files.get_mut(id).ok_or_else(|| Refusal::not_found(id))?;
        if file.is_read_only() {
            return Err(Refusal::forbidden());
        }
        let mut card = file.card.clone();
        let mut title = None;
        for (name, value) in body {
            let wrong = || Refusal::invalid("file", format!("Invalid value for {name}."));
            match name.as_str() {
                "name" => title = Some(value.as_str().ok_or_else(wrong)?.to_owned()),
                "description" => card.description = value.as_str().map(String::from),
                "trashed" => card.trashed = value.as_bool().ok_or_else(wrong)?,
                "starred" => card.starred = value.as_bool().ok_or_else(wrong)?,
                "properties" => merge(&mut card.properties, value).ok_or_else(wrong)?,
                "appProperties" => {
                    merge(card.app_properties.entry(project.clone()).or_default(), value).ok_or_else(wrong)?;
                }
                "mimeType" if value.as_str() != Some(if file.is_folder { FOLDER } else { SPREADSHEET }) => {
                    return Err(wrong());
                }
                _ => {}
            }
        }
        if let Some(parent) = parent {
            card.parent = parent;
        }
        file.card = card;
        match title {
            Some(title) => {
                let mut book = Spreadsheet::clone(&file.book);
                book.properties.insert("title".into(), title.into());
                file.replace(book, now);
            }
            None => file.touch(now),
        }
        Ok(())
    }

    /// The folder that a body names: the root is none. None outside if it names no folder at all.
    fn parent(&self, id: &str, body: &Map<String, Value>) -> Result<Option<Option<String>>, Refusal> {
        let Some(parents) = body.get("parents") else { return Ok(None) };
        let wrong = || Refusal::invalid("file", "Invalid value for parents.");
        match parents.as_array().ok_or_else(wrong)?.as_slice() {
            [] => Ok(None),
            [Value::String(parent)] if parent == ROOT => Ok(Some(None)),
            [Value::String(parent)] => {
                let folder = self.find(parent)?;
                // A folder in itself would never end.
                let mut above = Some(folder);
                while let Some(file) = above {
                    if file.book.id == id {
                        return Err(wrong());
                    }
                    above = file.card.parent.as_deref().and_then(|id| self.model.state.files.get(id));
                }
                match folder.is_folder {
                    true => Ok(Some(Some(parent.clone()))),
                    false => Err(wrong()),
                }
            }
            _ => Err(wrong()),
        }
    }

    /// Binned itself, or with a folder it is in.
    fn is_trashed(&self, file: &File) -> bool {
        let above = |file: &File| file.card.parent.as_deref().and_then(|id| self.model.state.files.get(id));
        file.card.trashed || above(file).is_some_and(|folder| self.is_trashed(folder))
    }

    fn list(&self) -> Result<Value, Refusal> {
        let query = match self.query.filled("q") {
            None => None,
            Some(text) => Some(Query::parse(text).ok_or_else(|| Refusal::invalid("q", "Invalid Value"))?),
        };
        let mut found: Vec<&File> = self.model.state.files.seen_by(self.caller).collect();
        // Behind a link is not in a list.
        let account = &self.caller.account;
        found.retain(|file| file.owner == *account || is_listed(&file.card.shares, account));
        found.retain(|file| query.as_ref().is_none_or(|query| query.matches(&self.facts(file))));
        self.sort(&mut found)?;
        let start = match self.query.filled("pageToken") {
            None => 0,
            Some(token) => {
                let at = token.strip_prefix("~!!~").and_then(|at| at.parse::<usize>().ok());
                at.ok_or_else(|| Refusal::invalid("pageToken", "Invalid Value"))?
            }
        };
        // "If unspecified, … the entire list of files for non-shared drives."
        let size = match self.query.filled("pageSize").map(str::parse::<usize>) {
            None => usize::MAX,
            Some(Ok(size @ 1..)) => size.min(1_000),
            Some(_) => return Err(Refusal::invalid("pageSize", "Invalid value for pageSize.")),
        };
        let end = start.saturating_add(size);
        let page: Vec<Value> = found.iter().skip(start).take(size).map(|file| self.resource(file)).collect();
        let mut list = json!({ "kind": "drive#fileList", "incompleteSearch": false, "files": page });
        if end < found.len() {
            list["nextPageToken"] = format!("~!!~{end}").into();
        }
        Ok(list)
    }

    /// unknown to us: the order without `orderBy`; here the newest change comes first.
    fn sort(&self, files: &mut [&File]) -> Result<(), Refusal> {
        let keys = self.query.filled("orderBy").unwrap_or("modifiedTime desc");
        // Later keys first, because sorting is stable.
        for key in keys.split(',').rev() {
            let mut words = key.split_whitespace();
            let (name, desc) = (words.next().unwrap_or_default(), words.next());
            match name {
                "name" | "name_natural" => files.sort_by_key(|file| file.book.title().to_lowercase()),
                "createdTime" => files.sort_by_key(|file| file.card.created),
                "modifiedTime" | "modifiedByMeTime" | "recency" => files.sort_by_key(|file| file.modified),
                "starred" => files.sort_by_key(|file| file.card.starred),
                "folder" | "quotaBytesUsed" | "sharedWithMeTime" | "viewedByMeTime" => {}
                _ => return Err(Refusal::invalid("orderBy", "Invalid Value")),
            }
            match desc {
                None => {}
                Some("desc") => files.reverse(),
                Some(_) => return Err(Refusal::invalid("orderBy", "Invalid Value")),
            }
        }
        Ok(())
    }

    fn app_properties<'f>(&self, file: &'f File) -> &'f BTreeMap<String, String> {
        static NONE: BTreeMap<String, String> = BTreeMap::new();
        file.card.app_properties.get(&self.caller.project_number).unwrap_or(&NONE)
    }

    fn facts<'f>(&'f self, file: &'f File) -> Facts<'f> {
        Facts {
            name: file.book.title(),
            mime_type: if file.is_folder { FOLDER } else { SPREADSHEET },
            owner: &file.owner,
            holders: permissions::holders(file),
            me: &self.caller.account,
            parent: file.card.parent.as_deref().unwrap_or(ROOT),
            is_mine: file.owner == self.caller.account,
            trashed: self.is_trashed(file),
            starred: file.card.starred,
            created: rfc3339(file.card.created),
            modified: rfc3339(file.modified),
            properties: &file.card.properties,
            app_properties: self.app_properties(file),
        }
    }

    fn resource(&self, file: &File) -> Value {
        let book = Arc::clone(&file.book);
        let role = file.role_of(&self.caller.account).unwrap_or(Role::Reader);
        let can_write = !file.is_read_only() && role >= Role::Writer;
        let is_owner = role == Role::Owner;
        let (kind, link) = match file.is_folder {
            true => (FOLDER, "drive/folders"),
            false => (SPREADSHEET, "spreadsheets/d"),
        };
        let mut json = json!({
            "kind": "drive#file", "id": book.id, "name": book.title(), "mimeType": kind,
            "trashed": self.is_trashed(file), "explicitlyTrashed": file.card.trashed, "starred": file.card.starred,
            "parents": [file.card.parent.as_deref().unwrap_or(ROOT)], "spaces": ["drive"], "version": file.version.to_string(),
            "createdTime": rfc3339(file.card.created), "modifiedTime": rfc3339(file.modified),
            "ownedByMe": file.owner == self.caller.account, "owners": [self.user(&file.owner)],
            "shared": !file.card.shares.is_empty(),
            "webViewLink": match file.is_folder {
                true => format!("{}/{link}/{}", self.origin, book.id),
                false => format!("{}/{link}/{}/edit", self.origin, book.id),
            },
            "capabilities": { "canEdit": can_write, "canRename": can_write, "canTrash": is_owner && can_write,
                "canUntrash": is_owner && can_write, "canDelete": is_owner && can_write, "canCopy": !file.is_folder,
                "canShare": can_write },
        });
        if can_write {
            let permissions = permissions::all(file);
            json["permissionIds"] = permissions.iter().map(|permission| permission["id"].clone()).collect();
            json["permissions"] = permissions.into();
        }
        if let Some(description) = &file.card.description {
            json["description"] = description.as_str().into();
        }
        for (name, properties) in [("properties", &file.card.properties), ("appProperties", self.app_properties(file))]
        {
            if !properties.is_empty() {
                json[name] = json!(properties);
            }
        }
        json
    }
}

/// "Entries with null values are cleared in update and copy requests."
fn merge(properties: &mut BTreeMap<String, String>, changes: &Value) -> Option<()> {
    for (key, value) in changes.as_object()? {
        match value {
            Value::Null => drop(properties.remove(key)),
            Value::String(text) => drop(properties.insert(key.clone(), text.clone())),
            _ => return None,
        }
    }
    Some(())
}
