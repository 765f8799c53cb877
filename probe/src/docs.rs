//! The tables of `docs/google.md`.

/// A row of the tables.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fact {
    /// Such as `S5`.
    pub id: &'static str,
    /// What it says.
    pub text: &'static str,
    /// `doc`, `obs`, `inf`, `unknown`, or several.
    pub mark: &'static str,
    /// In `docs/google.md`, from 1.
    pub line: usize,
}

impl Fact {
    /// Whether the document says that nobody knows.
    pub fn is_unknown(&self) -> bool {
        self.mark.contains("unknown")
    }
}

/// All rows, in order.
pub fn facts() -> Vec<Fact> {
    const DOCUMENT: &str = include_str!("../../docs/google.md");
    let rows = DOCUMENT.lines().zip(1..).filter_map(|(row, line)| {
        // | # | fact | mark | what rests on it | check |
        let mut cells = row.strip_prefix("| ")?.split(" | ");
        let (id, text, mark) = (cells.next()?, cells.next()?, cells.next()?);
        let (letter, number) = id.split_at_checked(1)?;
        let is_id = matches!(letter, "D" | "T" | "S") && number.parse::<u32>().is_ok();
        is_id.then_some(Fact { id, text, mark, line })
    });
    rows.collect()
}
