//! What Copilot CLI (1.0.102) and VS Code's agent tell hooks.
//!
//! Copilot CLI tells no id of any call, and nothing that its `events.jsonl` lacks; but `/rewind` deletes turns from that file.
//! So its hook asks for one thing: that the file be read into the store at the end of each turn (`agentStop` names it).
//! In a sub-agent it says the agent's id for the session's, which is the session of no file: such payloads tell nothing else.
//! VS Code tells call ids (`tool_use_id`), which its session files have too, some with an ending of its own.

use std::path::PathBuf;

use chrono::{DateTime, Utc};

use crate::event::{EventType, Status};
use crate::id;
use crate::source::hook::{Payload, Received, blocks_text, stamp, told_id};

const AGENT: &str = "copilot";

/// The lines that a payload becomes, and the file to read.
pub(crate) fn received(p: Payload, now: DateTime<Utc>) -> Received {
    let session = p.session().to_owned();
    // a turn's end: told as `stopReason` (camel case, without a name), `stop_reason` or by name
    let stop = p.stop_reason.is_some() || matches!(p.name(), "Stop" | "agentStop");
    let file = p.transcript_path.as_deref().filter(|t| stop && t.ends_with("events.jsonl"));
    let mut received = Received { transcript: file.map(PathBuf::from), ..Received::default() };
    if p.agent_id.as_deref() == Some(&session) {
        return received;
    }
    let (name, Some(call_id)) = (p.name(), p.tool_use_id.as_deref()) else {
        if let ("UserPromptSubmit", Some(text)) = (p.name(), p.prompt.as_deref().filter(|t| !t.trim().is_empty())) {
            let id = told_id(AGENT, &session, "prompt", &stamp(now).to_string(), text);
            let mut e = p.event(AGENT, &session, id, EventType::UserInput);
            e.timestamp = Some(now);
            e.tool_input = Some(text.into());
            received.events.push(e);
        }
        return received;
    };
    let call_id = call_id.split("__vscode-").next().unwrap_or(call_id);
    let mut e = p.event(AGENT, &session, id::call(AGENT, &session, call_id), EventType::ToolCall);
    e.call_id = Some(call_id.to_owned());
    e.tool_name.clone_from(&p.tool_name);
    e.tool_input.clone_from(&p.tool_input);
    match name {
        "PreToolUse" => {
            e.timestamp = Some(now);
            e.status = Some(Status::Running);
        }
        "PostToolUse" | "PostToolUseFailure" => {
            e.extra.insert("ended_at".to_owned(), stamp(now));
            e.status = Some(if name == "PostToolUse" { Status::Ok } else { Status::Error });
            e.tool_output = p.tool_response.clone().or_else(|| p.error.clone()).map(blocks_text);
        }
        _ => return received,
    }
    received.events.push(e);
    received
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::hook::receive;

    #[test]
    fn the_end_of_a_turn_names_the_file_to_read() {
        let stop = br#"{"sessionId":"s","timestamp":1,"cwd":"/p","transcriptPath":"/h/s/events.jsonl","stopReason":"end_turn","stop_hook_active":false}"#;
        let received = receive(stop, DateTime::UNIX_EPOCH).unwrap();
        assert_eq!(received.transcript, Some(PathBuf::from("/h/s/events.jsonl")));
        let call = br#"{"sessionId":"s","timestamp":1,"cwd":"/p","toolName":"view","toolArgs":{"path":"/x"}}"#;
        let received = receive(call, DateTime::UNIX_EPOCH).unwrap();
        assert!(received.events.is_empty() && received.transcript.is_none(), "no call id, no event");
    }

    #[test]
    fn a_sub_agent_is_no_session() {
        let told = br#"{"hook_event_name":"UserPromptSubmit","session_id":"a","timestamp":"2026-11-24T22:32:57.785Z","cwd":"/p","agent_id":"a","agent_type":"task","parent_agent_id":"s","prompt":"Run the test."}"#;
        assert!(receive(told, DateTime::UNIX_EPOCH).unwrap().events.is_empty());
        let stop = br#"{"hook_event_name":"Stop","session_id":"a","timestamp":"2026-11-24T22:32:57.934Z","cwd":"/p","agent_id":"a","parent_agent_id":"s","transcript_path":"/h/s/events.jsonl","stop_reason":"end_turn"}"#;
        assert_eq!(receive(stop, DateTime::UNIX_EPOCH).unwrap().transcript, Some(PathBuf::from("/h/s/events.jsonl")));
    }

    #[test]
    fn calls_of_vs_code_are_known_by_their_id() {
        let call = br#"{"timestamp":"2026-02-09T10:30:00.000Z","hook_event_name":"PostToolUse","session_id":"s","cwd":"/p","tool_name":"editFiles","tool_input":{"files":["a"]},"tool_use_id":"call_1__vscode-7","tool_response":"done"}"#;
        let received = receive(call, DateTime::UNIX_EPOCH).unwrap();
        let e = &received.events[0];
        assert_eq!((e.agent.as_str(), e.call_id.as_deref(), e.status), (AGENT, Some("call_1"), Some(Status::Ok)));
        assert_eq!(e.event_id, id::call(AGENT, "s", "call_1"));
    }
}
