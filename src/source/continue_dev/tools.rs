//! What the tools of Continue do, and what its records say about how a call ended.

use serde_json::{Value, json};

use super::wire::Call;
use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::{Event, Status};
use crate::patch::first_changed_line;
use crate::patch::parse_unified;

/// The neutral action of a call: tools of `cn` have names like `Read`, those of the extensions like `read_file` (before 1.0
/// `builtin_read_file`). Anything else is an MCP tool.
pub(super) fn action(event: &Event) -> Action {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| input.get(key).and_then(Value::as_u64);
    let path = || ["filepath", "file_path", "path"].iter().find_map(|k| text(k));
    let edit = |change: Change, hunks: Vec<Hunk>| match path() {
        Some(path) => Action::Edit(vec![FileEdit { path, change, hunks, ..FileEdit::default() }]),
        None => Action::Other,
    };
    let name = event.tool_name.as_deref().unwrap_or("");
    match name.strip_prefix("builtin_").unwrap_or(name) {
        "Read" | "read_file" | "read_file_range" => match path() {
            Some(path) => Action::Read { path, lines: number("startLine").zip(number("endLine")) },
            None => Action::Other,
        },
        "Search" | "grep_search" | "exact_search" | "codebase" => Action::Search {
            pattern: text("pattern").or_else(|| text("query")).unwrap_or_default(),
            path: text("path"),
        },
        "List" | "ls" | "view_subdirectory" | "view_repo_map" => {
            Action::List { path: ["dirpath", "dirPath", "directory_path"].iter().find_map(|k| text(k)), pattern: None }
        }
        "file_glob_search" => Action::List { path: None, pattern: text("pattern") },
        "Edit" | "single_find_and_replace" | "search_and_replace_in_file" => {
            let mut hunk = replaced(input);
            hunk.line = first_changed_line(event.extra.get("patch"), &hunk);
            edit(Change::Edit, vec![hunk])
        }
        "MultiEdit" | "multi_edit" => {
            let edits = input.get("edits").and_then(Value::as_array).into_iter().flatten();
            edit(Change::Edit, edits.map(replaced).collect())
        }
        // the text may leave out what stays as it is
        "edit_existing_file" => {
            edit(Change::Edit, vec![Hunk { after: text("changes").unwrap_or_default(), ..Hunk::default() }])
        }
        "Write" | "create_new_file" => {
            let after = text("content").or_else(|| text("contents")).unwrap_or_default();
            edit(Change::Write, vec![Hunk { after, ..Hunk::default() }])
        }
        "Bash" | "run_terminal_command" => {
            Action::Run { command: text("command").unwrap_or_default(), cwd: event.cwd.clone() }
        }
        "CheckBackgroundJob" => {
            Action::Poll { ids: ["job_id", "jobId", "id"].iter().filter_map(|k| text(k)).collect() }
        }
        "Subagent" => Action::Spawn { prompt: text("prompt").unwrap_or_default() },
        "Checklist" => Action::Plan,
        "Fetch" | "fetch_url_content" => Action::Fetch { target: text("url").unwrap_or_default() },
        "search_web" => Action::Fetch { target: text("query").unwrap_or_default() },
        "AskQuestion" => Action::Ask,
        "Skills" | "read_skill" | "request_rule" => {
            Action::Skill { name: ["skill_name", "skillName", "name"].iter().find_map(|k| text(k)).unwrap_or_default() }
        }
        _ => Action::Other,
    }
}

fn replaced(edit: &Value) -> Hunk {
    let text = |key: &str| edit.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    Hunk { line: None, before: text("old_string"), after: text("new_string") }
}

/// How a call ended, and the exit code of a command where one is recorded. `cn` writes it into the text of a failure only; a
/// command that fails without a word on standard error is `done` like any other. `succeeded` is what the extensions' own
/// record says, which tells how a call ended whose session was not saved again.
pub(super) fn ending(call: &Call, succeeded: Option<bool>) -> (Status, Option<i64>) {
    let output = call.output.as_deref().unwrap_or("");
    let said = call.said.as_deref().unwrap_or("");
    let after = |text: &str, mark: &str| {
        let rest = text.split_once(mark)?.1;
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '-').unwrap_or(rest.len());
        rest.get(..digits)?.parse::<i64>().ok()
    };
    let status = match call.status.as_deref() {
        Some("done") if succeeded == Some(false) => Status::Error,
        Some("done") => Status::Ok,
        Some("errored") => Status::Error,
        // refused by the user (also by writing something else instead) or by a policy
        Some("canceled") => Status::Denied,
        _ => match succeeded {
            Some(true) => Status::Ok,
            Some(false) => Status::Error,
            None => Status::Running,
        },
    };
    let exit = match call.name.as_str() {
        "Bash" if status == Status::Error => {
            output.strip_prefix("Error executing tool Bash: ").and_then(|o| after(o, "Error (exit code "))
        }
        "run_terminal_command" | "builtin_run_terminal_command" => after(said, "exit code "),
        _ => None,
    };
    (if exit.is_some_and(|c| c != 0) { Status::Error } else { status }, exit)
}

/// The change that an edit of `cn` tells of in its output: `Successfully edited PATH\nDiff:\n` and a unified diff.
pub(super) fn patch(call: &Call) -> Option<Value> {
    let (head, diff) = call.output.as_deref()?.split_once("\nDiff:\n")?;
    let path = head.strip_prefix("Successfully edited ").or_else(|| {
        let input = call.input.as_ref()?;
        input.get("file_path").or_else(|| input.get("filepath"))?.as_str()
    })?;
    let hunks: Vec<Value> = parse_unified(diff)
        .into_iter()
        .map(|h| match h.line {
            Some(line) => json!({"line": line, "before": h.before, "after": h.after}),
            None => json!({"before": h.before, "after": h.after}),
        })
        .collect();
    (!hunks.is_empty()).then(|| json!([{"path": path, "hunks": hunks}]))
}
