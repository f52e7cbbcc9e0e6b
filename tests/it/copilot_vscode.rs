//! Copilot in VS Code: chats, their logs, transcripts, debug logs and exports.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::event::{Event, EventType, Status};
use causetrace::id;
use causetrace::source::copilot::Copilot;
use causetrace::source::{Env, Report, Source, Transcript};
use expect_test::expect_file;
use serde_json::Value;

use crate::scenario::{self, package};

fn claim(path: &Path) -> Vec<Transcript> {
    scenario::claim(&Copilot, path)
}

fn read(transcript: &Transcript) -> (Vec<Event>, Report) {
    scenario::read(&Copilot, transcript)
}

/// What every file must hold to.
fn laws(events: &[Event], report: &Report, name: &str) {
    let ids: HashSet<&str> = events.iter().map(|e| e.event_id.as_str()).collect();
    assert_eq!(ids.len(), events.len(), "{name}: an event twice");
    assert_eq!(report.events, events.len() as u64, "{name}: the report counts events");
    assert_eq!(report.calls, events.iter().filter(|e| e.is_call()).count() as u64, "{name}: the report counts calls");
    assert_eq!(events.iter().filter(|e| e.event_type == EventType::Session).count(), 1, "{name}: one header");
    for e in events {
        for p in &e.parents {
            assert!(ids.contains(p.as_str()), "{name}: {} has an unknown parent", e.input_text());
        }
        assert_eq!(e.session_id, events[0].session_id, "{name}");
    }
}

/// Events as lines of a golden: number, kind, what, how it ended, parents by number.
fn outline(events: &[Event], report: &Report) -> String {
    let numbers: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let number = |id: &str| numbers.get(id).map_or_else(|| format!("?{id}"), ToString::to_string);
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let mut line = format!("{} {}", i + 1, e.event_type.as_str());
        line.extend(e.tool_name.iter().map(|t| format!(" {t}")));
        line.push_str(&format!(" {:.90}", e.input_text().replace('\n', "\\n")));
        line.extend(e.status.map(|s| format!(" [{}]", s.as_str())));
        line.extend(e.exit_code.map(|c| format!(" exit {c}")));
        line.extend(e.timestamp.map(|t| format!(" at {}", t.format("%H:%M:%S%.3f"))));
        line.extend(e.duration_ms.map(|d| format!(" {d} ms")));
        line.extend(e.usage.map(|u| format!(" tokens {}/{}", u.input.unwrap_or(0), u.output.unwrap_or(0))));
        line.extend(e.call_id.iter().map(|c| format!(" call {c}")));
        line.extend(e.agent_id.iter().map(|a| format!(" by {a}")));
        line.extend(e.turn_id.iter().map(|t| format!(" turn {t}")));
        line.extend(e.source.hook.iter().map(|h| format!(" told by {h}")));
        for key in ["attachments", "compaction", "dead_branch", "error", "patch", "spawned", "version"] {
            line.extend(e.extra.get(key).map(|v| format!(" {key}={v}")));
        }
        if let Some(from) = e.extra.get("returned_from").and_then(Value::as_str) {
            line.push_str(&format!(" returned_from={}", number(from)));
        }
        if e.event_type == EventType::Session {
            line.extend(e.cwd.iter().map(|c| format!(" in {c}")));
            line.extend(e.model.iter().map(|m| format!(" with {m}")));
        }
        let parents: Vec<_> = e.parents.iter().map(|p| number(p)).collect();
        out.push_str(&format!("{} <- {}\n", line.trim_end(), parents.join(",")));
        if e.is_call() {
            out.push_str(&format!("    = {:.120}\n", e.output_text().replace('\n', "\\n")));
        }
    }
    out.push_str(&format!(
        "records {} events {} calls {} unanswered {} passed over {:?} unknown {:?}\n",
        report.records, report.events, report.calls, report.unanswered, report.passed_over, report.unknown
    ));
    for bad in &report.bad {
        out.push_str(&format!("bad line {}: {}\n", bad.line, bad.reason));
    }
    out
}

fn fixture(case: &str) -> PathBuf {
    package().join("fixtures/copilot").join(case)
}

