use std::fs;
use std::os::unix::fs::PermissionsExt;

use zeroize::Zeroizing;

use super::*;

fn sample(token: &str) -> Stored {
    let mut stored = Stored::new(ProviderId {
        issuer: None,
        name: "google".into(),
        token_endpoint: "https://t.example/token".into(),
        client_id: "c".into(),
        emulator: false,
    });
    stored.grant = Some(StoredGrant {
        refresh_token: Some(Zeroizing::new(token.into())),
        access_token: Zeroizing::new("at".into()),
        expires: None,
        refresh_at: None,
        refresh_expires: None,
        scopes: vec!["s".into()],
        missing: Vec::new(),
        account: None,
        refreshing: false,
    });
    stored
}

fn token(stored: &Stored) -> &str {
    stored.grant.as_ref().unwrap().refresh_token.as_ref().unwrap()
}

#[test]
fn a_file_that_stayed_the_same_is_not_read_again_and_every_change_is_seen() {
    let dir = tempfile::tempdir().unwrap();
    let (store, other) = (GrantStore::new(dir.path()), GrantStore::new(dir.path()));
    store.lock().unwrap().save(&sample("one")).unwrap();
    let face = |store: &GrantStore| Face::of(&fs::symlink_metadata(&store.path).unwrap());
    let loaded = |store: &GrantStore| match store.load().unwrap() {
        Loaded::Whole(stored) => token(&stored).to_owned(),
        found => panic!("{found:?}"),
    };
    assert_eq!(loaded(&store), "one");
    assert!(store.last().is_none(), "too young to be told from its next change");
    // As if it had been read long ago.
    *store.last() = Some((face(&store), Box::new(sample("remembered"))));
    assert_eq!(loaded(&store), "remembered");
    other.lock().unwrap().save(&sample("two")).unwrap();
    assert_eq!(loaded(&store), "two", "another process wrote");
    *store.last() = Some((face(&store), Box::new(sample("remembered"))));
    other.lock().unwrap().clear().unwrap();
    assert!(matches!(store.load().unwrap(), Loaded::Nothing));
    assert!(store.last().is_none(), "what was signed out of is not kept");
}

#[test]
fn what_was_saved_is_loaded_and_private() {
    let dir = tempfile::tempdir().unwrap();
    let store = GrantStore::new(&dir.path().join("state"));
    assert!(matches!(store.load().unwrap(), Loaded::Nothing));
    store.lock().unwrap().save(&sample("rt1")).unwrap();
    let Loaded::Whole(stored) = store.load().unwrap() else { panic!() };
    assert_eq!(token(&stored), "rt1");
    for name in ["state", "state/grant.json", "state/grant.lock"] {
        assert_eq!(fs::metadata(dir.path().join(name)).unwrap().permissions().mode() & 0o077, 0, "{name}");
    }
    store.lock().unwrap().clear().unwrap();
    assert!(matches!(store.load().unwrap(), Loaded::Nothing));
}

/// Damage anywhere in the file is noticed, falls back to the generation before, and is kept aside by the next save.
#[test]
fn a_file_cut_or_changed_anywhere_is_damaged_never_a_wrong_or_missing_grant() {
    let dir = tempfile::tempdir().unwrap();
    let store = GrantStore::new(dir.path());
    let locked = store.lock().unwrap();
    locked.save(&sample("rt1")).unwrap();
    locked.save(&sample("rt2")).unwrap();
    let path = dir.path().join("grant.json");
    let whole = fs::read(&path).unwrap();
    let end = whole.trim_ascii_end().len();
    for cut in 0..end {
        fs::write(&path, &whole[..cut]).unwrap();
        let Loaded::Previous(stored, damage) = store.load().unwrap() else { panic!("cut at {cut}") };
        assert_eq!((token(&stored), &damage.path), ("rt1", &path));
    }
    for at in 0..end {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&path, &flipped).unwrap();
        match store.load() {
            // White space outside the body may change without changing the meaning.
            Ok(Loaded::Whole(stored)) => assert_eq!(token(&stored), "rt2", "flip at {at}"),
            Ok(Loaded::Previous(stored, _)) => assert_eq!(token(&stored), "rt1", "flip at {at}"),
            Err(StoreError::Newer(..)) => {}
            other => panic!("flip at {at}: {other:?}"),
        }
    }
    fs::write(&path, b"rubbish").unwrap();
    locked.save(&sample("rt3")).unwrap();
    assert_eq!(fs::read(dir.path().join("grant.json.damaged")).unwrap(), b"rubbish");
    fs::write(&path, b"rubbish").unwrap();
    fs::write(dir.path().join("grant.json.previous"), b"").unwrap();
    assert!(matches!(store.load(), Err(StoreError::Damaged(_))));
    locked.clear().unwrap();
    let left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["grant.lock"]);
}

