//! Replacing a small file so that a power cut leaves the old one or the new one, whole.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;

/// Replaces `path` with `content`: written beside, synced, renamed over, the directory synced.
///
/// The file is 0600 from its creation, whatever the umask. When this returns `Ok` the new content survives a power cut;
/// on an error, or a crash at any point, `path` holds the old content or the new, never a part of either.
///
/// # Errors
/// What the system says; `path` is as it was, or new.
pub fn replace(path: &Path, content: &[u8]) -> io::Result<()> {
    write_beside(path, content)?;
    finish(path)
}

/// Where the content lies that is to take the place of `path`.
pub(crate) fn beside(path: &Path) -> PathBuf {
    with_suffix(path, ".new")
}

/// The first half of [`replace`]: once this returns `Ok`, `content` is not lost any more. Whatever dies before the second
/// half, [`finish`], the power too, leaves it whole [`beside`] `path` for whoever comes next.
pub(crate) fn lay_beside(path: &Path, content: &[u8]) -> io::Result<()> {
    write_beside(path, content)?;
    sync_parent(path)
}

fn write_beside(path: &Path, content: &[u8]) -> io::Result<()> {
    let beside = beside(path);
    // A left-over of a crash. Removing it (rather than opening it) makes sure that the mode below is the file's mode
    // and that no link is followed.
    remove_if_there(&beside)?;
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    file.write_all(content)?;
    file.sync_all()
}

/// What lies beside takes the place of `path`.
pub(crate) fn finish(path: &Path) -> io::Result<()> {
    let before = Held::of(path);
    fs::rename(beside(path), path)?;
    sync_parent(path)?;
    before.let_go();
    Ok(())
}

/// What lies beside takes the place of `path`, and what `path` held before is kept as `path` + `suffix`.
pub(crate) fn finish_keeping(path: &Path, suffix: &str) -> io::Result<()> {
    match fs::read(path) {
        Ok(before) => replace(&with_suffix(path, suffix), &before)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    finish(path)
}

/// What was written to the file, by whomever, survives a power cut from now on. A missing or empty file is fine.
pub(crate) fn sync_if_there(path: &Path) -> io::Result<()> {
    match open_own(path) {
        Ok(file) if file.metadata()?.len() == 0 => Ok(()),
        Ok(file) => file.sync_data().and_then(|()| sync_parent(path)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Removes a file for good: when this returns `Ok` it stays gone through a power cut. A missing file is fine.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    let removed = Held::of(path);
    remove_if_there(path)?;
    sync_parent(path)?;
    removed.let_go();
    Ok(())
}

/// A file whose content must not be another's before it is on the disk that its name is gone. Some file systems give the
/// blocks of a removed file away at once, and when a power cut undoes the removal it has the content of whoever got them.
/// While somebody has the file open it keeps them.
#[derive(Default)]
pub(crate) struct Held(Option<(File, PathBuf)>);

impl Held {
    /// A missing file needs no holding, nor does one that is a link or another user's.
    pub(crate) fn of(path: &Path) -> Self {
        Self(open_own(path).ok().map(|file| (file, path.to_owned())))
    }

    /// Whether its last name is gone.
    pub(crate) fn is_removed(&self) -> bool {
        self.0.as_ref().is_some_and(|(file, _)| file.metadata().is_ok_and(|file| file.nlink() == 0))
    }

    /// That its name is gone is on the disk.
    fn let_go(mut self) {
        self.0 = None;
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        if let Some((_, path)) = self.0.as_ref().filter(|_| self.is_removed()) {
            // If this fails the disk is failing, and nothing more can be done here.
            _ = sync_parent(path);
        }
    }
}

/// Makes the directory, 0700, with its parents; one that exists is left as it is, but must be writable: what is kept in
/// it says less clearly that it is not.
pub(crate) fn make_dir(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)?;
    Ok(rustix::fs::access(path, rustix::fs::Access::WRITE_OK | rustix::fs::Access::EXEC_OK)?)
}

/// Opens a lock file, 0600 from its creation. Its content means nothing; the lock is the operating system's.
pub(crate) fn open_lock(path: &Path) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600).custom_flags(NO_LINK).open(path)
}

/// Opens a file of ours for reading. A symbolic link in its place is an error (`ELOOP`), and a pipe does not block.
pub(crate) fn open_own(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(NO_LINK).open(path)
}

/// Our files are never links: one that is was put there to have another file read or locked.
const NO_LINK: i32 = OFlags::NOFOLLOW.union(OFlags::NONBLOCK).bits().cast_signed();

/// Gives the file a second name, in place of whatever had that name, so that what is renamed over it later does not
/// take it away. `path` itself is never missing.
pub(crate) fn set_aside(path: &Path, suffix: &str) -> io::Result<()> {
    let aside = with_suffix(path, suffix);
    remove_if_there(&aside)?;
    // Some file systems know no second names.
    fs::hard_link(path, &aside).or_else(|_| fs::copy(path, &aside).map(drop))?;
    sync_parent(path)
}

pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// A rename or removal survives a power cut only when the directory that holds the name is synced too.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    File::open(parent)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_whole_keeps_the_one_before_and_is_private() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("grant.json");
        let replace_keeping = |content: &[u8]| {
            lay_beside(&path, content).unwrap();
            finish_keeping(&path, ".previous").unwrap();
        };
        replace_keeping(b"one");
        assert!(!with_suffix(&path, ".previous").exists());
        fs::write(with_suffix(&path, ".new"), "left over by a crash").unwrap();
        replace_keeping(b"two");
        assert_eq!(fs::read(&path).unwrap(), b"two");
        assert_eq!(fs::read(with_suffix(&path, ".previous")).unwrap(), b"one");
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(!with_suffix(&path, ".new").exists());
        remove(&path).unwrap();
        remove(&path).unwrap();
        assert!(!path.exists());
    }
}
