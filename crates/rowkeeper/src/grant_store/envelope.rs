//! What is in the file: a format version and a digest of its body, and the body in the clear or sealed with a key.

use std::io::{self, Read as _};
use std::path::Path;

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::errors::{Damage, StoreError, trouble};
use super::{GrantStore, Stored};
use crate::durable;

/// The only version so far.
const VERSION: u32 = 1;

/// Far above any grant: tokens are at most a few KiB. Guards against a file that is not ours.
const SIZE_LIMIT: u64 = 1 << 20;

#[derive(Serialize, Deserialize)]
struct Envelope<B> {
    version: u32,
    sha256: String,
    body: B,
}

impl GrantStore {
    pub(super) fn encode(&self, stored: &Stored) -> Result<Zeroizing<String>, StoreError> {
        let io = |cause: serde_json::Error| StoreError::Io(self.path.clone(), cause.into());
        let plain = Zeroizing::new(serde_json::to_string_pretty(stored).map_err(io)?);
        let body = match &self.key {
            Some(key) => {
                let sealed = key.seal(plain.as_bytes()).ok_or(StoreError::NoRandomness)?;
                Zeroizing::new(serde_json::to_string(&SealedBody { sealed }).map_err(io)?)
            }
            None => plain,
        };
        let raw = serde_json::from_str::<&RawValue>(&body).map_err(io)?;
        let envelope = Envelope { version: VERSION, sha256: digest(&body), body: raw };
        let mut text = serde_json::to_string_pretty(&envelope).map_err(io)?;
        text.push('\n');
        Ok(Zeroizing::new(text))
    }

    pub(super) fn read(&self, path: &Path) -> Result<Option<Box<Stored>>, StoreError> {
        let Some(body) = read_body(path)? else { return Ok(None) };
        let damaged =
            |error: serde_json::Error| StoreError::Damaged(Damage { path: path.to_owned(), line: error.line() });
        let Ok(SealedBody { sealed }) = serde_json::from_str(&body) else {
            return serde_json::from_str(&body).map(Some).map_err(damaged);
        };
        // The digest held, so the file is whole: it is the key that is another.
        let plain = self.key.as_ref().and_then(|key| key.open(&sealed));
        let plain = plain.ok_or_else(|| StoreError::Sealed(path.to_owned()))?;
        serde_json::from_slice(&plain).map(Some).map_err(damaged)
    }
}

/// The body of an encrypted grant.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct SealedBody {
    sealed: String,
}

pub(super) fn is_in_the_clear(path: &Path) -> bool {
    matches!(read_body(path), Ok(Some(body)) if serde_json::from_str::<SealedBody>(&body).is_err())
}

fn digest(body: &str) -> String {
    Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The body of a whole file, as text.
pub(super) fn read_body(path: &Path) -> Result<Option<Zeroizing<String>>, StoreError> {
    let file = match durable::open_own(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(trouble(path, error)),
    };
    let meta = file.metadata().map_err(|cause| trouble(path, cause))?;
    if !meta.is_file() {
        return Err(StoreError::NotAFile(path.to_owned()));
    }
    let damaged = |line| StoreError::Damaged(Damage { path: path.to_owned(), line });
    if meta.len() > SIZE_LIMIT {
        return Err(damaged(0));
    }
    let mut text = Zeroizing::new(Vec::with_capacity(meta.len() as usize));
    file.take(SIZE_LIMIT).read_to_end(&mut text).map_err(|cause| trouble(path, cause))?;
    let envelope: Envelope<&RawValue> = serde_json::from_slice(&text).map_err(|error| damaged(error.line()))?;
    if envelope.version > VERSION {
        return Err(StoreError::Newer(path.to_owned(), envelope.version));
    }
    let body = envelope.body.get();
    if digest(body) != envelope.sha256 {
        return Err(damaged(0));
    }
    Ok(Some(Zeroizing::new(body.to_owned())))
}
