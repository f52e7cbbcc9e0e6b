//! What a list of sessions shows of one session.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::event::{Event, EventType, Status};

/// Longest title kept, in characters.
const TITLE: usize = 200;

/// One session in a list.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// The agent's session id.
    pub session_id: String,
    /// The agent.
    pub agent: String,
    /// Its title, else its first prompt (shortened).
    pub title: Option<String>,
    /// Where it ran.
    pub cwd: Option<String>,
    /// First recorded time.
    pub started: Option<DateTime<Utc>>,
    /// Last recorded time.
    pub ended: Option<DateTime<Utc>>,
    /// Tool calls.
    pub calls: u64,
    /// Calls that failed or were refused.
    pub failures: u64,
    /// All events.
    pub events: u64,
    /// Session that spawned this one.
    pub parent_session_id: Option<String>,
}

impl Summary {
    /// Whether nothing was asked and nothing done.
    pub fn is_empty(&self) -> bool {
        self.title.is_none() && self.calls == 0
    }

    /// The summary of one session's folded events.
    pub fn of(events: &[Event]) -> Self {
        let mut s = Self::default();
        let mut prompt = None;
        for e in events {
            if s.session_id.is_empty() {
                s.session_id.clone_from(&e.session_id);
                s.agent.clone_from(&e.agent);
            }
            // a session that was opened and left at once is known from a hook only, and is nothing to list
            s.events += u64::from(!(e.from_hook() && e.event_type == EventType::Session));
            s.add(e.timestamp, e.duration_ms);
            if s.cwd.is_none() {
                s.cwd.clone_from(&e.cwd);
            }
            match e.event_type {
                EventType::Session => {
                    s.title = Some(e.input_text()).filter(|t| !t.trim().is_empty()).map(|t| shorten(&t)).or(s.title);
                    s.parent_session_id = e.parent_session_id.clone().or(s.parent_session_id);
                    s.cwd = e.cwd.clone().or(s.cwd);
                }
                EventType::UserInput if prompt.is_none() && e.agent_id.is_none() => {
                    prompt = Some(shorten(&e.input_text()));
                }
                EventType::ToolCall => s.add_call(e.status),
                _ => {}
            }
        }
        s.title = s.title.or(prompt);
        s
    }

    /// Widens the time of the session to that of an event.
    pub(super) fn add(&mut self, begun: Option<DateTime<Utc>>, duration_ms: Option<u64>) {
        let end = begun.map(|t| {
            let ms = i64::try_from(duration_ms.unwrap_or(0)).unwrap_or(0);
            t.checked_add_signed(chrono::TimeDelta::try_milliseconds(ms).unwrap_or_default()).unwrap_or(t)
        });
        self.started = self.started.into_iter().chain(begun).min();
        self.ended = self.ended.into_iter().chain(end).max();
    }

    pub(super) fn add_call(&mut self, status: Option<Status>) {
        self.calls += 1;
        self.failures += u64::from(matches!(status, Some(Status::Error | Status::Denied)));
    }
}

fn shorten(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|l| !l.is_empty()).unwrap_or("");
    line.chars().take(TITLE).collect()
}
