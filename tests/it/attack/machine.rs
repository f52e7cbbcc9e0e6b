//! A machine of its own: a home folder, a store, and the program run in it.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use causetrace::store::Store;

/// Longer than any command may take here.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Machine {
    pub home: tempfile::TempDir,
}

/// What a command said.
pub struct Said {
    pub out: String,
    pub err: String,
    pub code: Option<i32>,
}

impl Machine {
    pub fn new() -> Self {
        Self { home: tempfile::tempdir().unwrap() }
    }

    pub fn path(&self) -> &Path {
        self.home.path()
    }

    pub fn store(&self) -> Store {
        Store::new(self.path().join("store"))
    }

    pub fn command(&self) -> Command {
        self.command_of(Path::new(env!("CARGO_BIN_EXE_causetrace")))
    }

    pub fn command_of(&self, program: &Path) -> Command {
        let mut c = Command::new(program);
        c.env_clear().env("HOME", self.path()).env("CAUSETRACE_HOME", self.path().join("store")).env("TZ", "UTC");
        c.env("PATH", std::env::var_os("PATH").unwrap()).env("COLUMNS", "90").current_dir(self.path());
        c.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        c
    }

    /// Runs it to its end, which must come.
    pub fn run<S: AsRef<std::ffi::OsStr>>(&self, args: &[S]) -> Said {
        let mut c = self.command();
        c.args(args);
        let what = format!("{:?}", args.iter().map(|a| a.as_ref().to_string_lossy()).collect::<Vec<_>>());
        wait(c.spawn().unwrap(), &what)
    }

    /// Hands a payload to the hook; whether it succeeded, in silence.
    pub fn hook(&self, payload: &[u8]) -> bool {
        let mut child = self.command().arg("hook").stdin(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(payload).unwrap();
        let said = wait(child, "hook");
        assert!(said.out.is_empty() && said.err.is_empty(), "{}{}", said.out, said.err);
        said.code == Some(0)
    }

    /// Every file below the home folder but the store's, with its content.
    pub fn outside(&self) -> BTreeMap<PathBuf, Vec<u8>> {
        let (mut files, mut todo) = (BTreeMap::new(), vec![self.path().to_owned()]);
        while let Some(dir) = todo.pop() {
            for entry in fs::read_dir(dir).unwrap().flatten() {
                let (path, kind) = (entry.path(), entry.file_type().unwrap());
                if path == self.path().join("store") {
                    continue;
                } else if kind.is_dir() {
                    todo.push(path);
                } else {
                    let content = if kind.is_file() { fs::read(&path).unwrap_or_default() } else { Vec::new() };
                    files.insert(path, content);
                }
            }
        }
        files
    }
}

pub fn wait(mut child: Child, what: &str) -> Said {
    let (mut out, mut err) = (child.stdout.take().unwrap(), child.stderr.take().unwrap());
    let read = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        out.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let read_err = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        err.read_to_end(&mut bytes).unwrap();
        bytes
    });
    let begun = Instant::now();
    let status = loop {
        if let Some(status) = child.try_wait().unwrap() {
            break status;
        }
        if begun.elapsed() > PATIENCE {
            child.kill().ok();
            panic!("{what} does not end");
        }
        std::thread::sleep(Duration::from_millis(2));
    };
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap_or_else(|e| panic!("{what}: {e}"));
    Said { out: text(read.join().unwrap()), err: text(read_err.join().unwrap()), code: status.code() }
}
