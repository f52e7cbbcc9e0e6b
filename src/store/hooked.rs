//! Completes what only hooks told.
//!
//! A hook process sees one payload and no other, so its lines name no parents beyond those in the payload. Here, with all
//! lines of a session in hand, follows what the agent's batches prove: a response's calls stand in view of all results of the
//! batch before it of the same agent, and of the prompts since. Without batches (older clients) nothing is claimed. Events that
//! the agent's own file told keep the parents that its reader found.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use xxhash_rust::xxh3::xxh3_64;

use super::Stored;
use crate::event::{Event, EventType, Status, parse_time};
use crate::id;

/// The id of a prompt that came while another one's turn ran: the client gives both the same id, and both must stay.
pub(super) fn other_prompt(known: &Event, later: &Event) -> Option<String> {
    let both = known.from_hook() && later.from_hook() && later.event_type == EventType::UserInput;
    let (old, new) = (known.input_text(), later.input_text());
    (both && !new.is_empty() && old != new).then(|| {
        let native = format!("prompt-beside:{}:{:016x}", later.event_id, xxh3_64(new.as_bytes()));
        id::event_id(&later.agent, &later.session_id, &native)
    })
}

/// Drops what the agent's file tells as well, closes calls, and finds proven parents.
pub(super) fn complete(stored: &mut Stored) {
    if !stored.events.iter().any(Event::from_hook) {
        return;
    }
    drop_told_twice(stored);
    close(&mut stored.events);
    link(&mut stored.events);
}

/// A prompt or message of a hook that stands in the file under the id of its line.
fn drop_told_twice(stored: &mut Stored) {
    let key = |e: &Event| xxh3_64(format!("{:?}\0{}", e.agent_id, e.input_text().trim()).as_bytes());
    let words = |e: &Event| {
        matches!(e.event_type, EventType::UserInput | EventType::ContextUpdate | EventType::Message)
            && e.tool_input.is_some()
    };
    let told: HashSet<u64> = stored.events.iter().filter(|e| words(e) && !e.from_hook()).map(key).collect();
    if told.is_empty() {
        return;
    }
    let keep: Vec<bool> =
        stored.events.iter().map(|e| !(e.from_hook() && words(e) && told.contains(&key(e)))).collect();
    let (mut events, mut lines) = (keep.iter(), keep.iter());
    stored.events.retain(|_| events.next() != Some(&false));
    stored.lines.retain(|_| lines.next() != Some(&false));
}

/// Calls that never ran, and calls that the end of the session cut off.
fn close(events: &mut [Event]) {
    let header = events.iter().find(|e| e.event_type == EventType::Session);
    let ended = header.and_then(|h| h.extra.get("ended_at")).and_then(Value::as_str).and_then(parse_time);
    for e in events.iter_mut().filter(|e| e.is_call() && e.from_hook()) {
        let never_ran = e.extra.shift_remove("if_never_run");
        if !matches!(e.status, None | Some(Status::Running)) {
            continue;
        }
        let asked = e.status.is_some();
        let never_ran = never_ran.as_ref().and_then(Value::as_str).and_then(Status::from_name);
        if never_ran.is_some() {
            e.status = never_ran;
        } else if e.tool_output.is_some() {
            // it ended, and the agent does not say how
            e.status = None;
        } else if asked && ended.is_some_and(|end| e.timestamp.is_some_and(|t| t <= end)) {
            e.status = Some(Status::Interrupted);
        }
    }
}

/// Where one agent of the session stands.
#[derive(Default)]
struct Standing {
    /// The response whose calls are being met.
    turn: Option<String>,
    /// What was new in its context.
    inputs: Vec<String>,
    /// Its calls.
    calls: Vec<String>,
    /// What came since: prompts, notifications.
    pending: Vec<String>,
    /// Begun at all: a sub-agent's first response answers the call that spawned it.
    begun: bool,
}

impl Standing {
    /// Begins a response: what is new in its context is what is known since the one before.
    fn begin(&mut self, turn: Option<String>, spawned_by: Option<&String>) {
        self.inputs = std::mem::take(&mut self.calls);
        if !std::mem::replace(&mut self.begun, true) {
            self.inputs.extend(spawned_by.cloned());
        }
        self.inputs.append(&mut self.pending);
        self.turn = turn;
    }
}

fn link(events: &mut [Event]) {
    let has_batches =
        events.iter().any(|e| e.from_hook() && e.turn_id.as_deref().is_some_and(|t| t.starts_with("batch:")));
    let spawned = |e: &Event| Some((e.extra.get("spawned")?.as_str()?.to_owned(), e.event_id.clone()));
    let spawned: HashMap<String, String> = events.iter().filter(|e| e.is_call()).filter_map(spawned).collect();
    let mut agents: HashMap<Option<String>, Standing> = HashMap::new();
    let mut last_words: HashMap<String, String> = HashMap::new();
    let mut prompt = None;
    for e in events.iter_mut() {
        let at = agents.entry(e.agent_id.clone()).or_default();
        let spawned_by = e.agent_id.as_ref().and_then(|a| spawned.get(a));
        match e.event_type {
            EventType::UserInput | EventType::ContextUpdate => {
                // a new prompt without the end of the turn before: it was interrupted or rewound, and which is not told
                if e.event_type == EventType::UserInput && e.agent_id.is_none() && e.native_id != prompt {
                    prompt.clone_from(&e.native_id);
                    *at = Standing { begun: at.begun, ..Standing::default() };
                }
                at.pending.push(e.event_id.clone());
            }
            EventType::ToolCall => {
                let sibling = at.turn.is_some() && at.turn == e.turn_id;
                if !sibling && (e.turn_id.is_some() || at.turn.is_some() || at.calls.is_empty()) {
                    at.begin(e.turn_id.clone(), spawned_by);
                }
                if e.from_hook() && has_batches && e.parents.is_empty() {
                    e.parents.clone_from(&at.inputs);
                }
                at.calls.push(e.event_id.clone());
            }
            EventType::Message | EventType::Reasoning => {
                if e.from_hook() {
                    // the last words of a turn: what comes next follows them, not the calls before
                    at.begin(None, spawned_by);
                    if has_batches && e.parents.is_empty() {
                        e.parents.clone_from(&at.inputs);
                    }
                    *at = Standing { begun: true, ..Standing::default() };
                } else if at.turn.is_none() || at.turn != e.turn_id {
                    at.begin(e.turn_id.clone(), spawned_by);
                }
                if let (EventType::Message, Some(agent)) = (&e.event_type, &e.agent_id) {
                    last_words.insert(agent.clone(), e.event_id.clone());
                }
            }
            EventType::Session | EventType::Other(_) => {}
        }
    }
    returns(events, &last_words);
}

/// What a sub-agent said last comes back in the result of its call, or in the notification of its end.
fn returns(events: &mut [Event], last_words: &HashMap<String, String>) {
    for e in events.iter_mut().filter(|e| e.from_hook()) {
        let words = |key: &str| e.extra.get(key).and_then(Value::as_str).and_then(|a| last_words.get(a)).cloned();
        if e.is_call() {
            if let Some(w) = words("spawned") {
                e.extra.insert("returned_from".to_owned(), w.into());
            }
        } else if let Some(w) = words("task")
            && !e.parents.contains(&w)
        {
            e.parents.insert(0, w);
        }
    }
}
