//! GitHub Copilot's command line client: `events.jsonl`.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::action::{Action, Change};
use causetrace::event::{Event, EventType, Status};
use causetrace::id;
use causetrace::source::copilot::Copilot;
use causetrace::source::{Env, Report, Source, Transcript, hook};
use causetrace::store::{Store, read_file};
use chrono::DateTime;
use expect_test::expect_file;
use serde_json::{Value, json};

fn package() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}

fn fixture(case: &str) -> PathBuf {
    package().join("fixtures/copilot").join(case)
}

fn shared(path: &str) -> Option<PathBuf> {
    Some(package().join("../shared").join(path)).filter(|p| p.is_dir())
}

fn claim(path: &Path) -> Vec<Transcript> {
    let head: Vec<u8> =
        if path.is_dir() { Vec::new() } else { fs::read(path).unwrap().into_iter().take(64 * 1024).collect() };
    Copilot.claim(path, &head)
}

/// The only transcript of a file, with its events folded.
fn read(path: &Path) -> (Vec<Event>, Report) {
    let found = claim(path);
    let [transcript] = found.as_slice() else { panic!("{}: {} transcripts", path.display(), found.len()) };
    let mut events: Vec<Event> = Vec::new();
    let report = Copilot
        .read(transcript, &mut |e| match events.iter_mut().find(|known| known.event_id == e.event_id) {
            Some(known) => known.fold(e),
            None => events.push(e),
        })
        .unwrap();
    (events, report)
}

/// Events as lines of a golden: number, kind, what, how it ended, parents by number.
fn outline(events: &[Event]) -> String {
    let numbers: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let number = |id: &str| numbers.get(id).map_or_else(|| format!("?{id}"), ToString::to_string);
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let mut line = format!("{} {}", i + 1, e.event_type.as_str());
        line.extend(e.agent_id.iter().map(|a| format!(" @{:.8}", a)));
        line.extend(e.tool_name.iter().map(|t| format!(" {t}")));
        line.push_str(&format!(" {:.70}", e.input_text().replace('\n', "\\n")));
        line.extend(e.status.map(|s| format!(" [{}]", s.as_str())));
        line.extend(e.exit_code.map(|c| format!(" exit {c}")));
        line.extend(e.duration_ms.map(|d| format!(" {d} ms")));
        line.extend(e.usage.map(|u| format!(" tokens {}/{}", u.input.unwrap_or(0), u.output.unwrap_or(0))));
        for key in ["by_user", "by_client", "compaction", "instructs", "background_task", "error", "patch", "version"] {
            line.extend(e.extra.get(key).map(|v| format!(" {key}={v}")));
        }
        for key in ["returned_from", "copied_from"] {
            let from = e.extra.get(key).and_then(Value::as_str);
            line.extend(from.map(|from| format!(" {key}={}", number(from))));
        }
        let parents: Vec<_> = e.parents.iter().map(|p| number(p)).collect();
        out.push_str(&format!("{} <- {}\n", line.trim_end(), parents.join(",")));
    }
    out
}

#[test]
fn recorded_sessions() {
    for case in ["subagent", "abort", "denied", "background", "skill", "user-shell"] {
        let folder = fixture(&format!("1.0.102-{case}"));
        let (events, report) = read(&folder.join("events.jsonl"));
        assert_eq!((report.bad_count, report.unknown.len(), report.orphans), (0, 0, 0), "{case}: {report:?}");
        assert_eq!(report.events, events.len() as u64, "{case}");
        assert_eq!(report.calls, events.iter().filter(|e| e.is_call()).count() as u64, "{case}");
        assert_eq!(events[0].cwd.as_deref(), Some("/home/dev/counter"), "{case}");
        expect_file![folder.join("events.txt")].assert_eq(&outline(&events));
    }
}

const REWOUND: &str = "0d5d9178-b582-4deb-9085-172877f3a7af";
const FORK: &str = "0a93c350-1a3f-4422-8346-72b1394edcbd";

