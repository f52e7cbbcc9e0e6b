//! What Claude Code's tools do.

use serde_json::Value;

use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::Event;

/// The neutral action of a call. Lines of the Python tool and of agents without a source come here too.
pub(super) fn action(event: &Event) -> Action {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| {
        let v = input.get(key)?;
        v.as_u64().or_else(|| v.as_str()?.parse().ok())
    };
    let path = || text("file_path").or_else(|| text("path")).or_else(|| text("notebook_path"));
    match event.tool_name.as_deref().unwrap_or("") {
        "Read" | "NotebookRead" | "read" | "read_file" => {
            let Some(path) = path() else { return Action::Other };
            let lines = match (number("offset"), number("limit")) {
                (None, None) => None,
                (from, most) => {
                    let from = from.unwrap_or(1).max(1);
                    Some((from, most.map_or(u64::MAX, |n| from.saturating_add(n.max(1) - 1))))
                }
            };
            Action::Read { path, lines }
        }
        "Grep" | "grep" | "Search" => {
            Action::Search { pattern: text("pattern").unwrap_or_default(), path: text("path").or_else(|| text("glob")) }
        }
        "Glob" | "glob" => Action::List { path: text("path"), pattern: text("pattern") },
        "LS" | "ls" => Action::List { path: path(), pattern: None },
        "Edit" | "edit" => match path() {
            Some(path) => Action::Edit(vec![edited(event, path, vec![input])]),
            None => Action::Other,
        },
        "MultiEdit" => match path() {
            Some(path) => {
                let edits = input.get("edits").and_then(Value::as_array);
                Action::Edit(vec![edited(event, path, edits.map(|e| e.iter().collect()).unwrap_or_default())])
            }
            None => Action::Other,
        },
        "Write" | "write" => match path() {
            Some(path) => Action::Edit(vec![FileEdit {
                path,
                change: Change::Write,
                hunks: vec![Hunk { line: None, before: String::new(), after: text("content").unwrap_or_default() }],
                ..FileEdit::default()
            }]),
            None => Action::Other,
        },
        "NotebookEdit" => match path() {
            Some(path) => Action::Edit(vec![FileEdit {
                path,
                hunks: vec![Hunk { line: None, before: String::new(), after: text("new_source").unwrap_or_default() }],
                ..FileEdit::default()
            }]),
            None => Action::Other,
        },
        "Bash" | "bash" | "PowerShell" => {
            Action::Run { command: text("command").unwrap_or_default(), cwd: event.cwd.clone() }
        }
        "BashOutput" | "TaskOutput" | "AgentOutput" | "KillShell" | "KillBash" | "TaskStop" | "Monitor" => {
            let ids = ["bash_id", "shell_id", "task_id", "agentId", "id"];
            Action::Poll { ids: ids.iter().filter_map(|k| text(k)).collect() }
        }
        "Task" | "Agent" | "SendMessage" | "Workflow" => {
            let prompt = text("prompt").or_else(|| text("message")).or_else(|| text("content"));
            Action::Spawn { prompt: prompt.or_else(|| text("description")).unwrap_or_default() }
        }
        "TodoWrite" | "TodoRead" | "TaskCreate" | "TaskUpdate" | "TaskList" | "TaskGet" | "EnterPlanMode" => {
            Action::Plan
        }
        "ExitPlanMode" | "exit_plan_mode" | "AskUserQuestion" => Action::Ask,
        "Skill" | "SlashCommand" | "ToolSearch" => {
            let name = ["skill", "command", "query"].iter().find_map(|k| text(k));
            Action::Skill { name: name.unwrap_or_default() }
        }
        "WebFetch" => Action::Fetch { target: text("url").unwrap_or_default() },
        "WebSearch" | "web_search" => Action::Fetch { target: text("query").unwrap_or_default() },
        _ => Action::Other,
    }
}

/// An edit by `old_string` and `new_string`, with the line numbers that the client recorded, where it did.
fn edited(event: &Event, path: String, edits: Vec<&Value>) -> FileEdit {
    let text = |e: &Value, key: &str| e.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let lines = recorded_lines(event);
    let one = edits.len() == 1;
    let hunks = edits.into_iter().map(|e| {
        let before = text(e, "old_string");
        // only a single replaced place is surely the one that the record numbers
        let line = lines.filter(|_| one && !before.is_empty());
        Hunk { line, before, after: text(e, "new_string") }
    });
    FileEdit { path, hunks: hunks.collect(), ..FileEdit::default() }
}

/// The line at which the one replaced place begins: the first removed or added line of the one recorded hunk.
fn recorded_lines(event: &Event) -> Option<u64> {
    let files = event.extra.get("patch")?.as_array()?;
    let [file] = files.as_slice() else { return None };
    let [hunk] = file.get("hunks")?.as_array()?.as_slice() else { return None };
    let start = hunk.get("line")?.as_u64()?;
    let before = hunk.get("before")?.as_str()?;
    let wanted = event.tool_input.as_ref()?.get("old_string")?.as_str()?.lines().next()?;
    let at = before.lines().position(|l| l.ends_with(wanted))?;
    start.checked_add(at as u64)
}
