//! How a call ended, from its `tool.execution_complete`.

use serde_json::{Value, json};

use super::wire::{FileEdited, ToolEnd};
use crate::event::Status;
use crate::patch::parse_unified;

/// What a completion says.
pub(super) struct Outcome {
    pub status: Status,
    pub exit_code: Option<i64>,
    /// What the model saw.
    pub output: Option<Value>,
    /// The recorded change of files, as the extra key `patch` holds it.
    pub patch: Option<Value>,
}

/// Reads a completion of a call of `tool`.
pub(super) fn outcome(end: ToolEnd, tool: &str) -> Outcome {
    let failed = end.success == Some(false);
    let error_text = end.error.as_ref().map(|e| match e {
        Value::String(s) => s.clone(),
        other => other.get("message").and_then(Value::as_str).unwrap_or_default().to_owned(),
    });
    let code = end.error.as_ref().and_then(|e| e.get("code")).and_then(Value::as_str);
    let result = end.result.unwrap_or_default();
    let output = match (error_text.filter(|t| !t.is_empty()), result.content) {
        (Some(text), None) => Some(text.into()),
        (_, content) => content,
    };
    let told = || output.as_ref().and_then(Value::as_str).filter(|_| is_shell(tool)).and_then(exit_code);
    let exit_code = end.shell_execution.and_then(|s| s.exit_code).or_else(told);
    let status = match code {
        Some("denied" | "rejected") if failed => Status::Denied,
        _ if failed || exit_code.is_some_and(|c| c != 0) => Status::Error,
        _ => Status::Ok,
    };
    // reading a file shows a diff as well, of lines that all stay
    let edits = end.file_edits.is_some() || matches!(tool, "edit" | "create" | "str_replace_editor" | "apply_patch");
    let diff = result.detailed_content.as_ref().and_then(Value::as_str).filter(|_| edits && !failed);
    let patch = diff.and_then(|d| patch(d, end.file_edits.as_deref().unwrap_or_default()));
    Outcome { status, exit_code, output, patch }
}

/// Whether a tool runs commands.
pub(super) fn is_shell(tool: &str) -> bool {
    matches!(tool, "bash" | "powershell" | "shell" | "local_shell")
}

/// The exit code in the line that the client puts below a command's output (before 1.0.102 the only place).
fn exit_code(output: &str) -> Option<i64> {
    let last = output.trim_end().rsplit('\n').next()?;
    let last = last.strip_prefix('<')?.strip_suffix('>')?;
    last.rsplit_once("exit code ")?.1.trim().parse().ok()
}

/// The files of a diff; their names are taken from `edited`, which has them whole: the diff's heads lack the root.
fn patch(diff: &str, edited: &[FileEdited]) -> Option<Value> {
    // only at the beginning of a line: lines of the files begin with a sign
    let parts: Vec<&str> = diff.trim_start().strip_prefix("diff --git ")?.split("\ndiff --git ").collect();
    let mut files = Vec::new();
    for (i, part) in parts.iter().enumerate() {
        let known = edited.get(i).filter(|_| edited.len() == parts.len());
        let path = known.map(|f| f.path.clone()).or_else(|| name_in(part))?;
        let created =
            known.and_then(|f| f.kind.as_deref()).unwrap_or_default() == "create" || part.contains("--- /dev/null");
        let hunks: Vec<Value> = parse_unified(part)
            .into_iter()
            .map(|h| json!({"line": h.line, "before": h.before, "after": h.after}))
            .collect();
        files.push(json!({"path": path, "change": if created { "add" } else { "update" }, "hunks": hunks}));
    }
    (!files.is_empty()).then_some(Value::Array(files))
}

/// The file's name in the head of its diff.
fn name_in(part: &str) -> Option<String> {
    let line = part.lines().take_while(|l| !l.starts_with("@@")).find_map(|l| l.strip_prefix("+++ "))?;
    let name = line.strip_prefix("b/").unwrap_or(line).trim();
    let drive = name.as_bytes().get(1) == Some(&b':');
    Some(if name.starts_with('/') || drive { name.to_owned() } else { format!("/{name}") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exit_codes_stand_in_the_last_line() {
        assert_eq!(exit_code("True\n<shellId: 0 completed with exit code 0>"), Some(0));
        assert_eq!(exit_code("\n<exited with exit code 127>\n"), Some(127));
        assert_eq!(exit_code("it says: exit code 3"), None);
        assert_eq!(exit_code(""), None);
    }

    #[test]
    fn a_patch_names_files_by_what_was_edited() {
        let diff = "\ndiff --git a/w/x b/w/x\nindex 0..0 100644\n--- a/w/x\n+++ b/w/x\n@@ -3,1 +3,1 @@\n-a\n+b\n";
        let edited = [FileEdited { path: "/w/x".into(), kind: Some("edit".into()) }];
        let wanted =
            json!([{"path": "/w/x", "change": "update", "hunks": [{"line": 3, "before": "a\n", "after": "b\n"}]}]);
        assert_eq!(patch(diff, &edited), Some(wanted.clone()));
        assert_eq!(patch(diff, &[]), Some(wanted));
        assert_eq!(patch("no diff", &[]), None);
    }
}