#[test]
fn a_fork_names_what_it_copied() {
    let home = fixture("1.0.102-rewind-fork");
    let mut env = Env { home: PathBuf::from("/nowhere"), cwd: PathBuf::from("/"), ..Env::default() };
    env.vars.insert("COPILOT_HOME".into(), home.to_string_lossy().into_owned());
    let mut found = Copilot.discover(&env);
    found.sort_by_key(|t| t.session_id.clone());
    assert_eq!(found.iter().map(|t| t.session_id.as_deref().unwrap()).collect::<Vec<_>>(), [FORK, REWOUND]);
    assert!(found.iter().all(|t| Copilot.cwd(t).as_deref() == Some("/home/dev/counter")));

    let (first, _) = read(&found[1].path);
    let (fork, _) = read(&found[0].path);
    assert!(first.iter().all(|e| !e.extra.contains_key("copied_from")));
    // the name that the user gave, else the first prompt
    assert_eq!((&*fork[0].input_text(), &*first[0].input_text()), ("other", "Make bump add one."));
    assert_eq!(fork[0].extra["forked_from"], REWOUND);
    let copied: Vec<_> = fork.iter().filter(|e| e.extra.contains_key("copied_from")).collect();
    assert_eq!((copied.len(), fork.len()), (8, 11));
    for e in copied {
        let from = first.iter().find(|f| e.extra["copied_from"] == f.event_id.as_str()).unwrap();
        assert_eq!((&from.event_type, &from.tool_input, &from.call_id), (&e.event_type, &e.tool_input, &e.call_id));
        assert!(e.usage.is_none(), "counted where it was spent");
    }
    assert_eq!(outline(&fork).lines().last(), Some("11 message This is the fork. tokens 15034/47 <- 10"));
}

/// Reads a transcript into a store, as a synchronisation does.
fn keep(store: &Store, path: &Path) {
    let transcript = claim(path).remove(0);
    Copilot
        .read(&transcript, &mut |e| store.append(&e.session_id, format!("{}\n", e.to_line()).as_bytes()).unwrap())
        .unwrap();
}

#[test]
fn rewound_turns_stay_in_the_store_as_a_dead_branch() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path().join("store"));
    let file = dir.path().join(REWOUND).join("events.jsonl");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let after =
        fs::read_to_string(fixture("1.0.102-rewind-fork").join("session-state").join(REWOUND).join("events.jsonl"))
            .unwrap();
    // what stood in the file before the rewind, in the words of the client
    let rewind = after.lines().position(|l| l.contains("\"infoType\":\"rewind\"")).unwrap();
    let mut before: Vec<String> = after.lines().take(rewind).map(str::to_owned).collect();
    let record = |kind: &str, at: &str, data: Value| {
        json!({"type": kind, "data": data, "id": format!("id-{at}"), "timestamp": format!("2026-11-24T22:07:{at}Z"), "parentId": null})
            .to_string()
    };
    before.push(record("user.message", "18.900", json!({"content": "And document it.", "messageId": "m1"})));
    let call = json!({"toolCallId": "call_x", "name": "edit", "arguments": {"path": "docs/api.md", "old_str": "a", "new_str": "b"}});
    before.push(record(
        "assistant.message",
        "19.000",
        json!({"messageId": "m2", "content": "Docs.", "toolRequests": [call], "apiCallId": "x"}),
    ));
    fs::write(&file, before.join("\n") + "\n").unwrap();
    keep(&store, &file);
    let stored = read_file(&store.path(REWOUND)).unwrap().events;
    assert!(stored.iter().all(|e| !e.extra.contains_key("dead_branch")));

    fs::write(&file, &after).unwrap();
    keep(&store, &file);
    let stored = read_file(&store.path(REWOUND)).unwrap().events;
    let dead: Vec<_> = stored.iter().filter(|e| e.extra.contains_key("dead_branch")).map(|e| e.input_text()).collect();
    assert_eq!(dead, ["And document it.", "Docs.", "{\"path\":\"docs/api.md\",\"old_str\":\"a\",\"new_str\":\"b\"}"]);
    assert!(stored.iter().any(|e| e.input_text() == "And document it.Document it better."));
}

