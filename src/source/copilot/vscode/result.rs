//! The results of calls: the text that the model got, and how the call ended.

use serde_json::Value;

use super::wire::{Tool, list, text};
use crate::event::Status;

/// The text of a result: of its parts one after the other; a picture is named by its type.
pub(super) fn result_text(result: &Value) -> String {
    let mut out = String::new();
    for part in list(result, "content") {
        match part.get("value") {
            Some(Value::String(s)) => out.push_str(s),
            // a rendered prompt, read as its text
            Some(value) => out.push_str(text(value, "node").unwrap_or_default()),
            None => {
                if let Some(kind) = text(part, "mimeType") {
                    out.push_str(&format!("[{kind}]"));
                }
            }
        }
    }
    out
}

/// How a call ended. `said` is the text that the model got, which is in English whatever the client's language; `ended` says
/// that the request is over, `stopped` that the user stopped it.
pub(super) fn status(
    tool: &str,
    part: Option<Tool<'_>>,
    said: Option<&str>,
    ended: bool,
    stopped: bool,
) -> (Option<Status>, Option<i64>) {
    let exit = part.and_then(Tool::exit_code).or_else(|| said.and_then(|s| exit_code(tool, s)));
    let denied = part.is_some_and(Tool::denied);
    let status = match said.map(str::trim_start) {
        Some(s) if denied || s.starts_with("The user chose to skip the tool call") => Some(Status::Denied),
        Some(s) if s.starts_with("The user cancelled the tool call") => Some(Status::Interrupted),
        Some(s) if exit.is_some_and(|c| c != 0) || part.is_some_and(Tool::failed) || is_failure(tool, s) => {
            Some(Status::Error)
        }
        Some(_) => Some(Status::Ok),
        None if denied => Some(Status::Denied),
        None => match part {
            Some(p) if p.failed() || exit.is_some_and(|c| c != 0) => Some(Status::Error),
            Some(p) if p.has_ended() => Some(Status::Ok),
            _ if stopped => Some(Status::Interrupted),
            // what came of it is not recorded
            _ if ended && part.is_some() => None,
            _ => Some(Status::Running),
        },
    };
    (status, exit)
}

fn is_failure(tool: &str, said: &str) -> bool {
    let begins =
        ["ERROR while calling tool", "ERROR: Your input to the tool was invalid", "Applying patch failed with error"];
    begins.iter().any(|b| said.starts_with(b))
        || tool.starts_with("mcp_") && said.starts_with("Error calling tool")
        || tool == "runTests" && failed_tests(said)
}

/// `<summary passed=45 failed=1 />`
fn failed_tests(said: &str) -> bool {
    let counts = said.split("<summary ").nth(1).and_then(|s| s.split("/>").next());
    let failed = counts.and_then(|c| c.split("failed=").nth(1)).and_then(|f| f.split_whitespace().next());
    failed.is_some_and(|f| f != "0")
}

/// The code in the last words of a terminal tool: `Command exited with code 1`.
fn exit_code(tool: &str, said: &str) -> Option<i64> {
    let terminal = tool.contains("terminal") || tool.contains("task");
    let last = said.trim_end().lines().rev().take(3).find_map(|l| l.trim().strip_prefix("Command exited with code "));
    last.filter(|_| terminal)?.trim_end_matches('.').parse().ok()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::slim::Slim;
    use super::*;

    #[test]
    fn a_tree_of_elements_is_text() {
        let node = |t: &str, b: bool| json!({"type": 2, "text": t, "lineBreakBefore": b});
        let tree = json!({"type": 1, "children": [
            node("```rs\n", false),
            {"type": 1, "children": [node("fn a() {}\n", true), node("fn b() {}", true)]},
            node("```", true),
        ]});
        let results = json!({"toolCallResults": {"id": {"content": [
            {"$mid": 23, "value": {"node": tree}},
            {"$mid": 21, "value": "!"},
            {"$mid": 24, "mimeType": "image/png", "data": {}},
        ]}}});
        let Slim(results) = serde_json::from_value(results).unwrap();
        assert_eq!(result_text(&results["toolCallResults"]["id"]), "```rs\nfn a() {}\nfn b() {}\n```![image/png]");
    }

    #[test]
    fn endings_are_told_by_part_or_text() {
        let part = json!({"isConfirmed": {"type": 5}});
        let skipped = Some(Tool(&part));
        let of = |tool, said| status(tool, None, Some(said), true, false);
        assert_eq!(status("x", skipped, Some("…"), true, false).0, Some(Status::Denied));
        assert_eq!(of("read_file", "ERROR while calling tool: no such file").0, Some(Status::Error));
        assert_eq!(of("run_in_terminal", "a\n\n\nCommand exited with code 2"), (Some(Status::Error), Some(2)));
        assert_eq!(of("read_file", "Command exited with code 2"), (Some(Status::Ok), None));
        assert_eq!(of("runTests", "<summary passed=3 failed=1 />").0, Some(Status::Error));
        assert_eq!(of("runTests", "<summary passed=3 failed=0 />").0, Some(Status::Ok));
        assert_eq!(of("x", "The user cancelled the tool call.").0, Some(Status::Interrupted));
        assert_eq!(status("x", None, None, false, false).0, Some(Status::Running));
    }
}
