//! What the text of a tool's output says about how the call went. Codex keeps exit codes only there in most eras.

use serde::Deserialize;
use serde_json::Value;

use crate::event::Status;
use crate::source::raw::Raw;

/// What was found in an output.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Outcome {
    /// The text that the model saw, taken out of its JSON wrapping where there is one (0.34 to 0.50).
    pub text: String,
    pub exit_code: Option<i64>,
    pub status: Option<Status>,
    /// The process goes on under this number: later `write_stdin` calls name it.
    pub running: Option<String>,
    pub duration_ms: Option<u64>,
}

/// Reads an output: text, a list of content items, or an object with `content`.
pub(super) fn outcome(output: Option<Raw<'_>>) -> Outcome {
    let mut o = Outcome::default();
    let (raw, failed) = match output.and_then(Raw::text) {
        Some(text) => (text, false),
        None => {
            let output = output.map(Raw::value).unwrap_or_default();
            let failed = output.get("success").and_then(Value::as_bool) == Some(false);
            (text_of_value(output), failed)
        }
    };
    if let Some((text, ran)) = wrapped(&raw) {
        o.exit_code = ran.exit_code.as_i64();
        o.duration_ms = ran.duration_seconds.as_f64().map(|s| (s.max(0.0) * 1000.0).round() as u64);
        o.text = text;
    } else {
        header(&raw, &mut o);
        o.text = raw;
    }
    o.status = Some(status(&o, failed));
    o
}

/// The text of message content, whatever its form.
pub(super) fn text_of(content: Raw<'_>) -> String {
    // nearly always one item, or none
    if content.is_list()
        && let Some(items) = content.parsed::<Vec<Item<'_>>>()
        && let Some(texts) = items.iter().map(|i| i.text?.text()).collect::<Option<Vec<String>>>()
    {
        let mut texts = texts.into_iter().filter(|t| !t.is_empty());
        let first = texts.next().unwrap_or_default();
        return texts.fold(first, |all, text| all + "\n" + &text);
    }
    content.text().unwrap_or_else(|| text_of_value(content.value()))
}

/// An item of message content that is a text.
#[derive(Deserialize)]
struct Item<'a> {
    #[serde(borrow)]
    text: Option<Raw<'a>>,
}

