//! What every command gets: the surroundings, the store, and where its output goes.

use std::io::{self, IsTerminal, Write};
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};

use crate::render::{Term, Tone, text};
use crate::source::Env;
use crate::store::Store;

/// When to colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum)]
pub enum Color {
    /// On a terminal, unless `NO_COLOR` is set.
    #[default]
    Auto,
    /// Always, in pipes and files too.
    Always,
    /// Never.
    Never,
}

/// The surroundings of a command.
pub struct Context {
    /// Home, current directory, variables.
    pub env: Env,
    /// The store.
    pub store: Store,
    /// Now.
    pub now: DateTime<Utc>,
    /// JSON was asked for.
    pub json: bool,
    /// Where output goes.
    pub out: Out,
}

impl Context {
    /// The context of this process.
    pub fn of_process(json: bool, color: Color) -> Self {
        let vars: std::collections::BTreeMap<String, String> =
            std::env::vars_os().filter_map(|(k, v)| Some((k.into_string().ok()?, v.into_string().ok()?))).collect();
        let home = dirs::home_dir().unwrap_or_default();
        let cwd = std::env::current_dir().unwrap_or_default();
        let env = Env { home, cwd, vars };
        let store = Store::new(store_root(&env));
        let out = Out::of_process(&env, color);
        Self { env, store, now: Utc::now(), json, out }
    }
}

/// The store's folder: `CAUSETRACE_HOME`, else `~/.causetrace`.
pub fn store_root(env: &Env) -> std::path::PathBuf {
    env.dir("CAUSETRACE_HOME", ".causetrace")
}

/// Standard output, kept until the end so that a pager can take it, and notes on standard error.
pub struct Out {
    /// What the output can show.
    pub term: Term,
    terminal: bool,
    height: usize,
    pager: Option<String>,
    buffer: String,
    closed: bool,
}

impl Out {
    fn of_process(env: &Env, color: Color) -> Self {
        let terminal = io::stdout().is_terminal();
        let size = terminal_size::terminal_size().filter(|_| terminal);
        let columns = env.var("COLUMNS").and_then(|c| c.parse().ok()).filter(|c: &usize| *c > 0);
        let width = size.map(|(w, _)| usize::from(w.0)).or(columns).unwrap_or(100).clamp(20, 1000);
        let color = match color {
            Color::Always => true,
            Color::Never => false,
            Color::Auto => terminal && env.var("NO_COLOR").is_none() && env.var("TERM") != Some("dumb"),
        };
        let locale = ["LC_ALL", "LC_CTYPE", "LANG"].iter().find_map(|v| env.var(v));
        let unicode = locale.is_none_or(|l| {
            let l = l.to_ascii_lowercase();
            l.contains("utf-8") || l.contains("utf8")
        });
        let pager = env.var("PAGER").unwrap_or("less -FRX").to_owned();
        Self {
            term: Term { width, color, unicode },
            terminal,
            height: size.map_or(usize::MAX, |(_, h)| usize::from(h.0)),
            pager: Some(pager).filter(|p| terminal && !p.trim().is_empty() && p != "cat"),
            buffer: String::new(),
            closed: false,
        }
    }

    /// Whether standard output is a terminal.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Whether nobody reads any more (a closed pipe).
    pub fn is_closed(&self) -> bool {
        self.closed
    }

    /// Writes a line.
    pub fn line(&mut self, text: impl AsRef<str>) {
        self.buffer.push_str(text.as_ref());
        self.buffer.push('\n');
    }

    /// Writes text as it is.
    pub fn text(&mut self, text: &str) {
        self.buffer.push_str(text);
    }

    /// Writes a value as indented JSON.
    ///
    /// # Errors
    /// It cannot be serialised.
    pub fn json(&mut self, value: &impl serde::Serialize) -> anyhow::Result<()> {
        self.buffer.push_str(&text::json(serde_json::to_string_pretty(value)?));
        self.buffer.push('\n');
        Ok(())
    }

    /// Says something beside the answer, on standard error.
    pub fn note(&self, text: &str) {
        let text = text::name(text);
        let text = self.term.fit(format!("{} {text}\n", self.term.paint(Tone::Dim, "note:")));
        // nobody to tell if standard error is closed
        io::stderr().write_all(text.as_bytes()).ok();
    }

    /// Shows what was written so far at once, without a pager: for output that goes on.
    ///
    /// # Errors
    /// Standard output cannot be written; a closed pipe is no error.
    pub fn flush(&mut self) -> io::Result<()> {
        let text = std::mem::take(&mut self.buffer);
        let text = self.term.fit(text);
        let mut stdout = io::stdout().lock();
        self.broken(stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()))
    }

    /// Shows the rest, in a pager where it is longer than the terminal.
    ///
    /// # Errors
    /// Standard output cannot be written; a closed pipe is no error.
    pub fn finish(&mut self) -> io::Result<()> {
        let long = self.buffer.lines().count() + 1 > self.height;
        match self.pager.take().filter(|_| long) {
            Some(pager) => {
                let text = self.term.fit(std::mem::take(&mut self.buffer));
                if !page(&pager, &text) {
                    self.buffer = text;
                    return self.flush();
                }
                Ok(())
            }
            None => self.flush(),
        }
    }

    fn broken(&mut self, result: io::Result<()>) -> io::Result<()> {
        match result {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.closed = true;
                Ok(())
            }
            other => other,
        }
    }
}

/// Shows a text in the pager; false where it could not be started.
fn page(pager: &str, text: &str) -> bool {
    let mut words = pager.split_whitespace();
    let Some(program) = words.next() else { return false };
    let child = Command::new(program).args(words).stdin(Stdio::piped()).spawn();
    let Ok(mut child) = child else { return false };
    if let Some(mut stdin) = child.stdin.take() {
        // the user may leave the pager before the end
        stdin.write_all(text.as_bytes()).ok();
    }
    child.wait().is_ok()
}
