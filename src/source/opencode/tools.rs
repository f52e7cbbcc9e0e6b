//! What OpenCode's tools do, and what its records say about how a call ended.

use serde_json::{Map, Value, json};

use super::wire::State;
use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::{Event, Status};
use crate::patch::first_changed_line;
use crate::patch::{parse_apply_patch, parse_unified};

/// The neutral action of a call. Names of 2.x (`shell`, `subagent`) included; anything else is a custom or MCP tool.
pub(super) fn action(event: &Event) -> Action {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let number = |key: &str| input.get(key).and_then(Value::as_u64);
    let path = || text("filePath").or_else(|| text("path"));
    match event.tool_name.as_deref().unwrap_or("") {
        "read" => match path() {
            // the offset counted from 0 in old clients and counts from 1 in newer ones; one line more does no harm
            Some(path) => {
                let first = number("offset").map(|n| n.max(1));
                let lines = match (first, number("limit")) {
                    (None, None) => None,
                    (first, limit) => {
                        let first = first.unwrap_or(1);
                        Some((first, first.saturating_add(limit.unwrap_or(2000))))
                    }
                };
                Action::Read { path, lines }
            }
            None => Action::Other,
        },
        "grep" | "codesearch" => Action::Search {
            pattern: text("pattern").or_else(|| text("query")).unwrap_or_default(),
            path: text("path"),
        },
        "glob" => Action::List { path: text("path"), pattern: text("pattern") },
        "list" | "ls" => Action::List { path: text("path"), pattern: None },
        "edit" => match path() {
            Some(path) => {
                let mut hunk = replaced(input);
                hunk.line = first_changed_line(event.extra.get("patch"), &hunk);
                Action::Edit(vec![FileEdit { path, hunks: vec![hunk], ..FileEdit::default() }])
            }
            None => Action::Other,
        },
        "multiedit" => {
            let edits: Vec<&Value> = input.get("edits").and_then(Value::as_array).into_iter().flatten().collect();
            let path = path().or_else(|| Some(edits.first()?.get("filePath")?.as_str()?.to_owned()));
            let hunks = edits.into_iter().map(replaced).collect();
            path.map_or(Action::Other, |path| Action::Edit(vec![FileEdit { path, hunks, ..FileEdit::default() }]))
        }
        "write" => match path() {
            Some(path) => {
                let hunk = Hunk { after: text("content").unwrap_or_default(), ..Hunk::default() };
                Action::Edit(vec![FileEdit { path, change: Change::Write, hunks: vec![hunk], ..FileEdit::default() }])
            }
            None => Action::Other,
        },
        "patch" | "apply_patch" => {
            Action::Edit(text("patchText").or_else(|| text("patch")).map(|t| parse_apply_patch(&t)).unwrap_or_default())
        }
        "bash" | "shell" => Action::Run {
            command: text("command").unwrap_or_default(),
            cwd: text("workdir").or_else(|| text("cwd")).or_else(|| event.cwd.clone()),
        },
        "task" | "subagent" => Action::Spawn { prompt: text("prompt").unwrap_or_default() },
        "todowrite" | "todoread" | "plan_enter" | "plan_exit" => Action::Plan,
        "webfetch" => Action::Fetch { target: text("url").unwrap_or_default() },
        "websearch" => Action::Fetch { target: text("query").unwrap_or_default() },
        "question" => Action::Ask,
        "skill" => Action::Skill { name: text("name").unwrap_or_default() },
        // `invalid` stands for a tool that does not exist
        _ => Action::Other,
    }
}

fn replaced(edit: &Value) -> Hunk {
    let text = |key: &str| edit.get(key).and_then(Value::as_str).unwrap_or("").to_owned();
    Hunk { line: None, before: text("oldString"), after: text("newString") }
}

/// How a call ended. "completed" only says that the tool gave an answer.
pub(super) fn status(tool: &str, state: &State) -> (Status, Option<i64>) {
    let exit = state.metadata.get("exit");
    let code = exit.and_then(Value::as_i64);
    let status = match state.status.as_str() {
        "completed" | "success" => match code {
            Some(0) => Status::Ok,
            Some(_) => Status::Error,
            // no exit code of a command: it was cut off, by the user or by its time limit
            None if exit.is_some_and(Value::is_null) => {
                let said = state.output.as_ref().and_then(Value::as_str).unwrap_or("");
                if said.contains("User aborted the command") { Status::Interrupted } else { Status::Error }
            }
            None if tool == "invalid" => Status::Error,
            None => Status::Ok,
        },
        "error" => match state.error.as_ref().map(plain).unwrap_or_default().as_str() {
            e if e.starts_with("The user rejected permission")
                || e.starts_with("The user dismissed")
                || e.starts_with("The user has specified a rule") =>
            {
                Status::Denied
            }
            "Tool execution aborted" | "Tool execution was interrupted" => Status::Interrupted,
            _ => Status::Error,
        },
        _ => Status::Running,
    };
    (status, code)
}

/// The text of a value that mostly is a string.
pub(super) fn plain(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

/// The recorded change of a call: `metadata.filediff` or `metadata.diff` of edits, `metadata.files` of patches.
pub(super) fn patch(state: &State) -> Option<Value> {
    let input = state.input.as_ref().unwrap_or(&Value::Null);
    let meta = &state.metadata;
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let one = |path: String, diff: &str| {
        let hunks: Vec<Value> = parse_unified(diff).into_iter().map(hunk).collect();
        (!hunks.is_empty()).then(|| json!({"path": path, "hunks": hunks}))
    };
    if let Some(files) = meta.get("files").and_then(Value::as_array) {
        let known: Vec<Value> = files
            .iter()
            .filter_map(|f| {
                let path = text(f, "filePath").or_else(|| text(f, "relativePath"))?;
                one(path, &text(f, "patch").or_else(|| text(f, "diff"))?)
            })
            .collect();
        return (!known.is_empty()).then_some(Value::Array(known));
    }
    let filediff = meta.get("filediff");
    let diff = filediff.and_then(|f| text(f, "patch")).or_else(|| text(meta, "diff"))?;
    let path = text(input, "filePath").or_else(|| filediff.and_then(|f| text(f, "file")))?;
    one(path, &diff).map(|p| Value::Array(vec![p]))
}

fn hunk(h: Hunk) -> Value {
    let mut m = Map::new();
    if let Some(line) = h.line {
        m.insert("line".to_owned(), line.into());
    }
    m.insert("before".to_owned(), h.before.into());
    m.insert("after".to_owned(), h.after.into());
    Value::Object(m)
}
