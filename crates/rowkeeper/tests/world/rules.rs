//! The protocol's rules that have a counter-example, and how to leave each out.

use sheet_courier::Mutation;

use super::plans::{
    Plan, amending, closing, crowded, dozing, many_twinned, moving, narrow, restored, rolling, shared, squatted,
    stormy, twinned, wandering,
};

/// A rule that is not kept: by the courier, or by what is around it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum LeftOut {
    Courier(Mutation),
    /// Rows are acknowledged a little before they are committed.
    AcknowledgedBeforeCommit,
    /// The HTTP client repeats a request whose answer was lost, and shows the last answer only.
    HttpRepeats,
    /// Markers' ages are taken from the board's own clock instead of Google's `Date`.
    AgesByWall,
}

impl LeftOut {
    pub(crate) fn name(self) -> String {
        match self {
            Self::Courier(mutation) => format!("{mutation:?}"),
            other => format!("{other:?}"),
        }
    }
}

/// One line of the table in docs/delivery-protocol.md.
pub(crate) struct Rule {
    /// Where it is written.
    pub(crate) section: &'static str,
    pub(crate) words: &'static str,
    pub(crate) left_out: LeftOut,
    /// Where it shows.
    pub(crate) world: fn(u64) -> Plan,
    pub(crate) world_name: &'static str,
}

macro_rules! rules {
    ($($section:literal $words:literal, $left_out:expr, $world:ident;)*) => {
        &[$(Rule { section: $section, words: $words, left_out: $left_out, world: $world,
                   world_name: stringify!($world) }),*]
    };
}

use LeftOut::{AcknowledgedBeforeCommit, AgesByWall, Courier, HttpRepeats};
use Mutation as M;

pub(crate) const RULES: &[Rule] = rules! {
    "1" "a batch carries a marker", Courier(M::NoMarker), stormy;
    "1 A3 †" "absent in a read is not absent", Courier(M::AbsentMeansNotApplied), stormy;
    "1 A3 †" "the same for an amended row", Courier(M::AbsentMeansDeleted), amending;
    "3" "acknowledged means committed", AcknowledgedBeforeCommit, stormy;
    "3 †" "ids are deterministic", Courier(M::RandomIds), twinned;
    "3 †" "a frozen batch is bytes", Courier(M::FoundBatchIsRemade), stormy;
    "3 †" "rows stay in a frozen batch", Courier(M::FoundBatchIsUnfrozen), stormy;
    "4 †" "a batch that is found is in doubt", Courier(M::FoundBatchNotInDoubt), squatted;
    "4 †" "the HTTP client makes one attempt", HttpRepeats, squatted;
    "5" "unknown is not failed", Courier(M::UnknownIsFailed), stormy;
    "5" "a 400 is looked into", Courier(M::RefusedMeansNotApplied), stormy;
    "5 †" "a 400 on the first attempt too", Courier(M::FirstRefusalIsBelieved), stormy;
    "5 †" "a foreign marker: wait D, read again", Courier(M::RekeyAtOnce), squatted;
    "5 †" "no id for the void: wait D, read again", Courier(M::VoidRekeyedAtOnce), crowded;
    "5 †" "a row is refused twice, the layout read between", Courier(M::LayoutNotRead), shared;
    "6" "no marker is pruned before R", Courier(M::PruneYoung), stormy;
    "6 †" "a prune names id, key and value: not the key alone", Courier(M::PruneByKey), stormy;
    "6 †" "not the id alone", Courier(M::PruneById), squatted;
    "6 †" "never by the wall clock", AgesByWall, wandering;
    "6 †" "the newest applied marker stays", Courier(M::PruneNewest), forgotten;
    "7 †" "creating a spreadsheet carries no rows", Courier(M::CreateCarriesRows), stormy;
    "7 †" "a batch is voided before its rows move on", Courier(M::RollWithoutVoid), rolling;
    "7 †" "the register's winner is everybody's", Courier(M::OwnSuccessor), rolling;
    "7 †" "a batch in doubt stays bound", Courier(M::BoundGivenBack), closing;
    "8" "the contact check is made", Courier(M::NoContactCheck), restored;
    "8" "an answer without our newest marker is no check", Courier(M::AnyLookIsWhole), narrow;
    "8 †" "it settles an open batch", Courier(M::FoundMarkerIsIgnored), dozing;
    "8" "a copy claims the register before it goes on", Courier(M::ReleaseUnclaimed), many_twinned;
    "8 †" "and lets C + D pass", Courier(M::ReleaseAtOnce), many_twinned;
    "8" "and looks which of its rows are there", Courier(M::ReleaseUnread), restored;
    "9 †" "a new column takes a register", Courier(M::NoLayoutRegister), shared;
    "9" "rows that landed under other columns are put right", Courier(M::LandingNotSeen), moving;
    "9 †" "a row is never amended by its index", Courier(M::AmendByIndex), amending;
    "9 †" "an anchor without an answer is closed first", Courier(M::AnchorAbandoned), amending;
    "9 †" "an anchor is closed afterwards", Courier(M::AnchorLeftOpen), amending;
    "9 †" "closed, not deleted", Courier(M::AnchorDeleted), amending;
};

/// Long pauses and nothing in doubt: all markers are old when the copy looks.
pub(crate) fn forgotten(seed: u64) -> Plan {
    Plan { rows: 100, pause: 6_000, restore: 0.02, weather: super::net::Weather::default(), ..restored(seed) }
}
