//! Rules that can be left out, to show that a simulated world notices.

/// One rule of the protocol, left out. Rows are lost or doubled with any of these: only the `mutations` feature, for
/// tests, lets a courier have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Mutation {
    /// Batches carry no marker.
    NoMarker,
    /// An attempt without an answer counts as failed.
    UnknownIsFailed,
    /// A 400 counts as a refusal, without looking for the marker.
    RefusedMeansNotApplied,
    /// The same, but only while every earlier attempt was answered.
    FirstRefusalIsBelieved,
    /// A marker that a read does not find counts as never to come: no void is made.
    AbsentMeansNotApplied,
    /// A batch that is found when the lock is taken is not in doubt.
    FoundBatchNotInDoubt,
    /// A batch that is found is taken apart and frozen anew.
    FoundBatchIsUnfrozen,
    /// A batch that is found keeps its id and gets new bytes, as a newer version might write them.
    FoundBatchIsRemade,
    /// Marker ids are drawn at random.
    RandomIds,
    /// No contact check is made.
    NoContactCheck,
    /// An answer about tabs counts as a contact check although our newest marker is not in it.
    AnyLookIsWhole,
    /// A contact check that finds the open batch's marker does not settle it.
    FoundMarkerIsIgnored,
    /// A foreign marker makes us take another id at once, whatever may be in flight.
    RekeyAtOnce,
    /// The same for an id that is not to be had for a void.
    VoidRekeyedAtOnce,
    /// Markers are pruned as soon as they are not the newest.
    PruneYoung,
    /// The newest applied marker is pruned like any other.
    PruneNewest,
    /// A prune names the key only.
    PruneByKey,
    /// A prune names the id only.
    PruneById,
    /// The layout is not read between two refusals, and one is enough to set a row aside.
    LayoutNotRead,
    /// A header change takes no register.
    NoLayoutRegister,
    /// Nobody looks under which columns a batch landed.
    LandingNotSeen,
    /// A new spreadsheet is created with its first rows in it.
    CreateCarriesRows,
    /// Rows leave a full spreadsheet for the next one although their batch was not voided.
    RollWithoutVoid,
    /// Every device goes on in the spreadsheet that it made, whoever was first.
    OwnSuccessor,
    /// A batch that may be in a closed spreadsheet gives its rows to the new one.
    BoundGivenBack,
    /// An amendment is written wherever its anchor happens to stand.
    AmendByIndex,
    /// An anchor whose first attempt had no answer is not closed before the next is made.
    AnchorAbandoned,
    /// An anchor is not closed when the row is written.
    AnchorLeftOpen,
    /// A copy takes another identity as soon as its claim is answered.
    ReleaseAtOnce,
    /// A copy takes another identity without claiming it.
    ReleaseUnclaimed,
    /// A copy does not look which of its rows are in the sheet.
    ReleaseUnread,
    /// An anchor is deleted instead of closed.
    AnchorDeleted,
    /// A row that a read does not find counts as deleted.
    AbsentMeansDeleted,
}

impl Mutation {
    /// All of them.
    pub const ALL: [Self; 33] = [
        Self::NoMarker,
        Self::UnknownIsFailed,
        Self::RefusedMeansNotApplied,
        Self::FirstRefusalIsBelieved,
        Self::AbsentMeansNotApplied,
        Self::FoundBatchNotInDoubt,
        Self::FoundBatchIsUnfrozen,
        Self::FoundBatchIsRemade,
        Self::RandomIds,
        Self::NoContactCheck,
        Self::AnyLookIsWhole,
        Self::FoundMarkerIsIgnored,
        Self::RekeyAtOnce,
        Self::VoidRekeyedAtOnce,
        Self::PruneYoung,
        Self::PruneNewest,
        Self::PruneByKey,
        Self::PruneById,
        Self::LayoutNotRead,
        Self::NoLayoutRegister,
        Self::LandingNotSeen,
        Self::CreateCarriesRows,
        Self::RollWithoutVoid,
        Self::OwnSuccessor,
        Self::BoundGivenBack,
        Self::AmendByIndex,
        Self::AnchorAbandoned,
        Self::AnchorLeftOpen,
        Self::ReleaseAtOnce,
        Self::ReleaseUnclaimed,
        Self::ReleaseUnread,
        Self::AnchorDeleted,
        Self::AbsentMeansDeleted,
    ];
}
