//! What a gadget has to say, without a word on how it looks.

use std::time::Duration;

/// One of the few things a gadget ever shows.
///
/// Every text may come from outside (a server, a spreadsheet): control characters, escape sequences
/// and endless strings are harmless in all of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Screen {
    /// A person is asked to approve the device: open `address`, type `code`.
    SignIn(SignIn),
    /// Something is being reached that may take a while.
    Connecting {
        /// What is being reached, in a few words: `google.com`, `the network`.
        to: String,
    },
    /// All is well.
    Ready {
        /// The name of the gadget, the running project, the last reading.
        title: String,
        /// More, most important first; what does not fit takes turns.
        lines: Vec<String>,
        /// The outbox, shown when something waits or was set aside.
        queue: Queue,
    },
    /// A person should do something.
    Attention {
        /// What is wrong, in two or three words.
        title: String,
        /// What to do about it; as long as it needs to be.
        advice: String,
    },
    /// A list with one line chosen, turned by a knob.
    Menu {
        /// What is being chosen.
        title: String,
        /// The choices. May be empty.
        items: Vec<String>,
        /// Index of the chosen line; one past the end means the last.
        selected: usize,
        /// Index of the line that is marked as running, if one is.
        running: Option<usize>,
    },
    /// A time that goes on by itself, as large as it goes.
    Clock {
        /// What runs, or whose time it is. May be empty.
        title: String,
        /// What the figures count.
        face: Face,
        /// More, most important first; they take turns.
        lines: Vec<String>,
        /// The outbox, shown when something waits or was set aside.
        queue: Queue,
    },
    /// One short text, as large as it goes.
    Message(String),
    /// Nothing lit.
    Blank,
}

/// What a [`Screen::Clock`] counts, as it was in the moment when the screen was first shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Face {
    /// Since something began: `1:05` after an hour and five minutes.
    Elapsed(Duration),
    /// Since midnight, on the clock on the wall: `07:05`. Whoever shows it knows of summer time, and shows it anew then.
    TimeOfDay(Duration),
}

/// A pending approval (RFC 8628 section 3.3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignIn {
    /// The user code, shown exactly as received: no case is changed, nothing is added, and a line may
    /// end only after a dash of its own.
    pub code: String,
    /// Where the code is typed. `https://` is dropped where it does not fit (Google allows that and
    /// nothing else); nothing else is altered.
    pub address: String,
    /// The address with the code in it, for the QR code. Without one the QR code holds `address`.
    pub complete_address: Option<String>,
    /// How long the code lives, counted from the moment the screen was first shown. After that the
    /// code is gone from the screen, even if nobody changes the screen.
    pub time_left: Duration,
    /// Why a person is asked (again), if there is more to say than "first start".
    pub reason: Option<String>,
}

/// The state of the outbox in two numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// Records that are safe on this device and not yet in the sheet.
    pub waiting: u64,
    /// Records the sheet refused for their content.
    pub set_aside: u64,
}

impl Queue {
    /// Nothing waits and nothing was set aside.
    pub const EMPTY: Self = Self { waiting: 0, set_aside: 0 };
}
