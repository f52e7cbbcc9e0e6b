//! Answers: pure functions from a graph to plain view structs. No input or output, no terminal, no agent's name.

pub mod blame;
pub mod impact;
pub mod removed;
pub mod stats;
pub mod why;

use crate::action::Action;

/// Whether a command line commits to git: the word `commit` behind `git` and its options, in any of its simple commands.
pub fn commits(action: &Action) -> bool {
    let Action::Run { command, .. } = action else { return false };
    command.split(['\n', ';', '&', '|']).any(|part| {
        let mut words = part.split_whitespace().skip_while(|w| w.contains('=')).peekable();
        if words.next() != Some("git") {
            return false;
        }
        while let Some(w) = words.next() {
            match w {
                "-C" | "-c" => {
                    words.next();
                }
                w if w.starts_with('-') => {}
                other => return other == "commit",
            }
        }
        false
    })
}
