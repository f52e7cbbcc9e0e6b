//! What Copilot CLI's tools do (0.0.354 to 1.0.102).

use serde_json::Value;

use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::Event;
use crate::patch::parse_apply_patch;

/// The neutral action of a call; none for a tool that is not Copilot CLI's own.
pub(super) fn action(event: &Event) -> Option<Action> {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    // one path or several
    let place = || {
        let paths = input.get("paths").or_else(|| input.get("path"))?;
        paths.as_str().or_else(|| paths.as_array()?.first()?.as_str()).map(str::to_owned)
    };
    Some(match event.tool_name.as_deref().unwrap_or("") {
        "view" => Action::Read { path: text("path")?, lines: lines(input.get("view_range")) },
        "edit" => Action::Edit(vec![replaced(event, text("path")?, input)]),
        "create" => written(text("path")?, text("file_text").or_else(|| text("content")).unwrap_or_default()),
        // one tool with a command, before 2026
        "str_replace_editor" => match text("command").as_deref() {
            Some("view") => Action::Read { path: text("path")?, lines: lines(input.get("view_range")) },
            Some("create") => written(text("path")?, text("file_text").unwrap_or_default()),
            Some("insert") => Action::Edit(vec![FileEdit {
                path: text("path")?,
                hunks: vec![Hunk { line: None, before: String::new(), after: text("new_str").unwrap_or_default() }],
                ..FileEdit::default()
            }]),
            _ => Action::Edit(vec![replaced(event, text("path")?, input)]),
        },
        "apply_patch" => {
            let patch = input.as_str().map(str::to_owned).or_else(|| text("input")).or_else(|| text("patch"));
            Action::Edit(parse_apply_patch(&patch.unwrap_or_default()))
        }
        "bash" | "powershell" | "shell" | "local_shell" => {
            Action::Run { command: text("command").unwrap_or_default(), cwd: event.cwd.clone() }
        }
        "read_bash" | "stop_bash" | "write_bash" | "list_bash" | "read_powershell" | "stop_powershell"
        | "write_powershell" | "list_powershell" => {
            // as the result that names the shell says it
            let id = text("shellId").or_else(|| text("sessionId"));
            Action::Poll { ids: id.map(|id| format!("shellId: {id}")).into_iter().collect() }
        }
        "read_agent" | "list_agents" => Action::Poll { ids: text("agent_id").into_iter().collect() },
        "grep" | "rg" => Action::Search { pattern: text("pattern").unwrap_or_default(), path: place() },
        "glob" => Action::List { path: place(), pattern: text("pattern") },
        "task" | "write_agent" => {
            Action::Spawn { prompt: text("prompt").or_else(|| text("message")).unwrap_or_default() }
        }
        "skill" => Action::Skill { name: text("skill").or_else(|| text("name")).unwrap_or_default() },
        "ask_user" | "exit_plan_mode" => Action::Ask,
        "update_todo" | "report_intent" | "task_complete" | "manage_schedule" => Action::Plan,
        // a table of things to do that the agent keeps for itself
        "sql" => Action::Plan,
        "web_fetch" | "fetch" => Action::Fetch { target: text("url").unwrap_or_default() },
        "web_search" => Action::Fetch { target: text("query").unwrap_or_default() },
        "fetch_copilot_cli_documentation" => Action::Fetch { target: "Copilot CLI documentation".to_owned() },
        _ => return None,
    })
}

/// `view_range: [first, last]`; a last line of -1 is the end of the file.
fn lines(range: Option<&Value>) -> Option<(u64, u64)> {
    let [first, last] = range?.as_array()?.as_slice() else { return None };
    let first = u64::try_from(first.as_i64()?).ok()?.max(1);
    Some((first, u64::try_from(last.as_i64()?).unwrap_or(u64::MAX)))
}

fn written(path: String, content: String) -> Action {
    let hunk = Hunk { line: None, before: String::new(), after: content };
    Action::Edit(vec![FileEdit { path, change: Change::Write, hunks: vec![hunk], ..FileEdit::default() }])
}

/// One place replaced by another, with its line where the client recorded the change.
fn replaced(event: &Event, path: String, input: &Value) -> FileEdit {
    let text = |key: &str| input.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    let (before, after) = (text("old_str"), text("new_str"));
    let line = line_of(event, &before).filter(|_| !before.is_empty());
    FileEdit { path, hunks: vec![Hunk { line, before, after }], ..FileEdit::default() }
}

/// The line at which the one replaced place begins: where its first line stands in the one recorded hunk, alone.
fn line_of(event: &Event, before: &str) -> Option<u64> {
    let [file] = event.extra.get("patch")?.as_array()?.as_slice() else { return None };
    let [hunk] = file.get("hunks")?.as_array()?.as_slice() else { return None };
    let start = hunk.get("line")?.as_u64()?;
    let at = hunk.get("before")?.as_str()?.find(before.trim_end_matches('\n'))?;
    let above = hunk.get("before")?.as_str()?.get(..at)?.matches('\n').count();
    Some(start + above as u64)
}
