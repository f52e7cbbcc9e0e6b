//! The linker against sessions whose causes are known: made-up ones with planted ids, and recordings of scripted models.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use causetrace::causality::{Links, link};
use causetrace::event::Event;
use causetrace::source;
use serde_json::Value;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn linked(events: &[Event]) -> Links {
    link(events, &source::action)
}

/// `fixtures/linker`: the key `expect` of a call lists its causes, the primary first, and no others; behind a `+` more may be
/// named, and the order is free; a `!` marks a step that must not be one.
#[test]
fn planted_causes_are_found() {
    let mut count = 0;
    let mut files: Vec<PathBuf> =
        fs::read_dir(package().join("fixtures/linker")).unwrap().map(|e| e.unwrap().path()).collect();
    files.sort();
    for file in files {
        let text = fs::read_to_string(&file).unwrap();
        let events: Vec<Event> = text.lines().map(|l| serde_json::from_str(l).unwrap()).collect();
        let links = linked(&events);
        for (event, causes) in events.iter().zip(&links) {
            let Some(expect) = event.extra.get("expect") else { continue };
            count += 1;
            let found: Vec<&str> = causes.iter().map(|c| events[c.event].event_id.as_str()).collect();
            let list: Vec<&str> = match expect {
                Value::String(s) => vec![s],
                Value::Array(items) => items.iter().filter_map(Value::as_str).collect(),
                _ => panic!("expect is a list"),
            };
            let open = list.iter().any(|x| x.starts_with(['+', '!']));
            let at = format!("{} of {}: found {found:?}, expected {list:?}", event.event_id, file.display());
            for x in &list {
                match x.strip_prefix('!') {
                    Some(id) => assert!(!found.contains(&id), "{at}"),
                    None => {
                        let id = x.trim_start_matches('+');
                        assert!(id.is_empty() || found.contains(&id), "{at}");
                    }
                }
            }
            if !open {
                assert_eq!(found.first(), list.first(), "{at}");
                assert_eq!(BTreeSet::from_iter(&found), BTreeSet::from_iter(&list), "{at}");
            }
            for c in causes {
                assert!((0.0..=1.0).contains(&c.confidence), "{at}");
                if let Some(e) = &c.evidence {
                    assert!(!e.text.is_empty() && e.place.contains(':'), "{at}: {e:?}");
                }
            }
        }
    }
    assert!(count >= 30, "{count}");
}

/// The events of a recording, by the binary.
fn exported(path: &Path) -> Vec<Value> {
    let out =
        Command::new(env!("CARGO_BIN_EXE_causetrace")).args(["export", "--format", "json"]).arg(path).output().unwrap();
    assert!(out.status.success(), "{}: {}", path.display(), String::from_utf8_lossy(&out.stderr));
    serde_json::from_slice(&out.stdout).unwrap()
}

