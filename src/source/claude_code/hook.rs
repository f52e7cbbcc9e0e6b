//! What Claude Code tells its hooks, clients 2.0.76 to 2.1.330.
//!
//! A call is known by its `tool_use_id`, a prompt by its `prompt_id`: the same ids as in the transcript, so both meet in one
//! event. What a hook knows of the model's last words has no id; it is kept under its text until the transcript tells it.
//!
//! `PostToolBatch` names exactly the calls of one response, in its order: they get a common `turn_id`. Which results stood in
//! view of which response follows from the order of batches within an agent; the reader of the store works it out.

use chrono::{DateTime, Utc};
use serde_json::Value;

use super::client_text::tag;
use super::outcome::{ending, exit_code, hunks, recorded};
use super::{AGENT, prompt_id};
use crate::event::{Event, EventType, Status};
use crate::id;
use crate::source::hook::{BatchCall, Payload, Received, blocks_text, stamp, told_id};

/// Events that say nothing about causes, or nothing that another event does not say better.
const PASSED_OVER: &[&str] = &[
    "Notification",
    "UserPromptExpansion",
    "StopFailure",
    "SubagentStart",
    "PreCompact",
    "PostCompact",
    "PreModelSwitch",
    "PostModelSwitch",
    "PermissionRequest",
    "Setup",
    "TeammateIdle",
    "TaskCreated",
    "TaskCompleted",
    "Elicitation",
    "ElicitationResult",
    "ConfigChange",
    "WorktreeCreate",
    "WorktreeRemove",
    "InstructionsLoaded",
    "CwdChanged",
    "FileChanged",
    "DirectoryAdded",
    "MessageDisplay",
];

/// The lines that a payload becomes.
pub(crate) fn received(p: Payload, now: DateTime<Utc>) -> Result<Received, String> {
    let mut events = match p.name() {
        "SessionStart" => vec![header(&p, now)],
        "SessionEnd" => vec![ended(&p, now)],
        "UserPromptSubmit" => prompt(&p, now).into_iter().collect(),
        "PreToolUse" | "PostToolUse" | "PostToolUseFailure" | "PermissionDenied" => vec![call(&p, now)?],
        "PostToolBatch" => return Ok(Received { events: batch(p), ..Received::default() }),
        "Stop" | "SubagentStop" => words(&p, now).into_iter().collect(),
        name if PASSED_OVER.contains(&name) => Vec::new(),
        "" => return Err("no event name".to_owned()),
        name => return Err(format!("unknown event {name:?}")),
    };
    for e in &mut events {
        if e.event_type != EventType::Session {
            e.agent_id = p.agent_id.clone().filter(|a| !a.is_empty());
        }
    }
    if let (Some(e), "PreToolUse" | "PostToolUse" | "PostToolUseFailure") = (events.first_mut(), p.name()) {
        take_tool(e, p);
    }
    Ok(Received { events, ..Received::default() })
}

/// Moves what may be large from the payload to the event: an edit of a 5 MB file sends 5 MB.
fn take_tool(e: &mut Event, p: Payload) {
    e.tool_name = p.tool_name;
    e.tool_input = p.tool_input;
    let Some(response) = p.tool_response else { return };
    if let Some(agent) = response.get("agentId").and_then(Value::as_str) {
        e.extra.insert("spawned".to_owned(), agent.into());
    }
    if let Some(task) = response.get("backgroundTaskId").and_then(Value::as_str) {
        e.extra.insert("background_task".to_owned(), task.into());
    }
    if let (Some(patch), Some(path)) =
        (response.get("structuredPatch"), response.get("filePath").and_then(Value::as_str))
    {
        let hunks = hunks(patch);
        if !hunks.is_empty() {
            e.extra.insert("patch".to_owned(), recorded(path, hunks));
        }
    }
    if response.get("interrupted") == Some(&Value::Bool(true)) {
        e.status = Some(Status::Interrupted);
    }
    e.tool_output = Some(output(response));
}

/// The structured result as the text that it shows, where it is one of the common forms.
fn output(mut v: Value) -> Value {
    let text = |v: &Value, key: &str| v.get(key).and_then(Value::as_str).map(str::to_owned);
    if let Some(out) = text(&v, "stdout") {
        let err = text(&v, "stderr").unwrap_or_default();
        let gap = if out.is_empty() || err.is_empty() || out.ends_with('\n') { "" } else { "\n" };
        return format!("{out}{gap}{err}").into();
    }
    if let Some(content) = v.get("file").and_then(|f| text(f, "content")) {
        return content.into();
    }
    if let Some(map) = v.as_object_mut() {
        if let Some(content) = map.get("content").filter(|c| c.is_array()) {
            return blocks_text(content.clone());
        }
        // the whole file before the edit: the model did not see it, and the patch says what changed
        map.shift_remove("originalFile");
        map.shift_remove("originalFileContents");
    }
    blocks_text(v)
}

fn header(p: &Payload, now: DateTime<Utc>) -> Event {
    let session = p.session();
    let mut e = p.event(AGENT, session, id::session(AGENT, session), EventType::Session);
    // a session that goes on keeps the time at which it began
    let goes_on = matches!(p.source.as_deref(), Some("resume" | "compact"));
    e.timestamp = Some(now).filter(|_| !goes_on);
    e.model.clone_from(&p.model);
    if let Some(s) = &p.source {
        e.extra.insert("started_by".to_owned(), s.as_str().into());
    }
    e
}