/// The home of a user with the user data of the fixture.
fn home() -> (tempfile::TempDir, Env) {
    let dir = tempfile::tempdir().unwrap();
    let storage = fixture("vscode-1.110-storage");
    copy(&storage.join("User"), &dir.path().join(".config/Code/User"));
    copy(&storage.join("server"), &dir.path().join(".vscode-server/data/User"));
    let env = Env { home: dir.path().to_owned(), cwd: dir.path().to_owned(), ..Env::default() };
    (dir, env)
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap().map(|e| e.unwrap().path()) {
        let target = to.join(entry.file_name().unwrap());
        if entry.is_dir() {
            copy(&entry, &target);
        } else {
            fs::copy(&entry, &target).unwrap();
        }
    }
}

/// What discovery finds of VS Code, by the first letter of its session.
fn found(env: &Env) -> HashMap<char, Transcript> {
    let all = Copilot.discover(env).into_iter().filter(|t| t.path.starts_with(&env.home));
    all.map(|t| (t.session_id.as_deref().unwrap().chars().next().unwrap(), t)).collect()
}

#[test]
fn an_exported_chat() {
    let file = fixture("vscode-0.33-export/chat.json");
    let (events, report) = read(&claim(&file)[0]);
    laws(&events, &report, "export");
    expect_file![fixture("vscode-0.33-export/events.txt")].assert_eq(&outline(&events, &report));
}

#[test]
fn a_session_is_one_transcript_whatever_files_tell_of_it() {
    let (_dir, env) = home();
    let found = found(&env);
    let mut ids: Vec<char> = found.keys().copied().collect();
    ids.sort_unstable();
    // the empty session `c` is passed over
    assert_eq!(ids, ['b', 'd', 'e']);
    assert!(found[&'b'].path.ends_with("chatSessions/bbbbbbbb-0000-4000-8000-000000000002.jsonl"));
    assert_eq!(Copilot.cwd(&found[&'b']).as_deref(), Some("/home/dev/my shop"));
    assert_eq!(Copilot.cwd(&found[&'e']), None);
    for (id, name) in [('b', "chat.txt"), ('d', "transcript.txt"), ('e', "debug-log.txt")] {
        let (events, report) = read(&found[&id]);
        let golden = outline(&events, &report);
        expect_file![fixture("vscode-1.110-storage").join(name)].assert_eq(&golden);
        let (again, _) = read(&found[&id]);
        assert_eq!(
            events.iter().map(Event::to_line).collect::<Vec<_>>(),
            again.iter().map(Event::to_line).collect::<Vec<_>>()
        );
    }
}

#[test]
fn all_products_and_systems_are_looked_for() {
    let dir = tempfile::tempdir().unwrap();
    let user = fixture("vscode-1.110-storage/User");
    for product in ["code/Code - Insiders", "code/VSCodium", "roaming/Code", "Library/Application Support/Code"] {
        copy(&user, &dir.path().join(product).join("User"));
    }
    copy(&user, &dir.path().join(".vscode-server-insiders/data/User"));
    copy(
        &user.join("workspaceStorage/0f0f0f/chatSessions"),
        &dir.path().join("code/Code/User/globalStorage/emptyWindowChatSessions"),
    );
    let mut env = Env { home: dir.path().to_owned(), cwd: dir.path().to_owned(), ..Env::default() };
    env.vars.insert("XDG_CONFIG_HOME".into(), dir.path().join("code").to_string_lossy().into_owned());
    env.vars.insert("APPDATA".into(), dir.path().join("roaming").to_string_lossy().into_owned());
    let found: Vec<_> = Copilot.discover(&env).into_iter().filter(|t| t.path.starts_with(dir.path())).collect();
    // two sessions in each of five folders, and one without a workspace
    assert_eq!(found.len(), 11);
    assert!(Copilot.roots(&env).contains(&dir.path().join("code/Code/User")));
}

