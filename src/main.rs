//! The `concord` binary.

fn main() {}
