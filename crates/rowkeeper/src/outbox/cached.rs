//! Statements that are parsed once: SQLite took longer to read most of ours than to carry them out.

use rusqlite::{Connection, Params, Row};

/// How many are kept. One of ours takes some 3 KiB; a device that delivers uses about forty again and again.
pub(super) const STATEMENTS: usize = 48;

/// The methods of [`Connection`] of the same names, with statements that are kept.
pub(super) trait Cached {
    fn execute_cached(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize>;

    fn query_row_cached<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T>;
}

impl Cached for Connection {
    fn execute_cached(&self, sql: &str, params: impl Params) -> rusqlite::Result<usize> {
        self.prepare_cached(sql)?.execute(params)
    }

    fn query_row_cached<T>(
        &self,
        sql: &str,
        params: impl Params,
        read: impl FnOnce(&Row<'_>) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.prepare_cached(sql)?.query_row(params, read)
    }
}
