//! OpenCode: databases, JSON storage and exports.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use causetrace::event::{Event, EventType, Status};
use causetrace::id;
use causetrace::source::opencode::OpenCode;
use causetrace::source::{Env, Report, Source, Transcript};
use expect_test::expect_file;
use rusqlite::Connection;
use serde_json::Value;

use crate::scenario::{self, children, outline, package, shared};

fn claim(path: &Path) -> Vec<Transcript> {
    scenario::claim(&OpenCode, path)
}

fn read(transcript: &Transcript) -> (Vec<Event>, Report) {
    scenario::read(&OpenCode, transcript)
}

/// All sessions of a file or folder, oldest first.
fn sessions(path: &Path) -> Vec<Vec<Event>> {
    let mut all: Vec<_> = claim(path).iter().map(|t| read(t).0).collect();
    all.sort_by_key(|events| events[0].timestamp);
    all
}

fn database(sql: &str, file: &Path) -> Connection {
    let db = Connection::open(file).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.execute_batch(sql).unwrap();
    db
}

fn fixture(case: &str) -> PathBuf {
    package().join("fixtures/opencode").join(case)
}

#[test]
fn sessions_of_a_database_with_sub_agents() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let sql = fs::read_to_string(fixture("1.18.33-task/opencode.sql")).unwrap();
    drop(database(&sql, &file));
    expect_file![fixture("1.18.33-task/events.txt")].assert_eq(&outline(&sessions(&file)));
}

#[test]
fn an_export_with_all_that_a_user_can_do() {
    let file = fixture("1.18.33-serve/export.json");
    expect_file![fixture("1.18.33-serve/events.txt")].assert_eq(&outline(&sessions(&file)));
}

#[test]
fn the_storage_of_old_clients() {
    let folder = fixture("1.1.65-parallel/storage");
    expect_file![fixture("1.1.65-parallel/events.txt")].assert_eq(&outline(&sessions(&folder)));
}

#[test]
fn parts_that_all_lie_in_one_folder() {
    let home = tempfile::tempdir().unwrap();
    let (from, to) = (fixture("1.1.65-parallel/storage"), home.path().join("storage"));
    let mut todo = vec![from.clone()];
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(fs::read_dir(path).unwrap().map(|e| e.unwrap().path()));
            continue;
        }
        let within = path.strip_prefix(&from).unwrap();
        let file = match within.starts_with("part") {
            true => to.join("part").join(path.file_name().unwrap()),
            false => to.join(within),
        };
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::copy(path, file).unwrap();
    }
    let apart = |folder: &Path| claim(folder).iter().map(read).collect::<Vec<_>>();
    let strip = |all: Vec<(Vec<Event>, Report)>| {
        all.into_iter().map(|(e, r)| (outline(&[e]), r.records, r.bad_count)).collect::<Vec<_>>()
    };
    let (one, other) = (strip(apart(&from)), strip(apart(&to)));
    assert!(one[0].1 > 10);
    assert_eq!(one, other);

    // a part that comes later is seen, though the session's own files stay as they are
    let past = std::time::SystemTime::now() - std::time::Duration::from_secs(60);
    fs::File::open(to.join("part")).unwrap().set_modified(past).unwrap();
    let before = claim(&to);
    assert_eq!(claim(&to), before);
    let events = read(&before[0]).0;
    let said = events.iter().rfind(|e| e.event_type == EventType::Message).unwrap();
    let part =
        fs::read_to_string(to.join("part").join(format!("{}.json", said.native_id.as_deref().unwrap()))).unwrap();
    let part: Value = serde_json::from_str(&part).unwrap();
    let more = serde_json::json!({"id": "prt_later", "messageID": part["messageID"], "sessionID": part["sessionID"],
        "type": "text", "text": "later"});
    fs::write(to.join("part/prt_later.json"), more.to_string()).unwrap();
    let after = claim(&to);
    assert_ne!(after[0].fingerprint, before[0].fingerprint);
    assert!(read(&after[0]).0.iter().any(|e| e.tool_input == Some("later".into())));
    fs::remove_file(to.join("part/prt_later.json")).unwrap();

    // a damaged part is named once, not with every message
    fs::write(to.join("part/prt_x.json"), "{").unwrap();
    assert!(strip(apart(&to)).iter().all(|(_, _, bad)| *bad == 1));
}

