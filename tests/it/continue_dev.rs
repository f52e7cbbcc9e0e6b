//! Continue: sessions of `cn` and of the extensions, with what stands beside them.

use std::collections::{BTreeSet, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::action::{Action, Change, Hunk};
use causetrace::event::{Event, EventType, Status};
use causetrace::id;
use causetrace::source::continue_dev::Continue;
use causetrace::source::{Env, Report, Source, Transcript};
use expect_test::expect_file;
use serde_json::{Value, json};

use crate::scenario::{self, package};

fn claim(path: &Path) -> Vec<Transcript> {
    scenario::claim(&Continue, path)
}

fn read(transcript: &Transcript) -> (Vec<Event>, Report) {
    scenario::read(&Continue, transcript)
}

/// The sessions of a folder.
fn sessions(folder: &Path) -> Vec<(Vec<Event>, Report)> {
    claim(folder).iter().map(read).collect()
}

/// Events as lines of a golden: number, kind, what, how it ended, parents by number.
fn outline(events: &[Event]) -> String {
    let numbers: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let mut line = format!("{} {}", i + 1, e.event_type.as_str());
        line.extend(e.tool_name.iter().map(|t| format!(" {t}")));
        line.push_str(&format!(" {:.60}", e.input_text().replace('\n', "\\n")));
        line.extend(e.status.map(|s| format!(" [{}]", s.as_str())));
        line.extend(e.exit_code.map(|c| format!(" exit {c}")));
        line.extend(e.timestamp.map(|t| format!(" at {}", t.format("%H:%M:%S%.3f"))));
        line.extend(e.duration_ms.map(|d| format!(" {d} ms")));
        line.extend(e.usage.map(|u| format!(" tokens {}/{}", u.input.unwrap_or(0), u.output.unwrap_or(0))));
        line.extend(e.model.iter().map(|m| format!(" by {m}")));
        line.extend(e.cwd.iter().filter(|_| e.event_type == EventType::Session).map(|c| format!(" in {c}")));
        for key in ["compaction", "ended_at", "patch", "title", "version"] {
            line.extend(e.extra.get(key).map(|v| format!(" {key}={v}")));
        }
        let parents: Vec<_> = e.parents.iter().map(|p| numbers[p.as_str()].to_string()).collect();
        out.push_str(&format!("{} <- {}\n", line.trim_end(), parents.join(",")));
    }
    out
}

fn fixture(case: &str) -> PathBuf {
    package().join("fixtures/continue").join(case)
}

fn check(case: &str) -> Report {
    let (events, report) = sessions(&fixture(case)).remove(0);
    expect_file![fixture(case).join("events.txt")].assert_eq(&outline(&events));
    assert_eq!(report.events, events.len() as u64);
    report
}

#[test]
fn calls_at_once_with_the_times_of_the_log() {
    assert_eq!(check("1.5.47-parallel").bad_count, 0);
}

#[test]
fn all_ways_to_fail_and_no_time() {
    assert_eq!(check("1.5.47-failures").calls, 6);
}

#[test]
fn permissions_in_a_terminal() {
    assert_eq!(check("1.5.47-terminal").unanswered, 0);
}

#[test]
fn a_session_of_an_extension_with_dev_data() {
    let report = check("1.3.39-extension");
    assert_eq!((report.unknown["role hologram"], report.passed_over["empty answer"]), (1, 1));
    assert_eq!((report.unanswered, report.orphans), (0, 0));
}

/// A folder with one session; its file.
fn folder_with(history: &Value) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let sessions = dir.path().join("sessions");
    fs::create_dir(&sessions).unwrap();
    fs::write(sessions.join("sessions.json"), "[]").unwrap();
    let file = sessions.join("s1.json");
    write(&file, history);
    (dir, file)
}