/// The power goes, or the process dies, between writing the new grant and giving it its name.
#[test]
fn whoever_comes_next_finishes_what_was_only_written() {
    let dir = tempfile::tempdir().unwrap();
    let (path, beside) = (dir.path().join("grant.json"), dir.path().join("grant.json.new"));
    let store = GrantStore::new(dir.path());
    let now = |store: &GrantStore| match store.load().unwrap() {
        Loaded::Whole(stored) => token(&stored).to_owned(),
        other => panic!("{other:?}"),
    };
    let locked = store.lock().unwrap();
    locked.save(&sample("rotated")).unwrap();
    let rotated = fs::read(&path).unwrap();
    locked.save(&sample("old")).unwrap();
    drop(locked);

    // What was not written whole is nothing, and in nobody's way.
    for cut in [0, 1, rotated.len() / 2, rotated.len() - 3] {
        fs::write(&beside, &rotated[..cut]).unwrap();
        drop(store.lock().unwrap());
        assert_eq!(now(&store), "old", "cut at {cut}");
    }
    // Without the lock nothing is touched: another process may be at it.
    fs::write(&beside, &rotated).unwrap();
    assert_eq!(now(&store), "old");
    drop(store.try_lock().unwrap());
    assert_eq!((now(&store), beside.exists()), ("rotated".into(), false));

    // The very first sign-in; and one that was to replace a damaged file, which is kept.
    fs::remove_file(&path).unwrap();
    fs::write(&beside, &rotated).unwrap();
    drop(store.lock().unwrap());
    assert_eq!(now(&store), "rotated");
    fs::write(&path, "rubbish").unwrap();
    fs::write(&beside, &rotated).unwrap();
    drop(store.lock().unwrap());
    assert_eq!(now(&store), "rotated");
    assert_eq!(fs::read(dir.path().join("grant.json.damaged")).unwrap(), b"rubbish");
}

/// EN-05: what lies in the file's place must not be read, followed, waited for or replaced.
#[test]
fn what_is_not_a_file_is_refused_and_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("grant.json");
    let elsewhere = GrantStore::new(&dir.path().join("elsewhere"));
    elsewhere.lock().unwrap().save(&sample("stolen")).unwrap();
    let store = GrantStore::new(dir.path());
    let refuses = |store: &GrantStore| {
        assert!(matches!(store.load(), Err(StoreError::NotAFile(_))));
        assert!(matches!(store.lock().unwrap().save(&sample("mine")), Err(StoreError::NotAFile(_))));
    };
    std::os::unix::fs::symlink(dir.path().join("elsewhere/grant.json"), &path).unwrap();
    refuses(&store);
    assert!(matches!(elsewhere.load().unwrap(), Loaded::Whole(stored) if token(&stored) == "stolen"));
    fs::remove_file(&path).unwrap();
    fs::create_dir(&path).unwrap();
    refuses(&store);
    fs::remove_dir(&path).unwrap();
    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
    refuses(&store);
    fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/dev/null", dir.path().join("other.lock")).unwrap();
    assert!(durable::open_lock(&dir.path().join("other.lock")).is_err());
}

/// A newer version's file would lose what we do not know of.
#[test]
fn a_file_of_a_newer_version_is_not_replaced() {
    let dir = tempfile::tempdir().unwrap();
    let store = GrantStore::new(dir.path());
    store.lock().unwrap().save(&sample("rt1")).unwrap();
    let path = dir.path().join("grant.json");
    let newer = fs::read_to_string(&path).unwrap().replacen("\"version\": 1", "\"version\": 2", 1);
    fs::write(&path, &newer).unwrap();
    assert!(matches!(store.load(), Err(StoreError::Newer(_, 2))));
    assert!(matches!(store.lock().unwrap().save(&sample("rt2")), Err(StoreError::Newer(_, 2))));
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
}

#[test]
fn the_lock_is_exclusive_between_threads_too() {
    let dir = tempfile::tempdir().unwrap();
    let store = GrantStore::new(dir.path());
    let held = store.try_lock().unwrap().unwrap();
    assert!(store.try_lock().unwrap().is_none());
    drop(held);
    assert!(store.try_lock().unwrap().is_some());
}

/// A card in other hands, with a key that was not on it.
#[test]
fn with_a_key_no_generation_holds_a_token_in_the_clear() {
    let dir = tempfile::tempdir().unwrap();
    let key = |byte| Arc::new(StoreKey::from_file_content(&[byte; 32]).unwrap());
    let plain = GrantStore::new(dir.path());
    plain.lock().unwrap().save(&sample("token-in-the-clear")).unwrap();
    let sealed = plain.clone().sealed_with(key(1));
    let Loaded::Whole(stored) = sealed.load().unwrap() else { panic!() };
    sealed.lock().unwrap().save(&stored).unwrap();
    for name in ["grant.json", "grant.json.previous"] {
        let text = fs::read_to_string(dir.path().join(name)).unwrap();
        assert!(!text.contains("token-in-the-clear"), "{name}");
    }
    assert!(matches!(sealed.load().unwrap(), Loaded::Whole(_)));
    // Another key, or none, is not damage: nothing is set aside, replaced, or taken for signed out.
    let other = plain.clone().sealed_with(key(2));
    for store in [&plain, &other] {
        assert!(matches!(store.load(), Err(StoreError::Sealed(_))));
        assert!(matches!(store.lock().unwrap().save(&sample("x")), Err(StoreError::Sealed(_))));
    }
    assert!(matches!(sealed.load().unwrap(), Loaded::Whole(_)));
}
