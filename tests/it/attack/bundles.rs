//! Sessions of which several files tell, mutated together: what one file says must not break how another is read.

use std::fs;
use std::path::{Path, PathBuf};

use causetrace::event::Event;
use causetrace::source::{self, Env, Transcript};

use super::fuzz::{Random, changed, fuzz_made, round_trip};
use super::samples::{Form, SAMPLES, package};

/// A home folder with all files of some sessions of one agent.
struct Bundle {
    _home: tempfile::TempDir,
    agent: &'static str,
    env: Env,
    files: Vec<File>,
}

struct File {
    path: PathBuf,
    content: Vec<u8>,
    form: Form,
}

/// All files below a folder, in the order of their names.
fn walk(dir: &Path, out: &mut Vec<PathBuf>) {
    let mut all: Vec<_> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    all.sort();
    for path in all {
        if path.is_dir() {
            walk(&path, out);
        } else {
            out.push(path);
        }
    }
}

fn form(path: &Path) -> Form {
    let name = path.to_string_lossy();
    if name.ends_with(".jsonl") {
        Form::JsonLines
    } else if name.ends_with(".json") {
        Form::Json
    } else if name.contains(".db") {
        Form::Database
    } else {
        Form::Text
    }
}

impl Bundle {
    /// What `plant` puts into a home folder.
    fn new(agent: &'static str, plant: impl FnOnce(&Path)) -> Self {
        let home = tempfile::tempdir().unwrap();
        let root = fs::canonicalize(home.path()).unwrap();
        plant(&root);
        let mut paths = Vec::new();
        walk(&root, &mut paths);
        let files = paths.into_iter().map(|path| File { content: fs::read(&path).unwrap(), form: form(&path), path });
        let store = root.join("store").display().to_string();
        let vars = [("CAUSETRACE_HOME".to_owned(), store)].into();
        let env = Env { home: root.clone(), cwd: root.join("repo"), vars };
        Self { _home: home, agent, env, files: files.collect() }
    }

    /// The files below a folder of fixtures.
    fn of_fixture(agent: &'static str, case: &str, place: &str) -> Self {
        let from = package().join("fixtures").join(case);
        Self::new(agent, |home| {
            let mut files = Vec::new();
            walk(&from, &mut files);
            for file in files.iter().filter(|f| !f.ends_with("events.txt") && !f.ends_with("README.md")) {
                let to = home.join(place).join(file.strip_prefix(&from).unwrap());
                fs::create_dir_all(to.parent().unwrap()).unwrap();
                fs::copy(file, to).unwrap();
            }
        })
    }

    /// All files one behind the other, each with its length before it: one or a few of them changed.
    fn mutated(&self, r: &mut Random) -> Vec<u8> {
        let changes: Vec<usize> = (0..=r.below(3)).map(|_| r.below(self.files.len())).collect();
        let mut out = Vec::new();
        for (i, file) in self.files.iter().enumerate() {
            let content =
                if changes.contains(&i) { changed(r, &file.content, file.form) } else { file.content.clone() };
            out.extend(u32::try_from(content.len()).unwrap().to_le_bytes());
            out.extend(content);
        }
        out
    }

    /// Puts files in their place.
    fn write(&self, mut input: &[u8]) {
        for file in &self.files {
            let Some((length, rest)) = input.split_first_chunk() else { return };
            let (content, rest) = rest.split_at(rest.len().min(u32::from_le_bytes(*length) as usize));
            input = rest;
            if fs::read(&file.path).unwrap() != content {
                fs::write(&file.path, content).unwrap();
            }
        }
    }

    fn transcripts(&self) -> Vec<Transcript> {
        let source = source::by_name(self.agent).unwrap();
        let mut all = source.discover(&self.env);
        for file in &self.files {
            all.extend(source::claim(&file.path).ok().flatten().map(|(_, t)| t).unwrap_or_default());
        }
        all
    }

    fn read(&self, all: &[Transcript]) -> Vec<Event> {
        let source = source::by_name(self.agent).unwrap();
        let mut events = Vec::new();
        for t in all {
            source.cwd(t);
            source.read(t, &mut |e| events.push(e)).ok();
        }
        events
    }