/// The client runs its hook before it has written the end of the turn.
#[test]
fn the_end_of_a_turn_is_awaited_before_it_is_read() {
    use std::io::Write as _;
    use std::process::{Command, Stdio};
    use std::time::{Duration, Instant};
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("session/events.jsonl");
    fs::create_dir(file.parent().unwrap()).unwrap();
    let text = fs::read_to_string(fixture("1.0.102-skill/events.jsonl")).unwrap();
    let (first, rest) = text.split_at(text.find("\"assistant.turn_end\"").unwrap());
    fs::write(&file, first).unwrap();
    let payload =
        json!({"sessionId": "session", "timestamp": 1, "cwd": "/p", "transcriptPath": file, "stopReason": "end_turn"});
    let mut hook = Command::new(env!("CARGO_BIN_EXE_causetrace"))
        .arg("hook")
        .env("HOME", dir.path())
        .env("CAUSETRACE_HOME", dir.path().join("store"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    hook.stdin.take().unwrap().write_all(payload.to_string().as_bytes()).unwrap();
    let out = hook.wait_with_output().unwrap();
    assert!(out.status.success() && out.stdout.is_empty());
    std::thread::sleep(Duration::from_millis(200));
    fs::OpenOptions::new().append(true).open(&file).unwrap().write_all(rest.as_bytes()).unwrap();
    let (all, _) = read(&fixture("1.0.102-skill/events.jsonl"));
    let store = Store::new(dir.path().join("store"));
    let begun = Instant::now();
    let stored = loop {
        // by the first reading, and no other; the records name the session
        let stored = store.read(&all[0].session_id).unwrap().map(|s| s.events).unwrap_or_default();
        if !stored.is_empty() || begun.elapsed() > Duration::from_secs(30) {
            break stored;
        }
        std::thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(stored.len(), all.len());
}

#[test]
fn a_request_that_failed_is_told_on_its_prompt() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.jsonl");
    let lines = [
        r#"{"type":"session.start","data":{"sessionId":"s","copilotVersion":"1.0.102"},"id":"1","timestamp":"2026-11-22T22:57:43.209Z"}"#,
        r#"{"type":"user.message","data":{"content":"Read it.","messageId":"m"},"id":"2","timestamp":"2026-11-22T22:57:43.459Z"}"#,
        r#"{"type":"session.error","data":{"errorType":"query","message":"400 bad request","statusCode":400,"originatingMessageId":"m"},"id":"3","timestamp":"2026-11-22T22:57:44.431Z"}"#,
    ];
    fs::write(&file, lines.join("\n")).unwrap();
    let (events, _) = read(&file);
    assert_eq!(causetrace::render::label::ending(&events[1]).as_deref(), Some("failed: 400 bad request"));
}

#[test]
fn every_layout_is_found_once() {
    let dir = tempfile::tempdir().unwrap();
    let home = dir.path().join(".copilot");
    let write = |name: &str, text: &str| {
        let file = home.join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    let start = |id: &str| {
        format!(
            "{{\"type\":\"session.start\",\"data\":{{\"sessionId\":\"{id}\",\"copilotVersion\":\"0.0.354\"}},\"id\":\"1\",\"timestamp\":\"2025-11-07T01:12:11.312Z\",\"parentId\":null}}\n"
        )
    };
    write("session-state/new/events.jsonl", &start("new"));
    write("session-state/new/workspace.yaml", "id: new\ncwd: 'C:\\it''s here'\nname: |-\n  two\n");
    write("session-state/new.jsonl", &start("new"));
    write("session-state/old.jsonl", &start("old"));
    write("session-state/empty/checkpoints/index.md", "");
    write("history-session-state/oldest.jsonl", &start("oldest"));
    let env = Env { home: dir.path().to_owned(), cwd: dir.path().to_owned(), ..Env::default() };
    let mut found: Vec<_> =
        Copilot.discover(&env).iter().map(|t| (t.session_id.clone().unwrap(), Copilot.cwd(t))).collect();
    found.sort();
    let cwd = Some("C:\\it's here".to_owned());
    assert_eq!(found, [("new".to_owned(), cwd), ("old".to_owned(), None), ("oldest".to_owned(), None)]);
    // a folder that the user names
    assert_eq!((claim(&home).len(), claim(&home.join("session-state/new")).len()), (2, 1));
}

#[test]
fn records_of_old_clients() {
    // the order and fields of 0.0.354 to 1.0.77: no `agentId`, no `apiCallId`, a start before its message, an exit code in the text only
    let lines = [
        r#"{"type":"session.start","data":{"sessionId":"s","copilotVersion":"0.0.420"},"id":"1","timestamp":"2025-12-18T22:00:00.000Z"}"#,
        r#"{"type":"user.message","data":{"content":"Look."},"id":"2","timestamp":"2025-12-18T22:00:01.000Z"}"#,
        r#"{"type":"assistant.reasoning","data":{"reasoningId":"r","content":"Hm."},"id":"3","timestamp":"2025-12-18T22:00:02.000Z"}"#,
        r#"{"type":"tool.execution_start","data":{"toolCallId":"call_1","toolName":"bash","arguments":{"command":"false"}},"id":"4","timestamp":"2025-12-18T22:00:02.500Z"}"#,
        r#"{"type":"assistant.message","data":{"messageId":"m","content":"","toolRequests":[{"toolCallId":"call_1","name":"bash","arguments":"{\"command\":\"false\"}"},{"toolCallId":"call_2","name":"task","arguments":{"prompt":"Help."}}],"outputTokens":7},"id":"5","timestamp":"2025-12-18T22:00:03.000Z"}"#,
        r#"{"type":"tool.execution_complete","data":{"toolCallId":"call_1","success":true,"result":{"content":"<exited with exit code 1>"}},"id":"6","timestamp":"2025-12-18T22:00:04.000Z"}"#,
        r#"{"type":"subagent.started","data":{"toolCallId":"call_2","agentName":"task"},"id":"7","timestamp":"2025-12-18T22:00:05.000Z"}"#,
        r#"{"type":"assistant.message","data":{"parentToolCallId":"call_2","messageId":"n","content":"Helped.","toolRequests":[]},"id":"8","timestamp":"2025-12-18T22:00:06.000Z"}"#,
        r#"{"type":"tool.execution_complete","data":{"toolCallId":"call_2","success":true,"result":{"content":"Helped."}},"id":"9","timestamp":"2025-12-18T22:00:07.000Z"}"#,
        r#"{"type":"assistant.message","data":{"messageId":"o","content":"","toolRequests":[{"toolCallId":"call_3","name":"bash","arguments":{"command":"rm x"}}]},"id":"10","timestamp":"2025-12-18T22:00:08.000Z"}"#,
        r#"{"type":"tool.execution_start","data":{"toolCallId":"call_3","toolName":"bash","arguments":{"command":"rm x"}},"id":"11","timestamp":"2025-12-18T22:00:08.100Z"}"#,
        r#"{"type":"permission.completed","data":{"requestId":"p","toolCallId":"call_3","result":{"kind":"denied-interactively-by-user"}},"id":"12","timestamp":"2025-12-18T22:00:09.000Z"}"#,
        r#"{"type":"abort","data":{"reason":"user initiated"},"id":"13","timestamp":"2025-12-18T22:00:09.100Z"}"#,
        r#"{"type":"session.hologram","data":{},"id":"14","timestamp":"2025-12-18T22:00:10.000Z"}"#,
        r#"{"type":"tool.execution_complete","data":{"toolCallId":"call_9","success":false,"result":{"content":"lost"}},"id":"15","timestamp":"2025-12-18T22:00:11.000Z"}"#,
        r#"{"type":"user.message","data":{"content":7},"id":"16","timestamp":"2025-12-18T22:00:12.000Z"}"#,
    ];
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.jsonl");
    fs::write(&file, lines.join("\n")).unwrap();
    let (events, report) = read(&file);
    let expected = "1 session Look. version=\"0.0.420\" <- \n\
        2 user_input Look. <- \n\
        3 reasoning Hm. tokens 0/7 <- 2\n\
        4 tool_call bash {\"command\":\"false\"} [error] exit 1 1500 ms <- 3\n\
        5 tool_call task {\"prompt\":\"Help.\"} [ok] 4000 ms returned_from=6 <- 3\n\
        6 message @call_2 Helped. <- 5\n\
        7 tool_call bash {\"command\":\"rm x\"} [denied] <- 4,5\n\
        8 tool_call  [error] <- \n";
    assert_eq!(outline(&events), expected);
    assert_eq!((report.unknown["session.hologram"], report.orphans, report.bad_count, report.unanswered), (1, 1, 1, 0));
    assert_eq!(report.bad[0].line, 16);
}

#[test]
fn what_the_client_prints_is_read_too() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("out.json");
    let printed = concat!(
        r#"{"type":"session.skills_loaded","data":{"skills":[]},"ephemeral":true,"id":"1","timestamp":"2026-07-30T01:01:21.449Z","parentId":"x"}"#,
        "\n",
        r#"{"type":"user.message","data":{"content":"Go."},"id":"2","timestamp":"2026-07-30T01:01:24.101Z","parentId":"x"}"#,
        "\n",
        r#"{"type":"assistant.message_delta","data":{"deltaContent":"Go"},"ephemeral":true,"id":"3","timestamp":"2026-07-30T01:01:24.701Z","parentId":"x"}"#,
        "\n",
        r#"{"type":"assistant.message","data":{"messageId":"m","content":"Gone.","toolRequests":[],"reasoningText":"Hm.","outputTokens":3},"id":"4","timestamp":"2026-07-30T01:01:25.101Z","parentId":"x"}"#,
        "\n",
        r#"{"type":"assistant.reasoning","data":{"reasoningId":"r","content":"Hm."},"ephemeral":true,"id":"5","timestamp":"2026-07-30T01:01:25.102Z","parentId":"x"}"#,
        "\n",
        r#"{"type":"result","timestamp":"2026-07-30T01:03:03.862Z","sessionId":"named-last","exitCode":0}"#,
        "\n"
    );
    fs::write(&file, printed).unwrap();
    let (events, report) = read(&file);
    assert!(events.iter().all(|e| e.session_id == "named-last"));
    assert_eq!(
        outline(&events),
        "1 session Go. <- \n2 user_input Go. <- \n3 reasoning Hm. tokens 0/3 <- 2\n4 message Gone. <- 3\n"
    );
    assert!(report.unknown.is_empty() && report.bad_count == 0, "{report:?}");
}

#[test]
fn a_file_cut_anywhere_costs_only_the_record_that_was_cut() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let text = fs::read_to_string(fixture("1.0.102-skill/events.jsonl")).unwrap();
    let whole = text.lines().take(14).collect::<Vec<_>>().join("\n");
    let (all, _) = read(&fixture("1.0.102-skill/events.jsonl"));
    for cut in 0..whole.len() {
        fs::write(&file, &whole.as_bytes()[..cut]).unwrap();
        let transcript = Transcript {
            agent: "copilot",
            session_id: Some(all[0].session_id.clone()),
            path: file.clone(),
            ..Transcript::default()
        };
        let mut ids = Vec::new();
        let report = Copilot.read(&transcript, &mut |e| ids.push(e.event_id)).unwrap();
        assert!(report.bad_count <= 1 && report.orphans == 0, "{cut}: {report:?}");
        assert!(
            ids.iter().all(|id| all.iter().any(|e| e.event_id == *id)),
            "{cut}: an event that is not in the whole file"
        );
    }
}

#[test]
fn damaged_records_harm_no_others() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("events.jsonl");
    let text = fs::read_to_string(fixture("1.0.102-subagent/events.jsonl")).unwrap();
    let (whole, _) = read(&fixture("1.0.102-subagent/events.jsonl"));
    let lines: Vec<&str> = text.lines().collect();
    for gone in 1..lines.len() {
        for junk in ["{\"type\":\"user.message\",\"data\":[]}", "\u{0}\u{1}", "{\"type\":7}", "[[[[", ""] {
            let mut damaged = lines.clone();
            damaged[gone] = junk;
            fs::write(&file, damaged.join("\n")).unwrap();
            let (events, report) = read(&file);
            assert!(report.bad_count <= 1, "{gone} {junk}: {report:?}");
            // a record makes three events at most (a message: thought, words, calls)
            assert!(events.len() + 4 > whole.len(), "{gone} {junk}: {} of {}", events.len(), whole.len());
        }
    }
    // lone surrogates and doubled keys in the data of a record
    let odd = r#"{"type":"user.message","data":{"content":"a\ud83d b","content":"a\ud83d c"},"id":"x","timestamp":"2026-11-22T22:57:34.443Z"}"#;
    fs::write(&file, format!("{}\n{odd}\n", lines[0])).unwrap();
    let (events, report) = read(&file);
    assert_eq!((events[1].input_text().as_ref(), report.bad_count), ("a\u{fffd} c", 0));
}

