//! The hook: payloads of real clients in, events out; and the process itself under stress.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use causetrace::event::{Event, EventType, Status};
use causetrace::source::claude_code::ClaudeCode;
use causetrace::source::codex::Codex;
use causetrace::source::{Source, Transcript, hook};
use causetrace::store::{Store, unusable};
use chrono::{DateTime, TimeDelta, Utc};
use expect_test::expect_file;

fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Feeds payloads, one a second, to a store and reads its sessions back.
fn told(payloads: &[Vec<u8>]) -> BTreeMap<String, Vec<Event>> {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::new(dir.path());
    let start: DateTime<Utc> = "2026-11-22T23:00:00Z".parse().unwrap();
    let mut sessions = BTreeSet::new();
    for (i, p) in payloads.iter().enumerate() {
        let now = start + TimeDelta::seconds(i64::try_from(i).unwrap());
        let received = hook::receive(p, now).unwrap_or_else(|e| panic!("{e}: {}", String::from_utf8_lossy(p)));
        for e in received.events {
            store.append(&e.session_id, format!("{}\n", e.to_line()).as_bytes()).unwrap();
            sessions.insert(e.session_id);
        }
    }
    sessions.into_iter().map(|s| (s.clone(), store.read(&s).unwrap().unwrap().events)).collect()
}

/// One line an event: number, type, what, ending, output, parents.
fn lines(events: &[Event]) -> String {
    let number: HashMap<&str, usize> = events.iter().enumerate().map(|(i, e)| (e.event_id.as_str(), i + 1)).collect();
    let cut = |s: &str| s.replace('\n', "\\n").chars().take(70).collect::<String>();
    let mut out = String::new();
    for (i, e) in events.iter().enumerate() {
        let parents: Vec<_> =
            e.parents.iter().map(|p| number.get(p.as_str()).map_or("?".to_owned(), usize::to_string)).collect();
        let status = e.status.map_or("-", Status::as_str);
        let time = e.timestamp.map(|t| t.format("%M:%S").to_string()).unwrap_or_default();
        write!(out, "{:2} {time} {} [{}]", i + 1, e.event_type.as_str(), parents.join(",")).unwrap();
        if let Some(a) = &e.agent_id {
            write!(out, " agent {a}").unwrap();
        }
        if e.is_call() {
            write!(out, " {} {status}", e.tool_name.as_deref().unwrap_or("")).unwrap();
            if let Some(code) = e.exit_code {
                write!(out, " exit {code}").unwrap();
            }
        }
        write!(out, " {}", cut(&e.input_text())).unwrap();
        if e.tool_output.is_some() {
            write!(out, " => {}", cut(&e.output_text())).unwrap();
        }
        for key in ["returned_from", "ended_at"] {
            if let Some(v) = e.extra.get(key).and_then(|v| v.as_str()) {
                let v = number.get(v).map_or_else(|| v.to_owned(), usize::to_string);
                write!(out, " {key}={v}").unwrap();
            }
        }
        out.push('\n');
    }
    out
}

fn payloads(file: &Path) -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(file).unwrap();
    text.lines().map(|l| l.as_bytes().to_vec()).collect()
}

#[test]
fn payloads_of_real_clients_become_events() {
    for name in [
        "claude-code/hooks-2.1.330-parallel",
        "claude-code/hooks-2.1.330-failures",
        "claude-code/hooks-2.1.330-subagents",
        "claude-code/hooks-2.1.197-background",
        "claude-code/hooks-2.0.76-parallel",
        "codex/hooks-0.169.0",
        "codex/hooks-0.169.0-subagents",
        "copilot/hooks-1.0.102",
        "copilot/hooks-1.0.102-pascal",
    ] {
        let folder = package().join("fixtures").join(name);
        let mut out = String::new();
        for (session, events) in told(&payloads(&folder.join("hooks.jsonl"))) {
            write!(out, "session {session} ({})\n{}", events[0].agent, lines(&events)).unwrap();
        }
        expect_file![folder.join("events.txt")].assert_eq(&out);
    }
}

