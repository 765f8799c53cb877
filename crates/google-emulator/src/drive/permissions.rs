//! Who may do what with a file: its owner, and whom it was shared with. The Sheets API goes by the same.
//!
//! unknown to us: the words of refusals, and whether `drive.file` sees a file that the same app made for another account
//! and that was shared since ([`Options::shared_files_are_seen`](crate::Options)). A folder's permissions are not passed on to
//! what is in it.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Call, errors::Refusal};
use crate::{oauth::subject, sheets::File};

/// One permission beside the owner's.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Share {
    id: String,
    grantee: Grantee,
    role: Role,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Grantee {
    User(String),
    Group(String),
    Domain(String),
    Anyone,
}

/// Each may what those before it may.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    Reader,
    Commenter,
    Writer,
    Owner,
}

impl Role {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "reader" => Self::Reader,
            "commenter" => Self::Commenter,
            "writer" => Self::Writer,
            "owner" => Self::Owner,
            _ => return None,
        })
    }

    fn name(self) -> &'static str {
        match self {
            Self::Reader => "reader",
            Self::Commenter => "commenter",
            Self::Writer => "writer",
            Self::Owner => "owner",
        }
    }
}

impl Grantee {
    /// Whether it is for this account. There are no groups here, so nobody is in one.
    fn holds(&self, account: &str) -> bool {
        match self {
            Self::User(email) => email.eq_ignore_ascii_case(account),
            Self::Group(_) => false,
            Self::Domain(domain) => account.rsplit_once('@').is_some_and(|(_, own)| own.eq_ignore_ascii_case(domain)),
            Self::Anyone => true,
        }
    }

    fn id(&self) -> String {
        match self {
            Self::User(name) | Self::Group(name) => subject(name),
            Self::Domain(name) => format!("{}k", subject(name)),
            Self::Anyone => "anyoneWithLink".to_owned(),
        }
    }
}

/// The best role of those that are for an account.
pub(crate) fn role_of(shares: &[Share], account: &str) -> Option<Role> {
    shares.iter().filter(|share| share.grantee.holds(account)).map(|share| share.role).max()
}

/// Whether an account was given the file by name: it is in its list then, not only behind a link.
pub(crate) fn is_listed(shares: &[Share], account: &str) -> bool {
    shares.iter().any(|share| matches!(&share.grantee, Grantee::User(email) if email.eq_ignore_ascii_case(account)))
}

/// Accounts and whether they may write, for searches.
pub(super) fn holders(file: &File) -> Vec<(&str, bool)> {
    file.card
        .shares
        .iter()
        .filter_map(|share| match &share.grantee {
            Grantee::User(email) | Grantee::Group(email) => Some((email.as_str(), share.role >= Role::Writer)),
            _ => None,
        })
        .chain([(file.owner.as_str(), true)])
        .collect()
}

impl Share {
    fn to_json(&self) -> Value {
        let mut json = json!({ "kind": "drive#permission", "id": self.id, "type": "user", "role": self.role.name() });
        match &self.grantee {
            Grantee::User(email) | Grantee::Group(email) => {
                if matches!(self.grantee, Grantee::Group(_)) {
                    json["type"] = "group".into();
                }
                json["emailAddress"] = email.as_str().into();
                json["displayName"] = email.split('@').next().into();
                json["deleted"] = false.into();
                json["pendingOwner"] = false.into();
            }
            Grantee::Domain(domain) => {
                json["type"] = "domain".into();
                json["domain"] = domain.as_str().into();
                json["displayName"] = domain.as_str().into();
                json["allowFileDiscovery"] = false.into();
            }
            Grantee::Anyone => {
                json["type"] = "anyone".into();
                json["allowFileDiscovery"] = false.into();
            }
        }
        json
    }
}

/// All permissions of a file, the owner's first.
pub(super) fn all(file: &File) -> Vec<Value> {
    let grantee = Grantee::User(file.owner.clone());
    let owner = Share { id: grantee.id(), grantee, role: Role::Owner };
    std::iter::once(&owner).chain(&file.card.shares).map(Share::to_json).collect()
}

fn missing(id: &str) -> Refusal {
    Refusal::no_permission(id)
}