/// Names and contents of a folder; of the shared memory only its size, for that is where locks are taken.
fn snapshot(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap());
    entries
        .map(|e| {
            let name = e.file_name().into_string().unwrap();
            let bytes = fs::read(e.path()).unwrap();
            let seen = if name.ends_with("-shm") { bytes.len().to_string().into_bytes() } else { bytes };
            (name, seen)
        })
        .collect()
}

/// Two messages, the second of which is only in the write-ahead log.
const FIRST: &str = "create table session (id text primary key, directory text, time_created integer, time_updated integer);
    create table message (id text primary key, session_id text, time_created integer, time_updated integer, data text);
    create table part (id text primary key, message_id text, session_id text, time_created integer, time_updated integer, data text);
    insert into session values ('ses_1', '/w', 1000, 1000);
    insert into message values ('msg_1', 'ses_1', 1000, 1000, '{\"role\":\"user\",\"time\":{\"created\":1000}}');
    insert into part values ('prt_1', 'msg_1', 'ses_1', 1000, 1000, '{\"type\":\"text\",\"text\":\"one\"}');
    pragma wal_checkpoint(truncate);";
const SECOND: &str =
    "insert into message values ('msg_2', 'ses_1', 2000, 2000, '{\"role\":\"user\",\"time\":{\"created\":2000}}');
    insert into part values ('prt_2', 'msg_2', 'ses_1', 2000, 2000, '{\"type\":\"text\",\"text\":\"two\"}');";

/// Discovers and reads the database of a folder; checks that the folder is as it was.
fn prompts_untouched(folder: &Path) -> Vec<String> {
    let before = snapshot(folder);
    let mut env = Env { home: folder.join("nowhere"), cwd: folder.to_owned(), ..Env::default() };
    env.vars.insert("OPENCODE_DB".into(), folder.join("opencode.db").to_string_lossy().into_owned());
    let found = OpenCode.discover(&env);
    assert_eq!(found.len(), 1, "{folder:?}");
    assert_eq!(OpenCode.cwd(&found[0]).as_deref(), Some("/w"));
    let (events, _) = read(&found[0]);
    assert_eq!(before.keys().collect::<Vec<_>>(), snapshot(folder).keys().collect::<Vec<_>>());
    assert!(before == snapshot(folder), "{folder:?} changed");
    events.iter().filter(|e| e.event_type == EventType::UserInput).map(|e| e.input_text().into_owned()).collect()
}

#[test]
fn nothing_appears_or_changes_beside_a_database() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let db = database(FIRST, &file);

    db.execute_batch(SECOND).unwrap();
    assert_eq!(prompts_untouched(dir.path()), ["one", "two"], "open");

    // what a client leaves that was killed: once with its shared memory, once without
    let (with, without) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    for name in ["opencode.db", "opencode.db-wal", "opencode.db-shm"] {
        fs::copy(dir.path().join(name), with.path().join(name)).unwrap();
        if !name.ends_with("-shm") {
            fs::copy(dir.path().join(name), without.path().join(name)).unwrap();
        }
    }
    assert_eq!(prompts_untouched(without.path()), ["one", "two"], "no shared memory");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(with.path(), fs::Permissions::from_mode(0o555)).unwrap();
        assert_eq!(prompts_untouched(with.path()), ["one", "two"], "read-only folder");
        fs::set_permissions(with.path(), fs::Permissions::from_mode(0o755)).unwrap();
    }
    assert_eq!(prompts_untouched(with.path()), ["one", "two"], "killed");

    db.execute_batch("begin exclusive; delete from part;").unwrap();
    assert_eq!(prompts_untouched(dir.path()), ["one", "two"], "in a transaction");
    db.execute_batch("rollback").unwrap();

    drop(db);
    assert_eq!(prompts_untouched(dir.path()), ["one", "two"], "closed");
    let mine = format!("causetrace-{}-", std::process::id());
    let left = fs::read_dir(std::env::temp_dir()).unwrap().flatten();
    let left: Vec<_> = left.filter(|e| e.file_name().to_string_lossy().starts_with(&mine)).collect();
    assert!(left.is_empty(), "copies are left: {left:?}");
}