/// The calls and prompts that stand in view, with messages looked through: hooks tell only the last words.
fn inputs(events: &[Event]) -> BTreeMap<String, BTreeSet<String>> {
    let by_id: HashMap<&str, &Event> = events.iter().map(|e| (e.event_id.as_str(), e)).collect();
    // nor what a sub-agent was told
    let through = |e: &Event| {
        matches!(e.event_type, EventType::Message | EventType::Reasoning | EventType::ContextUpdate)
            || e.event_type == EventType::UserInput && e.agent_id.is_some()
    };
    let mut out = BTreeMap::new();
    for e in events.iter().filter(|e| e.is_call()) {
        let (mut found, mut todo, mut seen) = (BTreeSet::new(), e.parents.clone(), BTreeSet::new());
        while let Some(p) = todo.pop() {
            match by_id.get(p.as_str()).filter(|p| through(p)) {
                Some(m) if seen.insert(p.clone()) => todo.extend(m.parents.clone()),
                Some(_) => {}
                // a queued prompt, and one copied by a fork, have another id in the file: their words are the same
                None => match by_id.get(p.as_str()).filter(|p| p.event_type == EventType::UserInput) {
                    Some(prompt) => drop(found.insert(prompt.input_text().into_owned())),
                    None => drop(found.insert(p)),
                },
            }
        }
        out.insert(e.event_id.clone(), found);
    }
    out
}

/// Over all recordings of Claude Code: what hooks told alone against what the transcript says.
#[test]
fn hooks_and_transcripts_of_recordings_agree() {
    let root = package().join("../shared/recordings/claude-code");
    let Ok(entries) = std::fs::read_dir(&root) else { return };
    let mut wrong = String::new();
    let (mut compared, mut with_parents) = (0, 0);
    let mut folders: Vec<_> = entries.map(|e| e.unwrap().path()).collect();
    folders.sort();
    for folder in folders {
        let Ok(text) = std::fs::read_to_string(folder.join("hooks.jsonl")) else { continue };
        let raw = |l: &str| serde_json::from_str::<serde_json::Value>(l).unwrap()["raw"].as_str().unwrap().to_owned();
        let payloads: Vec<Vec<u8>> = text.lines().map(|l| raw(l).into_bytes()).collect();
        let transcripts = transcripts(&folder);
        for (session, events) in told(&payloads) {
            let Some(file) = transcripts.get(&session) else { continue };
            let calls: HashMap<&str, &Event> =
                file.iter().filter(|e| e.is_call()).map(|e| (e.event_id.as_str(), e)).collect();
            let (own, theirs) = (inputs(&events), inputs(file));
            for e in events.iter().filter(|e| e.is_call()) {
                let id = e.event_id.as_str();
                let name = format!("{} {:?}", folder.file_name().unwrap().to_str().unwrap(), e.call_id);
                let Some(t) = calls.get(id) else {
                    writeln!(wrong, "{name}: not in the transcript").unwrap();
                    continue;
                };
                compared += 1;
                // an old client says nowhere how a call without a result ended, nor that a rule blocked it
                let vague = matches!(e.status, None | Some(Status::Interrupted))
                    || e.status == Some(Status::Denied) && t.status == Some(Status::Error);
                if e.status != t.status && !vague {
                    writeln!(wrong, "{name}: {:?} here, {:?} there: {}", e.status, t.status, t.output_text()).unwrap();
                }
                // what is claimed must be right; what is not claimed is only less
                let claimed = &own[id];
                with_parents += usize::from(!claimed.is_empty());
                if !claimed.is_subset(&theirs[id]) {
                    writeln!(wrong, "{name} {:?}: parents {claimed:?} here, {:?} there", e.tool_input, theirs[id])
                        .unwrap();
                }
            }
        }
    }
    assert!(compared > 300 && with_parents > 200, "{compared} calls compared, {with_parents} with parents");
    assert_eq!(wrong, "");
}

