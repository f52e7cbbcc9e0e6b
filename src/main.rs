//! The binary: the early way out for `hook`, and exit codes.

use std::process::ExitCode;

fn main() -> ExitCode {
    // a hook runs twice per tool call: it goes before the argument parser and never fails
    if std::env::args_os().nth(1).is_some_and(|a| a == "hook") && std::env::args_os().len() == 2 {
        causetrace::command::hook::receive();
        return ExitCode::SUCCESS;
    }
    ExitCode::from(causetrace::command::main())
}
