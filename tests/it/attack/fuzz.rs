//! Fuzzing on the stable toolchain: seeded mutations of samples, the same in every run.
//!
//! `CAUSETRACE_FUZZ_SECONDS=600 cargo test --test it attack::fuzz::hook` runs one target for ten minutes, from another seed with
//! `CAUSETRACE_FUZZ_SEED`. A find (a panic, a broken law, an input that takes longer than [`PATIENCE`]) is written to
//! `fixtures/attack/finds/<target>-<hash>`; all finds are run again by every test run.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use causetrace::event::Event;
use causetrace::graph::Graph;
use causetrace::render::tree::{Shown, tree};
use causetrace::render::{Term, lanes::lanes};
use causetrace::source::{self, hook};
use causetrace::store::read_file;
use chrono::DateTime;
use serde_json::{Map, Value};

use super::samples::{Form, Planted, SAMPLES, package};

/// An input that takes longer hangs.
const PATIENCE: Duration = Duration::from_secs(20);

/// Longest input.
const LONGEST: usize = 40_000;

/// The input that is being run, and since when.
type Running = Arc<Mutex<Option<(Instant, Vec<u8>)>>>;

/// xorshift64*: small, and the same everywhere.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    /// Below `n`.
    pub fn below(&mut self, n: usize) -> usize {
        (self.next() % n.max(1) as u64) as usize
    }

    pub fn pick<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[self.below(all.len())]
    }
}

