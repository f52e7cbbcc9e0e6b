//! Codex: rollouts of every era, sub-agents, compaction, rollback; and the structure that scripted recordings must have.

use std::fs;
use std::path::Path;

use causetrace::event::{Event, EventType};
use causetrace::source::codex::Codex;
use serde_json::Value;

use crate::scenario::{check_parents, check_turns, children, claim, each, files, read, responses, script, shared};

/// The sessions of a folder, oldest first.
fn sessions(folder: &Path) -> Vec<Vec<Event>> {
    let transcripts = files(folder).into_iter().flat_map(|f| claim(&Codex, &f));
    let mut all: Vec<_> = transcripts.map(|t| read(&Codex, &t).0).collect();
    all.sort_by_key(|events| events[0].timestamp);
    all
}

/// The call that began the process or program which `write_stdin` and `wait` name: its output tells the number.
fn began(e: &Event, events: &[Event]) -> Vec<String> {
    let input = e.tool_input.as_ref();
    let (key, words) = match e.tool_name.as_deref() {
        Some("write_stdin") => ("session_id", "running with session ID"),
        Some("wait") => ("cell_id", "running with cell ID"),
        _ => return Vec::new(),
    };
    let Some(number) = input.and_then(|i| i.get(key)) else { return Vec::new() };
    let number = number.as_str().map_or_else(|| number.to_string(), str::to_owned);
    let told = |c: &&Event| c.output_text().lines().any(|l| l.contains(words) && l.ends_with(&format!(" {number}")));
    events.iter().find(|c| c.is_call() && told(c)).map(|c| c.event_id.clone()).into_iter().collect()
}

#[test]
fn recordings_have_the_structure_of_their_scenarios() {
    let Some(root) = shared("recordings/codex") else { return };
    let places: Vec<_> = children(&root).iter().flat_map(|version| children(version)).collect();
    each(&places, |place| {
        let name = place.strip_prefix(&root).unwrap().display().to_string();
        let all = sessions(place);
        assert!(!all.is_empty(), "{name}: no session");
        let scenario = fs::read(place.join("scenario.json")).ok();
        let scenario: Option<Value> = scenario.map(|s| serde_json::from_slice(&s).unwrap());
        let main = scenario.as_ref().map(|s| script(s, None)).unwrap_or_default();
        let mut seen = vec![false; main.len()];
        for events in &all {
            let lane: Vec<&Event> = events.iter().collect();
            check_parents(&lane, &name, |e| began(e, events));
            let Some(scenario) = &scenario else { continue };
            let found = responses(&lane);
            let first = events.iter().find(|e| e.event_type != EventType::Session).unwrap();
            let text = first.input_text();
            let key = scenario["subagents"].as_object().and_then(|names| {
                names.keys().find(|k| text.contains(&format!("[{k}]")) || text.contains(&format!("/{k}\n")))
            });
            match key {
                Some(key) => {
                    let turns = script(scenario, Some(key));
                    let mut seen = vec![false; turns.len()];
                    check_turns(&Codex, &found, &turns, &mut seen, &name);
                    // a message that nobody waited for
                    let spare = |i: usize| turns[i].text == "Beta noted.";
                    assert!(
                        seen.iter().enumerate().all(|(i, s)| *s || spare(i)),
                        "{name}: turns of {key} are missing: {seen:?}"
                    );
                }
                None => check_turns(&Codex, &found, &main, &mut seen, &name),
            }
        }
        let compactions: Vec<_> = all.iter().flatten().filter(|e| e.extra.contains_key("compaction")).collect();
        for (i, turn) in main.iter().enumerate().filter(|(i, _)| !seen[*i]) {
            // to 0.144 the summary is told by the compaction alone
            let sums_up =
                |e: &&Event| e.input_text().ends_with(&turn.text) && e.usage.and_then(|u| u.output) == turn.output;
            let told = turn.text.starts_with("SUMMARY") && compactions.iter().any(|e| sums_up(e));
            // never asked for, or broken off before 0.50 wrote anything of it
            let never =
                turn.text == "Spare." || name.ends_with("web-image") && i == 2 || name.ends_with("review") && i == 2;
            let cut =
                name == "0.50.0/codex-interrupt" && [0, 3, 6].contains(&i) || name == "0.50.0/codex-errors" && i == 3;
            // these forks were made in the terminal, which was not recorded
            let elsewhere = name.ends_with("codex-resume-fork") && !name.starts_with("0.169") && i > 5;
            let rolled_back =
                all.iter().flatten().any(|e| e.extra.contains_key("dead_branch") && e.input_text() == turn.text);
            assert!(
                turn.refused || told || never || cut || elsewhere || rolled_back,
                "{name}: turn {i} is missing: {turn:?}"
            );
        }
    });
    assert!(places.len() > 45, "only {} recordings", places.len());
}
