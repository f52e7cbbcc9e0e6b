//! The analytics log (`--analytics-log`): when each request was sent, and its exact tokens.

use std::io::BufRead;

use chrono::{DateTime, Utc};
use serde::Deserialize;

use super::lines::Lines;

/// A line of the log; properties differ by event.
#[derive(Deserialize)]
struct Line {
    #[serde(default)]
    event: String,
    #[serde(default)]
    properties: Properties,
    time: Option<i64>,
}

#[derive(Default, Deserialize)]
struct Properties {
    prompt_tokens: Option<u64>,
    completion_tokens: Option<u64>,
    cost: Option<f64>,
}

/// One request.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Sent {
    /// When it was sent, in seconds.
    pub at: Option<DateTime<Utc>>,
    /// Tokens sent.
    pub input: Option<u64>,
    /// Tokens received.
    pub output: Option<u64>,
    /// In dollars.
    pub cost: Option<f64>,
}

/// The requests of a log, in order: one `message_send_starting` for each request (0.86), and a `message_send` behind it where it
/// was answered.
pub(super) fn requests(reader: impl BufRead) -> Vec<Sent> {
    let mut all: Vec<Sent> = Vec::new();
    let mut lines = Lines::new(reader);
    while let Some(line) = lines.next() {
        let Ok(line) = serde_json::from_str::<Line>(&line.text) else { continue };
        match line.event.as_str() {
            "message_send_starting" => {
                let at = line.time.and_then(|t| DateTime::from_timestamp(t, 0));
                all.push(Sent { at, ..Sent::default() });
            }
            "message_send" => {
                if let Some(sent) = all.last_mut() {
                    sent.input = line.properties.prompt_tokens;
                    sent.output = line.properties.completion_tokens;
                    sent.cost = line.properties.cost;
                }
            }
            _ => {}
        }
    }
    all
}
