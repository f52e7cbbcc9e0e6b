//! What one call does, as far as its input tells, and how it went, as its output tells: all that the rules ask of it.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::bytes::Regex;
use serde_json::Value;

use super::files::{clean, is_file, is_scratch};
use super::shell::{self, Category, Check, Kind as ShellKind};
use super::tokens::{end, is_telling, scan, start, telling_lines, without_paths};
use crate::action::{Action, Change};
use crate::event::{Event, Status};
use crate::patch::parse_apply_patch;

/// Kind of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Kind {
    Shell(ShellKind),
    Read,
    Search,
    List,
    Edit,
    Poll,
    Todo,
    Ask,
    Spawn,
    Skill,
    Fetch,
    #[default]
    Other,
}

/// Which rules apply.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Group {
    Edit,
    Check,
    #[default]
    Explore,
}

/// Change of one file.
#[derive(Clone, Debug, Default)]
pub(super) struct Edit {
    pub path: String,
    /// Telling lines that stood there before: removed ones and context.
    pub removed: Vec<String>,
    /// Telling lines that are new.
    pub added: Vec<String>,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Act {
    pub kind: Kind,
    pub group: Group,
    /// File, first and last line.
    pub reads: Vec<(String, Option<u64>, Option<u64>)>,
    /// Pattern and place.
    pub searches: Vec<(String, String)>,
    pub edits: Vec<Edit>,
    pub checks: Vec<Check>,
    pub git: Vec<String>,
    /// Every path that the input names.
    pub paths: Vec<String>,
    /// Ids of what it polls.
    pub poll: Vec<String>,
    /// The text whose words need an explanation.
    pub need: String,
    /// The same without its paths.
    pub bare: String,
    /// New text of edits.
    pub new: String,
    pub cwd: String,
    /// The call without decoration, to find the same call again.
    pub norm: String,
    pub failed: bool,
    pub empty: bool,
    /// All files it changes are thrown away.
    pub scratch: bool,
}

static FAILURE: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let p = r#"(?m-u)^(?:Exit code [1-9]|Process exited with code [1-9]\d*|.*"exit_code":\s*[1-9]|--- FAIL|FAIL\b|\s*error(\[\w+\])?:|Error:|fatal:|Traceback \(most|<tool_use_error>|.*: command not found|.*No such file or directory|npm ERR|.*\bERR!|FAILED\b)"#;
    Regex::new(p).ok()
});

impl Act {
    /// Reads a call.
    pub(super) fn of(event: &Event, action: &Action) -> Self {
        let mut a = Self::default();
        let none = Value::Null;
        let input = event.tool_input.as_ref().unwrap_or(&none);
        match action {
            Action::Run { command, cwd } => a.run(command, cwd.as_deref(), event),
            Action::Read { path, lines } => {
                let (from, to) = lines.map_or((None, None), |(f, t)| (Some(f), Some(t).filter(|t| *t != u64::MAX)));
                a.kind = Kind::Read;
                a.reads.push((clean(path).to_owned(), from, to));
                a.need.clone_from(path);
            }
            Action::Search { pattern, path } => {
                a.kind = Kind::Search;
                a.searches.push((pattern.clone(), path.as_deref().map(clean).unwrap_or("").to_owned()));
                a.need = format!("{pattern} {}", path.as_deref().unwrap_or(""));
            }
            Action::List { path, pattern } => {
                a.kind = Kind::List;
                let pattern = pattern.as_deref().unwrap_or("");
                a.searches.push((pattern.to_owned(), path.as_deref().map(clean).unwrap_or("").to_owned()));
                a.need = format!("{pattern} {}", path.as_deref().unwrap_or(""));
            }
            Action::Edit(files) => {
                a.kind = Kind::Edit;
                a.change(files);
            }
            Action::Poll { ids } => {
                a.kind = Kind::Poll;
                a.poll.clone_from(ids);
                a.need = ids.join(" ");
            }
            Action::Plan => {
                a.kind = Kind::Todo;
                a.need = event.input_text().into_owned();
            }
            Action::Ask => {
                a.kind = Kind::Ask;
                a.need = event.input_text().into_owned();
            }
            Action::Spawn { prompt } => {
                a.kind = Kind::Spawn;
                a.need.clone_from(prompt);
            }
            Action::Skill { name } => {
                a.kind = Kind::Skill;
                a.need.clone_from(name);
            }
            Action::Fetch { target } => {
                a.kind = Kind::Fetch;
                a.need.clone_from(target);
            }
            Action::Other => a.need = strings(input),
        }
        if a.norm.is_empty() {
            let text = input.to_string();
            a.norm = format!("{} {}", event.tool_name.as_deref().unwrap_or(""), start(&text, 2000));
        }
        a.bare = without_paths(&a.need);
        a.find_paths();
        a.outcome(event);
        let thrown_away = !a.checks.is_empty()
            && a.kind == Kind::Shell(ShellKind::Build)
            && (a.edits.iter().any(|e| is_scratch(&e.path, &a.cwd)) || a.need.contains("/dev/stdin"));
        a.group = match a.kind {
            Kind::Edit | Kind::Shell(ShellKind::Edit | ShellKind::Write) => Group::Edit,
            _ if !a.checks.is_empty() && !thrown_away => Group::Check,
            _ => Group::Explore,
        };
        a.scratch = a.edits.iter().all(|e| is_scratch(&e.path, &a.cwd));
        a
    }

