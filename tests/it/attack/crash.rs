//! kill -9 at any moment, full disks, many at once: what was acknowledged is there, and damage is named.
//!
//! `CAUSETRACE_ROUNDS=50` makes each test that many times longer.

use std::collections::BTreeSet;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use causetrace::event::Event;
use serde_json::json;

use super::fuzz::Random;
use super::machine::{Machine, wait};

const SESSION: &str = "0a1b2c3d-0000-4000-8000-000000000009";

fn rounds() -> u64 {
    std::env::var("CAUSETRACE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(1)
}

/// A session of Claude Code with this many calls, each of some kilobytes.
fn transcript(m: &Machine, calls: usize) -> PathBuf {
    let folder = m.path().join(".claude/projects/-p");
    fs::create_dir_all(&folder).unwrap();
    let file = folder.join(format!("{SESSION}.jsonl"));
    let mut text = String::new();
    let mut above = serde_json::Value::Null;
    let mut line = |kind: &str, uuid: String, message: serde_json::Value| {
        let v = json!({"type": kind, "uuid": uuid, "parentUuid": above, "sessionId": SESSION, "cwd": "/w", "version": "2.1.330",
            "timestamp": "2026-01-02T03:04:05.000Z", "message": message});
        above = uuid.into();
        text.push_str(&format!("{v}\n"));
    };
    line("user", "u".to_owned(), json!({"role": "user", "content": "go"}));
    for n in 0..calls {
        let call = json!({"type": "tool_use", "id": format!("t{n}"), "name": "Bash", "input": {"command": format!("echo {n}")}});
        line("assistant", format!("a{n}"), json!({"id": format!("m{n}"), "role": "assistant", "content": [call]}));
        let result =
            json!({"type": "tool_result", "tool_use_id": format!("t{n}"), "content": format!("{n} ").repeat(900)});
        line("user", format!("r{n}"), json!({"role": "user", "content": [result]}));
    }
    fs::write(&file, text).unwrap();
    file
}

/// What is stored of a session, without where it was read from.
fn stored(m: &Machine, session: &str) -> BTreeSet<String> {
    let stored = m.store().read(session).unwrap().unwrap_or_default();
    for p in &stored.problems {
        assert!(p.reason.starts_with("torn line"), "{p:?}");
    }
    let bare = |e: Event| Event { source: Default::default(), ..e }.to_line();
    stored.events.into_iter().map(bare).collect()
}

/// `validate` finds nothing, or names torn lines.
fn valid(m: &Machine) {
    let said = m.run(&["validate"]);
    for line in said.out.lines().filter(|l| !l.contains(" in ")) {
        assert!(line.contains(".jsonl:") && line.contains("torn line"), "{line}");
    }
}

fn payload(session: &str, call: &str, size: usize) -> Vec<u8> {
    json!({"session_id": session, "hook_event_name": "PreToolUse", "tool_name": "Bash", "tool_use_id": call,
        "tool_input": {"command": "x".repeat(size)}})
    .to_string()
    .into_bytes()
}

fn calls(m: &Machine, session: &str) -> BTreeSet<String> {
    let stored = m.store().read(session).unwrap().unwrap_or_default();
    stored.events.into_iter().filter_map(|e| e.call_id).collect()
}

#[test]
fn imports_killed_at_any_moment_lose_nothing() {
    let whole = Machine::new();
    transcript(&whole, 1200);
    assert_eq!(whole.run(&["import"]).code, Some(0));
    let wanted = stored(&whole, SESSION);
    assert!(wanted.len() > 1200);

    let m = Machine::new();
    transcript(&m, 1200);
    let mut r = Random::new(3);
    for _ in 0..4 * rounds() {
        let mut child = m.command().args(["import"]).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(r.below(150) as u64));
        child.kill().unwrap();
        child.wait().unwrap();
        let now = stored(&m, SESSION);
        assert!(now.len() <= wanted.len());
    }
    assert_eq!(m.run(&["import"]).code, Some(0));
    assert!(stored(&m, SESSION) == wanted);
    valid(&m);
    assert!(m.run(&["import"]).out.contains("nothing new"));
}

#[test]
fn hooks_killed_at_any_moment_lose_what_nobody_was_promised() {
    let m = Machine::new();
    let acknowledged: BTreeSet<String> = std::thread::scope(|scope| {
        let lanes: Vec<_> = (0..2u64)
            .map(|lane| {
                let m = &m;
                scope.spawn(move || {
                    let mut r = Random::new(lane + 5);
                    let mut kept = BTreeSet::new();
                    for n in 0..20 * rounds() {
                        let id = format!("{lane}-{n}");
                        // some are killed while they read, most while they write or end
                        let payload = payload("s", &id, if n % 8 == 0 { 60_000 } else { 600 });
                        let mut child = m.command().arg("hook").stdin(Stdio::piped()).spawn().unwrap();
                        let mut stdin = child.stdin.take().unwrap();
                        let writer = std::thread::spawn(move || drop(stdin.write_all(&payload)));
                        std::thread::sleep(Duration::from_micros(r.below(12_000) as u64));
                        child.kill().unwrap();
                        if child.wait().unwrap().success() {
                            kept.insert(id);
                        }
                        writer.join().unwrap();
                    }
                    kept
                })
            })
            .collect();
        lanes.into_iter().flat_map(|l| l.join().unwrap()).collect()
    });
    assert!(m.hook(&payload("s", "last", 10)));
    let there = calls(&m, "s");
    assert!(there.contains("last") && acknowledged.is_subset(&there), "{:?}", acknowledged.difference(&there));
    valid(&m);
}

