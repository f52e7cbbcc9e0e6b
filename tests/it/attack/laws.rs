//! Laws of the graph over random event sets: none lost, none twice, no cycle kept, causes before effects, the same for any order
//! of lines, and all views of one mind.

use std::collections::{BTreeSet, HashMap};

use causetrace::action::Action;
use causetrace::event::{Event, EventType, Origin};
use causetrace::graph::Graph;
use causetrace::source;
use chrono::DateTime;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;

use super::machine::Machine;

/// What an event is made of: kind, minute, parents by number (beyond the last: missing), text.
type Seed = (u8, Option<u16>, Vec<usize>, u8);

fn seeds(most: usize) -> impl Strategy<Value = Vec<Seed>> {
    let one =
        (0u8..9, proptest::option::weighted(0.8, 0u16..30), proptest::collection::vec(0usize..most + 4, 0..4), 0u8..6);
    proptest::collection::vec(one, 0..most)
}

fn events(seeds: &[Seed]) -> Vec<Event> {
    const TEXTS: [&str; 6] =
        ["src/a.py", "grep -n foo src/a.py", "foo bar in src/b.py:3", "cargo test", "", "fn foo() {"];
    seeds
        .iter()
        .enumerate()
        .map(|(n, (kind, minute, parents, text))| {
            let call = *kind > 3;
            let text = TEXTS[*text as usize];
            Event {
                event_id: format!("e{n}"),
                session_id: format!("s{}", n % 2),
                agent: "claude-code".to_owned(),
                event_type: match kind {
                    0 => EventType::UserInput,
                    1 => EventType::Message,
                    2 => EventType::ContextUpdate,
                    3 => EventType::Reasoning,
                    _ => EventType::ToolCall,
                },
                tool_name: call.then(|| ["Bash", "Read", "Edit", "Grep"][n % 4].to_owned()),
                tool_input: Some(if call {
                    serde_json::json!({"command": text, "file_path": text, "pattern": "foo", "old_string": "x", "new_string": text})
                } else {
                    text.into()
                }),
                tool_output: call.then(|| format!("{text}\nline {n}").into()),
                timestamp: minute.and_then(|m| DateTime::from_timestamp(60 * i64::from(m), 0)),
                parents: parents.iter().map(|p| format!("e{p}")).collect(),
                turn_id: (n % 3 == 0).then(|| format!("t{}", n / 6)),
                source: Origin { file: Some(format!("/f{}", n % 2)), line: Some(n as u64 + 1), hook: None },
                ..Event::default()
            }
        })
        .collect()
}

fn ids(g: &Graph) -> Vec<String> {
    g.events.iter().map(|e| e.event_id.clone()).collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, ..ProptestConfig::default() })]

    #[test]
    fn none_lost_none_twice_and_causes_first(seeds in seeds(30)) {
        let events = events(&seeds);
        let g = Graph::new(events.clone(), &source::action);
        let all: BTreeSet<String> = events.iter().map(|e| e.event_id.clone()).collect();
        prop_assert_eq!(ids(&g).len(), events.len());
        prop_assert_eq!(ids(&g).into_iter().collect::<BTreeSet<_>>(), all.clone());
        let place: HashMap<&str, usize> = g.events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i)).collect();
        for (i, e) in g.events.iter().enumerate() {
            // every proven edge is kept, or cut, or says what is missing
            let wanted: BTreeSet<&str> = e.parents.iter().map(String::as_str).collect();
            let mut got: BTreeSet<&str> = g.parents[i].iter().map(|p| g.events[*p].event_id.as_str()).collect();
            prop_assert_eq!(got.len(), g.parents[i].len(), "a parent twice");
            got.extend(g.missing[i].iter().map(String::as_str));
            got.extend(g.cut.iter().filter(|(_, c)| *c == i).map(|(p, _)| g.events[*p].event_id.as_str()));
            prop_assert_eq!(wanted, got);
            prop_assert!(g.parents[i].iter().all(|p| *p < i), "an effect before its cause");
            prop_assert!(g.causes[i].iter().all(|c| c.event < i), "an effect before its inferred cause");
            prop_assert!(g.missing[i].iter().all(|m| !all.contains(m)));
        }
        // an edge is cut only where it would close a cycle
        for (p, c) in &g.cut {
            let mut todo = vec![*p];
            let mut seen = BTreeSet::new();
            while let Some(n) = todo.pop() {
                if seen.insert(n) {
                    todo.extend(g.events[n].parents.iter().filter_map(|id| place.get(id.as_str())));
                }
            }
            prop_assert!(seen.contains(c), "cut without a cycle: {p} -> {c}");
        }
        // effects are the reasons the other way round
        for i in 0..g.events.len() {
            for r in g.reasons(i) {
                prop_assert!(g.effects(r).contains(&i));
            }
            prop_assert!(g.effects(i).iter().all(|e| g.reasons(*e).contains(&i)));
            prop_assert!(g.ancestors(i).iter().all(|a| g.descendants(*a).contains(&i)));
        }
    }

    #[test]
    fn the_same_for_any_order_of_lines(seeds in seeds(30), shuffle in any::<u64>()) {
        let mut events = events(&seeds);
        // one file, in which the order of lines is known whatever order they are stored in
        for e in &mut events {
            e.session_id = "s".to_owned();
            e.source.file = Some("/f".to_owned());
        }
        let g = Graph::new(events.clone(), &source::action);
        let mut r = super::fuzz::Random::new(shuffle);
        for i in (1..events.len()).rev() {
            events.swap(i, r.below(i + 1));
        }
        let other = Graph::new(events, &source::action);
        prop_assert_eq!(ids(&g), ids(&other));
        prop_assert_eq!(&g.parents, &other.parents);
        prop_assert_eq!(&g.cut, &other.cut);
        prop_assert_eq!(&g.causes, &other.causes);
    }

    #[test]
    fn lines_of_one_event_fold_into_one(seeds in seeds(12)) {
        let events = events(&seeds);
        let twice: Vec<Event> = events.iter().chain(&events).cloned().collect();
        let (once, twice) = (Graph::unlinked(events, &|_| Action::Other), Graph::unlinked(twice, &|_| Action::Other));
        prop_assert_eq!(&once.events, &twice.events);
        prop_assert_eq!(&once.parents, &twice.parents);
    }
}