#[test]
fn a_fingerprint_changes_with_the_session_only() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let db = database(FIRST, &file);
    db.execute("insert into session values ('ses_2', '/w', 1, 1)", []).unwrap();
    let prints = || -> Vec<String> { claim(&file).into_iter().map(|t| t.fingerprint).collect() };
    let before = prints();
    assert_eq!(before, prints());
    db.execute_batch(SECOND).unwrap();
    let after = prints();
    assert!(before[0] != after[0] && before[1] == after[1], "{before:?} {after:?}");
    db.execute("update part set time_updated = 3000 where id = 'prt_2'", []).unwrap();
    assert_ne!(after[0], prints()[0]);
}

#[test]
fn the_database_wins_over_the_storage_it_took_over() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().join("opencode");
    let write = |name: &str, text: &str| {
        let file = folder.join("storage").join(name);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    };
    for session in ["ses_1", "ses_old"] {
        write(
            &format!("session/p/{session}.json"),
            &format!(r#"{{"id":"{session}","directory":"/w","time":{{"created":1}}}}"#),
        );
        write(
            &format!("message/{session}/msg_{session}.json"),
            &format!(r#"{{"id":"msg_{session}","role":"user","time":{{"created":1}}}}"#),
        );
    }
    drop(database(FIRST, &folder.join("opencode-dev.db")));
    let mut env = Env { home: dir.path().join("home"), cwd: dir.path().to_owned(), ..Env::default() };
    env.vars.insert("XDG_DATA_HOME".into(), dir.path().to_string_lossy().into_owned());
    let found = OpenCode.discover(&env);
    let mut found: Vec<_> = found
        .iter()
        .map(|t| (t.session_id.as_deref().unwrap(), t.path.file_name().unwrap().to_str().unwrap()))
        .collect();
    found.sort_unstable();
    assert_eq!(found, [("ses_1", "opencode-dev.db"), ("ses_old", "ses_old.json")]);
}

#[test]
fn messages_that_a_revert_removed_are_a_dead_branch() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let log = "create table event (id text primary key, aggregate_id text, seq integer, type text, data text);
        insert into event values ('e1', 'ses_1', 1, 'message.updated.1', '{\"info\":{\"id\":\"msg_x\",\"role\":\"user\",\"time\":{\"created\":1500}}}');
        insert into event values ('e2', 'ses_1', 2, 'message.part.updated.1', '{\"part\":{\"id\":\"prt_x\",\"messageID\":\"msg_x\",\"type\":\"text\",\"text\":\"dropped\"}}');
        insert into event values ('e3', 'ses_1', 3, 'message.removed.1', '{\"messageID\":\"msg_x\"}');
        insert into message values ('msg_3', 'ses_1', 3000, 3000, '{\"role\":\"assistant\",\"parentID\":\"msg_2\",\"time\":{\"created\":3000}}');
        insert into part values ('prt_3', 'msg_3', 'ses_1', 3000, 3000, '{\"type\":\"text\",\"text\":\"answer\"}');";
    drop(database(&format!("{FIRST}{SECOND}{log}"), &file));
    let expected = "1 session <- \n2 user_input one <- \n3 user_input dropped dead_branch=true <- \n4 user_input two <- \n5 message answer <- 2,4\n";
    assert_eq!(outline(&sessions(&file)), expected);
}

