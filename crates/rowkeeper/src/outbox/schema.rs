//! The tables, and how older files are brought up to date.

use rusqlite::{Connection, TransactionBehavior};

use sheet_courier::Identity;

use super::{OpenError, counts};

/// What `PRAGMA user_version` says of the files this program writes.
pub(super) const VERSION: i64 = STEPS.len() as i64;

/// From each version to the next, beginning with an empty file. A step that was released is never changed; files of
/// every version are kept and opened by a test (`tests/fixtures`).
const STEPS: &[&str] = &[FIRST, AMENDING, UNTRUSTED, RELEASING, DISPLACED, ADDED_UP];

/// Brings the file to [`VERSION`]. One transaction: a crash leaves the old version or the new one.
pub(super) fn migrate(connection: &mut Connection, identity: &Identity) -> Result<(), OpenError> {
    // Most opens end here, without taking the write lock.
    if version(connection)? == VERSION {
        return Ok(());
    }
    let tx = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    // Under the lock: two processes may have found an old file at once.
    let found = version(&tx)?;
    let steps = usize::try_from(found).ok().and_then(|found| STEPS.get(found..));
    for step in steps.ok_or(OpenError::Newer { found, known: VERSION })? {
        tx.execute_batch(step)?;
    }
    if found < ADDED_UP_SINCE {
        counts::make_blocks(&tx)?;
    }
    if found == 0 {
        tx.execute(
            "INSERT INTO device(tag, base, next_seq) VALUES (?1, ?2, 1)",
            (identity.tag.as_str(), identity.base),
        )?;
    }
    tx.pragma_update(None, "user_version", VERSION)?;
    Ok(tx.commit()?)
}

pub(super) fn version(connection: &Connection) -> Result<i64, rusqlite::Error> {
    connection.query_row("PRAGMA user_version", (), |row| row.get(0))
}

const FIRST: &str = "
-- Who this state directory is. Copying it makes a twin.
CREATE TABLE device (
    one      INTEGER PRIMARY KEY CHECK (one = 1) DEFAULT 1,
    tag      TEXT NOT NULL,
    base     INTEGER NOT NULL,
    next_seq INTEGER NOT NULL,
    identity INTEGER NOT NULL DEFAULT 1
);

-- A row lives here until its batch is applied. No index on `id`: it would cost a page write per record.
CREATE TABLE row (
    n         INTEGER PRIMARY KEY,
    id        TEXT NOT NULL,
    tab       TEXT NOT NULL,
    body      TEXT NOT NULL,              -- JSON object, in the order of its fields
    caller    BLOB,                       -- hash of the caller's own id
    wall_ms   INTEGER NOT NULL,
    trusted   INTEGER NOT NULL,
    mono_ms   INTEGER NOT NULL,
    boot      TEXT NOT NULL,
    at_ms     INTEGER,                    -- the caller's own time
    state     INTEGER NOT NULL DEFAULT 0, -- 0 queued, 1 in the batch, 2 set aside
    batch     INTEGER,
    at_most   INTEGER,                    -- the largest batch it may be sent in
    refusals  INTEGER NOT NULL DEFAULT 0, -- how often it was refused alone
    reason    TEXT,
    run       INTEGER NOT NULL DEFAULT 0, -- set aside since a row was last accepted
    unwanted  INTEGER NOT NULL DEFAULT 0  -- to be dropped if its batch is voided
);
CREATE UNIQUE INDEX row_caller ON row(caller) WHERE caller IS NOT NULL;
CREATE INDEX row_aside ON row(state) WHERE state = 2;
CREATE INDEX row_batch ON row(batch) WHERE batch IS NOT NULL;

CREATE TABLE batch (
    id          INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL,
    spreadsheet TEXT NOT NULL,
    body        BLOB NOT NULL,            -- the exact request
    digest      INTEGER NOT NULL,
    cause       TEXT,                     -- none: to be sent; else why it is being voided
    reason      TEXT,
    tabs        TEXT NOT NULL,
    rows        INTEGER NOT NULL,
    refusals    INTEGER NOT NULL
);