#[test]
fn the_fingerprint_covers_what_the_extension_writes() {
    let (dir, env) = home();
    let before = found(&env).remove(&'b').unwrap();
    let storage = dir.path().join(".config/Code/User/workspaceStorage/0f0f0f/GitHub.copilot-chat");
    let transcript = storage.join("transcripts/bbbbbbbb-0000-4000-8000-000000000002.jsonl");
    let mut text = fs::read_to_string(&transcript).unwrap();
    text.push_str("{\"type\":\"assistant.turn_end\",\"data\":{},\"id\":\"x\"}\n");
    fs::write(&transcript, text).unwrap();
    let after = found(&env).remove(&'b').unwrap();
    assert_ne!(before.fingerprint, after.fingerprint);
}

#[test]
fn ids_stay_when_a_request_ends() {
    let whole: Value = serde_json::from_slice(&fs::read(fixture("vscode-0.33-export/chat.json")).unwrap()).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let chats = dir.path().join("workspaceStorage/x/chatSessions");
    fs::create_dir_all(&chats).unwrap();
    let file = chats.join("s.json");
    let read_as = |state: &Value| {
        fs::write(&file, serde_json::to_vec(state).unwrap()).unwrap();
        read(&claim(&file)[0]).0
    };
    let mut running = whole.clone();
    running["requests"].as_array_mut().unwrap().truncate(1);
    running["requests"][0].as_object_mut().unwrap().remove("result");
    let (before, after) = (read_as(&running), read_as(&whole));
    let after: HashMap<&str, &Event> = after.iter().map(|e| (e.event_id.as_str(), e)).collect();
    for e in &before {
        let later = after.get(e.event_id.as_str()).unwrap_or_else(|| panic!("{} is gone", e.input_text()));
        assert_eq!((&e.event_type, &e.tool_name), (&later.event_type, &later.tool_name));
    }
    assert!(before.len() > 8);
    // the same call has the same id for a hook
    let log = fixture(
        "vscode-1.110-storage/User/workspaceStorage/0f0f0f/chatSessions/bbbbbbbb-0000-4000-8000-000000000002.jsonl",
    );
    let (events, _) = read(&claim(&log)[0]);
    let id = id::call("copilot", "bbbbbbbb-0000-4000-8000-000000000002", "call_a1");
    assert!(events.iter().any(|e| e.event_id == id));
}

/// Reads bytes as a file of that place; nothing may go wrong that the report does not say.
fn survive(file: &Path, bytes: &[u8]) {
    fs::write(file, bytes).unwrap();
    let known = Transcript::of_file("copilot", file, None).unwrap();
    let transcript = claim(file).pop().unwrap_or(known);
    let mut seen = 0;
    let report = Copilot.read(&transcript, &mut |_| seen += 1).unwrap();
    assert!(seen >= report.events, "{report:?}");
}

#[test]
fn files_cut_anywhere_are_read_as_far_as_they_go() {
    let dir = tempfile::tempdir().unwrap();
    let storage = fixture("vscode-1.110-storage/User/workspaceStorage/0f0f0f");
    let session = "bbbbbbbb-0000-4000-8000-000000000002";
    // each in a place of its own, so that no other file of the session is read along
    let files = [
        (format!("chatSessions/{session}.jsonl"), 1),
        (format!("GitHub.copilot-chat/transcripts/{session}.jsonl"), 3),
        (format!("GitHub.copilot-chat/debug-logs/{session}/main.jsonl"), 3),
        ("chatSessions/whole.json".to_owned(), 97),
    ];
    for (i, (name, step)) in files.into_iter().enumerate() {
        let from = if step < 97 { storage.join(&name) } else { fixture("vscode-0.33-export/chat.json") };
        let whole = fs::read(from).unwrap();
        let file = dir.path().join(format!("{i}/workspaceStorage/x")).join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        for end in (0..whole.len()).step_by(step) {
            survive(&file, &whole[..end]);
        }
    }
}

