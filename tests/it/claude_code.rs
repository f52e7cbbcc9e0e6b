//! Claude Code: transcripts of every era, sub-agents, forks, damage; and the structure that scripted recordings must have.

use std::collections::{HashMap, HashSet};
use std::fs;

use causetrace::action::Action;
use causetrace::event::{Event, EventType, Status};
use causetrace::source::claude_code::ClaudeCode;
use causetrace::source::{Report, Source as _};
use serde_json::Value;

use crate::scenario::{
    check_goldens, check_parents, check_turns, children, claim, each, files, package, read, responses, script, shared,
};

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

fn fixture(case: &str) -> std::path::PathBuf {
    package().join("fixtures/claude-code").join(case)
}

#[test]
fn fixtures_have_their_goldens() {
    check_goldens(&fixture(""), 12, sessions);
}

/// The events of a fixture's only session, and what reading it came across.
fn only(case: &str) -> (Vec<Event>, Report) {
    let own = |f: &std::path::PathBuf| !f.file_name().unwrap().to_str().unwrap().starts_with("agent-");
    let transcripts: Vec<_> =
        files(&fixture(case)).into_iter().filter(own).flat_map(|f| claim(&ClaudeCode, &f)).collect();
    let [transcript] = &transcripts[..] else { panic!("{case}: {} sessions", transcripts.len()) };
    read(&ClaudeCode, transcript)
}

fn find<'a>(events: &'a [Event], text: &str) -> &'a Event {
    events.iter().find(|e| e.input_text().contains(text)).unwrap_or_else(|| panic!("no event with {text:?}"))
}

#[test]
fn damage_is_repaired_and_counted() {
    let (events, report) = only("2.1.3-damage");
    // the torn last line is the only loss
    assert_eq!((report.bad_count, report.unanswered, report.orphans, report.calls), (1, 0, 0, 4));
    let reply = find(&events, "Both at once.");
    assert_eq!(reply.parents, [find(&events, "Look at both").event_id.as_str()], "two objects on a line");
    assert_eq!(reply.usage.unwrap().output, Some(64), "the last number counts");
    let calls: Vec<_> = events.iter().filter(|e| e.is_call()).collect();
    assert!(calls[..2].iter().all(|c| c.parents == [reply.event_id.as_str()] && c.turn_id == reply.turn_id));
    assert_eq!(calls[0].output_text(), "\tone", "a result before its call");
    assert_eq!(calls[1].output_text(), "cut \u{fffd}");
    let skill = find(&events, "Put things in order.");
    assert_eq!((&skill.event_type, &skill.parents), (&EventType::ContextUpdate, &vec![calls[2].event_id.clone()]));
    assert_eq!(calls[3].parents, [calls[2].event_id.as_str(), skill.event_id.as_str()]);
    assert!(calls[3].output_text().contains("Full output saved to"));
    assert_eq!(find(&events, "Be careful.").event_type, EventType::ContextUpdate);
    assert_eq!(find(&events, "And now?").event_type, EventType::UserInput);
    assert_eq!(find(&events, "/tidy").input_text(), "/tidy all", "a command as it was typed");
}

#[test]
fn what_the_user_left_by_going_back_is_a_dead_branch() {
    let (events, _) = only("2.1.100-rewind");
    let dead = |e: &&Event| e.extra.contains_key("dead_branch");
    let texts: Vec<_> = events.iter().filter(dead).map(|e| e.input_text()).collect();
    assert_eq!(texts, ["Two.", "Second.", "{\"command\":\"wc a\"}", "Two is done."]);
    let again = find(&events, "Another two.");
    assert_eq!(again.parents, [find(&events, "First.").event_id.as_str()]);
}

#[test]
fn the_users_refusal_and_interruption_differ() {
    let all = sessions(&fixture("2.1.330-terminal"));
    let [session, cleared] = &all[..] else { panic!("{} sessions", all.len()) };
    let status = |text: &str| session.iter().find(|e| e.is_call() && e.input_text().contains(text)).unwrap().status;
    assert_eq!(status("c.txt"), Some(Status::Denied));
    assert_eq!(status("sleep 20"), Some(Status::Interrupted));
    // the compaction follows what it sums up, and the summary it
    let at = session.iter().position(|e| e.extra.contains_key("compaction")).unwrap();
    assert_eq!(session[at].parents, [find(session, "All done.").event_id.as_str()]);
    assert_eq!(session[at + 1].parents, [session[at].event_id.as_str()]);
    let typed = find(session, "One more thing");
    assert_eq!(typed.event_type, EventType::UserInput);
    // `/clear` begins a session of its own, in which nobody has asked for anything
    assert!(cleared.iter().all(|e| e.event_type != EventType::UserInput));
}

#[test]
fn copies_of_a_fork_name_their_origin_and_cost_nothing() {
    let (events, _) = only("2.1.330-fork");
    let (copied, own): (Vec<_>, Vec<_>) = events.iter().partition(|e| e.extra.contains_key("copied_from"));
    assert_eq!((copied.len(), own.iter().filter(|e| e.usage.is_some()).count()), (9, 2));
    let origin = "6153b48c-6abc-47bc-a9b4-b10f2018413f";
    for e in copied {
        assert!(e.usage.is_none());
        if let Some(call) = &e.call_id {
            assert_eq!(e.extra["copied_from"], causetrace::id::call("claude-code", origin, call));
        }
    }
}

#[test]
fn published_sessions_are_read_without_loss() {
    let Some(root) = shared("real/claude-code") else { return };
    let mut total = Report::default();
    for file in files(&root) {
        for transcript in claim(&ClaudeCode, &file) {
            let (events, report) = read(&ClaudeCode, &transcript);
            let name = file.display();
            let ids: HashSet<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
            assert_eq!((report.events, ids.len()), (events.len() as u64, events.len()), "{name}");
            assert_eq!(
                report.calls as usize,
                events.iter().filter(|e| e.is_call() && e.tool_name.is_some()).count(),
                "{name}"
            );
            let unanswered = events.iter().filter(|e| e.is_call() && e.tool_name.is_some() && e.tool_output.is_none());
            assert_eq!(report.unanswered as usize, unanswered.count(), "{name}");
            // a sub-agent's file read alone names the call that began it
            let lost = events.iter().flat_map(|e| &e.parents).filter(|p| !ids.contains(p.as_str())).count();
            assert!(lost == 0 || name.to_string().contains("agent-"), "{name}: {lost} parents are unknown");
            total.merge(report);
        }
    }
    // hand-made files of other programs' tests: kinds that Claude Code does not write, calls without ids, lines that are
    // numbers and strings. Calls without result: sessions published while they ran, killed ones, and those tests.
    let known = [
        "(no type)",
        "result",
        "started",
        "tool_result",
        "tool_use",
        "tool_result without tool_use_id",
        "tool_use without id",
    ];
    assert!(total.unknown.keys().all(|k| known.contains(&k.as_str())), "{:?}", total.unknown);
    assert!(
        total.unknown.values().sum::<u64>() <= 13
            && total.bad_count <= 4
            && total.unanswered <= 12
            && total.orphans == 0
    );
}