impl Call<'_> {
    /// The file, if the caller may see who has access.
    fn shared(&self, file: &str, least: Role) -> Result<&File, Refusal> {
        let file = self.find(file)?;
        match file.role_of(&self.caller.account) {
            Some(role) if role >= least && !file.is_read_only() => Ok(file),
            _ => Err(Refusal::not_allowed(&self.caller.account)),
        }
    }

    pub(super) fn list_permissions(&self, file: &str) -> Result<Value, Refusal> {
        let file = self.shared(file, Role::Writer)?;
        Ok(json!({ "kind": "drive#permissionList", "permissions": all(file) }))
    }

    pub(super) fn permission(&self, file: &str, id: &str) -> Result<Value, Refusal> {
        let file = self.shared(file, Role::Writer)?;
        all(file).into_iter().find(|permission| permission["id"] == id).ok_or_else(|| missing(id))
    }

    pub(super) fn create_permission(&mut self, file: &str) -> Result<Value, Refusal> {
        let body = self.body()?;
        let role = self.role(&body)?;
        let text = |name: &str| body.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let needs = |name: &'static str| {
            let named = text(name).map(String::from);
            named.ok_or_else(|| Refusal::invalid("permission", format!("The {name} field is required.")))
        };
        let grantee = match text("type") {
            Some("user") => Grantee::User(needs("emailAddress")?),
            Some("group") => Grantee::Group(needs("emailAddress")?),
            Some("domain") => Grantee::Domain(needs("domain")?),
            Some("anyone") => Grantee::Anyone,
            _ => return Err(Refusal::invalid("permission.type", "The permission type field is required.")),
        };
        let id = self.shared(file, Role::Writer)?.book.id.clone();
        let share = Share { id: grantee.id(), grantee, role };
        if role == Role::Owner {
            return self.hand_over(&id, share);
        }
        let account = share.id.clone();
        self.change(&id, |file| {
            // The owner stays the owner, and a second permission for the same account replaces the first.
            if subject(&file.owner) != account {
                file.card.shares.retain(|known| known.id != account);
                file.card.shares.push(share);
            }
        });
        self.permission(&id, &account)
    }

    fn role(&self, body: &Map<String, Value>) -> Result<Role, Refusal> {
        let role = body.get("role").and_then(Value::as_str).and_then(Role::parse);
        let role = role.ok_or_else(|| Refusal::invalid("permission.role", "The specified role is invalid."))?;
        if role == Role::Owner && !self.query.flag("transferOwnership") {
            let text = "The transferOwnership parameter must be enabled when the permission role is 'owner'.";
            return Err(Refusal::invalid("transferOwnership", text));
        }
        Ok(role)
    }

    /// The old owner keeps writing.
    fn hand_over(&mut self, id: &str, share: Share) -> Result<Value, Refusal> {
        self.shared(id, Role::Owner)?;
        let Grantee::User(account) = share.grantee else {
            return Err(Refusal::invalid("permission.type", "Only a user can own a file."));
        };
        self.change(id, |file| {
            let old = Grantee::User(std::mem::replace(&mut file.owner, account));
            file.card.shares.retain(|known| known.id != share.id);
            file.card.shares.push(Share { id: old.id(), grantee: old, role: Role::Writer });
        });
        let file = self.model.state.files.get(id).ok_or_else(|| missing(id))?;
        all(file).into_iter().next().ok_or_else(|| missing(id))
    }

    pub(super) fn update_permission(&mut self, file: &str, permission: &str) -> Result<Value, Refusal> {
        let body = self.body()?;
        let role = self.role(&body)?;
        let found = self.shared(file, Role::Writer)?;
        let id = found.book.id.clone();
        let share = found.card.shares.iter().find(|share| share.id == permission).cloned();
        let Some(share) = share else {
            return Err(match subject(&found.owner) == permission {
                true => Refusal::not_allowed(&self.caller.account),
                false => missing(permission),
            });
        };
        if role == Role::Owner {
            return self.hand_over(&id, share);
        }
        self.change(&id, |file| {
            file.card.shares.iter_mut().filter(|share| share.id == permission).for_each(|share| share.role = role);
        });
        self.permission(&id, permission)
    }

    /// Everybody may take themselves out.
    pub(super) fn delete_permission(&mut self, file: &str, permission: &str) -> Result<(), Refusal> {
        let is_own = subject(&self.caller.account) == permission;
        let found = self.shared(file, if is_own { Role::Reader } else { Role::Writer })?;
        let id = found.book.id.clone();
        if subject(&found.owner) == permission {
            return Err(Refusal::not_allowed(&self.caller.account));
        }
        if !found.card.shares.iter().any(|share| share.id == permission) {
            return Err(missing(permission));
        }
        self.change(&id, |file| file.card.shares.retain(|share| share.id != permission));
        Ok(())
    }

    fn change(&mut self, id: &str, change: impl FnOnce(&mut File)) {
        let now = self.model.now;
        if let Some(file) = self.model.state.files.get_mut(id) {
            change(file);
            file.touch(now);
        }
    }
}
