//! Marks what an agent took back.
//!
//! Copilot CLI deletes rewound turns from its file. What was stored of them before stays, but they are no part of what the agent knew
//! afterwards. The header says between which times they lie (`rewound`), because the file names no ids of what is gone.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::event::{Event, EventType, parse_time};

/// Sets `dead_branch` on events that the header's `rewound` says were taken back.
pub(super) fn mark(events: &mut [Event]) {
    let header = events.iter().find(|e| e.event_type == EventType::Session && e.extra.contains_key("rewound"));
    let Some(told) = header.and_then(|h| h.extra.get("rewound")).and_then(Value::as_array).cloned() else { return };
    let time = |span: &Value, key: &str| span.get(key).and_then(Value::as_str).and_then(parse_time);
    // after the last that was kept, until the rewind
    let mut spans: Vec<(Option<DateTime<Utc>>, DateTime<Utc>)> =
        told.iter().filter_map(|s| Some((time(s, "after"), time(s, "until")?))).collect();
    spans.sort_unstable();
    let mut latest = None;
    for (_, until) in &mut spans {
        latest = latest.max(Some(*until));
        *until = latest.unwrap_or(*until);
    }
    let kept = told.iter().filter_map(|s| s.get("kept")?.as_array()).flatten().filter_map(Value::as_str);
    let kept: HashSet<&str> = kept.collect();
    for e in events.iter_mut().filter(|e| e.event_type != EventType::Session && !kept.contains(e.event_id.as_str())) {
        let Some(at) = e.timestamp else { continue };
        let begun = spans.partition_point(|(after, _)| after.is_none_or(|after| after < at));
        if begun.checked_sub(1).and_then(|last| spans.get(last)).is_some_and(|(_, until)| at <= *until) {
            e.extra.insert("dead_branch".to_owned(), true.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_lies_between_and_is_not_kept_is_dead() {
        let at = |second: u32, id: &str| Event {
            event_id: id.to_owned(),
            timestamp: parse_time(&format!("2026-01-01T00:00:{second:02}Z")),
            ..Event::default()
        };
        let span =
            serde_json::json!([{"after": "2026-01-01T00:00:02Z", "until": "2026-01-01T00:00:05Z", "kept": ["d"]}]);
        let mut header = Event { event_type: EventType::Session, ..at(3, "h") };
        header.extra.insert("rewound".into(), span);
        let mut events = vec![header, at(2, "a"), at(3, "b"), at(5, "c"), at(4, "d"), at(6, "e")];
        mark(&mut events);
        let dead: Vec<_> = events.iter().filter(|e| e.extra.contains_key("dead_branch")).collect();
        assert_eq!(dead.iter().map(|e| e.event_id.as_str()).collect::<Vec<_>>(), ["b", "c"]);
    }
}
