//! What agents tell a hook: one JSON object on standard input per event.
//!
//! Codex, Copilot CLI and VS Code took over Claude Code's form, each with its own fields, so one wire type holds them all;
//! what a payload means is said by its sender, and lives with that agent's source. No sender tells its name in the payload,
//! and one agent runs another's hooks (Copilot CLI and VS Code those of `.claude/settings.json`), so the sender is known by fields
//! that only one of them writes. The environment is never looked at: it holds secrets.

use std::path::{Path, PathBuf};

use chrono::{DateTime, Utc};
use serde::Deserialize;
use serde_json::Value;

use super::jsonl::records;
use super::{claude_code, codex, copilot};
use crate::event::{Event, EventType, Origin};

/// What a payload says.
#[derive(Debug, Default)]
pub struct Received {
    /// Lines for the store, in order; all of one session. Empty for events that say nothing about causes.
    pub events: Vec<Event>,
    /// A session file of the agent that should be read into the store now, because the agent may cut it later.
    pub transcript: Option<PathBuf>,
}

/// The payload of any sender. Key names: Claude Code 2.1.330, Codex 0.169, VS Code and Copilot CLI 1.0.102 (camel case).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct Payload {
    pub hook_event_name: Option<String>,
    #[serde(alias = "sessionId")]
    pub session_id: Option<String>,
    #[serde(alias = "transcriptPath")]
    pub transcript_path: Option<String>,
    pub cwd: Option<String>,
    /// Text (VS Code, Copilot CLI) or milliseconds (Copilot CLI); Claude Code and Codex tell no time.
    pub timestamp: Option<Value>,
    pub prompt_id: Option<String>,
    pub turn_id: Option<String>,
    #[serde(alias = "agentId")]
    pub agent_id: Option<String>,
    pub agent_type: Option<String>,
    pub model: Option<String>,
    #[serde(alias = "toolName")]
    pub tool_name: Option<String>,
    #[serde(alias = "toolArgs", alias = "toolInput")]
    pub tool_input: Option<Value>,
    pub tool_use_id: Option<String>,
    pub tool_response: Option<Value>,
    pub tool_calls: Vec<BatchCall>,
    pub duration_ms: Option<f64>,
    pub error: Option<Value>,
    pub is_interrupt: Option<bool>,
    /// Why a call was denied, or a session ended.
    pub reason: Option<String>,
    pub prompt: Option<String>,
    pub last_assistant_message: Option<String>,
    /// How a session began.
    pub source: Option<String>,
    #[serde(alias = "stopReason")]
    pub stop_reason: Option<String>,
    /// Only Copilot CLI says `sessionId`.
    #[serde(skip)]
    pub camel_case: bool,
}

/// One call of Claude Code's `PostToolBatch`.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct BatchCall {
    pub tool_name: Option<String>,
    pub tool_input: Option<Value>,
    pub tool_use_id: Option<String>,
    pub tool_response: Option<Value>,
}

/// Who runs hooks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    ClaudeCode,
    Codex,
    Copilot,
}

/// Reads a payload, taken at `now`: the clock of the receiver is the only one that all senders share.
///
/// # Errors
/// The reason why it is of no use.
pub fn receive(bytes: &[u8], now: DateTime<Utc>) -> Result<Received, String> {
    if bytes.trim_ascii().is_empty() {
        return Err("empty".to_owned());
    }
    let mut scratch = String::new();
    let found = records::<Payload>(bytes.trim_ascii(), &mut scratch)?;
    let Some(mut payload) = found.into_iter().next() else {
        return Err("no JSON object".to_owned());
    };
    if payload.session_id.as_deref().is_none_or(str::is_empty) {
        return Err("no session id".to_owned());
    }
    let head = &bytes[..bytes.len().min(4096)];
    payload.camel_case = memchr::memmem::find(head, b"\"sessionId\"").is_some() && payload.hook_event_name.is_none();
    match sender(&payload) {
        Sender::ClaudeCode => claude_code::hook::received(payload, now),
        Sender::Codex => codex::hook::received(payload, now),
        Sender::Copilot => Ok(copilot::hook::received(payload, now)),
    }
}

