//! What a shell command reads, searches, writes and checks.

mod check;
mod program;
mod script;
mod split;
mod written;

use self::program::Reader;
pub use self::written::written;
use super::tokens::telling_lines;

/// A kind of check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Category {
    Test,
    Lint,
    Format,
    Build,
}

/// What a simple command of the line is for, the most telling first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Kind {
    Test,
    Lint,
    Format,
    Build,
    Edit,
    Write,
    Vcs,
    Run,
    Fetch,
    FileOp,
    Inspect,
    Read,
    Search,
    List,
    Misc,
    #[default]
    Other,
}

/// A test, lint, format or build command.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Check {
    pub category: Category,
    /// The command, its words joined.
    pub command: String,
    /// It is narrowed by a filter.
    pub filtered: bool,
    /// Files and folders that it names.
    pub targets: Vec<String>,
}

/// A file that a command writes.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Written {
    pub path: String,
    /// The new text, where the command line holds it: a heredoc, the second half of a replacement.
    pub text: String,
    /// What it replaces, where the command line says so.
    pub before: String,
}

/// A command line, understood.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Shell {
    pub kind: Kind,
    /// File, first and last line (none: from the beginning, to the end).
    pub reads: Vec<(String, Option<u64>, Option<u64>)>,
    /// Pattern and place.
    pub searches: Vec<(String, String)>,
    pub writes: Vec<Written>,
    pub checks: Vec<Check>,
    /// Git subcommands.
    pub git: Vec<String>,
    /// Where the command ends up by its `cd`s, relative to where it began.
    pub cwd: String,
    /// The simple commands without decoration.
    pub norm: String,
    /// The line without its heredoc bodies.
    pub bare: String,
    /// Bodies of heredocs that are written to no file.
    pub loose: String,
}

/// Git subcommands that change something.
pub(super) const GIT_CHANGES: &[&str] = &[
    "add",
    "commit",
    "stash",
    "push",
    "pull",
    "checkout",
    "switch",
    "merge",
    "rebase",
    "reset",
    "restore",
    "cherry-pick",
    "revert",
    "mv",
    "rm",
    "apply",
    "am",
    "tag",
];

/// Reads a command line.
pub(super) fn read(line: &str) -> Shell {
    let script = split::unwrapped(line);
    let (text, docs) = split::heredocs(&script);
    let mut reader = Reader::default();
    for simple in split::split(&text) {
        reader.command(simple, &docs);
    }
    let (mut s, kinds) = reader.finish();
    for d in &docs {
        if !s.writes.iter().any(|w| w.text == d.body) {
            s.loose.push_str(&d.body);
            s.loose.push('\n');
        }
    }
    s.kind = kinds.iter().min().copied().unwrap_or(Kind::Other);
    if s.kind == Kind::Write && s.writes.iter().all(|w| w.text.is_empty()) {
        // output sent to a file: what made it is the point
        s.kind = kinds.iter().copied().filter(|k| *k != Kind::Write).min().unwrap_or(Kind::Write);
    }
    s.bare = if docs.is_empty() { script } else { text };
    s
}

/// The telling lines that a command writes into a file.
pub(super) fn written_lines(w: &Written) -> Vec<String> {
    telling_lines(&w.text).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fmt::Write as _;

    fn outline(s: &Shell) -> String {
        let mut out = format!("{:?}\n", s.kind).to_lowercase();
        let mut line = |text: String| {
            let _ = writeln!(out, "  {}", text.replace('\n', "\\n"));
        };
        for (path, from, to) in &s.reads {
            let end = |n: &Option<u64>| {
                n.map_or_else(String::new, |n| if n == u64::MAX { "$".into() } else { n.to_string() })
            };
            let range =
                if from.is_some() || to.is_some() { format!(" {}-{}", end(from), end(to)) } else { String::new() };
            line(format!("reads {path}{range}"));
        }
        for (pattern, place) in &s.searches {
            line(format!("searches {pattern:?} in {place:?}"));
        }
        for w in &s.writes {
            line(format!("writes {} {:?} for {:?}", w.path, w.text, w.before));
        }
        for c in &s.checks {
            let filtered = if c.filtered { " filtered" } else { "" };
            line(format!("checks {:?}{filtered} {:?}", c.category, c.targets).to_lowercase());
        }
        if !s.git.is_empty() {
            line(format!("git {}", s.git.join(" ")));
        }
        if !s.cwd.is_empty() {
            line(format!("in {}", s.cwd));
        }
        out
    }

    /// `cases.txt`: a command (each of its lines behind `$ `), then what is understood of it. `UPDATE_EXPECT=1` writes it anew.
    #[test]
    fn what_agents_run_is_understood() {
        let text = include_str!("cases.txt");
        let mut now = String::new();
        for block in text.split("\n\n").filter(|b| !b.trim().is_empty()) {
            let lines: Vec<&str> = block.lines().filter_map(|l| l.strip_prefix("$ ")).collect();
            for l in &lines {
                let _ = writeln!(now, "$ {l}");
            }
            let _ = writeln!(now, "{}", outline(&read(&lines.join("\n"))));
        }
        expect_test::expect_file!["cases.txt"].assert_eq(&now);
    }

    #[test]
    fn junk_is_survived() {
        for c in [
            "",
            "'",
            "\"a",
            "<<",
            "<<EOF",
            "cat <<EOF",
            "| | |",
            "a\\",
            "$(",
            "sed -n",
            "git",
            "-",
            ">",
            "timeout",
            "é > ü",
        ] {
            read(c);
        }
    }
}