fn write(file: &Path, history: &Value) {
    let session = json!({"sessionId": "s1", "title": "T", "workspaceDirectory": "/w", "history": history});
    fs::write(file, serde_json::to_string_pretty(&session).unwrap()).unwrap();
}

fn said(role: &str, text: &str) -> Value {
    json!({"message": {"role": role, "content": text}, "contextItems": []})
}

#[test]
fn what_was_read_once_keeps_its_name_and_what_replaces_it_gets_another() {
    let first = json!([said("user", "go"), said("assistant", "A"), said("user", "on"), said("assistant", "B")]);
    let (_dir, file) = folder_with(&first);
    let ids = || -> Vec<(String, String)> {
        let (events, _) = read(&claim(&file)[0]);
        events.into_iter().skip(1).map(|e| (e.input_text().into_owned(), e.event_id)).collect()
    };
    let before = ids();
    // the user goes back, says something else, and then the same as before
    let edited = json!([
        said("user", "go"),
        said("assistant", "A"),
        said("user", "stop"),
        said("assistant", "B"),
        said("user", "on")
    ]);
    write(&file, &edited);
    let after = ids();
    assert_eq!(before[..2], after[..2]);
    let old: BTreeSet<_> = before.iter().map(|(_, id)| id).collect();
    assert!(after[2..].iter().all(|(text, id)| !old.contains(id) || panic!("{text} took an old name")));
    // an undo brings the old ones back; a summary may take the place of all that was there
    write(&file, &first);
    assert_eq!(ids(), before);

    // an extension leaves an edited prompt its id
    let with_id = |text: &str| json!([{"message": {"role": "user", "content": text, "id": "u1"}}]);
    write(&file, &with_id("one"));
    let one = ids();
    write(&file, &with_id("two"));
    assert_ne!(one[0].1, ids()[0].1);
}

#[test]
fn a_call_id_that_comes_again_is_another_call() {
    let call = |text: &str| {
        let call = json!({"id": "call_0", "type": "function", "function": {"name": "Read", "arguments": "{}"}});
        json!({"message": {"role": "assistant", "content": text, "toolCalls": [call]},
            "toolCallStates": [{"toolCallId": "call_0", "toolCall": call, "status": "done", "output": [{"content": text}]}]})
    };
    let (_dir, file) = folder_with(&json!([said("user", "go"), call("a"), call("b")]));
    let (events, _) = read(&claim(&file)[0]);
    let calls: Vec<_> = events.iter().filter(|e| e.is_call()).collect();
    assert_eq!(calls.iter().map(|e| e.output_text()).collect::<Vec<_>>(), ["a", "b"]);
    assert_eq!(calls[0].event_id, id::call("continue", "s1", "call_0"));
}

#[test]
fn a_log_that_tells_nothing_sure_joins_nothing() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "Bash", "arguments": "{}"}});
    let item = json!({"message": {"role": "assistant", "content": "", "toolCalls": [call]},
        "toolCallStates": [{"toolCallId": "c1", "toolCall": call, "status": "done", "output": [{"content": "x"}]}]});
    let state = |at: &str, process: &str, status: &str| {
        let update = format!(r#"{{"messageIndex":1,"toolCallId":"c1","updates":{{"status":"{status}"}}}}"#);
        format!("2026-11-22 {at} [{process}] [debug]: Updated tool call state {update}\n")
    };
    let chunk = r#"2026-11-22 15:04:48.000 [aaaaaaaa] [debug]: Received chunk {"chunk":{"created":1795388688}}"#;
    let ran = state("15:04:49.000", "aaaaaaaa", "calling") + &state("15:04:50.500", "aaaaaaaa", "done");
    let other = state("15:04:49.000", "bbbbbbbb", "calling");
    let other_chunk = chunk.replace("aaaaaaaa", "bbbbbbbb");
    let cases = [
        // eight hours behind UTC, as the chunk shows
        (format!("{chunk}\n{ran}"), Some("2026-11-22T23:04:49+00:00"), Some(1500)),
        // no chunk: the zone is not known
        (ran.clone(), None, None),
        // the same id in two processes
        (format!("{chunk}\n{ran}{other_chunk}\n{other}"), None, None),
    ];
    for (log, began, lasted) in cases {
        let (dir, file) = folder_with(&json!([said("user", "go"), item]));
        fs::create_dir(dir.path().join("logs")).unwrap();
        fs::write(dir.path().join("logs/cn.log"), &log).unwrap();
        let (events, _) = read(&claim(&file)[0]);
        let call = events.iter().find(|e| e.is_call()).unwrap();
        assert_eq!((call.timestamp.map(|t| t.to_rfc3339()).as_deref(), call.duration_ms), (began, lasted), "{log}");
    }
}

