//! The command line: one file a subcommand.

pub mod aider;
pub mod doctor;
pub mod hook;
pub mod install;