    fn fuzz(self, name: &str) {
        let whole = self.read(&self.transcripts());
        assert!(whole.len() > 8 && self.files.len() > 1, "{name}: {} events", whole.len());
        fuzz_made(
            name,
            |r| self.mutated(r),
            |input| {
                self.write(input);
                let transcripts = self.transcripts();
                let events = self.read(&transcripts);
                for e in &events {
                    round_trip(e);
                    source::action(e);
                }
                let again = self.read(&transcripts);
                assert!(
                    events.iter().map(Event::to_line).eq(again.iter().map(Event::to_line)),
                    "read again it gives other lines"
                );
            },
        );
    }
}

/// Two Aiders at once in one repository, with all that the wrapper keeps.
fn aider(home: &Path) {
    use causetrace::source::aider::run;
    let fixture = package().join("fixtures/aider/0.86.2-fix-counter");
    let repo = home.join("repo");
    fs::create_dir_all(repo.join(".git")).unwrap();
    fs::copy(fixture.join(".aider.input.history"), repo.join(".aider.input.history")).unwrap();
    let told = fs::read_to_string(fixture.join(".aider.chat.history.md")).unwrap();
    let (before, after) = told.split_once("\n> Tokens: 3.1k").unwrap();
    let head = "\n# aider chat started at 2026-11-24 22:12:09\n\n> Aider v0.86.2  \n\n#### Also this.  \n";
    let other = "\nDone.\n\nb.py\n```\n<<<<<<< SEARCH\n=======\nx\n>>>>>>> REPLACE\n```\n\n> Applied edit to b.py  \n> Commit 1234567 feat: b  \n";
    let chat = repo.join(".aider.chat.history.md");
    fs::write(&chat, format!("{before}{head}\n> Tokens: 3.1k{after}{other}")).unwrap();
    let folder = run::folder(&home.join("store/aider"), &chat);
    let of_a = fs::read_to_string(fixture.join(".aider.llm.history")).unwrap();
    let reply: String =
        other.split("\n\n> Applied").next().unwrap().trim_start().lines().map(|l| format!("ASSISTANT {l}\n")).collect();
    let at = "2026-11-24T22:12:40";
    let of_b = format!("TO LLM {at}\n-------\nSYSTEM s\n-------\nUSER Also this.\nLLM RESPONSE {at}\n{reply}");
    for (name, second, llm, subject) in [("a", 8, of_a, "fix: make bump add to n"), ("b", 9, of_b, "feat: b")] {
        let of = folder.join(name);
        fs::create_dir_all(&of).unwrap();
        let started = format!("2026-11-24T22:12:0{second}Z");
        let file = |n: &str| of.join(n);
        let line = serde_json::json!({"args": [], "cwd": repo, "chat": chat, "input": repo.join(".aider.input.history"),
            "llm": file("llm.history"), "analytics": file("analytics.jsonl"), "git_trace": file("git.trace2.jsonl"),
            "started": started, "ended": "2026-11-24T22:20:00Z", "commits": [["a46596c000000000000000000000000000000000", "2026-11-24T22:12:20Z"]]});
        fs::write(file(run::RUN), format!("{line}\n")).unwrap();
        fs::write(file("llm.history"), llm).unwrap();
        let sent = r#"{"event":"message_send_starting","properties":{},"user_id":"u","time":1795558331}
{"event":"message_send","properties":{"prompt_tokens":2800,"completion_tokens":78,"cost":0.0031},"user_id":"u","time":1795558333}
"#;
        fs::write(file("analytics.jsonl"), sent.repeat(3)).unwrap();
        let commit = serde_json::json!({"event": "start", "time": "2026-11-24T22:12:20.000001Z", "argv": ["git", "commit", "-m", subject]});
        fs::write(file("git.trace2.jsonl"), format!("{commit}\n")).unwrap();
        let seen = r#"{"at":"2026-11-24T22:12:12Z","size":1200}
{"at":"2026-11-24T22:12:30Z","size":3000}
"#;
        fs::write(file(run::SEEN), seen).unwrap();
    }
    fs::write(folder.join(run::CHAT), format!("{}\n", chat.display())).unwrap();
}