#[test]
fn a_log_is_read_on_and_changes_the_fingerprint_only_of_what_it_may_tell_of() {
    let call = json!({"id": "c1", "type": "function", "function": {"name": "Bash", "arguments": "{}"}});
    let item = json!({"message": {"role": "assistant", "content": "", "toolCalls": [call]}});
    let (dir, file) = folder_with(&json!([said("user", "go"), item]));
    let old = dir.path().join("sessions/old.json");
    fs::copy(&file, &old).unwrap();
    let long_ago = std::time::SystemTime::now() - std::time::Duration::from_secs(3600);
    fs::File::options().write(true).open(&old).unwrap().set_modified(long_ago).unwrap();
    let lines = dir.path().join("dev_data/0.2.0/toolUsage.jsonl");
    fs::create_dir_all(lines.parent().unwrap()).unwrap();
    fs::write(
        &lines,
        "{\"timestamp\":\"2026-03-08T17:13:26.100Z\",\"toolCallId\":\"c0\",\"succeeded\":true}\n{\"timestamp\":\"2026-",
    )
    .unwrap();
    let running = read(&claim(&file)[0]).0;
    assert_eq!(running[2].status, Some(Status::Running));
    let prints = || [&file, &old].map(|f| claim(f)[0].fingerprint.clone());
    let before = prints();
    let mut all = fs::read_to_string(&lines).unwrap();
    all.push_str("03-08T17:14:00.000Z\",\"toolCallId\":\"c1\",\"succeeded\":true}\n");
    fs::write(&lines, all).unwrap();
    let after = prints();
    assert!(before[0] != after[0] && before[1] == after[1], "{before:?} {after:?}");
    let call = read(&claim(&file)[0]).0.remove(2);
    assert_eq!((call.status, call.extra["ended_at"].as_str()), (Some(Status::Ok), Some("2026-03-08T17:14:00.000Z")));
}