#[test]
fn tools_become_actions() {
    let action = |tool: &str, input: Value| {
        let event = Event {
            agent: "copilot".into(),
            tool_name: Some(tool.into()),
            tool_input: Some(input),
            ..Event::default()
        };
        Copilot.action(&event)
    };
    let view = action("view", json!({"path": "/w/a", "view_range": [10, -1]}));
    assert_eq!(view, Action::Read { path: "/w/a".into(), lines: Some((10, u64::MAX)) });
    let grep = action("grep", json!({"pattern": "x", "paths": ["src", "docs"]}));
    assert_eq!(grep, Action::Search { pattern: "x".into(), path: Some("src".into()) });
    assert_eq!(
        action("glob", json!({"pattern": "*", "paths": "src"})),
        Action::List { path: Some("src".into()), pattern: Some("*".into()) }
    );
    let Action::Edit(edit) = action("create", json!({"path": "a", "file_text": "c"})) else { panic!() };
    assert_eq!((edit[0].change, edit[0].hunks[0].after.as_str()), (Change::Write, "c"));
    let Action::Edit(edit) = action("apply_patch", json!("*** Begin Patch\n*** Delete File: d\n*** End Patch")) else {
        panic!()
    };
    assert_eq!((edit[0].change, edit[0].path.as_str()), (Change::Delete, "d"));
    assert_eq!(action("read_bash", json!({"shellId": "0"})), Action::Poll { ids: vec!["shellId: 0".into()] });
    assert_eq!(action("task", json!({"prompt": "go"})), Action::Spawn { prompt: "go".into() });
    for other in ["no_such_tool", "view", "edit"] {
        assert_eq!(action(other, json!({"wrong": 1})), Action::Other);
    }
    // an edit has the line that the client recorded
    let (events, _) = read(&fixture("1.0.102-user-shell/events.jsonl"));
    let edit = events.iter().find(|e| e.tool_name.as_deref() == Some("edit")).unwrap();
    let Action::Edit(files) = Copilot.action(edit) else { panic!() };
    assert_eq!((files[0].hunks[0].line, files[0].hunks[0].before.as_str()), (Some(30), "line 30\n"));
}

