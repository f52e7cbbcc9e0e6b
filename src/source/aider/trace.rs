//! git's own trace (`GIT_TRACE2_EVENT`): when each commit was made, to the microsecond.

use std::collections::HashMap;
use std::io::BufRead;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::lines::Lines;

#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    event: String,
    #[serde(default)]
    time: String,
    #[serde(default)]
    argv: Vec<String>,
}

/// The times of the commits that were begun, by the first line of their message.
pub(super) fn commits(reader: impl BufRead) -> HashMap<String, Vec<DateTime<Utc>>> {
    let mut all: HashMap<String, Vec<DateTime<Utc>>> = HashMap::new();
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next() {
        // most lines are of other events
        if !line.text.contains("\"start\"") || !line.text.contains("\"commit\"") {
            continue;
        }
        let Ok(line) = serde_json::from_str::<Line>(&line.text) else { continue };
        if line.event != "start" || line.argv.get(1).is_none_or(|a| a != "commit") {
            continue;
        }
        let message = line.argv.iter().position(|a| a == "-m").and_then(|i| line.argv.get(i + 1));
        let Some(subject) = message.and_then(|m| m.lines().next()) else { continue };
        if let Ok(time) = DateTime::parse_from_rfc3339(&line.time) {
            all.entry(subject.to_owned()).or_default().push(time.with_timezone(&Utc));
        }
    }
    all
}