#[test]
fn folders_and_files_are_found() {
    let (dir, file) = folder_with(&json!([said("user", "go")]));
    let mut env = Env { home: dir.path().join("home"), cwd: dir.path().to_owned(), ..Env::default() };
    assert!(Continue.discover(&env).is_empty());
    env.vars.insert("CONTINUE_GLOBAL_DIR".into(), ".".into());
    let found = Continue.discover(&env);
    assert_eq!((found.len(), found[0].session_id.as_deref()), (1, Some("s1")));
    assert_eq!(Continue.cwd(&found[0]).as_deref(), Some("/w"));
    assert_eq!(claim(dir.path()).len(), 1);
    assert!(claim(&dir.path().join("sessions/sessions.json")).is_empty());
    // old files name the folder after the history
    let long = "x".repeat(10_000);
    fs::write(&file, json!({"history": [said("user", &long)], "workspaceDirectory": "file:///old"}).to_string())
        .unwrap();
    assert_eq!(Continue.cwd(&claim(&file)[0]).as_deref(), Some("/old"));
    let other = dir.path().join("other.json");
    fs::write(&other, r#"{"history": [], "name": "a browser's"}"#).unwrap();
    assert!(claim(&other).is_empty());
}

#[test]
fn a_file_cut_anywhere_gives_its_whole_items() {
    let found = claim(&fixture("1.5.47-parallel")).remove(0);
    let session: Value = serde_json::from_slice(&fs::read(&found.path).unwrap()).unwrap();
    let bytes = session.to_string().into_bytes();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(found.path.file_name().unwrap());
    let torn = Transcript { path: path.clone(), ..found };
    fs::write(&path, &bytes).unwrap();
    let whole = read(&torn).0;
    let mut most = 0;
    for n in 0..bytes.len() {
        fs::write(&path, &bytes[..n]).unwrap();
        let (events, report) = read(&torn);
        assert_eq!(report.bad_count, u64::from(n > 0), "cut at {n}");
        for e in events.iter().skip(1) {
            let same = whole.iter().find(|w| w.event_id == e.event_id);
            let same = same.unwrap_or_else(|| panic!("cut at {n}: {e:?}"));
            assert_eq!((&e.tool_output, &e.parents, e.status), (&same.tool_output, &same.parents, same.status));
        }
        most = most.max(events.len());
    }
    assert_eq!(most, whole.len());
}

#[test]
fn junk_is_no_session_and_no_crash() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s1.json");
    for junk in [
        "[]",
        "{}",
        "null",
        "\0\0\0",
        r#"{"history":7}"#,
        r#"{"history":[7,null,[],{"message":[]},{"message":{"role":7,"content":{},"toolCalls":{}}}]}"#,
        r#"{"history":[{"message":{"role":"assistant","toolCalls":[{"function":7},{}]},"toolCallStates":[7,{}]}]}"#,
        r#"{"history":[{"message":{"role":"tool","toolCallId":"x","content":"y"}}]}"#,
        r#"{"sessionId":{},"title":[],"workspaceDirectory":7}"#,
    ] {
        fs::write(&file, junk).unwrap();
        let t = Transcript {
            agent: "continue",
            session_id: Some("s1".into()),
            path: file.clone(),
            ..Transcript::default()
        };
        let (events, report) = read(&t);
        assert!(!events.is_empty() || junk.starts_with('\0'), "{junk}: {report:?}");
    }
    // what a cut through an emoji leaves
    fs::write(
        &file,
        r#"{"history":[{"message":{"role":"user","content":"x \ud83d"}},{"message":{"role":"user","content":"z"}}]}"#,
    )
    .unwrap();
    let t = Transcript { agent: "continue", session_id: Some("s1".into()), path: file, ..Transcript::default() };
    let (events, report) = read(&t);
    assert_eq!((events.len(), report.bad_count, events[1].input_text().as_ref()), (3, 0, "x \u{fffd}"));
}