// ---- the real client's recordings, where they are at hand

fn children(folder: &Path) -> Vec<PathBuf> {
    let mut found: Vec<_> = fs::read_dir(folder).into_iter().flatten().flatten().map(|e| e.path()).collect();
    found.sort();
    found
}

/// The one session file of a recording.
fn recorded(place: &Path) -> PathBuf {
    let sessions = children(&place.join("home/.copilot/session-state"));
    let [session] = sessions.as_slice() else { panic!("{}: {} sessions", place.display(), sessions.len()) };
    session.join("events.jsonl")
}

/// Responses of one agent, in order: their events.
fn responses<'a>(events: &'a [Event], agent: Option<&str>) -> Vec<Vec<&'a Event>> {
    let mut found: Vec<Vec<&Event>> = Vec::new();
    for e in events.iter().filter(|e| e.agent_id.as_deref() == agent && e.turn_id.is_some()) {
        match found.last_mut().filter(|r| r[0].turn_id == e.turn_id) {
            Some(r) => r.push(e),
            None => found.push(vec![e]),
        }
    }
    found
}

fn text(response: &[&Event], kind: &EventType) -> String {
    response.iter().filter(|e| e.event_type == *kind).map(|e| e.input_text()).collect()
}

/// Whether a response is what the script of the model says.
fn is_turn(response: &[&Event], turn: &Value) -> bool {
    let said = |key: &str| turn[key].as_str().unwrap_or("");
    let wanted = turn["calls"].as_array().map_or(&[][..], Vec::as_slice);
    let calls: Vec<_> = response.iter().filter(|e| e.is_call()).collect();
    let same = |call: &Event, wanted: &Value| {
        let name = match wanted["tool"].as_str().unwrap() {
            "read" => "view",
            "write" => "create",
            "raw" => wanted["name"].as_str().unwrap(),
            other => other,
        };
        let input = call.input_text();
        // the folder of a search is lost on the way to this client's tool
        let keys =
            ["path", "command", "pattern", "prompt", "content"].iter().filter(|k| name != "grep" || **k == "pattern");
        let told = keys.filter_map(|k| wanted[*k].as_str());
        call.tool_name.as_deref() == Some(name)
            && told.into_iter().all(|t| input.contains(json!(t).to_string().trim_matches('"')))
    };
    text(response, &EventType::Message) == said("text")
        && text(response, &EventType::Reasoning) == said("thinking")
        && calls.len() == wanted.len()
        && calls.iter().zip(wanted).all(|(call, wanted)| same(call, wanted))
}

