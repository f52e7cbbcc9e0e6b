//! `watch` and `tree --follow` beside writers that do what agents and users do to files.

#![cfg(unix)]

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::{Value, json};

/// Far more than half a second: other tests run at the same time.
const PATIENCE: Duration = Duration::from_secs(10);

/// A machine with agents' folders.
struct Machine {
    home: tempfile::TempDir,
}

/// A running `causetrace watch`.
struct Live {
    child: Child,
    lines: Receiver<String>,
    seen: Vec<String>,
}

impl Machine {
    fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    fn path(&self, path: &str) -> PathBuf {
        let path = self.home.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_causetrace"));
        command.args(args).current_dir(self.home.path()).env_clear();
        command.env("HOME", self.home.path()).env("TZ", "UTC").env("COLUMNS", "120").env("PATH", "/usr/bin:/bin");
        command
    }

    /// What a command prints.
    fn run(&self, args: &[&str]) -> (String, String) {
        let out = self.command(args).output().unwrap();
        assert!(out.status.success(), "{args:?}: {out:?}");
        (String::from_utf8(out.stdout).unwrap(), String::from_utf8(out.stderr).unwrap())
    }

    /// Starts a command that goes on, and waits until it follows.
    fn follow(&self, args: &[&str]) -> Live {
        let mut child =
            self.command(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut notes = BufReader::new(child.stderr.take().unwrap()).lines();
        while !notes.next().expect("it says when it begins").unwrap().contains("ctrl-C ends") {}
        let (send, lines) = channel();
        let stdout = child.stdout.take().unwrap();
        std::thread::spawn(move || {
            for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                send.send(line).ok();
            }
        });
        Live { child, lines, seen: Vec::new() }
    }
}

impl Live {
    /// Waits for a line that holds `text`; how long that took.
    fn sees(&mut self, text: &str) -> Duration {
        let begun = Instant::now();
        while !self.seen.iter().any(|l| l.contains(text)) {
            let left = PATIENCE.checked_sub(begun.elapsed()).unwrap_or_default();
            match self.lines.recv_timeout(left) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("{text:?} was not shown; only {:#?}", self.seen),
            }
        }
        begun.elapsed()
    }

    /// Ends it with ctrl-C; all it showed.
    fn end(mut self) -> Vec<String> {
        let asked = Instant::now();
        assert!(Command::new("kill").args(["-INT", &self.child.id().to_string()]).status().unwrap().success());
        let status = self.child.wait().unwrap();
        assert_eq!(status.code(), Some(0), "{status}");
        assert!(asked.elapsed() < PATIENCE, "ctrl-C took {:?}", asked.elapsed());
        let mut seen = std::mem::take(&mut self.seen);
        seen.extend(self.lines.iter());
        seen
    }
}