/// Over all recordings: hooks and the agent's file in one store, in either order, are the file's events and no others.
#[test]
fn hooks_and_files_of_recordings_merge() {
    let root = package().join("../shared/recordings");
    if !root.exists() {
        return;
    }
    let (mut wrong, mut merged) = (String::new(), BTreeMap::<String, usize>::new());
    let mut todo = vec![root.join("claude-code"), root.join("codex")];
    while let Some(folder) = todo.pop() {
        let Ok(text) = std::fs::read_to_string(folder.join("hooks.jsonl")) else {
            let inner = std::fs::read_dir(&folder).into_iter().flatten().flatten().map(|e| e.path());
            todo.extend(inner.filter(|p| p.is_dir()));
            continue;
        };
        let files = transcripts(&folder);
        let mut told: BTreeMap<String, String> = BTreeMap::new();
        for line in text.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let payload = value["raw"].as_str().or(value["stdin"].as_str()).unwrap();
            for e in hook::receive(payload.as_bytes(), Utc::now()).unwrap().events {
                writeln!(told.entry(e.session_id.clone()).or_default(), "{}", e.to_line()).unwrap();
            }
        }
        for (session, hooks) in told {
            let Some(file) = files.get(&session) else { continue };
            *merged.entry(file[0].agent.clone()).or_default() += merge(&folder, &session, &hooks, file, &mut wrong);
        }
    }
    assert!(merged["claude-code"] > 500 && merged["codex"] > 100, "{merged:?}");
    assert_eq!(wrong, "");
}

fn merge(folder: &Path, session: &str, hooks: &str, file: &[Event], wrong: &mut String) -> usize {
    let mut merged = 0;
    let file_lines: String = file.iter().map(|e| e.to_line() + "\n").collect();
    let known: BTreeMap<&str, &Event> = file.iter().map(|e| (e.event_id.as_str(), e)).collect();
    for order in [[hooks, &file_lines], [&file_lines, hooks]] {
        let dir = tempfile::tempdir().unwrap();
        let store = Store::new(dir.path());
        for lines in order {
            store.append(session, lines.as_bytes()).unwrap();
        }
        let name = folder.display();
        for e in store.read(session).unwrap().unwrap().events {
            merged += 1;
            let Some(t) = known.get(e.event_id.as_str()) else {
                writeln!(wrong, "{name}: only from a hook: {}", e.to_line()).unwrap();
                continue;
            };
            let same = e.parents == t.parents
                && e.tool_input == t.tool_input
                && (e.tool_output == t.tool_output || t.tool_output.is_none())
                && (e.status == t.status || matches!(t.status, None | Some(Status::Running)));
            if !same {
                writeln!(wrong, "{name}: differs: {}\n  {}", e.to_line(), t.to_line()).unwrap();
            }
        }
    }
    merged
}

/// The files of a recording, read into events by session.
fn transcripts(folder: &Path) -> BTreeMap<String, Vec<Event>> {
    let mut found = BTreeMap::new();
    let mut todo = vec![folder.join("transcripts"), folder.join("codex_home/sessions")];
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(&dir).into_iter().flatten().flatten() {
            let path = entry.path();
            let stem = path.file_stem().unwrap().to_str().unwrap().to_owned();
            if path.is_dir() {
                todo.push(path);
                continue;
            }
            let (source, id): (&dyn Source, _) = match stem.strip_prefix("rollout-") {
                Some(rest) => (&Codex, rest.get(20..).unwrap_or("").to_owned()),
                None => (&ClaudeCode, stem.clone()),
            };
            if uuid::Uuid::try_parse(&id).is_err() || path.extension().is_none_or(|x| x != "jsonl") {
                continue;
            }
            let t = Transcript::of_file(source.agent(), &path, Some(id.clone())).unwrap();
            let dir = tempfile::tempdir().unwrap();
            let store = Store::new(dir.path());
            let mut text = String::new();
            source.read(&t, &mut |e| writeln!(text, "{}", e.to_line()).unwrap()).unwrap();
            store.append(&id, text.as_bytes()).unwrap();
            found.insert(id.clone(), store.read(&id).unwrap().unwrap().events);
        }
    }
    found
}