#[test]
fn recordings_have_the_structure_of_their_scenarios() {
    let (Some(root), Some(scenarios)) = (shared("recordings/copilot"), shared("agentlab/scenarios")) else { return };
    let (mut checked, mut agents) = (0, 0);
    for place in children(&root) {
        let run: Value = serde_json::from_slice(&fs::read(place.join("run.json")).unwrap()).unwrap();
        let name = run["scenario"].as_str().unwrap();
        let scenario: Value =
            serde_json::from_slice(&fs::read(scenarios.join(format!("{name}.json"))).unwrap()).unwrap();
        let (events, report) = read(&recorded(&place));
        assert!(report.bad_count == 0 && report.unknown.is_empty() && report.orphans == 0, "{name}: {report:?}");
        assert_eq!((report.events, report.unanswered), (events.len() as u64, 0), "{name}");
        let turns = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let mut scripts: BTreeMap<Option<&str>, Vec<Value>> = BTreeMap::new();
        scripts.insert(None, turns(&scenario["prompts"]).iter().flat_map(|p| turns(&p["turns"])).collect());
        for prompt in events.iter().filter(|e| e.event_type == EventType::UserInput && e.agent_id.is_some()) {
            // the prompt comes from the call that the record names, and its answer goes back into it
            let spawn = events.iter().find(|e| prompt.parents == [e.event_id.as_str()]).unwrap();
            assert_eq!((spawn.tool_name.as_deref(), spawn.agent_id.as_deref()), (Some("task"), None), "{name}");
            assert_eq!(spawn.extra["spawned"], prompt.agent_id.as_deref().unwrap(), "{name}");
            let told = spawn.tool_input.as_ref().unwrap()["prompt"].as_str().unwrap();
            assert_eq!(prompt.input_text(), told, "{name}");
            let answer = events.iter().find(|e| spawn.extra["returned_from"] == e.event_id.as_str()).unwrap();
            assert_eq!(answer.input_text(), spawn.output_text(), "{name}");
            let key = told[1..].split(']').next().unwrap();
            scripts.insert(prompt.agent_id.as_deref(), turns(&scenario["subagents"][key]));
            agents += 1;
        }
        for (agent, script) in scripts {
            let mut at = 0;
            for response in responses(&events, agent) {
                let found = script.iter().enumerate().skip(at).find(|(_, turn)| is_turn(&response, turn));
                let Some((i, _)) = found else { panic!("{name}: no turn from {at} is like {response:?}") };
                // an answer that failed, or that the user cut off, leaves nothing
                let nothing = |t: &Value| ["error", "stall", "slow"].iter().any(|k| t.get(*k).is_some());
                assert!(script[at..i].iter().all(nothing), "{name}: turn {at} is missing: {:?}", script[at]);
                at = i + 1;
                checked += 1;
            }
            let left = script[at..].iter().filter(|t| t.get("error").is_none() && t["text"] != "Spare.").count();
            // a request that failed for good, or the user, may end it early
            let cut = scenario["copilot"]["steps"].is_array() || script.iter().any(|t| t.get("error").is_some());
            assert!(left == 0 || cut, "{name}: {left} turns are missing");
        }
    }
    assert!(checked > 45 && agents == 2, "only {checked} responses of {agents} sub-agents");
}