#[test]
fn sessions_of_the_second_generation() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let sql = r#"create table session_v2 (id text primary key, parent_id text, directory text, title text, time_created integer, time_updated integer);
        create table session_message (id text primary key, session_id text, type text, seq integer, time_created integer, time_updated integer, data text);
        insert into session_v2 values ('ses_1', null, '/w', 'Second', 1, 9), ('ses_2', 'ses_1', '/w', 'Child', 3, 9);
        insert into session_message values
        ('msg_1', 'ses_1', 'user', 1, 1, 1, '{"text":"go","time":{"created":1}}'),
        ('msg_2', 'ses_1', 'assistant', 2, 2, 2, '{"time":{"created":2,"completed":8},"agent":"build","model":{"id":"m","providerID":"p"},"content":[
            {"type":"text","text":"Going."},
            {"type":"tool","id":"call_1","name":"shell","state":{"status":"completed","input":{"command":"false"},"content":[{"type":"text","text":"no"}],"metadata":{"exit":7}},"time":{"created":2,"ran":3,"completed":4}},
            {"type":"tool","id":"call_2","name":"subagent","state":{"status":"completed","input":{"prompt":"help"},"content":[{"type":"text","text":"helped"}],"metadata":{"sessionID":"ses_2"}},"time":{"created":2,"ran":3,"completed":7}}]}'),
        ('msg_3', 'ses_1', 'idle', 3, 3, 3, '{}'),
        ('msg_4', 'ses_1', 'assistant', 4, 9, 9, '{"time":{"created":9},"content":[{"type":"text","text":"Done."}]}'),
        ('msg_5', 'ses_1', 'later-kind', 5, 9, 9, '{}'),
        ('msg_6', 'ses_2', 'user', 1, 4, 4, '{"text":"help","time":{"created":4}}'),
        ('msg_7', 'ses_2', 'assistant', 2, 5, 5, '{"time":{"created":5,"completed":6},"content":[{"type":"text","text":"helped"}]}');"#;
    drop(database(sql, &file));
    let expected = "1 session Second <- \n2 user_input go <- \n3 message Going. <- 2\n\
        4 tool_call shell {\"command\":\"false\"} [error] exit 7 1 ms <- 3\n\
        5 tool_call subagent {\"prompt\":\"help\"} [ok] 4 ms returned_from=9 <- 3\n6 message Done. <- 4,5\n\
        7 session Child of ses_1 <- \n8 user_input help <- 5\n9 message helped <- 8\n";
    assert_eq!(outline(&sessions(&file)), expected);
    let report = read(&claim(&file)[0]).1;
    assert_eq!((report.unknown["later-kind"], report.passed_over["idle"]), (1, 1));
}

// ---- the real client's recordings, where they are at hand

/// One response: thought, words, calls as name and input.
#[derive(Debug, Default)]
struct Response<'a> {
    events: Vec<&'a Event>,
    /// What came into the context before it.
    new: Vec<&'a Event>,
}

impl Response<'_> {
    fn text(&self, kind: &EventType) -> String {
        self.events.iter().filter(|e| e.event_type == *kind).map(|e| e.input_text()).collect()
    }

    fn calls(&self) -> impl Iterator<Item = &&Event> {
        self.events.iter().filter(|e| e.is_call())
    }
}

fn responses(events: &[Event]) -> Vec<Response<'_>> {
    let mut found: Vec<Response<'_>> = Vec::new();
    let mut new = Vec::new();
    for e in events.iter().filter(|e| e.event_type != EventType::Session && !e.extra.contains_key("error")) {
        match (&e.turn_id, found.last_mut()) {
            (None, _) => new.push(e),
            (turn, Some(last)) if last.events[0].turn_id == *turn => last.events.push(e),
            _ => found.push(Response { events: vec![e], new: std::mem::take(&mut new) }),
        }
    }
    found
}

/// Whether a recorded response is what the script of the model says; a text that a kill cut off was never stored.
fn is_turn(response: &Response<'_>, turn: &Value) -> bool {
    let said = |key: &str| turn[key].as_str().unwrap_or("").trim();
    let calls = turn["calls"].as_array().map_or(&[][..], Vec::as_slice);
    let text = response.text(&EventType::Message);
    let cut = turn.get("stall").is_some() && text.is_empty();
    (cut || text.trim() == said("text") && response.text(&EventType::Reasoning).trim() == said("thinking"))
        && response.calls().count() == calls.len()
        && response.calls().zip(calls).all(|(call, wanted)| {
            // others are in neutral words, or name ids that only the run knew
            let plain = wanted["tool"] == "raw" && !wanted["args"].to_string().contains("{{");
            let unusable = call.tool_name.as_deref() == Some("invalid");
            !plain
                || unusable
                || call.tool_name.as_deref() == wanted["name"].as_str()
                    && call.tool_input.as_ref() == Some(&wanted["args"])
        })
}