    fn run(&mut self, command: &str, cwd: Option<&str>, event: &Event) {
        if command.contains("*** Begin Patch") && command.contains("apply_patch") {
            self.kind = Kind::Edit;
            self.change(&parse_apply_patch(command));
            return;
        }
        let s = shell::read(command);
        self.kind = Kind::Shell(s.kind);
        for w in &s.writes {
            self.new.push_str(&w.text);
            self.new.push('\n');
            let removed = telling_lines(&w.before).map(str::to_owned).collect();
            self.edits.push(Edit { path: w.path.clone(), removed, added: shell::written_lines(w) });
        }
        self.new.push_str(&s.loose);
        self.reads = s.reads;
        self.searches = s.searches;
        self.checks = s.checks;
        self.git = s.git;
        self.norm = s.norm;
        self.need = s.bare;
        // the folder that the call itself names; the session's own says nothing
        let own =
            event.tool_input.as_ref().and_then(|i| i.get("workdir").or_else(|| i.get("cwd"))).and_then(Value::as_str);
        let begun = own.or(cwd).unwrap_or("");
        self.cwd = if s.cwd.starts_with(['/', '~']) { s.cwd } else { format!("{begun}{}", s.cwd) };
        if !self.git.is_empty() && is_scratch("x", &self.cwd) {
            // a repository made to try something out
            self.git.clear();
            if matches!(self.kind, Kind::Shell(ShellKind::Vcs | ShellKind::Inspect | ShellKind::FileOp)) {
                self.kind = Kind::Shell(ShellKind::Run);
            }
        }
    }

    fn change(&mut self, files: &[crate::action::FileEdit]) {
        for f in files {
            for h in f.hunks.iter().filter(|_| f.change != Change::Delete) {
                let removed: Vec<String> = telling_lines(&h.before).map(str::to_owned).collect();
                let kept: BTreeSet<&str> = h.before.lines().map(str::trim).collect();
                let fresh: Vec<&str> = h.after.lines().filter(|l| !kept.contains(l.trim())).collect();
                for l in &fresh {
                    self.new.push_str(l);
                    self.new.push('\n');
                }
                let added = fresh.iter().map(|l| l.trim()).filter(|l| is_telling(l)).map(str::to_owned).collect();
                match self.edits.iter_mut().find(|e| e.path == clean(&f.path)) {
                    Some(e) => {
                        e.removed.extend(removed);
                        e.added.extend::<Vec<String>>(added);
                    }
                    None => self.edits.push(Edit { path: clean(&f.path).to_owned(), removed, added }),
                }
            }
            if f.hunks.is_empty() || f.change == Change::Delete {
                self.edits.push(Edit { path: clean(&f.path).to_owned(), ..Edit::default() });
            }
            self.need.push_str(&f.path);
            self.need.push(' ');
            if let Some(to) = &f.moved_to {
                self.paths.push(clean(to).to_owned());
            }
        }
    }