#[test]
fn tools_become_actions() {
    let action = |tool: &str, input: Value| {
        let event = Event {
            agent: "continue".into(),
            tool_name: Some(tool.into()),
            tool_input: Some(input),
            ..Event::default()
        };
        Continue.action(&event)
    };
    let whole = Action::Read { path: "a".into(), lines: None };
    assert_eq!(action("Read", json!({"filepath": "a"})), whole);
    assert_eq!(action("builtin_read_file", json!({"filepath": "a"})), whole);
    let range = action("read_file_range", json!({"filepath": "a", "startLine": 3, "endLine": 9}));
    assert_eq!(range, Action::Read { path: "a".into(), lines: Some((3, 9)) });
    assert_eq!(
        action("Search", json!({"pattern": "x", "path": "src"})),
        Action::Search { pattern: "x".into(), path: Some("src".into()) }
    );
    assert_eq!(action("grep_search", json!({"query": "x"})), Action::Search { pattern: "x".into(), path: None });
    assert_eq!(action("List", json!({"dirpath": "d"})), Action::List { path: Some("d".into()), pattern: None });
    assert_eq!(
        action("file_glob_search", json!({"pattern": "*.rs"})),
        Action::List { path: None, pattern: Some("*.rs".into()) }
    );
    let Action::Edit(edit) = action("Edit", json!({"file_path": "a", "old_string": "x", "new_string": "y"})) else {
        panic!()
    };
    assert_eq!(edit[0].hunks, [Hunk { line: None, before: "x".into(), after: "y".into() }]);
    let edits = json!({"filepath": "a", "edits": [{"old_string": "x", "new_string": "y"}, {"old_string": "p", "new_string": "q"}]});
    for tool in ["MultiEdit", "multi_edit"] {
        let Action::Edit(edit) = action(tool, edits.clone()) else { panic!() };
        assert_eq!((edit[0].path.as_str(), edit[0].hunks.len()), ("a", 2));
    }
    for (tool, key) in [("Write", "content"), ("create_new_file", "contents")] {
        let Action::Edit(edit) = action(tool, json!({"filepath": "a", key: "c"})) else { panic!() };
        assert_eq!((edit[0].change, edit[0].hunks[0].after.as_str()), (Change::Write, "c"));
    }
    for tool in ["Bash", "run_terminal_command"] {
        assert_eq!(action(tool, json!({"command": "ls"})), Action::Run { command: "ls".into(), cwd: None });
    }
    assert_eq!(action("Subagent", json!({"prompt": "go"})), Action::Spawn { prompt: "go".into() });
    assert_eq!(action("Checklist", json!({"checklist": "- [ ] x"})), Action::Plan);
    assert_eq!(action("Fetch", json!({"url": "u"})), Action::Fetch { target: "u".into() });
    assert_eq!(action("AskQuestion", json!({})), Action::Ask);
    assert_eq!(action("Skills", json!({"skill_name": "n"})), Action::Skill { name: "n".into() });
    for other in ["Exit", "lab_add", "Read", "Edit"] {
        assert_eq!(action(other, json!({"x": 1})), Action::Other);
    }
}

// ---- the real client's recordings and published sessions, where they are at hand

fn shared(path: &str) -> Option<PathBuf> {
    Some(package().join("../shared").join(path)).filter(|p| p.is_dir())
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    found.sort();
    found
}

/// The events of one response.
fn responses(events: &[Event]) -> Vec<Vec<&Event>> {
    let mut found: Vec<Vec<&Event>> = Vec::new();
    for e in events.iter().filter(|e| e.turn_id.is_some()) {
        match found.last_mut() {
            Some(last) if last[0].turn_id == e.turn_id => last.push(e),
            _ => found.push(vec![e]),
        }
    }
    found
}

/// The proven parents must be: results of the response before and what came in between for the first event, that first
/// event (where it is words) for the rest.
fn check_parents(events: &[Event], place: &str) {
    let mut inputs: Vec<&str> = Vec::new();
    let mut at = 0;
    while let Some(e) = events.get(at) {
        if e.turn_id.is_none() {
            if e.extra.contains_key("compaction") {
                inputs.clear();
            }
            if e.event_type != EventType::Session {
                inputs.push(&e.event_id);
            }
            at += 1;
            continue;
        }
        let response: Vec<_> = events[at..].iter().take_while(|r| r.turn_id == e.turn_id).collect();
        let hub = response.iter().find(|e| !e.is_call());
        for e in &response {
            match hub {
                Some(hub) if hub.event_id != e.event_id => assert_eq!(e.parents, [hub.event_id.as_str()], "{place}"),
                _ => assert_eq!(e.parents, inputs, "{place}: {:?}", e.input_text()),
            }
        }
        let answered = |e: &&&Event| e.is_call() && (e.status != Some(Status::Running) || e.tool_output.is_some());
        inputs = response.iter().filter(answered).map(|e| e.event_id.as_str()).collect();
        at += response.len();
    }
}

