//! What was found out.

use std::fmt;

use serde_json::{Value, json};

use crate::docs::facts;

/// How an observation stands to the document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is as the document says.
    AsWritten,
    /// It is not: the document, and maybe the program, must change.
    Differs,
    /// The document did not know; now it can.
    Learnt,
    /// It was not asked, or no answer could be had; the observation says why.
    NotAsked,
}

impl Verdict {
    fn name(self) -> &'static str {
        match self {
            Self::AsWritten => "as written",
            Self::Differs => "DIFFERS",
            Self::Learnt => "learnt",
            Self::NotAsked => "not asked",
        }
    }
}

/// One item of the document and what Google did.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Such as `S5`.
    pub id: &'static str,
    /// What the program can live with.
    pub expected: String,
    /// What came.
    pub observed: String,
    /// How the two compare.
    pub verdict: Verdict,
}

/// All findings of a run.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// In the order of asking.
    pub findings: Vec<Finding>,
}

impl Report {
    /// The finding on this item.
    pub fn finding(&self, id: &str) -> Option<&Finding> {
        self.findings.iter().find(|finding| finding.id == id)
    }

    /// Whether something is not as the document says.
    pub fn differs(&self) -> bool {
        self.findings.iter().any(|finding| finding.verdict == Verdict::Differs)
    }

    /// For programs, each item with its line in `docs/google.md`.
    pub fn to_json(&self) -> Value {
        let facts = facts();
        let findings = self.findings.iter().map(|finding| {
            let fact = facts.iter().find(|fact| fact.id == finding.id);
            json!({
                "id": finding.id, "fact": fact.map(|fact| fact.text), "mark": fact.map(|fact| fact.mark),
                "line": fact.map(|fact| fact.line), "expected": finding.expected, "observed": finding.observed,
                "verdict": finding.verdict.name(),
            })
        });
        json!({ "version": 1, "document": "docs/google.md", "findings": findings.collect::<Vec<_>>() })
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let facts = facts();
        for finding in &self.findings {
            let fact = facts.iter().find(|fact| fact.id == finding.id);
            let (text, mark, line) = fact.map_or(("", "", 0), |fact| (fact.text, fact.mark, fact.line));
            writeln!(f, "{:<4} {} [{mark}] docs/google.md:{line}", finding.id, finding.verdict.name())?;
            writeln!(f, "     {text}")?;
            if !finding.expected.is_empty() {
                writeln!(f, "     expected  {}", finding.expected)?;
            }
            writeln!(f, "     observed  {}", finding.observed)?;
        }
        let count = |verdict| self.findings.iter().filter(|finding| finding.verdict == verdict).count();
        write!(
            f,
            "{} as written, {} learnt, {} differ, {} not asked",
            count(Verdict::AsWritten),
            count(Verdict::Learnt),
            count(Verdict::Differs),
            count(Verdict::NotAsked)
        )
    }
}