    fn find_paths(&mut self) {
        let mut all: Vec<String> = std::mem::take(&mut self.paths);
        all.extend(self.reads.iter().map(|r| r.0.clone()));
        all.extend(self.searches.iter().map(|s| s.1.clone()).filter(|p| p != "."));
        all.extend(self.edits.iter().map(|e| e.path.clone()));
        let need = start(&self.need, 20_000);
        scan(need, |w| {
            if w.path && (w.text.contains('/') || is_file(w.text)) {
                all.push(w.text.to_owned());
            }
        });
        let mut seen = BTreeSet::new();
        // the bare name that stands for a path named in full says nothing more
        all.retain(|p| p.len() > 2 && !p.starts_with("/dev/") && p.len() < 400 && seen.insert(p.clone()));
        let full: Vec<String> = all.iter().filter(|p| p.contains('/')).cloned().collect();
        all.retain(|p| {
            p.contains('/') || !full.iter().any(|f| f.ends_with(p.as_str()) && f[..f.len() - p.len()].ends_with('/'))
        });
        all.truncate(64);
        self.paths = all;
    }

    fn outcome(&mut self, event: &Event) {
        let output = event.output_text();
        let text = body(&output);
        let error = matches!(event.status, Some(Status::Error | Status::Denied | Status::Interrupted))
            || event.exit_code.is_some_and(|c| c != 0);
        let head = start(&output, 600);
        let fails = |t: &str| FAILURE.as_ref().is_some_and(|r| r.is_match(t.as_bytes()));
        let tells_at_its_end = matches!(
            self.kind,
            Kind::Poll
                | Kind::Shell(
                    ShellKind::Test | ShellKind::Lint | ShellKind::Build | ShellKind::Format | ShellKind::Run
                )
        );
        self.failed = if self.looks() || self.kind == Kind::Fetch {
            // the text of a file that is read may speak of errors
            let says = [
                "No such file or directory",
                "does not exist",
                "Process exited with code 1",
                "Process exited with code 2",
            ];
            error && !(self.kind != Kind::Read && text.trim().is_empty())
                || text.len() < 600 && says.iter().any(|s| start(&output, 500).contains(s))
        } else {
            error || fails(head) || tells_at_its_end && fails(end(text, 3000))
        };
        let short = text.trim();
        self.empty = short.len() < 300
            && (short.is_empty()
                || short == "[]"
                || ["No matches found", "No files found", "(Bash completed with no output)", "Found 0 "]
                    .iter()
                    .any(|e| short.starts_with(e)));
    }

    /// Reads, searches or lists and does nothing else.
    pub(super) fn looks(&self) -> bool {
        self.is_read() || self.is_search() || self.is_list()
    }

    pub(super) fn is_read(&self) -> bool {
        matches!(self.kind, Kind::Read | Kind::Shell(ShellKind::Read))
    }

    pub(super) fn is_search(&self) -> bool {
        matches!(self.kind, Kind::Search | Kind::Shell(ShellKind::Search))
    }

    pub(super) fn is_list(&self) -> bool {
        matches!(self.kind, Kind::List | Kind::Shell(ShellKind::List))
    }

    pub(super) fn is_inspect(&self) -> bool {
        self.kind == Kind::Shell(ShellKind::Inspect)
    }

    pub(super) fn is_shell(&self, kinds: &[ShellKind]) -> bool {
        matches!(self.kind, Kind::Shell(k) if kinds.contains(&k))
    }

    /// Whether two calls are of one kind, whatever tool did it.
    pub(super) fn same_kind(&self, other: &Act) -> bool {
        self.kind == other.kind
            || self.is_read() && other.is_read()
            || self.is_search() && other.is_search()
            || self.is_list() && other.is_list()
    }

    /// The categories of its checks.
    pub(super) fn categories(&self) -> BTreeSet<Category> {
        self.checks.iter().map(|c| c.category).collect()
    }
}

/// An output without the header that Codex puts before it.
pub(super) fn body(output: &str) -> &str {
    match start(output, 400).find("\nOutput:\n") {
        Some(at) => &output[at + 9..],
        None => output,
    }
}

/// All strings of a value, a line each.
fn strings(v: &Value) -> String {
    let mut out = String::new();
    let mut todo = vec![v];
    while let Some(v) = todo.pop() {
        let text: Cow<'_, str> = match v {
            Value::String(s) => s.as_str().into(),
            Value::Number(n) => n.to_string().into(),
            Value::Array(items) => {
                todo.extend(items.iter().rev());
                continue;
            }
            Value::Object(map) => {
                todo.extend(map.values().rev());
                continue;
            }
            _ => continue,
        };
        out.push_str(&text);
        out.push('\n');
    }
    out
}
