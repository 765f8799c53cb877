//! Rows without end.

use std::time::Duration;

use sheet_courier::{Cell, Row};

use crate::bench::{Bench, row};

/// As many markers as a device makes before they may go have room: it never stops to wait for that.
#[test]
fn a_row_a_second_is_sent_for_an_hour_without_a_pause() {
    let mut bench = Bench::with_rows(0);
    let began = bench.now;
    let mut most = 0;
    for second in 0..3600 {
        let end = began + Duration::from_secs(second);
        while let Some(call) = bench.next_call_by(end) {
            bench.pass_on(&call);
        }
        bench.now = bench.now.max(end);
        let recorded = Some(bench.now);
        bench.queued.push(Row { recorded, ..row(second as usize, Cell::Number(second as f64)) });
        most = most.max(bench.queued.len());
    }
    assert!(most <= 8, "{most} rows waited");
}
