//! The one command for developers.
fn main() {}
