//! Google's quotas: per minute, per user and per project, reads and writes apart (docs/google.md 5.1).

use std::{collections::BTreeMap, time::Duration};

use serde::{Deserialize, Serialize};

use crate::{
    oauth::Caller,
    options::Options,
    sheets::errors::{Bucket, quota_exceeded},
    wire::Reply,
};

/// Counts of the current minute.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Quota {
    /// Minutes since 1970; the counts are of this one.
    minute: u64,
    /// By project and account; an empty account stands for the whole project. Writes, then reads.
    counts: BTreeMap<String, [u32; 2]>,
}

/// Project limit over user limit: 300 to 60.
const PROJECT_FACTOR: u32 = 5;

impl Quota {
    /// Counts one call, which is counted even if it then fails; the reply if there is none left.
    pub(crate) fn take(&mut self, now: Duration, caller: &Caller, is_write: bool, options: &Options) -> Option<Reply> {
        let minute = now.as_secs() / 60;
        if minute != self.minute {
            self.minute = minute;
            self.counts.clear();
        }
        let per_user = if is_write { options.writes_per_minute } else { options.reads_per_minute };
        let buckets = [
            (true, per_user, format!("{}/{}", caller.project_number, caller.account)),
            (false, per_user.saturating_mul(PROJECT_FACTOR), caller.project_number.clone()),
        ];
        let kind = usize::from(!is_write);
        for (is_per_user, limit, key) in &buckets {
            if self.counts.get(key).is_some_and(|counts| counts[kind] >= *limit) {
                let bucket = Bucket { is_write, is_per_user: *is_per_user };
                return Some(quota_exceeded(bucket, *limit, &caller.project_number, minute * 60));
            }
        }
        for (_, _, key) in buckets {
            self.counts.entry(key).or_default()[kind] += 1;
        }
        None
    }
}