/// Runs the hook as agents do; its output and whether it ended with 0.
fn run(home: &Path, payload: &[u8]) -> (Vec<u8>, bool) {
    let mut child = spawn(home);
    // a process that has seen enough may close the pipe
    child.stdin.take().unwrap().write_all(payload).ok();
    let out = child.wait_with_output().unwrap();
    ([out.stdout, out.stderr].concat(), out.status.code() == Some(0))
}

fn spawn(home: &Path) -> std::process::Child {
    Command::new(env!("CARGO_BIN_EXE_causetrace"))
        .arg("hook")
        .env_clear()
        .env("HOME", home)
        .env("CAUSETRACE_HOME", home.join("store"))
        .env("ANTHROPIC_API_KEY", "sk-ant-this-must-not-be-recorded")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
}

fn pre(session: &str, call: &str, command: &str) -> Vec<u8> {
    let input = serde_json::json!({"command": command});
    serde_json::json!({
        "session_id": session, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_input": input,
        "tool_use_id": call, "cwd": "/p", "transcript_path": "/t.jsonl",
    })
    .to_string()
    .into_bytes()
}

fn stored(home: &Path, session: &str) -> causetrace::store::Stored {
    Store::new(home.join("store")).read(session).unwrap().unwrap_or_default()
}

#[test]
fn whatever_comes_it_is_silent_and_succeeds() {
    let home = tempfile::tempdir().unwrap();
    let big = pre("s", "big", &"x".repeat(5 << 20));
    let torn = &big[..1000];
    let deep = [b"{\"session_id\":".repeat(5000), b"1".to_vec()].concat();
    let surrogate = br#"{"session_id":"s","hook_event_name":"PreToolUse","tool_name":"Bash","tool_use_id":"lone","tool_input":{"command":"\ud83d"}}"#;
    let numbers = br#"{"session_id":1,"hook_event_name":[],"tool_use_id":null}"#;
    let unknown = br#"{"session_id":"s","hook_event_name":"NotYetInvented"}"#;
    let all: [&[u8]; 10] =
        [&big, b"", b"\n", b"\x00\xff\xfe\x80junk", b"[1,2]", torn, &deep, surrogate, numbers, unknown];
    for payload in all {
        let (said, ok) = run(home.path(), payload);
        let head = String::from_utf8_lossy(&payload[..payload.len().min(60)]).into_owned();
        assert!(said.is_empty() && ok, "{head}: {ok} {}", String::from_utf8_lossy(&said));
    }
    let events = stored(home.path(), "s").events;
    let calls: Vec<_> = events.iter().map(|e| (e.call_id.as_deref().unwrap(), e.input_text().len())).collect();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls[0].0 == "big" && calls[0].1 > 5 << 20 && calls[1].0 == "lone");
    let kept = unusable::kept(&Store::new(home.path().join("store")));
    assert_eq!(kept.len(), 8, "{kept:?}");
    assert!(kept.iter().any(|k| k.reason.contains("NotYetInvented")));
    // nothing of the environment
    for file in walk(home.path()) {
        let text = String::from_utf8_lossy(&std::fs::read(&file).unwrap()).into_owned();
        assert!(!text.contains("sk-ant"), "{}", file.display());
    }
}

fn walk(dir: &Path) -> Vec<PathBuf> {
    let (mut files, mut todo) = (Vec::new(), vec![dir.to_owned()]);
    while let Some(dir) = todo.pop() {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            if entry.path().is_dir() { todo.push(entry.path()) } else { files.push(entry.path()) }
        }
    }
    files
}

#[test]
fn what_is_kept_of_junk_stays_small() {
    let home = tempfile::tempdir().unwrap();
    let store = Store::new(home.path());
    for _ in 0..1000 {
        unusable::keep(&store, DateTime::UNIX_EPOCH, "junk", &[b'x'; 10_000]);
    }
    let size = std::fs::metadata(unusable::path(&store)).unwrap().len();
    assert!(size > 200 && size < 80_000, "{size}");
}