/// What a message of a request brings: the call that it answers, or its words.
fn brings(message: &Value) -> String {
    if let Some(call) = message["tool_call_id"].as_str() {
        return call.to_owned();
    }
    let text = message["content"].as_str().unwrap_or("");
    let text =
        text.strip_prefix("<current_datetime>").and_then(|t| t.split_once("</current_datetime>")).map_or(text, |t| t.1);
    text.trim().to_owned()
}

/// What was sent to the model proves the edges: the parents of each response are what is new in its request.
#[test]
fn the_parents_of_a_response_are_what_its_request_brought() {
    let Some(root) = shared("recordings/copilot") else { return };
    let mut checked = 0;
    for place in children(&root) {
        let sent = fs::read_to_string(place.join("model.jsonl")).unwrap();
        let requests: Vec<Vec<Value>> = sent
            .lines()
            .map(|l| {
                serde_json::from_str::<Value>(l).unwrap()["body"]["messages"].as_array().cloned().unwrap_or_default()
            })
            .collect();
        if !sent.contains("/chat/completions") {
            continue;
        }
        let (events, _) = read(&recorded(&place));
        let by_id: HashMap<&str, &Event> = events.iter().map(|e| (e.event_id.as_str(), e)).collect();
        let mut agents: Vec<Option<&str>> = events.iter().map(|e| e.agent_id.as_deref()).collect();
        agents.sort_unstable();
        agents.dedup();
        for agent in agents {
            let prompt = events.iter().find(|e| e.agent_id.as_deref() == agent && e.event_type == EventType::UserInput);
            let first = prompt.unwrap().input_text();
            // a conversation is known by its first words
            let own =
                requests.iter().filter(|m| m.iter().find(|m| m["role"] == "user").is_some_and(|m| brings(m) == *first));
            let new: Vec<Vec<String>> = own
                .map(|messages| {
                    // words of the assistant that the client made up come with a call whose id is no provider's
                    let by_model = |m: &Value| {
                        let call = m["tool_calls"][0]["id"].as_str().unwrap_or("call_");
                        m["role"] == "assistant" && call.starts_with("call_")
                    };
                    let from = messages.iter().rposition(by_model).map_or(0, |i| i + 1);
                    let tail = messages[from..].iter().filter(|m| m["role"] != "system" && m["role"] != "assistant");
                    tail.map(brings).collect()
                })
                .collect();
            let mut at = 0;
            for response in responses(&events, agent) {
                let told: Vec<String> = response[0]
                    .parents
                    .iter()
                    .map(|p| by_id[p.as_str()])
                    .map(|e| e.call_id.clone().unwrap_or_else(|| e.input_text().trim().to_owned()))
                    .collect();
                let found = new.iter().skip(at).position(|n| *n == told);
                let Some(i) = found else { panic!("{}: no request brought {told:?}: {new:?}", place.display()) };
                at += i + 1;
                checked += 1;
            }
        }
    }
    assert!(checked > 30, "only {checked} responses");
}

