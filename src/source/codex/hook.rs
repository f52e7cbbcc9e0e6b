//! What Codex tells its hooks, clients 0.130 to 0.169.
//!
//! A call is known by its `tool_use_id`, the first prompt of a turn by its `turn_id`: the same ids as in the rollout. The
//! `turn_id` is the user's turn, not a response of the model, so it proves no siblings. No exit code is told, and a command
//! that failed ends like one that did not: such a call has an output and no status until the rollout is read.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::{AGENT, prompt_id};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::hook::{Payload, Received, blocks_text, stamp, told_id};

/// Events that say nothing about causes.
const PASSED_OVER: &[&str] = &["PermissionRequest", "PreCompact", "PostCompact", "SubagentStart", "Interrupt"];

/// The lines that a payload becomes.
pub(crate) fn received(p: Payload, now: DateTime<Utc>) -> Result<Received, String> {
    // by 0.169 a sub-agent's events carry the root's id and its own thread; its rollout is a session of its own
    let child = p.agent_id.clone().filter(|a| !a.is_empty() && a != p.session());
    let session = child.as_deref().unwrap_or(p.session()).to_owned();
    let event = |id: String, kind: EventType| {
        let mut e = p.event(AGENT, &session, id, kind);
        e.model.clone_from(&p.model);
        e
    };
    let e: Option<Event> = match p.name() {
        "SessionStart" => {
            let mut e = event(id::session(AGENT, &session), EventType::Session);
            e.timestamp = Some(now).filter(|_| p.source.as_deref() != Some("resume"));
            e.parent_session_id = child.as_ref().map(|_| p.session().to_owned());
            Some(e)
        }
        "SessionEnd" => {
            let mut e = event(id::session(AGENT, &session), EventType::Session);
            e.extra.insert("ended_at".to_owned(), stamp(now));
            Some(e)
        }
        "UserPromptSubmit" => p.prompt.as_deref().filter(|t| !t.trim().is_empty()).map(|text| {
            let id = match p.turn_id.as_deref() {
                Some(turn) => prompt_id(&session, turn),
                None => told_id(AGENT, &session, "prompt", "", text),
            };
            let mut e = event(id, EventType::UserInput);
            e.timestamp = Some(now);
            e.native_id.clone_from(&p.turn_id);
            e.tool_input = Some(text.into());
            e
        }),
        name @ ("PreToolUse" | "PostToolUse") => {
            let Some(call_id) = p.tool_use_id.as_deref() else {
                return Err(format!("{name} without tool_use_id"));
            };
            let mut e = event(id::call(AGENT, &session, call_id), EventType::ToolCall);
            e.call_id = Some(call_id.to_owned());
            e.tool_name.clone_from(&p.tool_name);
            e.tool_input.clone_from(&p.tool_input);
            if name == "PreToolUse" {
                e.timestamp = Some(now);
                e.status = Some(Status::Running);
            } else {
                e.extra.insert("ended_at".to_owned(), stamp(now));
                e.tool_output = p.tool_response.clone().map(output);
            }
            Some(e)
        }
        name @ ("Stop" | "SubagentStop") => {
            p.last_assistant_message.as_deref().filter(|t| !t.trim().is_empty()).map(|text| {
                let place = p.turn_id.as_deref().filter(|_| name == "Stop").unwrap_or("");
                let mut e = event(told_id(AGENT, &session, "message", place, text), EventType::Message);
                e.timestamp = Some(now);
                e.tool_input = Some(text.into());
                e
            })
        }
        name if PASSED_OVER.contains(&name) => None,
        "" => return Err("no event name".to_owned()),
        name => return Err(format!("unknown event {name:?}")),
    };
    Ok(Received { events: e.into_iter().collect(), ..Received::default() })
}

/// The text of a result; that of an MCP tool stands in `content`.
fn output(v: Value) -> Value {
    match v.get("content") {
        Some(content) if content.is_array() => blocks_text(content.clone()),
        _ => v,
    }
}
