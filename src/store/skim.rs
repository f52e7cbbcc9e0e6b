//! The summary of a session file without its bodies: what a list shows must not need the memory of a session.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde::de::IgnoredAny;
use xxhash_rust::xxh3::xxh3_64;

use super::read::parse;
use super::{Summary, read_file};
use crate::event::{Event, EventType, Status, parse_time};
use crate::plain;
use crate::text::Text;

/// The summary of a session file: the same as [`Summary::of`] the events that [`read_file`] gives.
///
/// # Errors
/// The file cannot be opened or read on.
pub(super) fn summary(path: &Path) -> anyhow::Result<Summary> {
    match skim(path)? {
        Some(summary) => Ok(summary),
        // what hooks told must be folded with all else, and lines of an odd form need the patient reader
        None => Ok(Summary::of(&read_file(path)?.events)),
    }
}

/// What of a line is looked at.
#[derive(Deserialize)]
struct Line<'a> {
    #[serde(borrow)]
    event_id: Text<'a>,
    #[serde(borrow)]
    session_id: Text<'a>,
    #[serde(borrow)]
    agent: Text<'a>,
    #[serde(borrow)]
    event_type: Text<'a>,
    #[serde(borrow)]
    status: Option<Text<'a>>,
    #[serde(borrow)]
    timestamp: Option<Text<'a>>,
    duration_ms: Option<u64>,
    #[serde(borrow)]
    cwd: Option<Text<'a>>,
    #[serde(default)]
    source: Source,
}

#[derive(Deserialize, Default)]
struct Source {
    hook: Option<IgnoredAny>,
}

/// What is kept of an event that gives neither title nor parent: its ending and its times.
#[derive(Default)]
struct Brief {
    is_call: bool,
    status: Option<Status>,
    timestamp: Option<DateTime<Utc>>,
    duration_ms: Option<u64>,
}

/// The summary; none where the file holds lines that this cannot judge.
fn skim(path: &Path) -> anyhow::Result<Option<Summary>> {
    let file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    // headers and prompts whole, all others in brief
    let (mut whole, mut at): (Vec<Event>, HashMap<u64, usize>) = (Vec::new(), HashMap::new());
    let mut briefs: HashMap<u64, Brief> = HashMap::new();
    let (mut first, mut cwd) = (None, None);
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        let n = reader.read_until(b'\n', &mut buffer).with_context(|| format!("cannot read {}", path.display()))?;
        if n == 0 {
            break;
        }
        let text = buffer.trim_ascii();
        let line = match parse::<Line<'_>>(text) {
            Ok(line) if line.source.hook.is_none() && !line.session_id.is_empty() => line,
            Err(_) if parse::<Event>(text).is_err() => continue,
            _ => return Ok(None),
        };
        first.get_or_insert_with(|| (line.session_id.to_string(), line.agent.to_string()));
        if cwd.is_none() {
            cwd = line.cwd.as_deref().map(str::to_owned);
        }
        let id = xxh3_64(line.event_id.as_bytes());
        let known = at.get(&id);
        if known.is_some() || matches!(&*line.event_type, "session" | "user_input") {
            let Ok(event) = parse::<Event>(text) else { return Ok(None) };
            match known {
                Some(&i) => whole[i].fold(event),
                None => {
                    at.insert(id, whole.len());
                    whole.push(event);
                }
            }
            continue;
        }
        let brief = briefs.entry(id).or_default();
        brief.is_call = &*line.event_type == "tool_call";
        // as lines fold: `running` never replaces an ending
        let status = line.status.as_deref().and_then(Status::from_name);
        if status.is_some_and(|s| s != Status::Running) || brief.status.is_none() {
            brief.status = status;
        }
        brief.timestamp = line.timestamp.as_deref().and_then(parse_time).or(brief.timestamp);
        brief.duration_ms = line.duration_ms.or(brief.duration_ms);
    }
    let mut summary = Summary::of(&whole);
    (summary.session_id, summary.agent) = first.unwrap_or_default();
    if !whole.iter().any(|e| e.event_type == EventType::Session && e.cwd.is_some()) {
        summary.cwd = cwd;
    }
    for b in briefs.values() {
        summary.add(b.timestamp, b.duration_ms);
        if b.is_call {
            summary.add_call(b.status);
        }
        summary.events += 1;
    }
    Ok(Some(summary))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_skimmed_summary_is_that_of_the_events() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        let head = r#"{"event_id":"h","session_id":"s","agent":"codex","event_type":"session","timestamp":"2026-01-01T00:00:00Z"}"#;
        let title = r#"{"event_id":"h","session_id":"s","agent":"codex","event_type":"session","tool_input":"a title","parent_session_id":"p"}"#;
        let prompt = r#"{"event_id":"q","session_id":"s","agent":"codex","event_type":"user_input","tool_input":"do it","timestamp":"2026-01-01T00:00:01Z"}"#;
        let call = r#"{"event_id":"c","session_id":"s","agent":"codex","event_type":"tool_call","tool_name":"x","status":"running","timestamp":"2026-01-01T00:00:02Z","cwd":"/w","source":{"file":"/f","line":3}}"#;
        let ended = r#"{"event_id":"c","session_id":"s","agent":"codex","event_type":"tool_call","status":"error","tool_output":"no","duration_ms":5000}"#;
        let again = r#"{"event_id":"c","session_id":"s","agent":"codex","event_type":"tool_call","status":"running"}"#;
        let said = r#"{"event_id":"m","session_id":"s","agent":"codex","event_type":"message","tool_input":"done","timestamp":"2026-01-01T00:00:03Z"}"#;
        let texts = [vec![prompt, call, ended], vec![head, prompt, call, ended, again, said, title, "{torn", ""]];
        for lines in texts {
            std::fs::write(&path, lines.join("\n")).unwrap();
            let whole = Summary::of(&read_file(&path).unwrap().events);
            assert_eq!(skim(&path).unwrap(), Some(whole), "{lines:?}");
        }
        let hook = call.replace(r#""file":"/f","line":3"#, r#""hook":"PostToolUse""#);
        std::fs::write(&path, [prompt, &hook].join("\n")).unwrap();
        assert_eq!(skim(&path).unwrap(), None);
        assert_eq!(summary(&path).unwrap().calls, 1);
    }
}