impl Drop for Live {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn append(file: &Path, text: &str) {
    File::options().append(true).create(true).open(file).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Each of these texts once, in this order.
fn once_each(lines: &[String], texts: &[&str]) {
    let at: Vec<usize> = texts
        .iter()
        .map(|t| {
            let all: Vec<_> = (0..lines.len()).filter(|i| lines[*i].contains(t)).collect();
            assert_eq!(all.len(), 1, "{t:?} in {lines:#?}");
            all[0]
        })
        .collect();
    assert!(at.is_sorted(), "{texts:?} in {lines:#?}");
}

/// Lines of a Claude Code transcript.
fn prompt(session: &str, n: u32, text: &str) -> String {
    claude(session, n, "user", json!({"role": "user", "content": text}))
}

fn call(session: &str, n: u32, command: &str) -> String {
    let content = json!([{"type": "tool_use", "id": format!("toolu_{session}_{n}"), "name": "Bash", "input": {"command": command}}]);
    claude(
        session,
        n,
        "assistant",
        json!({"id": format!("msg_{n}"), "role": "assistant", "model": "m", "content": content}),
    )
}

fn result(session: &str, n: u32, call: u32, text: &str) -> String {
    let content = json!([{"type": "tool_result", "tool_use_id": format!("toolu_{session}_{call}"), "content": text}]);
    claude(session, n, "user", json!({"role": "user", "content": content}))
}

fn claude(session: &str, n: u32, kind: &str, message: Value) -> String {
    let parent = n.checked_sub(1).filter(|n| *n > 0).map(|n| format!("{session}-{n}"));
    json!({"type": kind, "uuid": format!("{session}-{n}"), "parentUuid": parent, "sessionId": session, "cwd": "/w",
        "version": "2.1.0", "timestamp": chrono::Utc::now().to_rfc3339(), "message": message})
    .to_string()
        + "\n"
}

#[test]
fn an_append_only_file_grows_shrinks_goes_and_comes_back() {
    let machine = Machine::new();
    let file = machine.path(".claude/projects/-w/11111111-1111-4111-8111-111111111111.jsonl");
    let id = "11111111-1111-4111-8111-111111111111";
    append(&file, &prompt(id, 1, "old words"));
    let mut live = machine.follow(&["watch"]);
    append(&file, &call(id, 2, "echo first"));
    live.sees("echo first");
    append(&file, &result(id, 3, 2, "first"));
    live.sees("└ ok");
    // a line in two parts
    let line = call(id, 4, "echo torn");
    let (head, tail) = line.split_at(80);
    append(&file, head);
    std::thread::sleep(Duration::from_millis(500));
    append(&file, tail);
    live.sees("echo torn");
    // emptied and written again with more
    let whole = fs::read_to_string(&file).unwrap();
    fs::write(&file, "").unwrap();
    std::thread::sleep(Duration::from_millis(400));
    fs::write(&file, whole.clone() + &call(id, 5, "echo rewritten")).unwrap();
    live.sees("echo rewritten");
    // moved away, and another in its place with the same beginning
    fs::rename(&file, file.with_extension("old")).unwrap();
    std::thread::sleep(Duration::from_millis(400));
    fs::write(&file, whole + &call(id, 5, "echo rewritten") + &call(id, 6, "echo rotated")).unwrap();
    live.sees("echo rotated");
    // deleted, and a new session begun
    fs::remove_file(&file).unwrap();
    let other = machine.path(".claude/projects/-v/22222222-2222-4222-8222-222222222222.jsonl");
    append(&other, &prompt("22222222-2222-4222-8222-222222222222", 1, "new words"));
    live.sees("new words");
    let lines = live.end();
    once_each(&lines, &["echo first", "└ ok", "echo torn", "echo rewritten", "echo rotated", "new words"]);
    assert!(!lines.iter().any(|l| l.contains("old words")), "{lines:#?}");
    // the store has it all, though the files are gone
    let (tree, _) = machine.run(&["tree", id]);
    assert!(tree.contains("echo first") && tree.contains("echo rotated"), "{tree}");
}

#[test]
fn a_file_rewritten_whole_and_cut_by_the_user() {
    let machine = Machine::new();
    let file = machine.path(".continue/sessions/33333333-3333-4333-8333-333333333333.json");
    let said = |role: &str, text: &str| json!({"message": {"role": role, "content": text}, "contextItems": []});
    let ran = |command: &str, status: &str| {
        let arguments = json!({"command": command}).to_string();
        let call = json!({"id": format!("call_{command}"), "type": "function", "function": {"name": "Bash", "arguments": arguments}});
        let output = if status == "done" { json!([{"content": "x"}]) } else { Value::Null };
        json!({"message": {"role": "assistant", "content": "", "toolCalls": [call]},
            "toolCallStates": [{"toolCallId": call["id"], "toolCall": call, "status": status, "output": output}]})
    };
    // as the client does it: cut to nothing, then written, in two parts
    let write = |history: &[Value]| {
        let text = json!({"sessionId": "33333333-3333-4333-8333-333333333333", "title": "T", "workspaceDirectory": "/w", "history": history});
        let text = serde_json::to_string_pretty(&text).unwrap();
        let mut open = File::create(&file).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        let (head, tail) = text.split_at(text.len() / 2);
        open.write_all(head.as_bytes()).unwrap();
        std::thread::sleep(Duration::from_millis(30));
        open.write_all(tail.as_bytes()).unwrap();
    };
    let mut live = machine.follow(&["watch"]);
    write(&[said("user", "begin")]);
    live.sees("begin");
    for status in ["generated", "calling", "done"] {
        write(&[said("user", "begin"), ran("make one", status)]);
    }
    live.sees("make one");
    write(&[said("user", "begin"), ran("make one", "done"), said("user", "wrong way")]);
    live.sees("wrong way");
    // the user goes back
    write(&[said("user", "begin"), ran("make one", "done"), said("user", "right way"), ran("make two", "done")]);
    live.sees("make two");
    let lines = live.end();
    once_each(&lines, &["begin", "make one", "wrong way", "right way", "make two"]);
    let (shown, _) = machine.run(&["tree", "33333333"]);
    assert!(shown.contains("wrong way") && shown.contains("right way"), "{shown}");
}

#[test]
fn a_database_written_to_and_checkpointed() {
    let machine = Machine::new();
    let file = machine.path(".local/share/opencode/opencode.db");
    let db = Connection::open(&file).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.execute_batch(
        "create table session (id text primary key, directory text, time_created integer, time_updated integer);
        create table message (id text primary key, session_id text, time_created integer, time_updated integer, data text);
        create table part (id text primary key, message_id text, session_id text, time_created integer, time_updated integer, data text);
        insert into session values ('ses_1', '/w', 1000, 1000);",
    )
    .unwrap();
    let say = |n: i64, text: &str| {
        let message = json!({"role": "user", "time": {"created": 1000 * n}}).to_string();
        let part = json!({"type": "text", "text": text}).to_string();
        let (m, p) = (format!("msg_{n}"), format!("prt_{n}"));
        db.execute("insert into message values (?1, 'ses_1', ?2, ?2, ?3)", (&m, 1000 * n, message)).unwrap();
        db.execute("insert into part values (?1, ?2, 'ses_1', ?3, ?3, ?4)", (&p, &m, 1000 * n, part)).unwrap();
    };
    say(1, "old words");
    let mut live = machine.follow(&["watch"]);
    say(2, "in the log");
    live.sees("in the log");
    db.execute_batch("pragma wal_checkpoint(truncate)").unwrap();
    say(3, "after the checkpoint");
    live.sees("after the checkpoint");
    db.execute_batch("begin immediate; update session set time_updated = 5").unwrap();
    std::thread::sleep(Duration::from_millis(700));
    db.execute_batch("commit; vacuum").unwrap();
    say(4, "after a vacuum");
    live.sees("after a vacuum");
    let lines = live.end();
    once_each(&lines, &["in the log", "after the checkpoint", "after a vacuum"]);
    assert!(!lines.iter().any(|l| l.contains("old words")), "{lines:#?}");
}

#[test]
fn one_session_of_many_and_json() {
    let machine = Machine::new();
    let (one, two) = ("44444444-4444-4444-8444-444444444444", "55555555-5555-4555-8555-555555555555");
    let files = [one, two].map(|id| machine.path(&format!(".claude/projects/-w/{id}.jsonl")));
    append(&files[0], &prompt(one, 1, "mine"));
    append(&files[1], &prompt(two, 1, "another's"));
    let mut live = machine.follow(&["watch", "44444444", "--json"]);
    append(&files[1], &call(two, 2, "echo two"));
    append(&files[0], &call(one, 2, "echo one"));
    live.sees("echo one");
    append(&files[0], &(result(one, 3, 2, "done one") + &call(one, 4, "echo three")));
    live.sees("echo three");
    let lines = live.end();
    let mut times: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    for line in &lines {
        let e: Value = serde_json::from_str(line).unwrap();
        assert_eq!(e["session_id"], one);
        times.entry(e["event_id"].as_str().unwrap().to_owned()).or_default().push(e);
    }
    // the call that ended comes again, with its result; the causes stand in each
    let mut count: Vec<_> = times.values().map(Vec::len).collect();
    count.sort_unstable();
    assert_eq!(count, [1, 2], "{lines:#?}");
    assert!(times.values().flatten().all(|e| e.get("causes").is_some()), "{lines:#?}");
}

#[test]
fn a_file_outside_the_agents_folders_and_a_tree_that_goes_on() {
    let machine = Machine::new();
    let id = "66666666-6666-4666-8666-666666666666";
    let file = machine.path(&format!("elsewhere/{id}.jsonl"));
    append(&file, &(prompt(id, 1, "go") + &call(id, 2, "echo before")));
    let mut live = machine.follow(&["watch", file.to_str().unwrap()]);
    append(&file, &call(id, 3, "echo after"));
    live.sees("echo after");
    let lines = live.end();
    once_each(&lines, &["echo after"]);
    assert!(!lines.iter().any(|l| l.contains("echo before")), "{lines:#?}");

    let inside = machine.path(&format!(".claude/projects/-w/{id}.jsonl"));
    fs::copy(&file, &inside).unwrap();
    let mut live = machine.follow(&["tree", id, "--follow"]);
    append(&inside, &call(id, 4, "echo later"));
    live.sees("echo later");
    let lines = live.end();
    once_each(&lines, &["echo before", "echo after", "echo later"]);
}

#[test]
fn two_agents_in_one_folder_stay_apart() {
    let machine = Machine::new();
    let here = machine.home.path().canonicalize().unwrap();
    let id = "77777777-7777-4777-8777-777777777777";
    let file = machine.path(&format!(".claude/projects/-w/{id}.jsonl"));
    let place = |line: String| line.replace("\"/w\"", &json!(here).to_string());
    let session = machine.path(".continue/sessions/88888888-8888-4888-8888-888888888888.json");
    let write = |texts: &[&str]| {
        let history: Vec<_> = texts.iter().map(|t| json!({"message": {"role": "user", "content": t}})).collect();
        fs::write(&session, json!({"sessionId": "x", "workspaceDirectory": here, "history": history}).to_string())
            .unwrap();
    };
    let mut live = machine.follow(&["watch"]);
    append(&file, &place(prompt(id, 1, "to the one")));
    live.sees("to the one");
    write(&["to the other"]);
    live.sees("to the other");
    append(&file, &place(call(id, 2, "echo one")));
    live.sees("echo one");
    write(&["to the other", "again to the other"]);
    live.sees("again to the other");
    let lines = live.end();
    for line in &lines {
        let other = line.contains("to the other");
        assert_eq!(other, line.contains("continue 88888888"), "{line}");
        assert_eq!(!other, line.contains("claude-code 77777777"), "{line}");
    }
    // the newest is shown, and that there is another
    let (tree, note) = machine.run(&["tree"]);
    assert!(tree.contains("to the other") && !tree.contains("echo one"), "{tree}");
    assert!(note.contains("claude-code was at work in this directory too: session 77777777"), "{note}");
}
