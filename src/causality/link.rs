//! The linker.

use super::{Cause, Kind, Links};
use crate::action::Action;
use crate::event::{Event, EventType};

/// The causes of every tool call. `events` are folded and in causal order; `action_of` says what a call does.
pub fn link(events: &[Event], action_of: &dyn Fn(&Event) -> Action) -> Links {
    let mut last: Option<usize> = None;
    let mut links = Vec::with_capacity(events.len());
    for (i, e) in events.iter().enumerate() {
        let _ = action_of;
        let mut causes = Vec::new();
        if e.is_call()
            && let Some(event) = last
        {
            let kind = if events[event].event_type == EventType::UserInput { Kind::Prompt } else { Kind::Order };
            causes.push(Cause { event, kind, confidence: 0.3, rule: "previous", evidence: None });
        }
        if e.is_call() || e.event_type == EventType::UserInput {
            last = Some(i);
        }
        links.push(causes);
    }
    links
}