/// Pieces that broke readers before.
const NASTY: &[&str] = &[
    "\0",
    "\u{feff}",
    "\r\n",
    "\n",
    "\u{1b}[2J",
    "\u{202e}",
    "\\ud83d",
    "\\ude00",
    "NaN",
    "1e400",
    "-1",
    "18446744073709551616",
    "9223372036854775807",
    "null",
    "true",
    "[]",
    "{}",
    "\"",
    "\\",
    "{\"",
    "}{",
    ",",
    "é",
    "🦀",
    "日本",
    "--help",
    "../../x",
    "'",
    "$(",
    "`",
    "<<EOF\n",
    "EOF",
    "|",
    "&&",
    ";",
    ">",
    "2>&1",
    "*** Begin Patch\n",
    "*** Update File: ",
    "@@ -1,2 +",
    "sed -n '1,",
    "p' ",
    "cat ",
    "head -n ",
    "/a/b.rs",
    "src/a.py:3",
    "Exit code ",
    "9999-12-31T23:59:59Z",
    "+262142-12-31T23:59:59.9",
    "1969-12-31T00:00:00Z",
    "<task-notification>",
    "<tool-use-id>",
    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[",
];

/// One change of the bytes.
fn mutate(r: &mut Random, input: &mut Vec<u8>, in_place: bool) {
    let n = input.len();
    if n == 0 {
        input.extend_from_slice(r.pick(NASTY).as_bytes());
        return;
    }
    let at = r.below(n);
    match r.below(if in_place { 4 } else { 9 }) {
        0 => input[at] ^= 1 << r.below(8),
        1 => input[at] = r.next() as u8,
        2 => {
            let piece = r.pick(NASTY).as_bytes();
            for (i, b) in piece.iter().enumerate().take(n - at) {
                input[at + i] = *b;
            }
        }
        3 => {
            let (from, len) = (r.below(n), r.below(40));
            for i in 0..len.min(n - at).min(n - from) {
                input[at + i] = input[from + i];
            }
        }
        4 => drop(input.drain(at..(at + 1 + r.below(30)).min(n))),
        5 => drop(input.splice(at..at, r.pick(NASTY).bytes())),
        6 => {
            let from = r.below(n);
            let piece = input[from..(from + r.below(200)).min(n)].to_vec();
            drop(input.splice(at..at, piece));
        }
        7 => input.truncate(at),
        _ => {
            // lines change places
            let mut lines: Vec<Vec<u8>> = input.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
            let (a, b) = (r.below(lines.len()), r.below(lines.len()));
            if r.below(2) == 0 {
                lines.swap(a, b)
            } else {
                lines.insert(a, lines[b].clone())
            }
            *input = lines.join(&b'\n');
        }
    }
    input.truncate(LONGEST);
}

/// One change of a JSON value: of a node anywhere in it.
fn mutate_json(r: &mut Random, value: &mut Value) {
    let mut path = String::new();
    for _ in 0..r.below(8) {
        let (at, key) = match value.pointer(&path) {
            Some(Value::Object(m)) if !m.is_empty() => (m.len(), m.keys().nth(r.below(m.len())).cloned()),
            Some(Value::Array(a)) if !a.is_empty() => (a.len(), None),
            _ => break,
        };
        let key = key.unwrap_or_else(|| r.below(at).to_string());
        path.push_str(&format!("/{}", key.replace('~', "~0").replace('/', "~1")));
    }
    let Some(at) = value.pointer_mut(&path) else { return };
    if let (Value::Object(m), true) = (&mut *at, r.below(3) == 0)
        && !m.is_empty()
    {
        let keys: Vec<String> = m.keys().cloned().collect();
        let (a, b) = (r.pick(&keys).clone(), r.pick(&keys).clone());
        if r.below(2) == 0 {
            m.shift_remove(&a);
        } else {
            let (x, y) = (m[&a].clone(), m[&b].clone());
            m.insert(a, y);
            m.insert(b, x);
        }
        return;
    }
    if let (Value::Array(items), 0) = (&mut *at, r.below(3))
        && !items.is_empty()
    {
        let copy = r.pick(items).clone();
        items.push(copy);
        return;
    }
    let old = at.take();
    *at = match r.below(12) {
        0 => Value::Null,
        1 => true.into(),
        2 => i64::MIN.into(),
        3 => u64::MAX.into(),
        4 => 1e308.into(),
        5 => Value::Array(vec![old]),
        6 => Value::Object(Map::from_iter([("content".to_owned(), old)])),
        7 => old.to_string().into(),
        _ => {
            let text = old.as_str().unwrap_or("x").to_owned();
            let cut = (0..=r.below(text.len() + 1)).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
            format!("{}{}{}", &text[..cut], r.pick(NASTY), &text[cut..]).into()
        }
    };
}

/// A few changes: of the JSON of one line, of bytes, or both.
pub fn changed(r: &mut Random, seed: &[u8], form: Form) -> Vec<u8> {
    let mut input = seed.to_vec();
    if matches!(form, Form::JsonLines | Form::Json | Form::Mutations) && r.below(3) > 0 {
        let mut lines: Vec<Vec<u8>> = input.split(|b| *b == b'\n').map(<[u8]>::to_vec).collect();
        for _ in 0..=r.below(4) {
            let n = r.below(lines.len());
            if let Ok(mut value) = serde_json::from_slice::<Value>(&lines[n]) {
                mutate_json(r, &mut value);
                lines[n] = value.to_string().into_bytes();
            }
        }
        input = lines.join(&b'\n');
        if r.below(3) > 0 {
            return input;
        }
    }
    for _ in 0..=r.below(6) {
        mutate(r, &mut input, form == Form::Database);
    }
    input
}

/// Runs a target over the finds kept and over mutations of its seeds for as long as the environment says.
fn fuzz(target: &str, seeds: &[(Vec<u8>, Form)], run: impl FnMut(&[u8])) {
    let make = |r: &mut Random| {
        let (bytes, form) = r.pick(seeds);
        changed(r, bytes, *form)
    };
    fuzz_made(target, make, run);
}

/// The same over inputs that `make` makes.
pub fn fuzz_made(target: &str, mut make: impl FnMut(&mut Random) -> Vec<u8>, mut run: impl FnMut(&[u8])) {
    let finds = package().join("fixtures/attack/finds");
    let seconds = std::env::var("CAUSETRACE_FUZZ_SECONDS").ok().and_then(|s| s.parse().ok()).unwrap_or(0.5);
    let seed = std::env::var("CAUSETRACE_FUZZ_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let now: Running = Arc::default();
    watch(target.to_owned(), now.clone(), finds.clone());
    let mut check = |input: &[u8], name: &str| {
        *now.lock().unwrap() = Some((Instant::now(), input.to_vec()));
        let outcome = catch_unwind(AssertUnwindSafe(|| run(input)));
        *now.lock().unwrap() = None;
        if outcome.is_err() {
            let file = keep(&finds, target, input);
            panic!("{target}: {name} fails; kept as {}", file.display());
        }
    };
    for entry in fs::read_dir(&finds).into_iter().flatten().flatten() {
        if entry.file_name().to_string_lossy().starts_with(&format!("{target}-")) {
            check(&fs::read(entry.path()).unwrap(), &entry.file_name().to_string_lossy());
        }
    }
    let mut r = Random::new(seed);
    let begun = Instant::now();
    let mut count = 0u64;
    while begun.elapsed().as_secs_f64() < seconds {
        let input = make(&mut r);
        check(&input, &format!("mutation {count}"));
        count += 1;
    }
    if seconds > 1.0 {
        // how far a long run came
        let mut out = std::io::stderr();
        std::io::Write::write_fmt(&mut out, format_args!("{target}: {count} inputs in {seconds} s\n")).unwrap();
    }
    assert!(count > 0);
}

fn keep(finds: &PathBuf, target: &str, input: &[u8]) -> PathBuf {
    let hash = xxhash_rust::xxh3::xxh3_64(input);
    let file = finds.join(format!("{target}-{hash:016x}"));
    fs::create_dir_all(finds).unwrap();
    fs::write(&file, input).unwrap();
    file
}

/// Ends the process where an input hangs: nothing else can be done about a thread that loops.
fn watch(target: String, now: Running, finds: PathBuf) {
    let weak = Arc::downgrade(&now);
    std::thread::spawn(move || {
        while let Some(now) = weak.upgrade() {
            if let Some((since, input)) = now.lock().unwrap().as_ref()
                && since.elapsed() > PATIENCE
            {
                let file = keep(&finds, &target, input);
                let text = format!("{target}: an input hangs; kept as {}\n", file.display());
                std::io::Write::write_all(&mut std::io::stderr(), text.as_bytes()).ok();
                std::process::exit(101);
            }
            drop(now);
            std::thread::sleep(Duration::from_millis(200));
        }
    });
}

/// A line that is written must be read back as what it was.
pub fn round_trip(e: &Event) {
    let line = e.to_line();
    assert!(!line.contains('\n') && !e.event_id.is_empty(), "{line}");
    let read = |line: &str| serde_json::from_str::<Event>(line).unwrap_or_else(|err| panic!("{err}: {line}"));
    let back = read(&line);
    assert_eq!(read(&back.to_line()), back);
    let told = |e: &Event| (e.event_id.clone(), e.parents.clone(), e.timestamp, e.status, e.exit_code, e.duration_ms);
    assert_eq!(told(&back), told(e), "{line}");
    assert_eq!((back.input_text(), back.output_text()), (e.input_text(), e.output_text()), "{line}");
}

#[test]
fn hook_input() {
    let mut seeds = Vec::new();
    for agent in ["claude-code", "codex", "copilot"] {
        for case in fs::read_dir(package().join("fixtures").join(agent)).unwrap().flatten() {
            let Ok(text) = fs::read_to_string(case.path().join("hooks.jsonl")) else { continue };
            seeds.extend(text.lines().map(|l| {
                let line: Value = serde_json::from_str(l).unwrap();
                let payload = line.get("payload").or(line.get("stdin")).unwrap_or(&line);
                (payload.to_string().into_bytes(), Form::Json)
            }));
        }
    }
    assert!(seeds.len() > 50, "{}", seeds.len());
    fuzz("hook", &seeds, |input| {
        if let Ok(received) = hook::receive(input, DateTime::UNIX_EPOCH) {
            for e in &received.events {
                round_trip(e);
                assert_eq!(e.session_id, received.events[0].session_id);
            }
        }
    });
}

fn reader(target: &str, agent: &str) {
    let planted: Vec<(Planted, Form)> =
        SAMPLES.iter().filter(|s| s.agent == agent).map(|s| (s.plant(), s.form)).collect();
    for (n, (p, form)) in planted.iter().enumerate() {
        let name = if n == 0 { target.to_owned() } else { format!("{target}{}", n + 1) };
        fuzz(&name, &[(p.content.clone(), *form)], |input| {
            let (events, _) = p.read_as(input);
            for e in &events {
                round_trip(e);
                source::action(e);
            }
            let lines = |events: &[Event]| events.iter().map(Event::to_line).collect::<Vec<_>>();
            assert!(lines(&events) == lines(&p.read().0), "read again it gives other lines");
            p.look_at();
        });
    }
}

#[test]
fn claude_code() {
    reader("claude-code", "claude-code");
}

#[test]
fn codex() {
    reader("codex", "codex");
}

#[test]
fn opencode() {
    reader("opencode", "opencode");
}

#[test]
fn aider() {
    reader("aider", "aider");
}

#[test]
fn continue_dev() {
    reader("continue", "continue");
}

#[test]
fn copilot() {
    reader("copilot", "copilot");
}

/// Lines of a store that all agents' samples filled.
fn stored_lines() -> Vec<u8> {
    let mut out = Vec::new();
    for sample in SAMPLES {
        for e in sample.plant().read().0 {
            out.extend(e.to_line().bytes().chain(*b"\n"));
        }
    }
    out
}

#[test]
fn store() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("s.jsonl");
    let old = fs::read(package().join("tests/cli/python-0.1.jsonl")).unwrap();
    let hostile = fs::read(package().join("tests/cli/hostile.jsonl")).unwrap();
    let seeds = [(stored_lines(), Form::JsonLines), (old, Form::JsonLines), (hostile, Form::JsonLines)];
    fuzz("store", &seeds, |input| {
        fs::write(&file, input).unwrap();
        let stored = read_file(&file).unwrap();
        let lines = input.split(|b| *b == b'\n').filter(|l| !l.trim_ascii().is_empty()).count();
        let read: u64 = stored.versions.values().sum();
        assert_eq!(read as usize + stored.problems.len(), lines, "a line is neither an event nor a problem");
        assert!(stored.events.len() == stored.lines.len() && stored.events.len() as u64 <= read);
        for e in &stored.events {
            round_trip(e);
        }
    });
}

/// Everything that views do with events.
fn all_views(events: Vec<Event>) {
    let count = events.len();
    let graph = Graph::new(events, &source::action);
    assert!(graph.events.len() <= count);
    for (i, causes) in graph.causes.iter().enumerate() {
        assert!(causes.iter().all(|c| c.event < i), "a cause stands behind its effect");
        for c in causes {
            assert!((0.0..=1.0).contains(&c.confidence), "{}", c.confidence);
        }
    }
    let term = Term { width: 60, ..Term::default() };
    let visible = vec![true; graph.events.len()];
    let mut rows = lanes(&term, &graph, &visible, false, 0.0);
    rows.extend(tree(&term, &graph, &Shown { visible, from: None, depth: None, proven: false, min_confidence: 0.0 }));
    for i in 0..graph.events.len() {
        rows.extend(causetrace::render::detail::body(&term, &graph, i, causetrace::render::detail::Extent::Full));
        rows.extend(causetrace::render::detail::reasons(&term, &graph, i));
        rows.extend(causetrace::render::detail::facts(&term, &graph, i));
        causetrace::query::impact::impact(&graph, i);
    }
    let texts = causetrace::query::stats::FromTexts::of(&graph);
    causetrace::query::stats::stats(&graph, &texts);
    for row in rows {
        assert!(
            !row.contains(super::hostile::is_harmful) && !row.contains('\n'),
            "a harmful character reaches the terminal: {row:?}"
        );
    }
}

#[test]
fn linker() {
    let lines = stored_lines();
    let demo = fs::read(package().join("fixtures/demo/events.jsonl")).unwrap();
    fuzz("linker", &[(lines, Form::JsonLines), (demo, Form::JsonLines)], |input| {
        let events = input.split(|b| *b == b'\n').filter_map(|l| serde_json::from_slice::<Event>(l).ok()).collect();
        all_views(events);
    });
}

/// Command lines with all that the shell reader knows.
const COMMANDS: &[&str] = &[
    "cd /w && cat src/a.py | head -n 20 | grep -n 'def x' && sed -n '1,20p;30p' b.py > out.txt",
    "cat > notes.md <<'EOF'\nline one of it\nEOF\npython3 - <<PY\nprint('x')\nPY",
    "bash -lc \"grep -rn --include='*.rs' 'fn main' src | sort -u; rg -n foo | awk -F: '{print $1}'\"",
    "for f in $(ls *.go); do gofmt -l \"$f\" || exit 1; done; cargo test -- --nocapture foo::bar 2>&1 | tail -5",
    "git -C repo commit -m 'a; b' && git log --oneline -3 -- src/a.py; timeout 5 sudo env A=1 make -j4 test",
    "perl -pi -e 's/a/b/g' x.c y.c; sed -i.bak -e 's|a|b|' \"z z.c\"; tee -a log < in; mv a b; rm -rf -- -x",
    "apply_patch <<'P'\n*** Begin Patch\n*** Update File: a\n@@\n-x\n+y\n*** End Patch\nP",
];

#[test]
fn shell() {
    let seeds: Vec<_> = COMMANDS.iter().map(|c| (c.as_bytes().to_vec(), Form::Json)).collect();
    let call = |id: &str, command: &str| {
        let event = serde_json::json!({
            "event_id": id, "session_id": "s", "agent": "claude-code", "event_type": "tool_call", "tool_name": "Bash",
            "tool_input": {"command": command}, "tool_output": command, "status": "ok", "turn_id": id, "cwd": "/w",
        });
        serde_json::from_value::<Event>(event).unwrap()
    };
    fuzz("shell", &seeds, |input| {
        let command = String::from_utf8_lossy(input);
        all_views(vec![call("a", COMMANDS[0]), call("b", &command), call("c", "cat out.txt"), call("d", &command)]);
    });
}
