//! The grant store, killed at every write, sync, rename and removal by `strace`'s fault injection.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rowkeeper::StoreKey;
use rowkeeper::grant_store::{GrantStore, Loaded, ProviderId, Stored, StoredGrant};

fn grant(token: &str) -> Stored {
    let mut stored = Stored::new(ProviderId {
        name: "google".into(),
        issuer: None,
        token_endpoint: "https://oauth2.googleapis.com/token".into(),
        client_id: "c".into(),
        emulator: false,
    });
    stored.grant = Some(StoredGrant {
        refresh_token: Some(token.to_owned().into()),
        access_token: "at".to_owned().into(),
        expires: None,
        refresh_at: None,
        refresh_expires: None,
        scopes: Vec::new(),
        missing: Vec::new(),
        account: None,
        refreshing: false,
    });
    stored
}

/// Encrypted from then on, if a key lies in the directory.
fn store(dir: &Path) -> GrantStore {
    match fs::read(dir.join(KEY)) {
        Ok(key) => GrantStore::new(dir).sealed_with(Arc::new(StoreKey::from_file_content(&key).unwrap())),
        Err(_) => GrantStore::new(dir),
    }
}

fn save(dir: &Path, token: &str) {
    store(dir).lock().unwrap().save(&grant(token)).unwrap();
}

/// Which token the next holder of the lock finds, and whether its file is the current one.
fn loaded(dir: &Path) -> (String, bool) {
    let token = |stored: Stored| stored.grant.unwrap().refresh_token.unwrap().to_string();
    match store(dir).lock().unwrap().load().unwrap() {
        Loaded::Nothing => panic!("the grant is gone"),
        Loaded::Whole(stored) => (token(*stored), true),
        Loaded::Previous(stored, _) => (token(*stored), false),
    }
}

/// What changes the disk, by its names on all processors; a death on entering one is a death after the one before.
const CALLS: [&str; 6] =
    ["write", "fsync", "?rename,?renameat,?renameat2", "?unlink,?unlinkat", "fchmod", "?link,?linkat"];

const DIR: &str = "ROWKEEPER_TEST_SAVE_IN";

const KEY: &str = "key";

/// What lies on the disk before the write that is cut short.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Before {
    Whole,
    /// The generation that counts lies beside it.
    Damaged,
    /// Encrypted, both generations.
    Sealed,
    /// In the clear, and the write is the first with a key.
    Sealing,
}

/// The process that is killed: this very test, started again.
#[test]
fn child() {
    if let Some(dir) = std::env::var_os(DIR) {
        save(Path::new(&dir), "new");
    }
}

/// Runs the child and kills it as it enters the `nth` such call; whether it lived.
fn lives(dir: &Path, call: &str, nth: u32) -> bool {
    let status = Command::new("strace")
        .args(["-f", "-qq", "-o", "/dev/null", "-e", &format!("trace={call}")])
        .args(["-e", &format!("inject={call}:signal=KILL:when={nth}")])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "killed::child", "--test-threads=1"])
        .env(DIR, dir)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    status.unwrap().success()
}

const fn seals(state: Before) -> bool {
    matches!(state, Before::Sealed | Before::Sealing)
}

/// Whether a token can be read in any file of the grant without the key.
fn is_in_the_clear(dir: &Path) -> bool {
    ["grant.json", "grant.json.previous"]
        .iter()
        .any(|name| fs::read_to_string(dir.join(name)).is_ok_and(|text| text.contains("refresh_token")))
}

fn strace_works() -> bool {
    let probe = Command::new("strace").args(["-qq", "-o", "/dev/null", "true"]).stderr(Stdio::null()).status();
    probe.is_ok_and(|status| status.success())
}

#[test]
fn a_death_at_any_system_call_leaves_the_old_grant_or_the_new_one() {
    if !strace_works() {
        eprintln!("SKIPPED: strace is not here or may not trace, so no death at a system call was tried");
        return;
    }
    for state in [Before::Whole, Before::Damaged, Before::Sealed, Before::Sealing] {
        let (mut deaths, mut finished) = (0, 0);
        for call in CALLS {
            for nth in 1.. {
                let dir = tempfile::tempdir().unwrap();
                let key = || fs::write(dir.path().join(KEY), [7; 32]).unwrap();
                if state == Before::Sealed {
                    key();
                }
                save(dir.path(), "older");
                save(dir.path(), "old");
                let file = dir.path().join("grant.json");
                match state {
                    Before::Damaged => fs::write(&file, "rubbish").unwrap(),
                    Before::Sealing => key(),
                    Before::Whole | Before::Sealed => {}
                }
                let before = loaded(dir.path());
                if lives(dir.path(), call, nth) {
                    assert_eq!(loaded(dir.path()), ("new".into(), true));
                    assert!(!seals(state) || !is_in_the_clear(dir.path()), "{state:?}");
                    break;
                }
                assert!(nth < 200, "{call} is called without end");
                // Once it is written it is not lost, named or not: a provider that rotates has forgotten the old one.
                let is_written = fs::read(dir.path().join("grant.json.new")).is_ok_and(|text| text.ends_with(b"}\n"));
                let after = loaded(dir.path());
                assert!(after == before || after == ("new".into(), true), "{state:?} {call} {nth}: {after:?}");
                assert!(!is_written || after == ("new".into(), true), "{state:?} {call} {nth}: lost");
                finished += u32::from(is_written);
                deaths += 1;
                // The lock went with its holder, and left-overs are in nobody's way.
                save(dir.path(), "next");
                assert_eq!(loaded(dir.path()), ("next".into(), true), "{call} {nth}");
                assert!(!seals(state) || !is_in_the_clear(dir.path()), "{state:?} {call} {nth}");
                if state == Before::Damaged {
                    assert_eq!(fs::read(dir.path().join("grant.json.damaged")).ok(), Some(b"rubbish".to_vec()));
                }
            }
        }
        // Two files, each written, synced, renamed and its directory synced; or one, and the name for the damaged one.
        println!("{state:?}: {deaths} deaths, {finished} of them between writing and naming");
        assert!(deaths >= 8 && finished >= 3, "only {deaths} deaths, {finished} with a file that was written");
    }
}

/// "Not yours" is not "not there" and not "damaged". Needs another user to be.
#[test]
fn another_users_grant_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    save(dir.path(), "old");
    if !rustix::process::geteuid().is_root() {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir.path().join("grant.json"), fs::Permissions::from_mode(0o000)).unwrap();
        let error = GrantStore::new(dir.path()).load().unwrap_err().to_string();
        assert!(error.contains("belongs to another user"), "{error}");
        return;
    }
    let status = Command::new("setpriv")
        .args(["--reuid=65534", "--regid=65534", "--clear-groups"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "killed::stranger", "--test-threads=1"])
        .env("ROWKEEPER_TEST_STRANGER", dir.path())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    match status {
        Ok(status) if matches!(status.code(), Some(0 | 101)) => assert!(status.success(), "see killed::stranger"),
        other => eprintln!("SKIPPED: cannot be another user here ({other:?})"),
    }
}

#[test]
fn stranger() {
    let Some(dir) = std::env::var_os("ROWKEEPER_TEST_STRANGER") else { return };
    let store = GrantStore::new(Path::new(&dir));
    let say = |error: rowkeeper::grant_store::StoreError| error.to_string();
    assert!(say(store.load().unwrap_err()).contains("belongs to another user"));
    assert!(say(store.lock().unwrap_err()).contains("belongs to another user"));
}
