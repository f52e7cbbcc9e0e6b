//! What Aider's acts are called here, and what each does.
//!
//! Aider has no tools. Its acts get the names of its own commands (`run`, `test`, `lint`, `add`, `undo`, …); what it does with a
//! reply is `edit` and `write`, a suggested command that the user let it run `shell`, and its commits `commit`.

use serde_json::Value;

use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::Event;
use crate::patch::{parse_apply_patch, parse_unified};

/// The neutral action of a call.
pub(super) fn action(event: &Event) -> Action {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    match event.tool_name.as_deref().unwrap_or("") {
        "edit" => edit(input),
        "write" => match text("path") {
            Some(path) => {
                let hunk = Hunk { after: text("content").unwrap_or_default(), ..Hunk::default() };
                Action::Edit(vec![FileEdit { path, change: Change::Write, hunks: vec![hunk], ..FileEdit::default() }])
            }
            None => Action::Other,
        },
        // a file in the chat is shown whole with every request
        "add" | "read-only" => text("path").map_or(Action::Other, |path| Action::Read { path, lines: None }),
        "run" | "test" | "shell" | "git" | "lint" => match text("command") {
            Some(command) => Action::Run { command, cwd: None },
            None => Action::Other,
        },
        "web" => text("url").map_or(Action::Other, |target| Action::Fetch { target }),
        _ => Action::Other,
    }
}

fn edit(input: &Value) -> Action {
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(patch) = text("patch") {
        return Action::Edit(parse_apply_patch(&patch));
    }
    let Some(path) = text("path") else { return Action::Other };
    let hunks = match text("diff") {
        Some(diff) => parse_unified(&diff),
        None => match (text("before"), text("after")) {
            (None, None) => Vec::new(),
            (before, after) => {
                vec![Hunk { line: None, before: before.unwrap_or_default(), after: after.unwrap_or_default() }]
            }
        },
    };
    Action::Edit(vec![FileEdit { path, hunks, ..FileEdit::default() }])
}
