//! What happens in a world: by a seed, and for what is to be shown.

use super::chance::Chance;
use super::net::{AfterDeath, Weather};
use super::rules::LeftOut;

/// What happens in a world.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub(crate) weather: Weather,
    pub(crate) devices: usize,
    pub(crate) rows: u64,
    /// Rows that come at once, at most.
    pub(crate) burst: u64,
    /// Seconds between rows, at most.
    pub(crate) pause: u64,
    /// So many rows have a new column.
    pub(crate) new_columns: f64,
    /// So many rows are such that Google refuses them.
    pub(crate) poison: f64,
    /// So often between two steps a process dies, and so often its board reboots too.
    pub(crate) death: f64,
    /// So often a stranger takes the id of a batch that is in flight, and lets go of it later.
    pub(crate) squatters: f64,
    /// So often a stranger fills the room for metadata, and makes room later.
    pub(crate) crowds: f64,
    /// So often a person sorts, deletes a row or renames a tab.
    pub(crate) people: f64,
    /// So often a person inserts, moves, hides or deletes a column.
    pub(crate) columns: f64,
    /// So often somebody amends a row.
    pub(crate) amends: f64,
    /// So often a person drops a row, or sends one again that was set aside.
    pub(crate) words: f64,
    /// So often a grant ends until a person signs in again, or a provider has no token to give for a while.
    pub(crate) revoked: f64,
    /// So often siblings use up the quota for some minutes.
    pub(crate) storms: f64,
    /// So often a wall clock steps, or is not to be believed.
    pub(crate) clocks: f64,
    /// So often a board is suspended: its time since boot counts that, its timers come late.
    pub(crate) sleeps: f64,
    /// Only so short, in seconds, that a contact check is still good afterwards; 0 for all kinds of sleep.
    pub(crate) nap: u64,
    /// So often a spreadsheet becomes full, or has room again.
    pub(crate) full: f64,
    /// So often a spreadsheet is closed to us, and so often a person does something about it.
    pub(crate) closed: f64,
    /// So often an old copy of the state directory is put in place of the newer one, once.
    pub(crate) restore: f64,
    /// So often a copy of the state directory begins to live beside the device, once.
    pub(crate) twins: f64,
    /// It is started so many seconds later; 0 for soon or late.
    pub(crate) twin_after: u64,
    /// A box on the way lets no larger request through, in bytes; 0 for none.
    pub(crate) at_most: usize,
    /// Nothing of the above, but the first device's process dies before this step.
    pub(crate) dies_before: Option<u64>,
    /// Or with the attempt of this number on its way, which then ends like this.
    pub(crate) dies_with: Option<(u64, AfterDeath)>,
    pub(crate) left_out: Option<LeftOut>,
}

/// A plan for each seed: from fair weather to a bad week.
pub(crate) fn plan(seed: u64) -> Plan {
    let mut chance = Chance::seeded(!seed);
    Plan {
        weather: Weather {
            trouble: chance.pick(&[0.0, 0.1, 0.3, 0.6]),
            late: chance.pick(&[0.1, 0.5]),
            stale: chance.pick(&[0.0, 0.0, 0.3]),
            crash: chance.pick(&[0.0, 0.02, 0.1]),
            narrow: chance.pick(&[0.0, 0.0, 0.5, 1.0]),
        },
        at_most: chance.pick(&[0, 0, 0, 3_500]),
        devices: chance.pick(&[1, 1, 2, 3]),
        rows: 5 + chance.below(20),
        burst: chance.pick(&[1, 1, 8]),
        pause: chance.pick(&[0, 5, 60, 900]),
        new_columns: chance.pick(&[0.0, 0.0, 0.2]),
        poison: chance.pick(&[0.0, 0.0, 0.0, 0.1]),
        death: chance.pick(&[0.0, 0.01, 0.05]),
        squatters: chance.pick(&[0.0, 0.0, 0.02]),
        crowds: chance.pick(&[0.0, 0.0, 0.0, 0.01]),
        people: chance.pick(&[0.0, 0.0, 0.02]),
        sleeps: chance.pick(&[0.0, 0.0, 0.02]),
        amends: chance.pick(&[0.0, 0.0, 0.02, 0.1]),
        words: chance.pick(&[0.0, 0.0, 0.0, 0.02]),
        revoked: chance.pick(&[0.0, 0.0, 0.01]),
        storms: chance.pick(&[0.0, 0.0, 0.01]),
        clocks: chance.pick(&[0.0, 0.0, 0.05]),
        full: chance.pick(&[0.0, 0.0, 0.0, 0.02]),
        closed: chance.pick(&[0.0, 0.0, 0.0, 0.02]),
        ..Plan::default()
    }
}

/// A bad week without anything that could be a reason to stop.
pub(crate) fn stormy(seed: u64) -> Plan {
    Plan {
        weather: Weather { trouble: 0.4, late: 0.5, stale: 0.3, crash: 0.05, narrow: 0.1 },
        death: 0.05,
        rows: 60,
        burst: 1,
        pause: 60,
        poison: 0.0,
        at_most: 0,
        squatters: 0.0,
        crowds: 0.0,
        sleeps: 0.0,
        people: 0.0,
        columns: 0.0,
        amends: 0.0,
        words: 0.0,
        revoked: 0.0,
        storms: 0.0,
        clocks: 0.0,
        full: 0.0,
        closed: 0.0,
        ..plan(seed)
    }
}