#[test]
fn a_hundred_at_once_lose_and_garble_nothing() {
    let home = tempfile::tempdir().unwrap();
    let mut children: Vec<_> = (0..100).map(|_| spawn(home.path())).collect();
    let payloads: Vec<_> = (0..100).map(|i| pre("s", &format!("c{i}"), &format!("{i} ").repeat(3000))).collect();
    std::thread::scope(|scope| {
        for (child, payload) in children.iter_mut().zip(&payloads) {
            let mut stdin = child.stdin.take().unwrap();
            scope.spawn(move || stdin.write_all(payload).unwrap());
        }
    });
    for child in children {
        let out = child.wait_with_output().unwrap();
        assert!(out.status.success() && out.stdout.is_empty() && out.stderr.is_empty());
    }
    let stored = stored(home.path(), "s");
    assert!(stored.problems.is_empty(), "{:?}", stored.problems);
    let calls: BTreeSet<_> = stored.events.iter().filter_map(|e| e.call_id.clone()).collect();
    assert_eq!((stored.events.len(), calls.len()), (100, 100));
    for e in &stored.events {
        let number = e.call_id.as_deref().unwrap().trim_start_matches('c');
        assert_eq!(e.tool_input.as_ref().unwrap()["command"], format!("{number} ").repeat(3000));
    }
}

/// A process killed at any moment costs at most its own event.
#[test]
fn kill_9_costs_at_most_the_call_that_was_killed() {
    let home = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeSet::new();
    for i in 0..60u64 {
        let payload = pre("s", &format!("killed{i}"), &"k".repeat(200_000));
        let mut child = spawn(home.path());
        let mut stdin = child.stdin.take().unwrap();
        let writer = std::thread::spawn(move || drop(stdin.write_all(&payload)));
        std::thread::sleep(std::time::Duration::from_micros(i * 150));
        child.kill().unwrap();
        if child.wait().unwrap().success() {
            acknowledged.insert(format!("killed{i}"));
        }
        writer.join().unwrap();
        let (said, ok) = run(home.path(), &pre("s", &format!("after{i}"), "ls"));
        assert!(said.is_empty() && ok);
        acknowledged.insert(format!("after{i}"));
    }
    let stored = stored(home.path(), "s");
    let calls: BTreeSet<_> = stored.events.iter().filter_map(|e| e.call_id.clone()).collect();
    assert!(acknowledged.is_subset(&calls), "{:?}", acknowledged.difference(&calls).collect::<Vec<_>>());
    assert!(stored.problems.iter().all(|p| p.reason.starts_with("torn line")), "{:?}", stored.problems);
}

#[cfg(unix)]
#[test]
fn files_are_private_under_any_umask() {
    use std::os::unix::fs::PermissionsExt;
    let home = tempfile::tempdir().unwrap();
    for payload in [pre("s", "c", "ls"), b"junk".to_vec()] {
        let mut child = Command::new("sh")
            .args(["-c", "umask 000; exec \"$0\" hook", env!("CARGO_BIN_EXE_causetrace")])
            .env("CAUSETRACE_HOME", home.path().join("store"))
            .stdin(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(&payload).unwrap();
        assert!(child.wait().unwrap().success());
    }
    let mode = |p: &Path| std::fs::metadata(p).unwrap().permissions().mode() & 0o777;
    let store = home.path().join("store");
    assert_eq!((mode(&store), mode(&store.join("data"))), (0o700, 0o700));
    assert_eq!((mode(&store.join("data/s.jsonl")), mode(&store.join("unusable-hooks.jsonl"))), (0o600, 0o600));
}

#[test]
fn hook_and_transcript_of_a_call_are_one_event() {
    let home = tempfile::tempdir().unwrap();
    assert!(run(home.path(), &pre("s", "toolu_1", "ls")).1);
    let events = stored(home.path(), "s").events;
    assert_eq!(events[0].event_id, causetrace::id::call("claude-code", "s", "toolu_1"));
    assert_eq!((events[0].status, events[0].from_hook()), (Some(Status::Running), true));
}
