//! A home folder with made-up sessions in it.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use causetrace::source::{Source, Transcript, claude_code::ClaudeCode};

use crate::generate::claude_code::{Until, write};
use crate::generate::{Session, codex, opencode};
use crate::measure::{Cost, cost, measured};

/// The program that is measured.
pub const PROGRAM: &str = env!("CARGO_BIN_EXE_causetrace");

/// A home folder, removed at the end.
pub struct Place {
    dir: tempfile::TempDir,
}

impl Place {
    pub fn new() -> Self {
        Self { dir: tempfile::tempdir().expect("a folder") }
    }

    pub fn path(&self) -> &Path {
        self.dir.path()
    }

    pub fn store(&self) -> PathBuf {
        self.path().join("store")
    }

    /// What the program costs with this home folder and nothing else around it.
    pub fn cost(&self, args: &[&str]) -> Cost {
        let mut command = measured(PROGRAM);
        command.args(args).env_clear().env("HOME", self.path()).env("CAUSETRACE_HOME", self.store());
        cost(command.current_dir(self.path()))
    }

    /// A session in Claude Code's own folder; its file and how many events are in it.
    pub fn claude_code(&self, session: &Session<'_>, until: Until) -> (PathBuf, usize) {
        let folder = self.path().join(".claude/projects/-home-dev-project");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(format!("{}.jsonl", session.id()));
        let events = to_file(&path, |out| write(out, session, until));
        (path, events)
    }

    /// A session in the store, read from a transcript that is not kept.
    pub fn stored(&self, session: &Session<'_>, events: usize) -> PathBuf {
        let (transcript, _) = self.claude_code(session, Until::Events(events));
        let data = self.store().join("data");
        fs::create_dir_all(&data).expect("a folder");
        let path = data.join(format!("{}.jsonl", session.id()));
        to_file(&path, |out| {
            let t = Transcript::of_file("claude-code", &transcript, Some(session.id())).expect("a transcript");
            ClaudeCode.read(&t, &mut |e| writeln!(out, "{}", e.to_line()).expect("a line")).expect("it is read");
            Ok(())
        });
        fs::remove_file(transcript).expect("it was there");
        path
    }

    pub fn codex(&self, session: &Session<'_>, bytes: u64) -> PathBuf {
        let folder = self.path().join(".codex/sessions/2026/01/01");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join(codex::file_name(session));
        to_file(&path, |out| codex::write(out, session, bytes));
        path
    }

    pub fn opencode(&self, bytes: u64) -> PathBuf {
        let folder = self.path().join(".local/share/opencode");
        fs::create_dir_all(&folder).expect("a folder");
        let path = folder.join("opencode.db");
        opencode::write(&path, bytes).expect("a database");
        path
    }
}

fn to_file<T>(path: &Path, write: impl FnOnce(&mut dyn Write) -> std::io::Result<T>) -> T {
    let mut out = BufWriter::with_capacity(1 << 20, File::create(path).expect("a file"));
    let done = write(&mut out).expect("it can be written");
    out.flush().expect("it can be written");
    done
}

/// The same sessions for other tools: 40 transcripts of Claude Code, and one of `BENCH_MB`.
pub fn write_for_others(dir: &Path) {
    let folder = dir.join(".claude/projects/-home-dev-project");
    fs::create_dir_all(&folder).expect("a folder");
    for n in 0..40 {
        let session = Session::mixed(n);
        to_file(&folder.join(format!("{}.jsonl", session.id())), |out| write(out, &session, Until::Events(300)));
    }
    let session = Session::mixed(1000);
    to_file(&folder.join(format!("{}.jsonl", session.id())), |out| {
        write(out, &session, Until::Bytes(crate::megabytes() << 20))
    });
}
