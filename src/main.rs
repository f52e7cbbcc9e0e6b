//! The binary: the early way out for `hook`, and exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    // a hook runs twice per tool call: it goes before the argument parser and never fails
    let mut args = std::env::args_os().skip(1);
    if args.next().is_some_and(|a| a == "hook") && args.next().is_none_or(|a| a != "--help" && a != "-h") {
        causetrace::command::hook::receive();
        return ExitCode::SUCCESS;
    }
    ExitCode::from(causetrace::command::main())
}