/// All files below a folder whose name satisfies `f`.
fn below(dir: &Path, f: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let (mut found, mut todo) = (Vec::new(), vec![dir.to_path_buf()]);
    while let Some(dir) = todo.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                todo.push(path);
            } else if f(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn name(path: &Path) -> &str {
    path.file_name().and_then(|n| n.to_str()).unwrap_or("")
}

/// The recordings of scripted models, and the scenario that each ran.
fn recordings(shared: &Path) -> Vec<(PathBuf, Value)> {
    let dir = shared.join("recordings");
    let scenario = |path: &Path| serde_json::from_str::<Value>(&fs::read_to_string(path).unwrap()).unwrap();
    let own = |file: &Path| {
        let near = file.ancestors().take(8).map(|a| a.join("scenario.json")).find(|p| p.is_file());
        near.map(|p| scenario(&p))
    };
    let mut all = Vec::new();
    let transcripts = |p: &Path| {
        let text = p.to_string_lossy();
        text.contains("/transcripts/") && text.ends_with(".jsonl")
            || text.contains("/sessions/") && name(p).starts_with("rollout-")
            || name(p).starts_with("export-")
    };
    for agent in ["claude-code", "codex", "opencode"] {
        all.extend(below(&dir.join(agent), &transcripts).into_iter().filter_map(|f| Some((f.clone(), own(&f)?))));
    }
    // the newer recordings are named after their scenario
    for entry in fs::read_dir(dir.join("continue")).unwrap() {
        let folder = entry.unwrap().path();
        let file = shared.join(format!("agentlab/scenarios/continue-{}.json", name(&folder)));
        let session = |p: &Path| p.to_string_lossy().contains("/.continue/sessions/") && name(p) != "sessions.json";
        if file.is_file() {
            let sessions = below(&folder, &|p| session(p) && p.extension().is_some_and(|x| x == "json"));
            all.extend(sessions.into_iter().map(|f| (f, scenario(&file))));
        }
    }
    for folder in ["sequential", "parallel", "prompts"] {
        let file = shared.join(format!("agentlab/scenarios/copilot-{folder}.json"));
        let sessions = dir.join("copilot").join(folder);
        if file.is_file() && sessions.is_dir() {
            let sessions =
                below(&sessions, &|p| p.to_string_lossy().contains("/session-state/") && name(p) == "events.jsonl");
            all.extend(sessions.into_iter().map(|f| (f, scenario(&file))));
        }
    }
    all.retain(|(_, s)| s.get("causes").is_some_and(Value::is_object) && s.get("subagents").is_none());
    all
}

/// Aider edits from the text of an answer: the first edit does what the prompt asks, those after it answer the test that
/// failed, the one that was refused is tried again.
#[test]
fn aiders_edits_answer_the_prompt_and_the_test() {
    let events = exported(&package().join("fixtures/aider/0.86.2-fix-counter/.aider.chat.history.md"));
    let number = |id: &Value| events.iter().find(|e| e["event_id"] == *id).map_or(0, |e| e["number"].as_u64().unwrap());
    let kind = |n: u64| {
        let e = events.iter().find(|e| e["number"] == n).unwrap();
        e["tool_name"].as_str().unwrap_or(e["event_type"].as_str().unwrap()).to_owned()
    };
    let first: Vec<(u64, String)> = events
        .iter()
        .filter(|e| e["tool_name"] == "edit")
        .map(|e| number(&e["causes"][0]["event_id"]))
        .map(|n| (n, kind(n)))
        .collect();
    let kinds: Vec<&str> = first.iter().map(|(_, k)| k.as_str()).collect();
    assert_eq!(kinds, ["user_input", "test", "test", "edit", "edit"], "{first:?}");
}

/// What a scenario says a call used, and all that this rests on.
fn closure<'a>(causes: &'a Value, id: &'a str) -> BTreeSet<&'a str> {
    let (mut all, mut todo) = (BTreeSet::new(), vec![id]);
    while let Some(id) = todo.pop() {
        for c in causes[id].as_array().into_iter().flatten().filter_map(Value::as_str) {
            if all.insert(c) {
                todo.push(c);
            }
        }
    }
    all
}

/// Where a scenario says which call used what: the primary cause is one of these or of what they rest on, most are found, and
/// the first turn answers the prompt alone.
#[test]
fn scripted_causes_are_found() {
    let shared = package().join("../shared");
    if !shared.join("recordings").is_dir() {
        return;
    }
    let (mut sessions, mut wanted, mut hit) = (0, 0, 0);
    for (file, scenario) in recordings(&shared) {
        let events = exported(&file);
        let calls: Vec<&Value> = events.iter().filter(|e| e["event_type"] == "tool_call").collect();
        let turns: Vec<(usize, &str)> = scenario["prompts"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|p| p["turns"].as_array().unwrap().iter().enumerate())
            .flat_map(|(turn, t)| {
                t["calls"].as_array().into_iter().flatten().map(move |c| (turn, c["id"].as_str().unwrap()))
            })
            .collect();
        // a client that refused or lost a call tells another story
        let refused = |e: &&&Value| {
            e["status"] != "ok"
                && !e["tool_name"].as_str().is_some_and(|t| matches!(t, "Bash" | "bash" | "shell" | "exec_command"))
        };
        if calls.len() != turns.len() || calls.iter().any(|e| refused(&e)) {
            continue;
        }
        sessions += 1;
        let id_of: HashMap<&str, &str> =
            calls.iter().zip(&turns).map(|(e, (_, id))| (e["event_id"].as_str().unwrap(), *id)).collect();
        let causes = &scenario["causes"];
        for (e, (turn, id)) in calls.iter().zip(&turns) {
            let found: Vec<&str> = e["causes"]
                .as_array()
                .into_iter()
                .flatten()
                .map(|c| id_of.get(c["event_id"].as_str().unwrap()).copied().unwrap_or("prompt"))
                .collect();
            let at = format!("{id} of {}: {found:?}", file.display());
            let direct: BTreeSet<&str> =
                causes[id].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            if *turn == 0 {
                assert_eq!(found.first(), Some(&"prompt"), "{at}");
                continue;
            }
            if direct.is_empty() {
                continue;
            }
            let all = closure(causes, id);
            assert!(all.contains(found[0]), "{at}, expected {direct:?}");
            wanted += direct.len();
            hit += direct.iter().filter(|d| found.contains(d)).count();
            // one cause alone is unambiguous
            if direct.len() == 1 {
                assert!(found.contains(direct.first().unwrap()), "{at}, expected {direct:?}");
            }
        }
    }
    assert!(sessions >= 10, "{sessions}");
    assert!(hit * 10 >= wanted * 9, "{hit} of {wanted} in {sessions} sessions");
}
