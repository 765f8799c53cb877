//! The rowkeeper command.
fn main() {}