fn ended(p: &Payload, now: DateTime<Utc>) -> Event {
    let session = p.session();
    let mut e = p.event(AGENT, session, id::session(AGENT, session), EventType::Session);
    e.extra.insert("ended_at".to_owned(), stamp(now));
    if let Some(reason) = &p.reason {
        e.extra.insert("end_reason".to_owned(), reason.as_str().into());
    }
    e
}

fn prompt(p: &Payload, now: DateTime<Utc>) -> Option<Event> {
    let session = p.session();
    let text = p.prompt.as_deref().filter(|t| !t.trim().is_empty())?;
    let notification = text.trim_start().starts_with("<task-notification>");
    let kind = if notification { EventType::ContextUpdate } else { EventType::UserInput };
    let mut e = p.event(AGENT, session, prompt_id(session, p.prompt_id.as_deref(), text), kind);
    e.timestamp = Some(now);
    e.native_id.clone_from(&p.prompt_id);
    e.tool_input = Some(text.into());
    if let Some(call) = tag(text, "tool-use-id").filter(|_| notification) {
        e.parents = vec![id::call(AGENT, session, call)];
        if let Some(task) = tag(text, "task-id") {
            e.extra.insert("task".to_owned(), task.into());
        }
    }
    Some(e)
}

fn call(p: &Payload, now: DateTime<Utc>) -> Result<Event, String> {
    let session = p.session();
    let Some(call_id) = p.tool_use_id.as_deref() else {
        return Err(format!("{} without tool_use_id", p.name()));
    };
    let mut e = p.event(AGENT, session, id::call(AGENT, session, call_id), EventType::ToolCall);
    e.call_id = Some(call_id.to_owned());
    if p.name() == "PreToolUse" {
        e.timestamp = Some(now);
        e.status = Some(Status::Running);
        return Ok(e);
    }
    e.duration_ms = p.duration();
    e.extra.insert("ended_at".to_owned(), stamp(now));
    let error = || p.error.clone().map(blocks_text);
    match p.name() {
        "PostToolUse" => e.status = Some(Status::Ok),
        "PostToolUseFailure" => {
            let cut = p.is_interrupt == Some(true);
            e.status = Some(if cut { Status::Interrupted } else { Status::Error });
            e.tool_output = error();
            e.exit_code = e.tool_output.as_ref().and_then(Value::as_str).and_then(exit_code);
        }
        _ => {
            e.status = Some(Status::Denied);
            e.tool_name.clone_from(&p.tool_name);
            e.tool_input.clone_from(&p.tool_input);
            e.tool_output = p.reason.clone().map(Value::from);
        }
    }
    Ok(e)
}

/// All calls of one response, with the text of each result as the model saw it. Calls that were refused before they ran are
/// told only here.
fn batch(p: Payload) -> Vec<Event> {
    let session = p.session().to_owned();
    let Some(turn) = p.tool_calls.iter().find_map(|c| c.tool_use_id.clone()) else { return Vec::new() };
    let one = |c: BatchCall, base: &Payload| {
        let call_id = c.tool_use_id?;
        let mut e = base.event(AGENT, &session, id::call(AGENT, &session, &call_id), EventType::ToolCall);
        e.agent_id = base.agent_id.clone().filter(|a| !a.is_empty());
        e.turn_id = Some(format!("batch:{turn}"));
        e.tool_name = c.tool_name;
        e.tool_input = c.tool_input;
        e.tool_output = c.tool_response.map(blocks_text);
        if let Some(Value::String(text)) = &e.tool_output {
            // no field says how a call ended that never ran; the reader takes this where nothing else tells
            if let Some(how) = refusal(text) {
                e.extra.insert("if_never_run".to_owned(), how.as_str().into());
            }
        }
        e.call_id = Some(call_id);
        Some(e)
    };
    let mut p = p;
    let calls = std::mem::take(&mut p.tool_calls);
    calls.into_iter().filter_map(|c| one(c, &p)).collect()
}

/// How a call ended that never ran, by the text that the model got instead of a result.
fn refusal(text: &str) -> Option<Status> {
    let first = text.lines().next().unwrap_or("");
    if text.starts_with("<tool_use_error>")
        || first.contains(" needs approval. ")
        || first.contains(" requires approval")
    {
        return Some(if text.starts_with('<') { Status::Error } else { Status::Denied });
    }
    match ending(text, true, None) {
        Status::Error => None,
        how => Some(how),
    }
}

/// The last words of a turn, or of a sub-agent.
fn words(p: &Payload, now: DateTime<Utc>) -> Option<Event> {
    let session = p.session();
    let text = p.last_assistant_message.as_deref().filter(|t| !t.trim().is_empty())?;
    // each compaction ends as a sub-agent that never began: its words are the summary
    if p.name() == "SubagentStop" && p.agent_type.as_deref().is_none_or(str::is_empty) {
        return None;
    }
    let place = p.agent_id.as_deref().or(p.prompt_id.as_deref()).unwrap_or("");
    let mut e = p.event(AGENT, session, told_id(AGENT, session, "message", place, text), EventType::Message);
    e.timestamp = Some(now);
    e.tool_input = Some(text.into());
    Some(e)
}