fn sender(p: &Payload) -> Sender {
    let rollout = p.transcript_path.as_deref().and_then(|t| Path::new(t).file_name()?.to_str());
    if p.camel_case || p.timestamp.is_some() {
        Sender::Copilot
    } else if rollout.is_some_and(|name| name.starts_with("rollout-"))
        // a Codex thread without a file (its own memories) tells turn and model; Claude Code never both on one event
        || p.transcript_path.is_none() && p.turn_id.is_some() && p.model.is_some()
    {
        Sender::Codex
    } else {
        Sender::ClaudeCode
    }
}

impl Payload {
    /// The name of the event.
    pub fn name(&self) -> &str {
        self.hook_event_name.as_deref().unwrap_or("")
    }

    /// The session.
    pub fn session(&self) -> &str {
        self.session_id.as_deref().unwrap_or("")
    }

    /// An event with what all events of the payload share.
    pub fn event(&self, agent: &str, session: &str, event_id: String, event_type: EventType) -> Event {
        Event {
            event_id,
            session_id: session.to_owned(),
            agent: agent.to_owned(),
            event_type,
            cwd: self.cwd.clone(),
            source: Origin { hook: Some(self.name().to_owned()), ..Origin::default() },
            ..Event::default()
        }
    }

    /// Whole milliseconds.
    pub fn duration(&self) -> Option<u64> {
        self.duration_ms.filter(|ms| *ms >= 0.0).map(|ms| ms.round() as u64)
    }
}

/// A time as hook lines write it into extra keys.
pub(crate) fn stamp(t: DateTime<Utc>) -> Value {
    t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into()
}

/// Blocks of text as the text; anything else as it is.
pub(crate) fn blocks_text(v: Value) -> Value {
    let text = |b: &Value| b.get("text").and_then(Value::as_str).map(str::to_owned);
    match v.as_array().map(|a| a.iter().map(text).collect::<Option<Vec<_>>>()) {
        Some(Some(parts)) if !parts.is_empty() => parts.join("\n").into(),
        _ => v,
    }
}

/// The id of something that only a hook told, by its text: the reader of the store leaves it out once the agent's own file
/// tells the same.
pub(crate) fn told_id(agent: &str, session: &str, kind: &str, place: &str, text: &str) -> String {
    let hash = xxhash_rust::xxh3::xxh3_64(text.trim().as_bytes());
    crate::id::event_id(agent, session, &format!("hook-{kind}:{place}:{hash:016x}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(json: &str) -> Sender {
        let mut p: Payload = serde_json::from_str(json).unwrap();
        p.camel_case = json.contains("sessionId");
        sender(&p)
    }

    #[test]
    fn the_sender_is_known_by_what_only_it_writes() {
        let claude = r#"{"session_id":"s","transcript_path":"/h/.claude/projects/p/s.jsonl","hook_event_name":"SessionStart","model":"m"}"#;
        let codex = r#"{"session_id":"s","turn_id":"t","model":"m","transcript_path":"/h/.codex/sessions/rollout-x.jsonl","hook_event_name":"Stop"}"#;
        let memories =
            r#"{"session_id":"s","turn_id":"t","model":"m","transcript_path":null,"hook_event_name":"Stop"}"#;
        let cli = r#"{"sessionId":"s","timestamp":1,"toolName":"view","toolArgs":{}}"#;
        let pascal = r#"{"hook_event_name":"PreToolUse","session_id":"s","timestamp":"2026-11-22T22:57:00.953Z"}"#;
        assert_eq!(of(claude), Sender::ClaudeCode);
        assert_eq!((of(codex), of(memories)), (Sender::Codex, Sender::Codex));
        assert_eq!((of(cli), of(pascal)), (Sender::Copilot, Sender::Copilot));
    }

    #[test]
    fn what_is_of_no_use_says_why() {
        let now = DateTime::UNIX_EPOCH;
        for (bytes, why) in [
            (&b" \n"[..], "empty"),
            (&b"\xff\x00\x01"[..], "expected value"),
            (&b"[]"[..], "no session id"),
            (&b"{\"hook_event_name\":\"Stop\"}"[..], "no session id"),
            (&b"{\"session_id\":\"s\",\"hook_event_name\":\"Zap\"}"[..], "unknown event"),
        ] {
            let reason = receive(bytes, now).unwrap_err();
            assert!(reason.contains(why), "{reason}");
        }
    }
}
