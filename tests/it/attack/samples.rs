//! One small session file of each kind of each agent. A new agent joins all attacks with one line in [`SAMPLES`].

use std::fs;
use std::path::{Path, PathBuf};

use causetrace::event::Event;
use causetrace::source::{self, Report, Source, Transcript};

/// A small session file.
pub struct Sample {
    /// The agent.
    pub agent: &'static str,
    /// Where it stands below the home folder.
    pub path: &'static str,
    /// What is in it.
    pub content: fn() -> Vec<u8>,
    /// How it is made of records.
    pub form: Form,
}

/// How a file is made of records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// One JSON object a line, each of its own.
    JsonLines,
    /// One JSON document.
    Json,
    /// One JSON object a line, each a change of one document: without one of them the others may say nothing.
    Mutations,
    /// A SQLite database.
    Database,
    /// Plain text.
    Text,
}

const CLAUDE_CODE: &str = ".claude/projects/-home-dev-p/0a1b2c3d-0000-4000-8000-000000000001.jsonl";
const CODEX: &str = ".codex/sessions/2026/01/02/rollout-2026-01-02T03-04-01-01a205b1-76e0-7533-97c2-2627d87fe91d.jsonl";

const CONTINUE: &str = ".continue/sessions/5de50a70-af0f-4210-a149-9e6d0cab6c31.json";
const COPILOT: &str = ".copilot/session-state/3b8fabca-aeb7-4d18-8969-a1c72c5a3b4d/events.jsonl";
const VSCODE_LOG: &str =
    ".config/Code/User/workspaceStorage/0f/chatSessions/aaaaaaaa-0000-4000-8000-00000000000a.jsonl";
const VSCODE_DOCUMENT: &str =
    ".config/Code/User/workspaceStorage/0f/chatSessions/aaaaaaaa-0000-4000-8000-00000000000a.json";
const VSCODE_TRANSCRIPT: &str =
    ".config/Code/User/workspaceStorage/0f/GitHub.copilot-chat/transcripts/aaaaaaaa-0000-4000-8000-00000000000a.jsonl";
const VSCODE_DEBUG_LOG: &str = ".config/Code/User/workspaceStorage/0f/GitHub.copilot-chat/debug-logs/aaaaaaaa-0000-4000-8000-00000000000a/main.jsonl";

macro_rules! sample {
    ($agent:literal, $path:expr, $file:literal, $form:ident) => {
        Sample {
            agent: $agent,
            path: $path,
            content: || include_bytes!(concat!("../../../fixtures/attack/", $file)).to_vec(),
            form: Form::$form,
        }
    };
}

pub static SAMPLES: &[Sample] = &[
    sample!("claude-code", CLAUDE_CODE, "claude-code.jsonl", JsonLines),
    sample!("codex", CODEX, "codex.jsonl", JsonLines),
    sample!("opencode", "session.json", "opencode-export.json", Json),
    sample!("aider", ".aider.chat.history.md", "aider.md", Text),
    sample!("continue", CONTINUE, "continue.json", Json),
    sample!("copilot", COPILOT, "copilot.jsonl", JsonLines),
    sample!("copilot", VSCODE_LOG, "vscode.jsonl", Mutations),
    sample!("copilot", VSCODE_DOCUMENT, "vscode.json", Json),
    sample!("copilot", VSCODE_TRANSCRIPT, "vscode-transcript.jsonl", JsonLines),
    sample!("copilot", VSCODE_DEBUG_LOG, "vscode-debug-log.jsonl", JsonLines),
    Sample {
        agent: "opencode",
        path: ".local/share/opencode/opencode.db",
        content: opencode_database,
        form: Form::Database,
    },
];

fn opencode_database() -> Vec<u8> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("opencode.db");
    let db = rusqlite::Connection::open(&file).unwrap();
    db.pragma_update(None, "page_size", 512).unwrap();
    db.execute_batch(include_str!("../../../fixtures/attack/opencode.sql")).unwrap();
    drop(db);
    fs::read(file).unwrap()
}

/// A sample that stands in a home folder, with the transcripts that the agent's source finds in it.
pub struct Planted {
    pub home: tempfile::TempDir,
    pub file: PathBuf,
    pub content: Vec<u8>,
    pub source: &'static dyn Source,
    pub transcripts: Vec<Transcript>,
}

impl Sample {
    /// Puts it into a new home folder.
    pub fn plant(&self) -> Planted {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join(self.path);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let content = (self.content)();
        fs::write(&file, &content).unwrap();
        let (source, transcripts) = source::claim(&file).unwrap().unwrap_or_else(|| panic!("nobody's: {}", self.path));
        assert_eq!(source.agent(), self.agent);
        Planted { home, file, content, source, transcripts }
    }
}

impl Planted {
    /// Reads it with other content in its place; none where nothing at all could be read.
    pub fn read_as(&self, content: &[u8]) -> (Vec<Event>, Option<Report>) {
        fs::write(&self.file, content).unwrap();
        self.read()
    }

    /// Reads it as it stands: the lines, not folded.
    pub fn read(&self) -> (Vec<Event>, Option<Report>) {
        let mut events = Vec::new();
        let mut report = None;
        for t in &self.transcripts {
            if let Ok(r) = self.source.read(t, &mut |e| events.push(e)) {
                report.get_or_insert_with(Report::default).merge(r);
            }
        }
        (events, report)
    }

    /// Everything else that a source does with a file.
    pub fn look_at(&self) {
        let env =
            source::Env { home: self.home.path().to_owned(), cwd: self.home.path().to_owned(), ..Default::default() };
        self.source.switched_off(&env);
        let found = self.source.discover(&env);
        let claimed = source::claim(&self.file).ok().flatten().map(|(_, t)| t).unwrap_or_default();
        for t in found.iter().chain(&claimed).chain(&self.transcripts) {
            self.source.cwd(t);
        }
    }
}

/// Where this package stands.
pub fn package() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}
