//! What Codex's tools do.

use serde_json::Value;

use crate::action::{Action, FileEdit};
use crate::event::Event;
use crate::patch::{parse_apply_patch, recorded};

/// The neutral action of a call.
pub(super) fn action(event: &Event) -> Action {
    let input = event.tool_input.as_ref().unwrap_or(&Value::Null);
    let text = |key: &str| input.get(key).and_then(Value::as_str).map(str::to_owned);
    let cwd = || text("workdir").or_else(|| event.cwd.clone());
    match event.tool_name.as_deref().unwrap_or("") {
        "exec_command" | "shell" | "local_shell" | "local_shell_call" | "shell_command" | "container.exec"
        | "command" | "Bash" => {
            let command = ["cmd", "command", "script"].iter().find_map(|k| input.get(k).map(command_line));
            let command = command.unwrap_or_default();
            let patch = patch_in_command(input).or_else(|| patch_in_script(&command));
            let Some(mut files) = patch else { return Action::Run { command, cwd: cwd() } };
            number(&mut files, event);
            Action::Edit(files)
        }
        "apply_patch" => {
            let raw = input
                .as_str()
                .map(str::to_owned)
                .or_else(|| text("input"))
                .or_else(|| text("patch"))
                .or_else(|| text("command"));
            let mut files = raw.map(|r| parse_apply_patch(&r)).unwrap_or_default();
            if files.is_empty() {
                files = recorded(event.extra.get("patch"));
            } else {
                number(&mut files, event);
            }
            Action::Edit(files)
        }
        "file_change" => Action::Edit(recorded(event.extra.get("patch"))),
        "write_stdin" => Action::Poll { ids: input.get("session_id").map(plain).into_iter().collect() },
        "wait" => Action::Poll { ids: input.get("cell_id").map(plain).into_iter().collect() },
        "wait_agent" | "close_agent" | "list_agents" => {
            let all = input.get("targets").or_else(|| input.get("ids")).and_then(Value::as_array);
            let one = text("target").or_else(|| text("id"));
            Action::Poll { ids: all.into_iter().flatten().map(plain).chain(one).collect() }
        }
        "spawn_agent" | "send_input" | "send_message" | "followup_task" => {
            Action::Spawn { prompt: text("message").or_else(|| text("task")).unwrap_or_default() }
        }
        "update_plan" | "create_goal" | "update_goal" => Action::Plan,
        "request_user_input" => Action::Ask,
        "view_image" => match text("path") {
            Some(path) => Action::Read { path, lines: None },
            None => Action::Other,
        },
        "read_file" => match text("file_path") {
            Some(path) => Action::Read { path, lines: None },
            None => Action::Other,
        },
        "list_dir" => Action::List { path: text("dir_path"), pattern: None },
        "grep_files" => Action::Search { pattern: text("pattern").unwrap_or_default(), path: text("path") },
        "web_search" | "web_search_call" => {
            let target = ["query", "url", "pattern"].iter().find_map(|k| text(k));
            Action::Fetch { target: target.unwrap_or_default() }
        }
        "tool_search" => Action::Skill { name: text("query").unwrap_or_default() },
        // code mode: a JavaScript program, whose calls are events of their own
        _ => Action::Other,
    }
}

/// A command as one line: of `["bash", "-lc", script]` the script, of other lists the quoted words.
pub(super) fn command_line(v: &Value) -> String {
    match v {
        Value::String(s) => s.clone(),
        Value::Array(items) => {
            let words: Vec<&str> = items.iter().filter_map(Value::as_str).collect();
            match words.as_slice() {
                [shell, flag, script] if is_shell(shell) && flag.starts_with('-') && flag.ends_with('c') => {
                    (*script).to_owned()
                }
                _ => words.iter().map(|w| quoted(w)).collect::<Vec<_>>().join(" "),
            }
        }
        _ => String::new(),
    }
}