/// A line that takes several writes (a slow disk, a file system of another machine) is not taken for a torn one.
#[test]
fn nobody_writes_into_a_line_that_another_writes() {
    let m = Machine::new();
    assert!(m.hook(&payload("s", "first", 10)));
    let path = m.store().path("s");
    let (head, tail) = ("{\"schema_version\":\"1.0\",\"event_id\":\"half", " and half\",\"session_id\":\"s\"}\n");
    let mut slow = fs::OpenOptions::new().append(true).open(&path).unwrap();
    slow.lock().unwrap();
    slow.write_all(head.as_bytes()).unwrap();
    std::thread::scope(|scope| {
        let other = scope.spawn(|| m.hook(&payload("s", "other", 10)));
        std::thread::sleep(Duration::from_millis(300));
        assert!(!other.is_finished(), "it does not wait");
        slow.write_all(tail.as_bytes()).unwrap();
        slow.unlock().unwrap();
        assert!(other.join().unwrap());
    });
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.lines().count() == 3 && text.contains(&format!("{head}{tail}")), "{text}");
    assert!(m.run(&["validate"]).out.contains("nothing wrong"));
}

#[test]
fn two_imports_a_watch_and_hooks_at_once() {
    let whole = Machine::new();
    transcript(&whole, 600);
    assert_eq!(whole.run(&["import"]).code, Some(0));

    for round in 0..rounds() {
        let m = Machine::new();
        transcript(&m, 600);
        let mut watch = m.command().arg("watch").stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        let imports: Vec<_> = (0..2).map(|_| m.command().arg("import").spawn().unwrap()).collect();
        // the hooks tell calls of the same session, and of one of their own
        for n in 0..12 {
            assert!(m.hook(&payload(SESSION, &format!("h{n}"), 5000)));
            assert!(m.hook(&payload("other", &format!("h{n}"), 5000)));
        }
        std::thread::sleep(Duration::from_millis(100 + round % 7 * 50));
        watch.kill().unwrap();
        watch.wait().unwrap();
        for child in imports {
            let said = wait(child, "import");
            assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
        }
        assert_eq!(m.run(&["import"]).code, Some(0));
        let told = stored(&m, SESSION);
        assert!(stored(&whole, SESSION).is_subset(&told), "an event of the file is lost");
        let hooked = |s: &str| calls(&m, s).into_iter().filter(|c| c.starts_with('h')).count();
        assert_eq!((hooked(SESSION), hooked("other")), (12, 12));
        valid(&m);
    }
}

/// Runs the program where no file may grow beyond `kilobytes`: what a full disk does, without a disk. With `deaf` the write fails,
/// else the signal kills.
#[cfg(unix)]
fn limited(m: &Machine, kilobytes: u32, deaf: bool, args: &str, input: &[u8]) -> super::machine::Said {
    let trap = if deaf { "trap '' XFSZ;" } else { "" };
    let script = format!("{trap} ulimit -f {kilobytes}; exec \"$0\" {args}");
    let mut c = m.command_of(Path::new("bash"));
    c.args(["-c", &script, env!("CARGO_BIN_EXE_causetrace")]).stdin(Stdio::piped());
    let mut child = c.spawn().unwrap();
    child.stdin.take().unwrap().write_all(input).ok();
    wait(child, args)
}