/// A database with its write-ahead log, the storage of an older client and an export of the same sessions.
fn opencode(home: &Path) {
    let data = home.join(".local/share/opencode");
    fs::create_dir_all(&data).unwrap();
    let made = tempfile::tempdir().unwrap();
    let file = made.path().join("opencode.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.pragma_update(None, "page_size", 512).unwrap();
    db.execute_batch(include_str!("../../../fixtures/attack/opencode.sql")).unwrap();
    db.pragma_update(None, "journal_mode", "wal").unwrap();
    db.execute("update session set title = 'in the log alone'", []).unwrap();
    // copied while it is open: what is new stands in the log only
    for ending in ["", "-wal"] {
        fs::copy(made.path().join(format!("opencode.db{ending}")), data.join(format!("opencode.db{ending}"))).unwrap();
    }
    drop(db);
    let export = SAMPLES.iter().find(|s| s.agent == "opencode" && s.form == Form::Json).unwrap();
    fs::write(home.join("session.json"), (export.content)()).unwrap();
    let storage = package().join("fixtures/opencode/1.1.65-parallel/storage");
    let mut files = Vec::new();
    walk(&storage, &mut files);
    for f in files {
        let to = data.join("storage").join(f.strip_prefix(&storage).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        fs::copy(f, to).unwrap();
    }
}

#[test]
fn aider_and_what_the_wrapper_keeps() {
    Bundle::new("aider", aider).fuzz("bundle-aider");
}

#[test]
fn claude_code_and_its_sub_agents() {
    let place = ".claude/projects/-home-dev-p";
    Bundle::of_fixture("claude-code", "claude-code/2.1.330-nested", place).fuzz("bundle-claude-nested");
    Bundle::of_fixture("claude-code", "claude-code/2.1.197-workflow", place).fuzz("bundle-claude-workflow");
    Bundle::of_fixture("claude-code", "claude-code/2.1.197-background", place).fuzz("bundle-claude-background");
}

#[test]
fn continue_and_what_stands_beside() {
    Bundle::of_fixture("continue", "continue/1.5.47-parallel", ".continue").fuzz("bundle-continue-cn");
    Bundle::of_fixture("continue", "continue/1.3.39-extension", ".continue").fuzz("bundle-continue-extension");
}

#[test]
fn copilot_forks_and_vscode_with_its_logs() {
    Bundle::of_fixture("copilot", "copilot/vscode-1.110-storage/User", ".config/Code/User").fuzz("bundle-vscode");
    Bundle::of_fixture("copilot", "copilot/1.0.102-rewind-fork", ".copilot").fuzz("bundle-copilot-cli");
}

#[test]
fn opencode_in_all_its_forms() {
    Bundle::new("opencode", opencode).fuzz("bundle-opencode");
}

/// A record that a client wrote twice is one event, which is not its own parent.
#[test]
fn a_record_that_stands_twice() {
    let m = super::machine::Machine::new();
    let from = package().join("fixtures/copilot/vscode-1.110-storage/User");
    let mut files = Vec::new();
    walk(&from, &mut files);
    for file in files {
        let to = m.path().join(".config/Code/User").join(file.strip_prefix(&from).unwrap());
        fs::create_dir_all(to.parent().unwrap()).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        let twice = text.split_inclusive('\n').flat_map(|l| [l, l]).collect::<String>();
        let logged = to.to_string_lossy().contains("debug-logs");
        fs::write(to, if logged { twice } else { text }).unwrap();
    }
    let said = m.run(&["import"]);
    assert_eq!(said.code, Some(0), "{}{}", said.out, said.err);
    // what comes again comes after what it proves
    let export = SAMPLES.iter().find(|s| s.agent == "opencode" && s.form == Form::Json).unwrap();
    let mut session: serde_json::Value = serde_json::from_slice(&(export.content)()).unwrap();
    let messages = session["messages"].as_array_mut().unwrap();
    messages.extend(messages.clone());
    fs::write(m.path().join("session.json"), session.to_string()).unwrap();
    let mut itself = 0;
    let (source, transcripts) = source::claim(&m.path().join("session.json")).unwrap().unwrap();
    source.read(&transcripts[0], &mut |e| itself += u32::from(e.parents.contains(&e.event_id))).unwrap();
    assert!(itself > 0, "readers find it by themselves: the store need not look");
    assert_eq!(m.run(&["import", "./session.json"]).code, Some(0));
    let mut events = 0;
    for file in m.store().files() {
        for line in fs::read_to_string(file).unwrap().lines() {
            let e: Event = serde_json::from_str(line).unwrap();
            assert!(!e.parents.contains(&e.event_id), "{line}");
            events += 1;
        }
    }
    assert!(events > 20, "{events}");
}