#[test]
fn hooks_and_file_of_a_session_are_one_set_of_events() {
    let Some(root) = shared("recordings/copilot") else { return };
    let mut told = 0;
    for place in children(&root).into_iter().filter(|p| p.join("hooks.jsonl").exists()) {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        let file = recorded(&place);
        let mut named = 0;
        for line in fs::read_to_string(place.join("hooks.jsonl")).unwrap().lines() {
            let wrapped: Value = serde_json::from_str(line).unwrap();
            let received = hook::receive(wrapped["payload"].to_string().as_bytes(), DateTime::UNIX_EPOCH).unwrap();
            for e in received.events {
                store.append(&e.session_id, format!("{}\n", e.to_line()).as_bytes()).unwrap();
                told += 1;
            }
            named += usize::from(received.transcript.is_some_and(|t| t.ends_with("events.jsonl")));
        }
        keep(&store, &file);
        let (alone, _) = read(&file);
        let stored = store.read(&alone[0].session_id).unwrap().unwrap().events;
        let ids = |events: &[Event]| events.iter().map(|e| (e.event_id.clone(), e.status)).collect::<BTreeMap<_, _>>();
        assert_eq!(ids(&stored), ids(&alone), "{}", place.display());
        assert_eq!(children(&store.data()).len(), 1, "{}: a session too many", place.display());
        assert!(named > 0 || place.ends_with("api-error"), "{}: no turn's end named the file", place.display());
    }
    assert!(told > 0);
}

#[test]
fn published_sessions_are_read_without_loss() {
    let Some(root) = shared("real/copilot-cli") else { return };
    let mut todo = vec![root];
    let (mut sessions, mut calls, mut unanswered, mut orphans) = (0, 0, 0, 0);
    let mut unknown: BTreeMap<String, u64> = BTreeMap::new();
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(children(&path));
            continue;
        }
        let Some(transcript) = claim(&path).pop() else {
            assert!(path.to_string_lossy().contains("otel"), "{} is not claimed", path.display());
            continue;
        };
        let mut ids = Vec::new();
        let report = Copilot.read(&transcript, &mut |e| ids.push(e.event_id)).unwrap();
        assert!(report.bad_count == 0 && report.events > 0, "{}: {report:?}", path.display());
        ids.sort();
        ids.dedup();
        // one file was made up with one id for all of its last records
        let made_up = path.ends_with("small.jsonl");
        assert!(report.events + report.orphans == ids.len() as u64 || made_up, "{}", path.display());
        sessions += 1;
        calls += report.calls;
        unanswered += report.unanswered;
        orphans += report.orphans;
        unknown.extend(report.unknown);
    }
    assert_eq!((sessions, unknown), (12, BTreeMap::new()));
    println!("{calls} calls, {unanswered} unanswered, {orphans} orphans");
}

#[test]
fn ids_are_those_of_the_agent() {
    let (events, _) = read(&fixture("1.0.102-denied/events.jsonl"));
    for e in events.iter().filter(|e| e.is_call()) {
        assert_eq!(e.event_id, id::call("copilot", &e.session_id, e.call_id.as_deref().unwrap()));
    }
    let ended: Vec<_> = events.iter().filter(|e| e.is_call()).map(|e| e.status.unwrap()).collect();
    assert_eq!(ended, [Status::Denied, Status::Denied, Status::Error, Status::Ok]);
}