#[cfg(unix)]
#[test]
fn a_full_disk_costs_only_what_did_not_fit() {
    for deaf in [true, false] {
        let m = Machine::new();
        assert!(m.hook(&payload("s", "before", 100)));
        let said = limited(&m, 50, deaf, "hook", &payload("s", "too much", 200_000));
        assert!(said.out.is_empty() && said.err.is_empty() && (said.code == Some(0)) == deaf, "{}", said.err);
        assert!(m.hook(&payload("s", "after", 100)));
        let there = calls(&m, "s");
        assert!(there.contains("before") && there.contains("after") && !there.contains("too much"), "{there:?}");
        let said = m.run(&["validate"]);
        assert!(said.code == Some(1) && said.out.contains("s.jsonl:2: torn line"), "{}", said.out);
        if deaf {
            let kept = causetrace::store::unusable::kept(&m.store());
            assert!(kept.len() == 1 && kept[0].reason.contains("cannot write"), "{kept:?}");
        }

        let whole = Machine::new();
        transcript(&whole, 300);
        assert_eq!(whole.run(&["import"]).code, Some(0));
        transcript(&m, 300);
        let said = limited(&m, 300, deaf, "import", b"");
        assert!(said.code != Some(0) && (!deaf || said.out.contains("cannot write")), "{}{}", said.out, said.err);
        assert_eq!(m.run(&["import"]).code, Some(0));
        assert!(stored(&m, SESSION) == stored(&whole, SESSION));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn an_output_that_cannot_be_written_is_an_error_and_a_closed_pipe_is_none() {
    let m = Machine::new();
    for args in [["tree", "demo"], ["export", "demo"], ["stats", "demo"]] {
        let full = fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
        let mut child = m.command().args(args).stdout(full).spawn().unwrap();
        let mut err = String::new();
        std::io::Read::read_to_string(child.stderr.as_mut().unwrap(), &mut err).unwrap();
        assert_eq!(child.wait().unwrap().code(), Some(1), "{args:?}");
        assert!(err.contains("cannot write the output"), "{err}");
        let mut child = m.command().args(args).spawn().unwrap();
        drop(child.stdout.take());
        assert_eq!(child.wait().unwrap().code(), Some(0), "{args:?}");
    }
}

/// A store that a newer version wrote, or wrote on.
#[test]
fn a_newer_store_is_read_and_not_written_to() {
    let new = "{\"schema_version\":\"2.0\",\"event_id\":\"n\",\"session_id\":\"s\",\"agent\":\"codex\",\"event_type\":\"user_input\",\"tool_input\":\"from the future\",\"new_key\":{\"a\":1}}\n";
    let old = new.replace("2.0", "1.0").replace("\"n\"", "\"o\"").replace("future", "past");
    let long = old.repeat(20_000 / old.len() + 1);
    for content in [new.to_owned(), format!("{old}{new}"), format!("{new}{long}"), format!("{long}{new}")] {
        let m = Machine::new();
        let path = m.store().path("s");
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &content).unwrap();
        assert!(m.hook(&payload("s", "c", 10)));
        let said = m.run(&["tree", "s"]);
        assert!(said.code == Some(0) && said.out.contains("from the future"), "{}{}", said.out, said.err);
        assert_eq!(fs::read_to_string(&path).unwrap(), content);
        let kept = causetrace::store::unusable::kept(&m.store());
        assert!(kept.len() == 1 && kept[0].reason.contains("newer causetrace"), "{kept:?}");
    }
}

/// Clocks that jump, the ends of time, and no time at all.
#[test]
fn any_times() {
    let times = [
        "1970-01-01T00:00:00Z",
        "9999-12-31T23:59:59.999Z",
        "2026-01-02T03:04:05Z",
        "0001-01-01T00:00:00Z",
        "2025-01-01T00:00:00+14:00",
        "none",
        "+99999-01-01T00:00:00",
    ];
    for shift in [3, times.len()] {
        let m = Machine::new();
        let mut text = String::new();
        for n in 0..8 {
            // the last round: no times at all
            let time = if shift == times.len() { "none" } else { times[(n * (shift + 1) + shift) % times.len()] };
            let kind = if n == 0 { "user_input" } else { "tool_call" };
            let mut e = json!({"schema_version": "1.0", "event_id": format!("e{n}"), "session_id": "s", "agent": "codex", "event_type": kind,
                "tool_name": "shell", "tool_input": {"command": format!("ls {n}")}, "duration_ms": u64::MAX, "parent_event_id": if n == 0 { String::new() } else { format!("e{}", n - 1) }});
            if time != "none" {
                e["timestamp"] = time.into();
            }
            // `schema_version` stands first: maps keep their order
            text.push_str(&format!("{e}\n"));
        }
        m.store().append("s", text.as_bytes()).unwrap();
        for zone in ["Pacific/Kiritimati", "America/Adak"] {
            for args in [
                "sessions",
                "tree s",
                "graph s",
                "timeline s",
                "replay s",
                "stats s",
                "export s",
                "show 3 --session s",
                "why 5 --session s",
                "validate",
                "sessions --since 1970-01-01",
            ] {
                let mut c = m.command();
                let said = wait(c.env("TZ", zone).args(args.split(' ')).spawn().unwrap(), args);
                assert_eq!(said.code, Some(0), "{args}: {}", said.err);
            }
        }
        let said = m.run(&["export", "s", "--format", "jsonl"]);
        let order: Vec<_> = said.out.lines().map(|l| serde_json::from_str::<Event>(l).unwrap().event_id).collect();
        assert_eq!(order, (0..8).map(|n| format!("e{n}")).collect::<Vec<_>>(), "causes stand before effects");
    }
}