fn is_shell(word: &str) -> bool {
    let name = word.rsplit(['/', '\\']).next().unwrap_or(word).trim_end_matches(".exe");
    matches!(name, "sh" | "bash" | "zsh" | "dash" | "ash" | "ksh" | "pwsh" | "powershell")
}

fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.bytes().all(|b| b.is_ascii_alphanumeric() || b"_-./:=@%+,".contains(&b));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

/// `["apply_patch", text]` given to a shell tool (0.34 to 0.98).
fn patch_in_command(input: &Value) -> Option<Vec<FileEdit>> {
    let words = input.get("command")?.as_array()?;
    let [program, text] = words.as_slice() else { return None };
    let files = parse_apply_patch(text.as_str()?);
    (program.as_str()? == "apply_patch" && !files.is_empty()).then_some(files)
}

/// `apply_patch <<'EOF' …`, alone or behind `cd DIR &&`: the client takes it as the tool itself (0.34 to 0.130). A script that
/// does more besides stays a command.
fn patch_in_script(script: &str) -> Option<Vec<FileEdit>> {
    let script = script.trim();
    let (dir, script) = match script.strip_prefix("cd ").and_then(|s| s.split_once("&&")) {
        Some((dir, rest)) => (Some(dir.trim().trim_matches(['"', '\''])), rest.trim_start()),
        None => (None, script),
    };
    let rest = script.strip_prefix("apply_patch")?.trim_start().strip_prefix("<<")?;
    let (word, body) = rest.trim_start_matches('-').split_once('\n')?;
    let word = word.trim().trim_matches(['"', '\'']);
    let body = body.strip_suffix(word).filter(|b| !word.is_empty() && b.ends_with('\n'))?;
    if !body.trim_start().starts_with("*** Begin Patch") || body.lines().any(|l| l == word) {
        return None;
    }
    let mut files = parse_apply_patch(body);
    let below = |p: &str| match dir {
        Some(dir) if !p.starts_with('/') => format!("{}/{p}", dir.trim_end_matches('/')),
        _ => p.to_owned(),
    };
    for file in &mut files {
        file.path = below(&file.path);
        file.moved_to = file.moved_to.as_deref().map(below);
    }
    (!files.is_empty()).then_some(files)
}

fn plain(v: &Value) -> String {
    v.as_str().map_or_else(|| v.to_string(), str::to_owned)
}

/// Puts the recorded line numbers to the hunks of a patch that has none.
fn number(files: &mut [FileEdit], event: &Event) {
    for known in recorded(event.extra.get("patch")) {
        let Some(file) = files.iter_mut().find(|f| known.path.ends_with(f.path.trim_start_matches("./"))) else {
            continue;
        };
        if file.hunks.len() == known.hunks.len() {
            for (hunk, k) in file.hunks.iter_mut().zip(known.hunks) {
                let first = hunk.before.lines().next().unwrap_or("");
                let at = k.before.lines().position(|l| l == first);
                hunk.line = k.line.zip(at).and_then(|(line, at)| line.checked_add(at as u64));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_in_a_script_is_an_edit_and_nothing_else_is() {
        let patch = "*** Begin Patch\n*** Add File: a.py\n+x = 1\n*** End Patch\n";
        let paths = |script: &str| {
            patch_in_script(script).map(|files| files.into_iter().map(|f| f.path).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(paths(&format!("apply_patch <<'EOF'\n{patch}EOF")).as_deref(), Some("a.py"));
        assert_eq!(paths(&format!("cd /p/q && apply_patch << \"P\"\n{patch}P\n")).as_deref(), Some("/p/q/a.py"));
        assert_eq!(paths(&format!("apply_patch <<'EOF'\n{patch}EOF\nrm b.py\nEOF")), None);
        assert_eq!(paths(&format!("cat > p <<'EOF'\n{patch}EOF")), None);
        assert_eq!(paths("apply_patch <<'EOF'\nnothing\nEOF"), None);
    }
}
