//! `rowkeeper doctor`: what is wrong, and what to click or type about it.

use rowkeeper::doctor::{Finding, Verdict, examine};

use super::{Context, print, print_json, printable};
use crate::exit::{Exit, Failure};

pub(crate) fn run(context: &Context) -> Result<Exit, Failure> {
    let (findings, otherwise) = match context.config() {
        Ok(config) => (examine(config), Exit::Failed),
        // The file is the first thing that can be wrong, and then nothing else can be looked at.
        Err(failure) => (vec![Finding::of_configuration(&failure.to_string())], failure.exit),
    };
    if context.global.json {
        print_json(&findings)?;
    } else {
        for finding in &findings {
            print(&describe(finding))?;
        }
    }
    let worst = findings.iter().map(|finding| finding.verdict).max();
    Ok(if worst == Some(Verdict::Bad) { otherwise } else { Exit::Done })
}

fn describe(finding: &Finding) -> String {
    let mark = match finding.verdict {
        Verdict::Good => "ok  ",
        Verdict::Skipped => "-   ",
        Verdict::Warning => "soon",
        Verdict::Bad => "BAD ",
    };
    let advice =
        finding.advice.as_deref().map(|advice| format!("\n                {}", printable(advice))).unwrap_or_default();
    format!("{mark}  {:10}{}{advice}", finding.check, printable(&finding.what))
}