/// The proven parents must be: results of the response before and what came in between for the first event, that first
/// event (where it is words) for the rest.
fn check_parents(responses: &[Response<'_>], place: &str) {
    let mut results: Vec<&str> = Vec::new();
    for r in responses {
        let mut inputs = results.clone();
        inputs.extend(r.new.iter().map(|e| e.event_id.as_str()));
        let hub = r.events.iter().find(|e| !e.is_call());
        for e in &r.events {
            match hub {
                Some(hub) if hub.event_id != e.event_id => assert_eq!(e.parents, [hub.event_id.as_str()], "{place}"),
                _ => assert_eq!(e.parents, inputs, "{place}: {:?}", e.input_text()),
            }
        }
        let summary = |e: &&&Event| e.extra.contains_key("compaction");
        let answered = |e: &&&Event| e.is_call() && e.status != Some(Status::Running);
        results = r.events.iter().filter(|e| summary(e) || answered(e)).map(|e| e.event_id.as_str()).collect();
    }
}

#[test]
fn recordings_have_the_structure_of_their_scenarios() {
    let Some(root) = shared("recordings/opencode") else { return };
    let mut checked = 0;
    for place in children(&root).iter().flat_map(|version| children(version)) {
        let name = place.strip_prefix(&root).unwrap().display().to_string();
        let scenario: Value = serde_json::from_slice(&fs::read(place.join("scenario.json")).unwrap()).unwrap();
        let file = place.join("opencode.db");
        let all = if file.exists() { sessions(&file) } else { sessions(&place) };
        assert!(!all.is_empty(), "{name}: no session");
        let turns_of = |v: &Value| v.as_array().cloned().unwrap_or_default();
        let main: Vec<Value> = turns_of(&scenario["prompts"]).iter().flat_map(|p| turns_of(&p["turns"])).collect();
        // failed requests leave no response, and spare turns were never asked for
        let main: Vec<Value> =
            main.into_iter().filter(|t| t.get("status").is_none() && t["text"] != "Spare.").collect();
        let mut seen = vec![false; main.len()];
        for events in &all {
            let responses = responses(events);
            check_parents(&responses, &name);
            let prompt = events.iter().find(|e| e.event_type == EventType::UserInput).unwrap();
            let (script, child) = match &events[0].parent_session_id {
                Some(parent) => {
                    // the prompt comes from the call that the parent's record names
                    let spawn = all.iter().flatten().find(|e| prompt.parents == [e.event_id.as_str()]).unwrap();
                    assert_eq!((&spawn.session_id, spawn.tool_name.as_deref()), (parent, Some("task")), "{name}");
                    let told = spawn.tool_input.as_ref().unwrap()["prompt"].as_str().unwrap();
                    assert_eq!(prompt.input_text(), told, "{name}");
                    assert!(spawn.extra.contains_key("returned_from"), "{name}");
                    let key = told[1..].split(']').next().unwrap();
                    (turns_of(&scenario["subagents"][key]), true)
                }
                None => {
                    assert!(prompt.parents.is_empty(), "{name}");
                    (main.clone(), false)
                }
            };
            let mut at = 0;
            for r in responses.iter().filter(|r| r.events.iter().all(|e| !e.extra.contains_key("compaction"))) {
                let found = script.iter().enumerate().skip(at).find(|(_, turn)| is_turn(r, turn));
                let Some((i, _)) = found else { panic!("{name}: no turn from {at} is like {r:?}") };
                // only a fork leaves turns to the other session
                assert!(i == at || all.len() > 1 && !child, "{name}: turn {at} is missing");
                at = i + 1;
                if !child {
                    seen[i] = true;
                }
            }
            assert!(!child || at == script.len(), "{name}: a sub-agent's turn is missing");
            checked += 1;
        }
        assert!(seen.iter().all(|s| *s), "{name}: turns are missing: {seen:?}");
    }
    assert!(checked > 25, "only {checked} sessions");
}

#[test]
fn a_fork_names_what_it_copied() {
    let Some(root) = shared("recordings/opencode") else { return };
    for version in ["1.2.1", "1.18.33"] {
        let all = sessions(&root.join(version).join("opencode-resume-fork/opencode.db"));
        let [first, fork] = &all[..] else { panic!("{version}: {} sessions", all.len()) };
        assert!(first.iter().all(|e| !e.extra.contains_key("copied_from")), "{version}");
        let copied: Vec<_> = fork.iter().filter(|e| e.extra.contains_key("copied_from")).collect();
        // two prompts, each with a response that calls and one that ends
        assert_eq!(copied.len(), 8, "{version}");
        for e in copied {
            let from = first.iter().find(|f| e.extra["copied_from"] == f.event_id.as_str()).unwrap();
            assert_eq!((&from.event_type, &from.tool_input, &from.call_id), (&e.event_type, &e.tool_input, &e.call_id));
        }
    }
}

#[test]
fn tools_become_actions() {
    use causetrace::action::{Action, Change, Hunk};
    use serde_json::json;
    let action = |tool: &str, input: Value| {
        let event = Event {
            agent: "opencode".into(),
            tool_name: Some(tool.into()),
            tool_input: Some(input),
            ..Event::default()
        };
        OpenCode.action(&event)
    };
    let read = action("read", json!({"filePath": "/w/a", "offset": 10, "limit": 5}));
    assert_eq!(read, Action::Read { path: "/w/a".into(), lines: Some((10, 15)) });
    let grep = action("grep", json!({"pattern": "x", "include": "*.rs"}));
    assert_eq!(grep, Action::Search { pattern: "x".into(), path: None });
    assert_eq!(action("glob", json!({"pattern": "*"})), Action::List { path: None, pattern: Some("*".into()) });
    assert_eq!(action("list", json!({"path": "/w"})), Action::List { path: Some("/w".into()), pattern: None });
    let Action::Edit(edit) = action("edit", json!({"filePath": "a", "oldString": "x", "newString": "y"})) else {
        panic!()
    };
    assert_eq!(edit[0].hunks, [Hunk { line: None, before: "x".into(), after: "y".into() }]);
    let edits =
        json!({"filePath": "a", "edits": [{"oldString": "x", "newString": "y"}, {"oldString": "p", "newString": "q"}]});
    let Action::Edit(edit) = action("multiedit", edits) else { panic!() };
    assert_eq!(edit[0].hunks.len(), 2);
    let Action::Edit(edit) = action("write", json!({"filePath": "a", "content": "c"})) else { panic!() };
    assert_eq!((edit[0].change, edit[0].hunks[0].after.as_str()), (Change::Write, "c"));
    let patch = "*** Begin Patch\n*** Delete File: d\n*** End Patch";
    let Action::Edit(edit) = action("apply_patch", json!({"patchText": patch})) else { panic!() };
    assert_eq!((edit[0].change, edit[0].path.as_str()), (Change::Delete, "d"));
    let run = action("bash", json!({"command": "ls", "workdir": "/w"}));
    assert_eq!(run, Action::Run { command: "ls".into(), cwd: Some("/w".into()) });
    assert_eq!(action("task", json!({"prompt": "go"})), Action::Spawn { prompt: "go".into() });
    for plan in ["todowrite", "todoread", "plan_exit"] {
        assert_eq!(action(plan, json!({})), Action::Plan);
    }
    assert_eq!(action("webfetch", json!({"url": "u"})), Action::Fetch { target: "u".into() });
    assert_eq!(action("websearch", json!({"query": "q"})), Action::Fetch { target: "q".into() });
    assert_eq!(action("question", json!({})), Action::Ask);
    assert_eq!(action("skill", json!({"name": "n"})), Action::Skill { name: "n".into() });
    for other in ["invalid", "lab_add", "read", "edit"] {
        assert_eq!(action(other, json!({"tool": "x"})), Action::Other);
    }
}

#[test]
fn damage_is_reported_and_never_fatal() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let junk = "insert into message values ('msg_bad', 'ses_1', 1100, 1100, '{\"role\":'), ('msg_num', 'ses_1', 1200, null, 7);
        insert into part values ('prt_bad', 'msg_1', 'ses_1', 1100, 1100, 'no json'), ('prt_null', 'msg_1', 'ses_1', null, null, null),
            ('prt_new', 'msg_1', 'ses_1', 1300, 1300, '{\"type\":\"hologram\"}');";
    drop(database(&format!("{FIRST}{SECOND}{junk}"), &file));
    let (events, report) = read(&claim(&file)[0]);
    assert_eq!((events.len(), report.bad_count, report.unknown["part hologram"]), (3, 4, 1));

    // another program's database of the same name, and a torn one
    let other = Connection::open(dir.path().join("other.db")).unwrap();
    other.execute_batch("create table session (id text)").unwrap();
    assert!(claim(&dir.path().join("other.db")).is_empty());
    let torn = dir.path().join("torn.db");
    fs::write(&torn, &fs::read(&file).unwrap()[..5000]).unwrap();
    let transcript =
        Transcript { agent: "opencode", session_id: Some("ses_1".into()), path: torn.clone(), ..Transcript::default() };
    assert!(claim(&torn).is_empty());
    assert!(OpenCode.read(&transcript, &mut |_| {}).is_err());
}

