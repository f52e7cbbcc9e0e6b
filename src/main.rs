//! The binary: arguments, the early way out for `hook`, errors to exit codes.

fn main() {}
