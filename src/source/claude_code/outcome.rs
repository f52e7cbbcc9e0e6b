//! What a result says about how the call went, and the change that an edit made: the same in transcripts and hooks.

use serde_json::Value;

use crate::event::Status;
use crate::patch::{recorded_file, recorded_hunk};

/// How a call ended, from the result's text where the client (before 2.1.260) has no field for it.
pub(super) fn ending(text: &str, failed: bool, denial: Option<&str>) -> Status {
    match denial {
        Some("interrupted") => return Status::Interrupted,
        Some(_) => return Status::Denied,
        None => {}
    }
    if !failed {
        return Status::Ok;
    }
    let denied = [
        "The user doesn't want to proceed",
        "The user doesn't want to take this action",
        "User rejected tool use",
        "Permission to use",
        "Permission for this action has been denied",
        "Claude requested permissions to",
    ];
    let never_ran = ["<tool_use_error>Sibling tool call errored", "<tool_use_error>Cancelled", "Cancelled: parallel"];
    let interrupted = ["[Request interrupted by user", "[Tool call interrupted", "Interrupted by user"];
    let begins = |heads: &[&str]| heads.iter().any(|h| text.trim_start().starts_with(h));
    if begins(&denied) {
        Status::Denied
    } else if begins(&never_ran) || begins(&interrupted) {
        Status::Interrupted
    } else {
        Status::Error
    }
}

/// The code of `Exit code N` at the head of a failed result.
pub(super) fn exit_code(text: &str) -> Option<i64> {
    let rest = text.trim_start().strip_prefix("Error: ").unwrap_or(text.trim_start()).strip_prefix("Exit code ")?;
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// `structuredPatch` as hunks with line numbers.
pub(super) fn hunks(patch: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    for h in patch.as_array().into_iter().flatten() {
        let (mut before, mut after) = (String::new(), String::new());
        for line in h.get("lines").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let Some(sign) = line.chars().next() else { continue };
            let text = &line[sign.len_utf8()..];
            if matches!(sign, ' ' | '-') {
                before.push_str(text);
                before.push('\n');
            }
            if matches!(sign, ' ' | '+') {
                after.push_str(text);
                after.push('\n');
            }
        }
        out.push(recorded_hunk(h.get("oldStart").cloned(), before, after));
    }
    out
}

/// The recorded change of one file.
pub(super) fn recorded(path: &str, hunks: Vec<Value>) -> Value {
    Value::Array(vec![recorded_file(path, hunks)])
}