/// What a client that was killed had not finished writing is not told: its journal takes it back, in a copy.
#[test]
fn a_torn_transaction_is_taken_back() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    drop(database(FIRST, &file));
    let client = Connection::open(&file).unwrap();
    client.pragma_update(None, "journal_mode", "delete").unwrap();
    // pages go to the file before the end of the transaction where they do not fit into memory
    client.pragma_update(None, "cache_size", 2).unwrap();
    client.execute_batch("begin; update session set directory = '/torn'; create table big (x);").unwrap();
    for _ in 0..200 {
        client.execute("insert into big values (randomblob(3000))", []).unwrap();
    }
    let killed = tempfile::tempdir().unwrap();
    for name in ["opencode.db", "opencode.db-journal"] {
        fs::copy(dir.path().join(name), killed.path().join(name)).unwrap();
    }
    let before = snapshot(killed.path());
    let all = sessions(&killed.path().join("opencode.db"));
    assert_eq!(all.iter().map(|s| s[0].cwd.as_deref()).collect::<Vec<_>>(), [Some("/w")]);
    assert!(snapshot(killed.path()) == before);
}

/// A database that cannot be read is named by whoever asks for its sessions, and is no empty one.
#[test]
fn a_database_that_cannot_be_read_is_named() {
    let m = crate::attack::machine::Machine::new();
    let data = m.path().join(".local/share/opencode");
    fs::create_dir_all(&data).unwrap();
    let whole = data.join("opencode-whole.db");
    drop(database(FIRST, &whole));
    let mut bytes = fs::read(&whole).unwrap();
    bytes[100..4000].fill(0xff);
    fs::write(data.join("opencode.db"), bytes).unwrap();
    for _ in 0..2 {
        let said = m.run(&["import"]);
        assert!(said.code == Some(1) && said.out.contains("opencode.db: cannot read"), "{}{}", said.out, said.err);
    }
    assert_eq!(m.store().files().len(), 1, "the other database is read");
    let said = m.run(&["doctor", "opencode"]);
    assert!(said.out.contains("cannot be read") && said.out.contains("opencode.db"), "{}", said.out);
}

