//! What the tools of VS Code's chat do.

use std::collections::HashMap;

use serde_json::Value;

use crate::action::{Action, Change, FileEdit, Hunk};
use crate::event::Event;
use crate::patch::{parse_apply_patch, recorded};

/// The extension's tools: the name under which VS Code knows them, and the one that the model knows.
const NAMES: [(&str, &str); 36] = [
    ("copilot_applyPatch", "apply_patch"),
    ("copilot_createAndRunTask", "create_and_run_task"),
    ("copilot_createDirectory", "create_directory"),
    ("copilot_createFile", "create_file"),
    ("copilot_createNewJupyterNotebook", "create_new_jupyter_notebook"),
    ("copilot_createNewWorkspace", "create_new_workspace"),
    ("copilot_editFiles", "edit_files"),
    ("copilot_editNotebook", "edit_notebook_file"),
    ("copilot_fetchWebPage", "fetch_webpage"),
    ("copilot_findFiles", "file_search"),
    ("copilot_findTestFiles", "test_search"),
    ("copilot_findTextInFiles", "grep_search"),
    ("copilot_getChangedFiles", "get_changed_files"),
    ("copilot_getErrors", "get_errors"),
    ("copilot_getProjectSetupInfo", "get_project_setup_info"),
    ("copilot_getVSCodeAPI", "get_vscode_api"),
    ("copilot_githubRepo", "github_repo"),
    ("copilot_githubTextSearch", "github_text_search"),
    ("copilot_insertEdit", "insert_edit_into_file"),
    ("copilot_installExtension", "install_extension"),
    ("copilot_listDirectory", "list_dir"),
    ("copilot_memory", "memory"),
    ("copilot_multiReplaceString", "multi_replace_string_in_file"),
    ("copilot_readFile", "read_file"),
    ("copilot_readNotebookCellOutput", "read_notebook_cell_output"),
    ("copilot_readProjectStructure", "read_project_structure"),
    ("copilot_replaceString", "replace_string_in_file"),
    ("copilot_resolveMemoryFileUri", "resolve_memory_file_uri"),
    ("copilot_runNotebookCell", "run_notebook_cell"),
    ("copilot_runTests1", "runTests"),
    ("copilot_runVscodeCommand", "run_vscode_command"),
    ("copilot_searchCodebase", "semantic_search"),
    ("copilot_searchWorkspaceSymbols", "search_workspace_symbols"),
    ("copilot_sessionStoreSql", "session_store_sql"),
    ("copilot_switchAgent", "switch_agent"),
    ("copilot_viewImage", "view_image"),
];

/// The name that the model knows a tool by.
pub(super) fn model_name(tool: &str) -> &str {
    NAMES.binary_search_by_key(&tool, |(shown, _)| shown).ok().and_then(|i| NAMES.get(i)).map_or(tool, |(_, name)| name)
}

/// Whether a tool, by the model's name, changes files of the user.
pub(super) fn edits_files(name: &str) -> bool {
    matches!(
        name,
        "apply_patch"
            | "create_file"
            | "edit_files"
            | "edit_notebook_file"
            | "insert_edit_into_file"
            | "multi_replace_string_in_file"
            | "replace_string_in_file"
    )
}