CREATE TABLE marker (
    spreadsheet TEXT NOT NULL,
    id          INTEGER NOT NULL,
    seq         INTEGER NOT NULL,
    key         TEXT NOT NULL,
    value       TEXT NOT NULL,
    applied     INTEGER NOT NULL,
    doubt       INTEGER NOT NULL,
    ended_at    INTEGER,                  -- Google's Date, Unix seconds
    PRIMARY KEY (spreadsheet, id)
) WITHOUT ROWID;

CREATE TABLE sheet (
    n         INTEGER PRIMARY KEY,        -- the newest is the one rows go to
    id        TEXT NOT NULL UNIQUE,
    url       TEXT NOT NULL,
    title     TEXT NOT NULL,
    successor TEXT
);

-- Hashes of the callers' ids of delivered rows.
CREATE TABLE seen (
    hash BLOB PRIMARY KEY,
    at   INTEGER NOT NULL                 -- Unix seconds by our clock: only forgetting depends on it
) WITHOUT ROWID;
CREATE INDEX seen_at ON seen(at);

-- One value each: tally, hold, status.
CREATE TABLE note (
    name  TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
";

/// Since version 2.
const AMENDING: &str = "
-- How often a queued row was changed: a batch that was planned before is planned anew.
ALTER TABLE device ADD COLUMN amended INTEGER NOT NULL DEFAULT 0;
-- Whether a delivered row was ever forgotten: until then an id that is not here was never recorded here.
ALTER TABLE device ADD COLUMN forgot INTEGER NOT NULL DEFAULT 0;
-- What version 1 delivered, it did not remember.
UPDATE device SET forgot = EXISTS (SELECT 1 FROM sheet);

-- Delivered rows, oldest first, for as long as they are remembered.
CREATE TABLE delivered (
    n           INTEGER PRIMARY KEY,
    id          TEXT NOT NULL,
    tab         TEXT NOT NULL,
    body        TEXT NOT NULL,
    wall_ms     INTEGER NOT NULL,
    trusted     INTEGER NOT NULL,
    mono_ms     INTEGER NOT NULL,
    boot        TEXT NOT NULL,
    at_ms       INTEGER,
    spreadsheet TEXT NOT NULL,
    at          INTEGER NOT NULL            -- when its batch was known to be applied: Unix seconds by our clock
);

-- New values for rows that are in a batch or in the sheet, in the order in which they came.
CREATE TABLE amend (
    n       INTEGER PRIMARY KEY AUTOINCREMENT,
    id      TEXT NOT NULL,                  -- the row's
    body    TEXT NOT NULL,                  -- JSON object
    due     INTEGER NOT NULL,               -- 0: the row is in a batch whose fate is not known
    anchor  INTEGER,                        -- metadataId that stands on the row while it is written
    seq     INTEGER,                        -- what the anchor's id was made from
    target  TEXT,                           -- the spreadsheet the anchor is in
    reason  TEXT                            -- why it waits for a person
);
";

/// Since version 3.
const UNTRUSTED: &str = "
-- Rows whose time waits for the clock to come right. Costs nothing where the clock is.
CREATE INDEX row_untrusted ON row(boot) WHERE trusted = 0;
";

/// Since version 4.
const RELEASING: &str = "
-- Who this device was before, numbered like the present one: rows, anchors and bound batches of that time keep its tag.
CREATE TABLE former (
    identity INTEGER PRIMARY KEY,
    tag      TEXT NOT NULL,
    base     INTEGER NOT NULL
);
-- Whose tag is in the row id that was made of the caller's id.
ALTER TABLE seen ADD COLUMN identity INTEGER NOT NULL DEFAULT 1;
";

/// Since version 5.
const DISPLACED: &str = "
-- JSON: what landed under wrong columns. Not new values, and before all of those of its row.
ALTER TABLE amend ADD COLUMN displaced TEXT;
";

/// What [`ADDED_UP`] leads to.
const ADDED_UP_SINCE: i64 = 6;

/// Since version 6. Rows that were there before are added up by [`counts::make_blocks`].
const ADDED_UP: &str = "
-- Sums over the rows whose n >> 10 is b, for all but the newest: sums that grew with every row would be a page more to
-- write for each.
CREATE TABLE block (
    b       INTEGER PRIMARY KEY,
    waiting INTEGER NOT NULL,               -- rows of state 0 and 1
    aside   INTEGER NOT NULL,
    bytes   INTEGER NOT NULL,
    oldest  INTEGER NOT NULL                -- when: Unix milliseconds
);
";