#[test]
fn an_export_tells_the_same_as_the_database() {
    let Some(root) = shared("recordings/opencode") else { return };
    for place in children(&root).iter().flat_map(|version| children(version)) {
        let file = place.join("opencode.db");
        let stored = if file.exists() { sessions(&file) } else { sessions(&place) };
        for export in children(&place).into_iter().filter(|f| f.display().to_string().contains("/export-")) {
            let exported = sessions(&export).remove(0);
            let stored = stored.iter().find(|s| s[0].session_id == exported[0].session_id).unwrap();
            let told = |events: &[Event]| -> Vec<_> {
                let calls = events.iter().filter(|e| e.event_type != EventType::Session);
                calls.map(|e| (e.event_id.clone(), e.tool_output.clone(), e.status, e.exit_code)).collect()
            };
            assert_eq!(told(&exported), told(stored), "{}", export.display());
        }
    }
}

#[test]
fn published_sessions_are_read_without_loss() {
    let Some(root) = shared("real/opencode") else { return };
    let mut todo = vec![root];
    let (mut read_sessions, mut unanswered) = (0, 0);
    while let Some(path) = todo.pop() {
        if path.is_dir() {
            todo.extend(children(&path));
            continue;
        }
        for transcript in claim(&path) {
            let (events, report) = read(&transcript);
            assert!(report.bad.is_empty() && report.unknown.is_empty(), "{}: {report:?}", path.display());
            assert_eq!(report.events, events.len() as u64);
            let calls: Vec<_> = events.iter().filter(|e| e.is_call()).collect();
            // one published session has prompts without a text
            let prompted = events.iter().any(|e| e.event_type == EventType::UserInput);
            for call in &calls {
                let part = call.native_id.as_deref().unwrap();
                assert_eq!(call.event_id, id::call("opencode", &call.session_id, part));
                assert!(call.call_id.is_some() && (!call.parents.is_empty() || !prompted), "{}", path.display());
            }
            unanswered += report.unanswered;
            read_sessions += 1;
        }
    }
    // the one call that was running when its session was exported
    assert_eq!((read_sessions, unanswered), (5, 1));
}
