//! Logs that do not flood: the same line again is held back, and counted.

use std::collections::HashMap;
use std::time::Duration;

use rowkeeper::clock::Mono;

/// The same line is said again only after this long: a device that is offline for a month should not fill its card.
const QUIET: Duration = Duration::from_secs(600);

/// More different lines than this are not told apart: the oldest are forgotten.
const REMEMBERED: usize = 64;

/// Remembers what was said.
#[derive(Debug, Default)]
pub struct Limiter {
    said: HashMap<String, Said>,
}

#[derive(Clone, Copy, Debug)]
struct Said {
    at: Mono,
    held_back: u32,
}

impl Limiter {
    /// The line to print now for `line`, if any; one that was held back says how often.
    pub fn pass(&mut self, line: &str, now: Mono) -> Option<String> {
        match self.said.get_mut(line) {
            Some(said) if now.since(said.at) < QUIET => {
                said.held_back = said.held_back.saturating_add(1);
                None
            }
            Some(said) => {
                let times = said.held_back;
                *said = Said { at: now, held_back: 0 };
                Some(if times == 0 { line.to_owned() } else { format!("{line} (and {times} times before)") })
            }
            None => {
                if self.said.len() >= REMEMBERED {
                    self.forget_the_oldest();
                }
                self.said.insert(line.to_owned(), Said { at: now, held_back: 0 });
                Some(line.to_owned())
            }
        }
    }

    fn forget_the_oldest(&mut self) {
        let oldest = self.said.iter().min_by_key(|(_, said)| said.at).map(|(line, _)| line.clone());
        oldest.and_then(|line| self.said.remove(&line));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Mono {
        Mono::new(Duration::from_secs(seconds))
    }

    #[test]
    fn the_same_line_is_held_back_and_counted() {
        let mut limiter = Limiter::default();
        assert_eq!(limiter.pass("no connection", at(0)).as_deref(), Some("no connection"));
        assert_eq!(limiter.pass("no connection", at(10)), None);
        assert_eq!(limiter.pass("another", at(10)).as_deref(), Some("another"));
        assert_eq!(limiter.pass("no connection", at(20)), None);
        assert_eq!(limiter.pass("no connection", at(601)).as_deref(), Some("no connection (and 2 times before)"));
    }

    #[test]
    fn memory_is_bounded() {
        let mut limiter = Limiter::default();
        for number in 0..10_000 {
            limiter.pass(&number.to_string(), at(0));
        }
        assert_eq!(limiter.said.len(), REMEMBERED);
        // After however many others, what comes again is held back as before.
        assert_eq!(limiter.pass("no connection", at(1)).as_deref(), Some("no connection"));
        assert_eq!(limiter.pass("no connection", at(2)), None);
    }
}