#[test]
fn logs_of_random_entries_are_replayed() {
    let dir = tempfile::tempdir().unwrap();
    let chats = dir.path().join("chatSessions");
    fs::create_dir(&chats).unwrap();
    let log = fs::read_to_string(fixture(
        "vscode-1.110-storage/User/workspaceStorage/0f0f0f/chatSessions/bbbbbbbb-0000-4000-8000-000000000002.jsonl",
    ))
    .unwrap();
    let mut lines: Vec<String> = log.lines().map(str::to_owned).collect();
    let strange = [
        r#"{"kind":2,"k":["requests",0,"response",1,"x"],"v":7,"i":99999999999}"#,
        r#"{"kind":1,"k":["requests",0],"v":null}"#,
        r#"{"kind":1,"k":["requests"],"v":{"a":1}}"#,
        r#"{"kind":3,"k":["requests",0,"message"]}"#,
        r#"{"kind":1,"k":["requests",0,"response"],"v":[{"kind":"thinking","value":[1,"x"]},{"kind":5},null,"x",{"kind":"textEditGroup","uri":3,"edits":"x"}]}"#,
        r#"{"kind":1,"k":["requests",0,"result"],"v":{"metadata":{"toolCallRounds":[{"toolCalls":[{},{"id":4}],"response":9},null],"toolCallResults":[]}}}"#,
        r#"{"kind":0}"#,
        r#"{"kind":-1}"#,
        r#"{"kind":1,"k":[-1,1.5],"v":0}"#,
        "[[[[",
        "null",
        "0",
        "",
    ];
    lines.extend(strange.map(str::to_owned));
    // a plain generator: the same rows each time
    let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
    for round in 0..300 {
        let mut text = String::new();
        for _ in 0..14 {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            text.push_str(&lines[usize::try_from(seed >> 33).unwrap() % lines.len()]);
            text.push('\n');
        }
        survive(&chats.join(format!("{round}.jsonl")), text.as_bytes());
    }
}

fn published() -> Vec<PathBuf> {
    let mut todo = vec![package().join("../shared/real/copilot-vscode")];
    let mut files = Vec::new();
    while let Some(folder) = todo.pop() {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            if entry.path().is_dir() { todo.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files.sort();
    files
}

/// Kinds of parts that are new in a published file would show here.
#[test]
fn published_files_hold_to_the_laws() {
    let mut files = 0;
    for file in published() {
        let name = file.file_name().unwrap().to_string_lossy().into_owned();
        for transcript in claim(&file) {
            let (events, report) = read(&transcript);
            let count = |s| events.iter().filter(|e| e.is_call() && e.status == s).count();
            println!(
                "{name}: events {} calls {} ok {} error {} denied {} interrupted {} running {} untold {} / {:?}",
                report.events,
                report.calls,
                count(Some(Status::Ok)),
                count(Some(Status::Error)),
                count(Some(Status::Denied)),
                count(Some(Status::Interrupted)),
                count(Some(Status::Running)),
                count(None),
                report.passed_over
            );
            laws(&events, &report, &name);
            assert!(report.unknown.is_empty() && report.bad.is_empty(), "{name}: {report:?}");
            results_are_paired(&file, &events);
            files += 1;
        }
    }
    let there = package().join("../shared/real/copilot-vscode").is_dir();
    assert_eq!(files, if there { 16 } else { 0 });
}

/// Every call of a round is one event, with the result that stands under its id.
fn results_are_paired(file: &Path, events: &[Event]) {
    let Ok(state) = serde_json::from_slice::<Value>(&fs::read(file).unwrap()) else { return };
    let mut calls = 0;
    for request in state["requests"].as_array().into_iter().flatten() {
        let meta = &request["result"]["metadata"];
        for call in
            meta["toolCallRounds"].as_array().into_iter().flatten().flat_map(|r| r["toolCalls"].as_array().unwrap())
        {
            let id = call["id"].as_str().unwrap();
            let told: Vec<&Event> = events.iter().filter(|e| e.native_id.as_deref() == Some(id)).collect();
            assert_eq!(told.len(), 1, "{}: {id}", file.display());
            let result = &meta["toolCallResults"][id];
            assert_eq!(told[0].tool_output.is_some(), result.is_object(), "{}: {id}", file.display());
            if let Some(text) = result["content"][0]["value"].as_str() {
                assert!(told[0].output_text().starts_with(text));
            }
            calls += 1;
        }
    }
    let shown =
        events.iter().filter(|e| e.is_call() && e.native_id.as_deref().is_some_and(|n| n.contains("__vscode"))).count();
    if file.extension().is_some_and(|e| e == "json") && !file.to_string_lossy().ends_with("chatreplay.json") {
        assert_eq!(shown, calls, "{}", file.display());
    }
}