/// The neutral action of a call; none for a tool that is not VS Code's own.
pub(in crate::source::copilot) fn action(event: &Event) -> Option<Action> {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let file = || ["filePath", "path"].iter().find_map(|k| text(k));
    let name = event.tool_name.as_deref().unwrap_or("");
    if edits_files(name) {
        let files = edits(name, input);
        return Some(Action::Edit(if files.is_empty() {
            recorded(event.extra.get("patch"))
        } else {
            numbered(files, event)
        }));
    }
    Some(match name {
        "read_file" => match file() {
            Some(path) => Action::Read { path, lines: lines(input) },
            None => Action::Other,
        },
        "view_image" | "copilot_getNotebookSummary" | "read_notebook_cell_output" => match file() {
            Some(path) => Action::Read { path, lines: None },
            None => Action::Other,
        },
        "grep_search" | "semantic_search" => {
            Action::Search { pattern: text("query").unwrap_or_default(), path: text("includePattern") }
        }
        "search_workspace_symbols" | "list_code_usages" | "vscode_listCodeUsages" | "vscode_renameSymbol" => {
            let pattern = ["symbolName", "symbol", "query"].iter().find_map(|k| text(k));
            Action::Search { pattern: pattern.unwrap_or_default(), path: first(input, "filePaths").or_else(file) }
        }
        "file_search" => Action::List { path: None, pattern: text("query") },
        "test_search" => Action::List { path: first(input, "filePaths"), pattern: None },
        "list_dir" | "read_project_structure" => Action::List { path: text("path"), pattern: None },
        "run_in_terminal" => {
            Action::Run { command: text("command").unwrap_or_default(), cwd: text("cwd").or_else(|| event.cwd.clone()) }
        }
        "create_and_run_task" => {
            let task = input.get("task").unwrap_or(&Value::Null);
            let words = task.get("args").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let all: Vec<&str> = task.get("command").and_then(Value::as_str).into_iter().chain(words).collect();
            Action::Run { command: all.join(" "), cwd: event.cwd.clone() }
        }
        "runTests" => {
            let files = input.get("files").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str);
            let words: Vec<&str> = ["runTests"].into_iter().chain(files).collect();
            Action::Run { command: words.join(" "), cwd: event.cwd.clone() }
        }
        "get_terminal_output"
        | "kill_terminal"
        | "send_to_terminal"
        | "get_task_output"
        | "terminal_last_command"
        | "terminal_selection" => Action::Poll { ids: text("id").or_else(|| text("terminalId")).into_iter().collect() },
        "manage_todo_list" => Action::Plan,
        "ask_questions"
        | "vscode_askQuestions"
        | "vscode_reviewPlan"
        | "vscode_get_confirmation"
        | "vscode_get_confirmation_with_options"
        | "vscode_get_terminal_confirmation" => Action::Ask,
        _ if name.starts_with("runSubagent") || name.ends_with("_subagent") => {
            let prompt = ["prompt", "query", "details", "description"].iter().find_map(|k| text(k));
            Action::Spawn { prompt: prompt.unwrap_or_default() }
        }
        "fetch_webpage" | "open_simple_browser" | "open_browser_page" | "navigate_page" => {
            Action::Fetch { target: first(input, "urls").or_else(|| text("url")).unwrap_or_default() }
        }
        "github_repo" | "github_text_search" | "get_vscode_api" => {
            Action::Fetch { target: text("query").or_else(|| text("repo")).unwrap_or_default() }
        }
        "tool_search" => Action::Skill { name: text("query").unwrap_or_default() },
        "skill" => Action::Skill { name: text("skill").or_else(|| text("name")).unwrap_or_default() },
        _ if name.starts_with("activate_") => Action::Skill { name: name.to_owned() },
        "memory" => memory(input, text("command").as_deref()),
        "create_directory"
        | "create_new_jupyter_notebook"
        | "create_new_workspace"
        | "get_changed_files"
        | "get_errors"
        | "get_project_setup_info"
        | "install_extension"
        | "resolve_memory_file_uri"
        | "run_notebook_cell"
        | "run_task"
        | "run_vscode_command"
        | "session_store_sql"
        | "switch_agent"
        | "testFailure" => Action::Other,
        _ => return None,
    })
}

/// The first text of a list, or the text itself.
fn first(input: &Value, key: &str) -> Option<String> {
    let v = input.get(key)?;
    v.as_array().map_or_else(|| v.as_str(), |all| all.iter().find_map(Value::as_str)).map(str::to_owned)
}

/// Lines are counted from 1 since mid 2025; before, the keys said so.
fn lines(input: &Value) -> Option<(u64, u64)> {
    let number = |keys: [&str; 2]| keys.iter().find_map(|k| input.get(*k).and_then(Value::as_u64));
    let first = number(["startLine", "startLineNumberBaseOne"]);
    let last = number(["endLine", "endLineNumberBaseOne"]);
    if let Some(first) = first {
        return Some((first.max(1), last.unwrap_or(u64::MAX)));
    }
    let (from, most) = (number(["offset", "offset"]), number(["limit", "limit"]));
    (from.is_some() || most.is_some()).then(|| {
        let from = from.unwrap_or(1).max(1);
        (from, most.map_or(u64::MAX, |n| from.saturating_add(n.max(1) - 1)))
    })
}