/// The text of an output or of message content.
fn text_of_value(v: Value) -> String {
    match v {
        Value::String(s) => s,
        Value::Array(items) => {
            let mut out = String::new();
            for item in &items {
                let kind = item.get("type").and_then(Value::as_str).unwrap_or("");
                let part = match item.get("text").or_else(|| item.get("Text")).and_then(Value::as_str) {
                    Some(t) => t,
                    None if kind.contains("image") => "[image]",
                    None => item.as_str().unwrap_or(""),
                };
                if !out.is_empty() && !part.is_empty() {
                    out.push('\n');
                }
                out.push_str(part);
            }
            out
        }
        Value::Object(mut map) => match map.get_mut("content") {
            Some(inner @ (Value::String(_) | Value::Array(_))) => text_of_value(inner.take()),
            _ => Value::Object(map).to_string(),
        },
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

/// `{"output": …, "metadata": {"exit_code": …}}` as a string (shell to 0.50, apply_patch to 0.130).
fn wrapped(raw: &str) -> Option<(String, Ran)> {
    #[derive(Deserialize)]
    struct Wrapped<'a> {
        #[serde(borrow)]
        output: Raw<'a>,
        #[serde(borrow)]
        metadata: Raw<'a>,
    }
    if !raw.starts_with('{') || !raw.contains("\"metadata\"") {
        return None;
    }
    let v: Wrapped<'_> = serde_json::from_str(raw).ok()?;
    Some((v.output.text()?, v.metadata.parsed().unwrap_or_default()))
}

/// The metadata of a wrapped output.
#[derive(Deserialize, Default)]
#[serde(default)]
struct Ran {
    exit_code: Value,
    duration_seconds: Value,
}

/// The lines before `Output:` (0.98 and later).
fn header(raw: &str, o: &mut Outcome) {
    for line in raw.lines().take(8) {
        if let Some(n) = line.strip_prefix("Process exited with code ").or_else(|| line.strip_prefix("Exit code: ")) {
            o.exit_code = n.trim().parse().ok();
        } else if let Some(n) = line.strip_prefix("Process running with session ID ") {
            o.running = Some(n.trim().to_owned());
        } else if let Some(n) = line.strip_prefix("Script running with cell ID ") {
            o.running = Some(n.trim().to_owned());
        } else if let Some(t) = line.strip_prefix("Wall time: ") {
            let seconds = t.split_whitespace().next().and_then(|n| n.parse::<f64>().ok());
            // a command that ends at once is written down as 0.0000
            o.duration_ms = seconds.filter(|s| *s > 0.0).map(|s| (s * 1000.0).round() as u64);
        } else if line == "Output:" {
            break;
        }
    }
}

fn status(o: &Outcome, failed: bool) -> Status {
    let text = o.text.trim_start();
    let head = crate_head(text);
    // one look for what all the words share
    let rejected = ["rejected by user", "Rejected(", "rejected by the user"];
    if head.contains("ejected") && rejected.iter().any(|r| head.contains(r)) {
        return Status::Denied;
    }
    if head.contains("aborted by user") || text.starts_with("aborted") {
        return Status::Interrupted;
    }
    if let Some(code) = o.exit_code {
        return if code == 0 { Status::Ok } else { Status::Error };
    }
    let errors = [
        "apply_patch verification failed",
        "failed in sandbox",
        "execution error",
        "unsupported call",
        "unsupported custom tool call",
        "failed to parse function arguments",
        "failed to parse exec_command arguments",
        "exec_command failed",
        "write_stdin failed",
        "tool call error",
        "err: ",
        "collab spawn failed",
        "Script failed",
        "Error: ",
        "unable to locate image",
    ];
    if failed || errors.iter().any(|e| text.starts_with(e)) { Status::Error } else { Status::Ok }
}

fn crate_head(text: &str) -> &str {
    &text[..text.floor_char_boundary(300)]
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn outcome(v: Value) -> Outcome {
        super::outcome(serde_json::from_str(&v.to_string()).unwrap())
    }

    #[test]
    fn message_content_is_text_in_every_form() {
        for (content, text) in [
            (json!([{"type":"output_text","text":"a \"b\""}]), "a \"b\""),
            (json!([{"text":"a"},{"text":""},{"text":"b"}]), "a\nb"),
            (json!([{"text":"a"},{"type":"input_image"},"b",{"Text":"c"},{"text":1}]), "a\n[image]\nb\nc"),
            (json!("a"), "a"),
            (json!([]), ""),
        ] {
            assert_eq!(text_of(serde_json::from_str(&content.to_string()).unwrap()), text, "{content}");
            assert_eq!(text_of_value(content), text);
        }
    }

    #[test]
    fn every_form_of_output_is_understood() {
        let o = |v: Value| {
            let o = outcome(v);
            (o.text, o.exit_code, o.status.unwrap(), o.running)
        };
        let wrapped = "{\"output\":\"a\\n\",\"metadata\":{\"exit_code\":1,\"duration_seconds\":0.1}}";
        assert_eq!(o(json!(wrapped)), ("a\n".into(), Some(1), Status::Error, None));
        let header =
            "Chunk ID: 1\nWall time: 0.8 seconds\nProcess exited with code 0\nOutput:\nProcess exited with code 3";
        assert_eq!(o(json!(header)), (header.into(), Some(0), Status::Ok, None));
        let running = "Wall time: 1 seconds\nProcess running with session ID 515\nOutput:\n";
        assert_eq!(o(json!(running)), (running.into(), None, Status::Ok, Some("515".into())));
        assert_eq!(o(json!([{"type":"input_text","text":"x"},{"type":"input_image"}])).0, "x\n[image]");
        assert_eq!(o(json!("exec_command failed: Rejected(\"rejected by user\")")).2, Status::Denied);
        assert_eq!(o(json!("aborted by user after 1.1s")).2, Status::Interrupted);
        assert_eq!(o(json!({"content":"no","success":false})).2, Status::Error);
    }
}
