//! What a contest found, how it is printed, and `docs/benchmarks.md`.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::plot::Plot;

/// One contest's result. Kept as JSON below target, so that contests can be run one by one and the page is made of all.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Section {
    pub title: String,
    /// What was done, exactly.
    pub how: String,
    pub tables: Vec<Table>,
    pub plots: Vec<Plot>,
    /// What could not be run and why, and what the numbers say.
    pub notes: Vec<String>,
    /// When it was run and in which form; set by `main`.
    pub run: String,
}

#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub struct Table {
    pub caption: String,
    pub columns: Vec<String>,
    pub rows: Vec<Vec<String>>,
}

impl Table {
    pub fn new(caption: impl Into<String>, columns: &[&str]) -> Self {
        Self {
            caption: caption.into(),
            columns: columns.iter().map(|name| (*name).to_owned()).collect(),
            rows: Vec::new(),
        }
    }

    pub fn row<S: Into<String>>(&mut self, cells: impl IntoIterator<Item = S>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let mut text = String::new();
        if !self.caption.is_empty() {
            _ = write!(text, "**{}**\n\n", self.caption);
        }
        text += &line(&self.columns);
        text += &format!("|{}\n", "---|".repeat(self.columns.len()));
        self.rows.iter().for_each(|row| text += &line(row));
        text
    }
}

impl Section {
    pub fn new(title: &str, how: &str) -> Self {
        Self { title: title.into(), how: how.into(), ..Self::default() }
    }

    pub fn markdown(&self) -> String {
        let mut text = format!("## {}\n\n{}\n\n", self.title, self.how);
        for table in &self.tables {
            text += &table.markdown();
            text.push('\n');
        }
        for plot in &self.plots {
            _ = write!(text, "![{}](benchmarks/{}.svg)\n\n", plot.title, plot.file);
        }
        self.notes.iter().for_each(|note| _ = writeln!(text, "- {note}"));
        if !self.notes.is_empty() {
            text.push('\n');
        }
        text + &format!("*{}*\n\n", self.run)
    }
}

/// Writes the page and its pictures.
pub fn write(head: &str, sections: &[Section], docs: &Path) -> Result<()> {
    let pictures = docs.join("benchmarks");
    fs::create_dir_all(&pictures)?;
    let mut text = head.to_owned();
    for section in sections {
        text += &section.markdown();
        for plot in &section.plots {
            fs::write(pictures.join(format!("{}.svg", plot.file)), plot.svg()?)?;
        }
    }
    fs::write(docs.join("benchmarks.md"), text.trim_end().to_owned() + "\n")?;
    Ok(())
}