/// The changes that the input of an edit tool says.
fn edits(name: &str, input: &Value) -> Vec<FileEdit> {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    let file = |v: &Value| text(v, "filePath").or_else(|| text(v, "path"));
    match name {
        "apply_patch" => input
            .as_str()
            .map(str::to_owned)
            .or_else(|| text(input, "input"))
            .map(|p| parse_apply_patch(&p))
            .unwrap_or_default(),
        "create_file" => {
            let Some(path) = file(input) else { return Vec::new() };
            let Some(after) = text(input, "content") else { return Vec::new() };
            let hunks = vec![Hunk { after, ..Hunk::default() }];
            vec![FileEdit { path, change: Change::Write, hunks, ..FileEdit::default() }]
        }
        "multi_replace_string_in_file" => {
            let mut files: Vec<FileEdit> = Vec::new();
            let mut known: HashMap<String, usize> = HashMap::new();
            for r in input.get("replacements").and_then(Value::as_array).into_iter().flatten() {
                let Some(path) = file(r) else { continue };
                let at = *known.entry(path.clone()).or_insert(files.len());
                if at == files.len() {
                    files.push(FileEdit { path, ..FileEdit::default() });
                }
                if let Some(file) = files.get_mut(at) {
                    file.hunks.extend(replaced(r));
                }
            }
            files
        }
        _ => {
            let Some(path) = file(input) else { return Vec::new() };
            let code = ["code", "newCode"].iter().find_map(|k| text(input, k));
            let hunk = replaced(input).or_else(|| Some(Hunk { after: code?, ..Hunk::default() }));
            let Some(hunk) = hunk else { return Vec::new() };
            vec![FileEdit { path, hunks: vec![hunk], ..FileEdit::default() }]
        }
    }
}

fn replaced(v: &Value) -> Option<Hunk> {
    let text = |key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    Some(Hunk { line: None, before: text("oldString")?, after: text("newString").unwrap_or_default() })
}

/// The memory tool edits notes in a folder of its own.
fn memory(input: &Value, command: Option<&str>) -> Action {
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let Some(path) = text("path") else { return Action::Other };
    let hunk = |before, after| vec![Hunk { line: None, before, after }];
    let edit =
        |change, hunks| Action::Edit(vec![FileEdit { path: path.clone(), change, hunks, ..FileEdit::default() }]);
    match command {
        Some("view") => Action::Read { path, lines: None },
        Some("create") => edit(Change::Write, hunk(String::new(), text("file_text").unwrap_or_default())),
        Some("str_replace") => {
            edit(Change::Edit, hunk(text("old_str").unwrap_or_default(), text("new_str").unwrap_or_default()))
        }
        Some("insert") => edit(Change::Edit, hunk(String::new(), text("insert_text").unwrap_or_default())),
        Some("delete") => edit(Change::Delete, Vec::new()),
        _ => Action::Other,
    }
}

/// Puts the recorded line numbers to the places that a call says.
fn numbered(mut files: Vec<FileEdit>, event: &Event) -> Vec<FileEdit> {
    for known in recorded(event.extra.get("patch")) {
        let Some(file) = files.iter_mut().find(|f| f.path == known.path) else { continue };
        if file.hunks.len() == known.hunks.len() {
            for (hunk, k) in file.hunks.iter_mut().zip(known.hunks) {
                hunk.line = k.line;
            }
        }
    }
    files
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn of(name: &str, input: Value) -> Option<Action> {
        action(&Event { tool_name: Some(name.into()), tool_input: Some(input), ..Event::default() })
    }

    #[test]
    fn names_are_sorted_for_the_search() {
        assert!(NAMES.is_sorted_by_key(|(shown, _)| shown));
        assert_eq!((model_name("copilot_readFile"), model_name("run_in_terminal")), ("read_file", "run_in_terminal"));
    }

    #[test]
    fn tools_become_actions() {
        let read = of("read_file", json!({"filePath": "/a", "startLine": 3, "endLine": 9}));
        assert_eq!(read, Some(Action::Read { path: "/a".into(), lines: Some((3, 9)) }));
        let multi = json!({"replacements": [
            {"filePath": "/a", "oldString": "x", "newString": "y"},
            {"filePath": "/b", "oldString": "p", "newString": "q"},
            {"filePath": "/a", "oldString": "u", "newString": "v"},
        ]});
        let Some(Action::Edit(files)) = of("multi_replace_string_in_file", multi) else { panic!() };
        assert_eq!(files.iter().map(|f| (f.path.as_str(), f.hunks.len())).collect::<Vec<_>>(), [("/a", 2), ("/b", 1)]);
        let run = of("create_and_run_task", json!({"task": {"command": "npm", "args": ["test"]}}));
        assert_eq!(run, Some(Action::Run { command: "npm test".into(), cwd: None }));
        let fetch = of("fetch_webpage", json!({"urls": ["https://x/y"], "query": "q"}));
        assert_eq!(fetch, Some(Action::Fetch { target: "https://x/y".into() }));
        assert_eq!(of("mcp_server_tool", json!({})), None);
        assert_eq!(of("runSubagent2", json!({"prompt": "p"})), Some(Action::Spawn { prompt: "p".into() }));
    }
}