#[test]
fn recordings_have_the_structure_of_their_scenarios() {
    let Some(root) = shared("recordings/continue") else { return };
    let mut checked = 0;
    for place in children(&root) {
        let name = place.file_name().unwrap().to_str().unwrap().to_owned();
        let scenario = package().join("../shared/agentlab/scenarios").join(format!("continue-{name}.json"));
        let scenario: Value = serde_json::from_slice(&fs::read(scenario).unwrap()).unwrap();
        let all = sessions(&place.join("home/.continue"));
        // a request that fails leaves no session
        assert_eq!(all.is_empty(), name == "api-error", "{name}");
        let turns: Vec<Value> = scenario["prompts"].as_array().unwrap().iter().fold(Vec::new(), |mut all, p| {
            all.extend(p["turns"].as_array().cloned().unwrap_or_default());
            all
        });
        for (events, report) in all {
            assert!(report.bad.is_empty() && report.unknown.is_empty() && report.orphans == 0, "{name}: {report:?}");
            check_parents(&events, &name);
            // answers that were interrupted are not saved
            let mut script = turns.iter().filter(|t| t.get("slow").is_none() && t["text"] != "Nothing.");
            for response in responses(&events) {
                let words: String =
                    response.iter().filter(|e| !e.is_call()).map(|e| e.input_text().into_owned()).collect();
                let calls: Vec<_> = response.iter().filter(|e| e.is_call()).collect();
                let turn = script.find(|t| {
                    t["text"].as_str().unwrap_or("") == words
                        && t["calls"].as_array().map_or(0, Vec::len) == calls.len()
                });
                let turn = turn.unwrap_or_else(|| panic!("{name}: no turn is like {response:?}"));
                for (call, wanted) in calls.iter().zip(turn["calls"].as_array().into_iter().flatten()) {
                    let input = call.tool_input.as_ref().unwrap();
                    assert!(call.call_id.is_some() && call.tool_output.is_some(), "{name}: {call:?}");
                    if wanted["tool"] == "raw" {
                        assert_eq!(call.tool_name.as_deref(), wanted["name"].as_str(), "{name}");
                    } else if let Some(command) = wanted["command"].as_str() {
                        assert_eq!(input["command"].as_str(), Some(command), "{name}");
                    } else if let Some(path) = wanted["path"].as_str().filter(|_| wanted["tool"] == "read") {
                        assert!(input["filepath"].as_str().unwrap().ends_with(path), "{name}");
                    }
                }
                checked += 1;
            }
            let prompts: Vec<_> = events.iter().filter(|e| e.event_type == EventType::UserInput).collect();
            assert!(prompts.iter().all(|p| p.parents.is_empty()), "{name}");
            // the log of these runs is verbose: every call that ran has its times
            for call in events.iter().filter(|e| e.is_call()) {
                let ran = matches!(call.status, Some(Status::Ok));
                assert!(!ran || call.timestamp.is_some() && call.duration_ms.is_some(), "{name}: {call:?}");
            }
        }
    }
    assert!(checked > 25, "only {checked} responses");
}

#[test]
fn published_sessions_are_read_without_loss() {
    let Some(root) = shared("real/continue") else { return };
    let (mut items, mut calls, mut unanswered) = (0, 0, 0);
    for place in children(&root) {
        for transcript in claim(&place) {
            let (events, report) = read(&transcript);
            let name = transcript.path.display();
            assert!(report.bad.is_empty() && report.unknown.is_empty() && report.orphans == 0, "{name}: {report:?}");
            assert_eq!(report.events, events.len() as u64, "{name}");
            assert_eq!(events[0].event_type, EventType::Session);
            assert!(events[0].cwd.as_deref().is_some_and(|c| !c.contains("://")), "{name}");
            check_parents(&events, &name.to_string());
            items += report.records;
            calls += report.calls;
            unanswered += report.unanswered;
        }
    }
    // 40 calls, one of which was left running when its session was saved last
    assert_eq!((items, calls, unanswered), (110, 40, 1));
}
