//! Claude Code: transcripts of every era, sub-agents, forks, damage; and the structure that scripted recordings must have.

use std::collections::HashMap;
use std::fs;

use causetrace::action::Action;
use causetrace::event::{Event, EventType};
use causetrace::source::Source as _;
use causetrace::source::claude_code::ClaudeCode;
use serde_json::Value;

use crate::scenario::{check_parents, check_turns, children, claim, each, files, read, responses, script, shared};

/// The sessions of a folder, oldest first.
fn sessions(folder: &std::path::Path) -> Vec<Vec<Event>> {
    let own = |f: &&std::path::PathBuf| !f.file_name().unwrap().to_str().unwrap().starts_with("agent-");
    let found = files(folder);
    let transcripts = found.iter().filter(own).flat_map(|f| claim(&ClaudeCode, f));
    let mut all: Vec<_> = transcripts.map(|t| read(&ClaudeCode, &t).0).collect();
    all.sort_by_key(|events| events.iter().find_map(|e| e.timestamp));
    all
}

/// The events of each agent of a session: the main one under "".
fn lanes(events: &[Event]) -> Vec<(&str, Vec<&Event>)> {
    let mut lanes: Vec<(&str, Vec<&Event>)> = Vec::new();
    for e in events {
        let agent = e.agent_id.as_deref().unwrap_or("");
        match lanes.iter_mut().find(|(a, _)| *a == agent) {
            Some((_, lane)) => lane.push(e),
            None => lanes.push((agent, vec![e])),
        }
    }
    lanes
}

/// What injected text must follow from: the call whose id it names, and what the sub-agent it tells of said last.
fn check_injected(e: &Event, events: &[Event], place: &str) {
    let text = e.input_text();
    let tag = |name: &str| Some(text.split_once(&format!("<{name}>"))?.1.split_once('<')?.0.to_owned());
    if !text.starts_with("<task-notification>") {
        return;
    }
    let call = events.iter().find(|c| c.call_id == tag("tool-use-id")).unwrap();
    let task = tag("task-id");
    let last = events.iter().rfind(|w| w.event_type == EventType::Message && w.agent_id == task);
    let mut expected: Vec<_> = last.map(|w| w.event_id.clone()).into_iter().collect();
    expected.push(call.event_id.clone());
    assert_eq!(e.parents, expected, "{place}: {text}");
    let began = |key: &str| call.extra.get(key).and_then(Value::as_str) == task.as_deref();
    assert!(began("spawned") || began("background_task"), "{place}: {text}");
}

#[test]
fn recordings_have_the_structure_of_their_scenarios() {
    let Some(root) = shared("recordings/claude-code") else { return };
    let places = children(&root);
    each(&places, |place| {
        let name = place.file_name().unwrap().to_str().unwrap().to_owned();
        let scenario: Value = serde_json::from_slice(&fs::read(place.join("scenario.json")).unwrap()).unwrap();
        let main = script(&scenario, None);
        let mut seen = vec![false; main.len()];
        let mut met = HashMap::new();
        for events in sessions(place) {
            for (agent, lane) in lanes(&events) {
                let place = format!("{name} {agent}");
                check_parents(&lane, &place, |_| Vec::new());
                let found = responses(&lane);
                if agent.is_empty() {
                    assert!(lane[0].event_type == EventType::Session, "{place}");
                    check_turns(&ClaudeCode, &found, &main, &mut seen, &place);
                    continue;
                }
                let prompt = lane[0];
                if prompt.input_text() == "Warmup" {
                    // 2.0.76 warms its sub-agents up: nobody called for it
                    assert!(prompt.parents.is_empty());
                    continue;
                }
                let call = events.iter().find(|c| prompt.parents == [c.event_id.as_str()]).expect(&place);
                assert_eq!(
                    ClaudeCode.action(call),
                    Action::Spawn { prompt: prompt.input_text().into_owned() },
                    "{place}"
                );
                let last = lane.iter().rfind(|e| e.event_type == EventType::Message).unwrap();
                assert_eq!(call.extra["returned_from"], last.event_id.as_str(), "{place}");
                assert_eq!(call.extra["spawned"], agent, "{place}");
                let text = prompt.input_text();
                let key = text[1..].split(']').next().unwrap();
                let turns = script(&scenario, Some(key));
                let mut all = vec![false; turns.len()];
                check_turns(&ClaudeCode, &found, &turns, &mut all, &place);
                assert!(all.iter().all(|s| *s), "{place}: turns are missing");
                *met.entry(key.to_owned()).or_insert(0) += 1;
            }
            for e in &events {
                check_injected(e, &events, &name);
            }
        }
        let subagents = scenario["subagents"].as_object().map_or(0, serde_json::Map::len);
        // the one recording where each was refused
        let subagents = if name == "subagents-2.1.300" { 0 } else { subagents };
        assert!(met.len() == subagents && met.values().all(|n| *n == 1), "{name}: {met:?}");
        for (i, turn) in main.iter().enumerate().filter(|(i, _)| !seen[*i]) {
            // never asked for
            let spare = ["Fine.", "No.", "No, nothing."].contains(&turn.text.as_str());
            assert!(turn.refused || spare, "{name}: turn {i} is missing: {turn:?}");
        }
    });
    assert!(places.len() > 60, "only {} recordings", places.len());
}