/// Strangers take our ids and let go of them while attempts are on their way.
pub(crate) fn squatted(seed: u64) -> Plan {
    Plan { squatters: 0.03, ..stormy(seed) }
}

/// Spreadsheets become full, and are emptied again, while siblings deliver.
pub(crate) fn rolling(seed: u64) -> Plan {
    Plan { devices: 3, full: 0.03, ..stormy(seed) }
}

/// Spreadsheets are closed while batches are on their way, and people send the device elsewhere.
pub(crate) fn closing(seed: u64) -> Plan {
    Plan { closed: 0.03, ..stormy(seed) }
}

/// Several devices add columns at once.
pub(crate) fn shared(seed: u64) -> Plan {
    Plan { devices: 3, new_columns: 0.3, ..stormy(seed) }
}

/// Somebody puts an old copy of the state directory in place of the newer one.
pub(crate) fn restored(seed: u64) -> Plan {
    let mut chance = Chance::seeded(seed);
    Plan {
        restore: 0.1,
        devices: 1,
        rows: 60,
        burst: 1,
        pause: chance.pick(&[60, 120, 300]),
        weather: Weather { trouble: 0.2, late: 0.1, crash: 0.01, narrow: 0.1, ..Weather::default() },
        death: 0.0,
        ..stormy(seed)
    }
}

/// The same, and then the copy cannot see the spreadsheet any more, and its person sends it elsewhere, or gives it back.
pub(crate) fn lost(seed: u64) -> Plan {
    Plan { closed: 0.2, ..restored(seed) }
}

/// Amendments are on their way in spreadsheets that are closed, and people send the devices elsewhere.
pub(crate) fn abandoned(seed: u64) -> Plan {
    Plan { closed: 0.02, ..amending(seed) }
}

/// People sort, delete and amend rows all the time.
pub(crate) fn amending(seed: u64) -> Plan {
    Plan { devices: 2, amends: 0.1, people: 0.05, rows: 30, ..stormy(seed) }
}

/// People move, insert, rename and delete columns while batches are on their way. Nobody adds one for a new key
/// meanwhile: its header may be written over that of a column which a person has just pushed there.
pub(crate) fn moving(seed: u64) -> Plan {
    let mut chance = Chance::seeded(seed);
    Plan {
        columns: 0.04,
        people: 0.02,
        devices: chance.pick(&[1, 2]),
        rows: 30,
        burst: chance.pick(&[1, 4]),
        pause: chance.pick(&[5, 60, 900]),
        new_columns: 0.0,
        ..stormy(seed)
    }
}

/// Somebody starts a second board with a copy of the state directory, and both go on.
pub(crate) fn twinned(seed: u64) -> Plan {
    let mut chance = Chance::seeded(seed);
    Plan {
        restore: 0.0,
        twins: 0.1,
        devices: 1,
        rows: 40,
        burst: chance.pick(&[1, 8]),
        pause: chance.pick(&[30, 120, 600]),
        // Rows that wait for long in several batches are what both copies may send.
        at_most: chance.pick(&[0, 1_500]),
        new_columns: 0.0,
        revoked: chance.pick(&[0.0, 0.01]),
        weather: Weather { trouble: 0.3, late: 0.5, crash: 0.02, stale: chance.pick(&[0.0, 0.2]), narrow: 0.1 },
        death: chance.pick(&[0.0, 0.02]),
        ..stormy(seed)
    }
}

/// The same, and many batches wait, in which both copies have the same rows.
pub(crate) fn many_twinned(seed: u64) -> Plan {
    Plan { at_most: 1_500, burst: 8, ..twinned(seed) }
}

/// The copy is made while a batch is on its way, and is started when that batch's marker may be pruned: the device has
/// only to deliver another. Between its contact check and its first attempt the copy naps, for less than a check is good for.
pub(crate) fn dozing(seed: u64) -> Plan {
    Plan {
        twins: 1.0,
        twin_after: 2_000,
        sleeps: 0.3,
        nap: 250,
        rows: 40,
        pause: 6_000,
        devices: 1,
        burst: 1,
        new_columns: 0.0,
        death: 0.0,
        weather: Weather::default(),
        ..stormy(seed)
    }
}

/// Like `restored`, and no look at tabs shows all metadata.
pub(crate) fn narrow(seed: u64) -> Plan {
    let plan = restored(seed);
    Plan { weather: Weather { narrow: 1.0, ..plan.weather }, ..plan }
}

/// Wall clocks step, also for years and back.
pub(crate) fn wandering(seed: u64) -> Plan {
    Plan { clocks: 0.05, ..stormy(seed) }
}

/// Strangers fill the room for metadata, and spreadsheets have successors for that reason too.
pub(crate) fn crowded(seed: u64) -> Plan {
    Plan { devices: 2, crowds: 0.01, squatters: 0.01, ..stormy(seed) }
}