/// The numbers of the events that a view shows, from lines whose labels hold no digits of their own.
fn numbers(text: &str) -> Vec<usize> {
    let mut all = Vec::new();
    for line in text.lines().skip_while(|l| !l.is_empty()) {
        let mut words = line.split(|c: char| c.is_whitespace() || "│├╰╭╮╯─┬┴┼┤╷┆".contains(c));
        all.extend(words.find_map(|w| w.parse::<usize>().ok()).filter(|_| !line.contains("proven by ids")));
    }
    all.sort_unstable();
    all
}

#[test]
fn all_views_show_the_same_events() {
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    for _ in 0..6 {
        let tree = seeds(25).new_tree(&mut runner).unwrap();
        let mut events = events(&tree.current());
        for (n, e) in events.iter_mut().enumerate() {
            // no digits but the numbers
            e.session_id = "s".to_owned();
            e.timestamp = None;
            e.turn_id = None;
            e.status = e.is_call().then_some(causetrace::event::Status::Ok);
            e.tool_input = Some(if e.is_call() { serde_json::json!({"command": "go"}) } else { "words".into() });
            e.tool_output = None;
            e.tool_name = e.is_call().then(|| "Tool".to_owned());
            e.event_type = if n == 0 { EventType::UserInput } else { e.event_type.clone() };
        }
        if events.is_empty() {
            continue;
        }
        let m = Machine::new();
        let lines: String = events.iter().map(|e| e.to_line() + "\n").collect();
        m.store().append("s", lines.as_bytes()).unwrap();
        let wanted: Vec<usize> = (1..=events.len()).collect();
        for view in ["tree s --full", "graph s --full", "timeline s --full", "replay s --full"] {
            let said = m.run(&view.split(' ').collect::<Vec<_>>());
            assert_eq!(numbers(&said.out), wanted, "{view}:\n{}{}", said.out, said.err);
        }
        for view in ["tree s --json", "graph s --json", "timeline s --json", "replay s --json", "export s"] {
            let said = m.run(&view.split(' ').collect::<Vec<_>>());
            let all: Vec<serde_json::Value> = serde_json::from_str(&said.out).unwrap();
            let shown: Vec<usize> = all.iter().map(|e| e["number"].as_u64().unwrap() as usize).collect();
            assert_eq!(shown, wanted, "{view}");
            let ids: BTreeSet<&str> = all.iter().map(|e| e["event_id"].as_str().unwrap()).collect();
            assert_eq!(ids, events.iter().map(|e| e.event_id.as_str()).collect(), "{view}");
        }
    }
}
