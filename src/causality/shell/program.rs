//! What one simple command reads, searches, lists, writes and checks, by its program and arguments.

use super::super::files::{base, clean, is_file};
use super::check::{category, is_tool_question};
use super::script;
use super::split::{Heredoc, Simple};
use super::{Category, Check, Kind, Shell, Written};

/// Stand before the command that counts.
const WRAPPERS: &[&str] = &[
    "env",
    "sudo",
    "time",
    "timeout",
    "nice",
    "nohup",
    "command",
    "exec",
    "xargs",
    "then",
    "do",
    "if",
    "!",
    "{",
    "(",
    "else",
    "stdbuf",
    "caffeinate",
];
/// Print what a file holds, or facts about it.
const READERS: &[&str] = &[
    "cat",
    "head",
    "tail",
    "nl",
    "less",
    "more",
    "bat",
    "batcat",
    "wc",
    "jq",
    "yq",
    "xxd",
    "od",
    "file",
    "stat",
    "strings",
    "diff",
    "cmp",
    "type",
    "get-content",
    "gc",
    "select-object",
    "tac",
    "column",
    "sed",
    "awk",
];
/// List names.
const LISTERS: &[&str] =
    &["ls", "find", "fd", "tree", "which", "command", "dir", "get-childitem", "gci", "where", "eza", "exa"];
/// Look for a pattern.
const SEARCHERS: &[&str] =
    &["rg", "grep", "egrep", "fgrep", "ag", "ack", "git-grep", "select-string", "findstr", "zgrep"];
const SEARCH_FLAGS_WITH_VALUE: &[&str] = &[
    "-g",
    "--glob",
    "-t",
    "--type",
    "-A",
    "-B",
    "-C",
    "-m",
    "--include",
    "--exclude",
    "--exclude-dir",
    "-T",
    "--iglob",
    "--max-count",
    "--context",
    "-d",
    "--max-depth",
];
/// Git subcommands that only look.
const GIT_LOOKS: &[&str] = &[
    "diff",
    "status",
    "log",
    "show",
    "blame",
    "rev-parse",
    "branch",
    "remote",
    "check-ignore",
    "ls-files",
    "config",
    "describe",
    "merge-base",
    "rev-list",
    "cat-file",
    "ls-tree",
    "shortlog",
    "reflog",
    "for-each-ref",
    "symbolic-ref",
    "var",
    "stash-list",
];
/// Move, remove and make files.
const FILE_OPS: &[&str] = &[
    "rm",
    "mkdir",
    "touch",
    "cp",
    "mv",
    "chmod",
    "ln",
    "rmdir",
    "remove-item",
    "copy-item",
    "move-item",
    "rename-item",
    "new-item",
    "del",
    "copy",
    "xcopy",
    "robocopy",
    "move",
    "ren",
    "md",
    "rd",
];
/// Say nothing about why a line was run.
const MISC: &[&str] = &[
    "echo",
    "printf",
    "true",
    "set",
    "export",
    "pwd",
    "sleep",
    "wait",
    "sort",
    "uniq",
    "tr",
    "cut",
    "kill",
    "source",
    ".",
    "[",
    "[[",
    "test",
    "test-path",
    "function",
    "fi",
    "done",
    "for",
    "while",
    "do",
    "then",
    "else",
    "unset",
    "ulimit",
    "date",
    "}",
    ")",
    "write-output",
    "write-host",
    "false",
    "exit",
    "return",
];

/// Run programs that may stand in the command line itself.
const INTERPRETERS: &[&str] = &["python", "python2", "python3", "node", "deno", "bun", "ruby", "perl", "php", "tsx"];

/// Reads the simple commands of a line one after the other.
#[derive(Default)]
pub(super) struct Reader {
    pub shell: Shell,
    pub kinds: Vec<Kind>,
    norm: Vec<String>,
    last_read: Option<usize>,
}

/// The words of a simple command, sorted.
struct Args<'a> {
    all: &'a [String],
    flags: Vec<&'a str>,
    plain: Vec<&'a str>,
}

impl Reader {
    pub(super) fn finish(mut self) -> (Shell, Vec<Kind>) {
        self.shell.norm = self.norm.join(" && ");
        (self.shell, self.kinds)
    }

    pub(super) fn command(&mut self, simple: Simple, docs: &[Heredoc]) {
        let (mut words, written) = redirections(&mut self.shell, simple.words);
        strip_wrappers(&mut words);
        let Some((program, all)) = words.split_first() else { return };
        for path in written {
            let text = body_for(docs, &path);
            self.write(&path, text);
            self.kinds.push(Kind::Write);
        }
        let program = base(program).to_ascii_lowercase();
        let p = program.trim_end_matches(".exe");
        let cmdlet = is_cmdlet(p);
        let (flags, plain) = if cmdlet {
            cmdlet_args(all)
        } else {
            let cmd = matches!(p, "findstr" | "dir" | "del" | "copy" | "xcopy" | "move" | "tree" | "where");
            let flag = |a: &&String| a.starts_with('-') || cmd && a.starts_with('/') && a.len() <= 3;
            (
                all.iter().filter(flag).map(String::as_str).collect(),
                all.iter().filter(|a| !flag(a)).map(String::as_str).collect(),
            )
        };
        let args = Args { all, flags, plain };
        let line = words.join(" ");
        let known = self.moves_about(p, &args)
            || self.edits(p, &args, &line, docs)
            || self.runs_inline(p, &args, &line, docs)
            || self.sed(p, &args, &line, simple.piped)
            || self.reads(p, &args, &line, simple.piped)
            || self.searches(p, &args, &line, simple.piped)
            || self.git(p, &args, &line);
        if !known {
            self.other(p, &args, &line);
        }
    }

    fn write(&mut self, path: &str, text: String) {
        self.shell.writes.push(Written { path: clean(path).to_owned(), text, before: String::new() });
    }

    fn done(&mut self, kind: Kind, line: &str) -> bool {
        self.kinds.push(kind);
        self.norm.push(line.to_owned());
        true
    }

    fn moves_about(&mut self, p: &str, args: &Args<'_>) -> bool {
        if !matches!(p, "cd" | "pushd" | "set-location" | "chdir" | "sl") {
            return false;
        }
        if let Some(to) = args.plain.first() {
            self.shell.cwd = if to.starts_with(['/', '~']) {
                (*to).to_owned()
            } else {
                format!("{}/{to}", self.shell.cwd.trim_end_matches('/'))
            };
        }
        true
    }

    /// Commands that change files in place, or write what a pipe or a heredoc gives.
    fn edits(&mut self, p: &str, args: &Args<'_>, line: &str, docs: &[Heredoc]) -> bool {
        match p {
            "tee" | "set-content" | "out-file" | "add-content" => {
                // of a cmdlet the first is the file, the rest what is written
                let files = if p == "tee" { args.plain.len() } else { 1 };
                for path in args.plain.iter().take(files) {
                    let mut text = body_for(docs, path);
                    if text.is_empty() && p != "tee" {
                        text = args.plain.get(1..).unwrap_or_default().join("\n");
                    }
                    self.write(path, text);
                    self.kinds.push(Kind::Write);
                }
                true
            }
            "sed" if args.flags.iter().any(|f| f.starts_with("-i") || *f == "--in-place") => {
                let given = args.all.iter().position(|a| a == "-e").and_then(|i| args.all.get(i + 1));
                // of BSD's `sed -i '' …` the empty word is the ending of a backup
                let plain = args.plain.iter().copied().filter(|x| !x.is_empty());
                let script = given.map(String::as_str).or(plain.clone().next()).unwrap_or("");
                let (before, after) = substitution(script);
                let files = plain.filter(|x| *x != script);
                for path in files {
                    self.shell.writes.push(Written {
                        path: clean(path).to_owned(),
                        text: after.clone(),
                        before: before.clone(),
                    });
                }
                self.done(Kind::Edit, line)
            }
            "perl" | "ruby" if args.flags.iter().any(|f| f.starts_with("-") && f.contains('i') && f.contains('p')) => {
                let script = args.plain.first().copied().unwrap_or("");
                let (before, after) = substitution(script);
                for path in args.plain.iter().skip(1).filter(|x| is_file(x)) {
                    self.shell.writes.push(Written {
                        path: clean(path).to_owned(),
                        text: after.clone(),
                        before: before.clone(),
                    });
                }
                self.done(Kind::Edit, line)
            }
            _ => false,
        }
    }

    /// A program that stands in the line itself, or in a heredoc.
    fn runs_inline(&mut self, p: &str, args: &Args<'_>, line: &str, docs: &[Heredoc]) -> bool {
        if !INTERPRETERS.contains(&p) {
            return false;
        }
        // what stands behind the name of a script is the script's
        let own = args.all.iter().position(|a| !a.starts_with('-') && a != "eval").unwrap_or(args.all.len());
        let asks = |a: &String| match p {
            "python" | "python2" | "python3" => a == "-c",
            "php" => a == "-r",
            _ => matches!(a.as_str(), "-e" | "-p" | "-pe" | "-ne" | "--eval" | "eval"),
        };
        let flag = args.all.iter().take(own).position(asks);
        let given = flag.and_then(|i| args.all.get(i + 1)).map(String::as_str);
        let from_pipe = args.plain.is_empty() || args.plain == ["-"];
        let begins = |d: &&Heredoc| d.line.contains(p);
        let code = given.or_else(|| {
            let doc = docs.iter().find(begins).filter(|_| from_pipe || args.all.iter().any(|a| a == "-"))?;
            Some(doc.body.as_str())
        });
        let Some(code) = code else { return false };
        let effects = script::effects(code);
        for path in effects.reads {
            self.shell.reads.push((path, None, None));
        }
        let kind = if effects.writes.is_empty() { Kind::Run } else { Kind::Edit };
        self.shell.writes.extend(effects.writes);
        self.done(kind, line)
    }

    /// `sed -n 10,20p file`, and the same behind a pipe.
    fn sed(&mut self, p: &str, args: &Args<'_>, line: &str, piped: bool) -> bool {
        if p != "sed" {
            return false;
        }
        let range = args.plain.iter().find_map(|x| line_range(x));
        let files: Vec<&&str> = args.plain.iter().filter(|x| line_range(x).is_none() && looks_like_path(x)).collect();
        for f in &files {
            self.shell.reads.push((clean(f).to_owned(), range.map(|r| r.0), range.map(|r| r.1)));
            self.kinds.push(Kind::Read);
        }
        if !files.is_empty() {
            self.last_read = Some(self.shell.reads.len() - 1);
        } else if let (Some((from, to)), true) = (range, piped) {
            // `nl file | sed -n 10,20p`
            self.narrow(from, to);
        }
        self.norm.push(line.to_owned());
        true
    }

    /// The pipe behind a read lets only these lines through.
    fn narrow(&mut self, from: u64, to: u64) {
        if let Some(read) = self.last_read.and_then(|at| self.shell.reads.get_mut(at)) {
            (read.1, read.2) = (Some(from), Some(to));
        }
    }

    fn reads(&mut self, p: &str, args: &Args<'_>, line: &str, piped: bool) -> bool {
        let awk = p == "awk" && args.plain.iter().skip(1).any(|x| looks_like_path(x)) && !piped;
        if !READERS.contains(&p) || p == "awk" && !awk {
            return false;
        }
        let any_name = matches!(p, "cat" | "nl" | "bat" | "diff" | "type" | "get-content" | "gc");
        let number = |x: &str| !x.is_empty() && x.bytes().all(|b| b.is_ascii_digit());
        let names = args.plain.iter().skip(usize::from(matches!(p, "jq" | "yq" | "awk")));
        let files: Vec<&str> = names.copied().filter(|x| looks_like_path(x) || any_name && !number(x)).collect();
        let value = |names: &[&str]| {
            let at = args.all.iter().position(|a| names.iter().any(|n| a.eq_ignore_ascii_case(n)))?;
            args.all.get(at + 1)?.parse::<u64>().ok()
        };
        if piped && files.is_empty() {
            if let Some(n) = value(&["-First"]).filter(|_| p == "select-object") {
                let skipped = value(&["-Skip"]).unwrap_or(0);
                self.narrow(skipped + 1, skipped + n);
            }
            return true;
        }
        let short = args.flags.iter().find_map(|f| f.trim_start_matches(['-', 'n']).parse::<u64>().ok());
        let n = match p {
            "head" => short.or(value(&["-n", "--lines"])).or(Some(10)),
            "get-content" | "gc" => value(&["-TotalCount", "-First", "-Head"]),
            _ => None,
        };
        let from = match p {
            // `tail -n +20` begins there
            "tail" => args.all.iter().find_map(|a| a.trim_start_matches("-n").strip_prefix('+')?.parse::<u64>().ok()),
            _ => n.map(|_| 1),
        };
        for f in &files {
            for f in f.split(',').filter(|_| p.contains("content")).chain((!p.contains("content")).then_some(*f)) {
                self.shell.reads.push((clean(f).to_owned(), from, n));
            }
        }
        if !files.is_empty() {
            self.last_read = Some(self.shell.reads.len() - 1);
        }
        self.done(Kind::Read, line)
    }

    fn searches(&mut self, p: &str, args: &Args<'_>, line: &str, piped: bool) -> bool {
        let place = || args.plain.first().map(|x| clean(x).to_owned()).unwrap_or_default();
        if LISTERS.contains(&p) {
            self.shell.searches.push((args.all.join(" "), place()));
            return self.done(Kind::List, line);
        }
        let git_grep = p == "git" && args.plain.first() == Some(&"grep");
        if !SEARCHERS.contains(&p) && !git_grep {
            return false;
        }
        if piped {
            return true;
        }
        if args.flags.contains(&"--files") {
            self.shell.searches.push((String::new(), place()));
            return self.done(Kind::List, line);
        }
        let (pattern, places) = if is_cmdlet(p) || p == "findstr" {
            let mut plain = args.plain.iter().map(|x| (*x).to_owned());
            let mut pattern = plain.next().unwrap_or_default();
            if let Some(text) = args.flags.iter().find_map(|f| f.strip_prefix("/c:").or(f.strip_prefix("/C:"))) {
                pattern = text.to_owned();
            }
            (pattern, plain.flat_map(|x| x.split(',').map(str::to_owned).collect::<Vec<_>>()).collect())
        } else {
            pattern_and_places(&args.all[usize::from(git_grep)..])
        };
        if places.is_empty() {
            self.shell.searches.push((pattern.clone(), String::new()));
        }
        for place in places {
            self.shell.searches.push((pattern.clone(), clean(&place).to_owned()));
        }
        self.done(Kind::Search, line)
    }

    fn git(&mut self, p: &str, args: &Args<'_>, line: &str) -> bool {
        if p != "git" {
            return false;
        }
        let sub = match git_subcommand(args.all) {
            "stash" if args.plain.iter().any(|x| matches!(*x, "list" | "show")) => "stash-list",
            other => other,
        };
        self.shell.git.push(sub.to_owned());
        self.done(if GIT_LOOKS.contains(&sub) { Kind::Inspect } else { Kind::Vcs }, line)
    }

    fn other(&mut self, p: &str, args: &Args<'_>, line: &str) {
        if matches!(
            p,
            "gh" | "hub" | "glab" | "curl" | "wget" | "invoke-webrequest" | "invoke-restmethod" | "iwr" | "irm"
        ) {
            self.done(Kind::Fetch, line);
        } else if FILE_OPS.contains(&p) {
            if matches!(p, "cp" | "mv" | "copy-item" | "move-item" | "copy" | "move")
                && let Some(to) = args.plain.last()
            {
                self.write(to, String::new());
            }
            self.done(Kind::FileOp, line);
        } else if MISC.contains(&p) || p == "awk" {
            self.kinds.push(Kind::Misc);
        } else if args.flags.iter().any(|f| matches!(*f, "--help" | "-h" | "--version")) || is_tool_question(line) {
            self.done(Kind::Inspect, line);
        } else if let Some(category) = category(line) {
            self.check(category, args, line);
        } else {
            self.done(Kind::Run, line);
        }
    }

    fn check(&mut self, category: Category, args: &Args<'_>, line: &str) {
        let targets = args.plain.iter().filter(|x| x.contains('/') || looks_like_path(x));
        let targets = targets.map(|x| clean(x).trim_end_matches(['.', '/']).to_owned()).filter(|t| !t.is_empty());
        let narrow = ["-run", "-k", "-t", "--test", "-p", "--package", "--filter", "--grep", "-g"];
        let filtered = args.all.iter().any(|a| narrow.iter().any(|n| a.starts_with(n)) && !a.starts_with("-timeout"));
        self.shell.checks.push(Check { category, command: line.to_owned(), filtered, targets: targets.collect() });
        let kind = match category {
            Category::Test => Kind::Test,
            Category::Lint => Kind::Lint,
            Category::Format => Kind::Format,
            Category::Build => Kind::Build,
        };
        self.done(kind, line);
    }
}

/// The heredoc that goes into a file.
fn body_for(docs: &[Heredoc], name: &str) -> String {
    docs.iter().find(|d| d.line.contains(name)).map(|d| d.body.clone()).unwrap_or_default()
}

/// Commands of PowerShell: `Verb-Noun`, and their short names.
fn is_cmdlet(p: &str) -> bool {
    let verb = p.split_once('-').map(|x| x.0);
    matches!(p, "gc" | "gci" | "iwr" | "irm" | "sls" | "sl")
        || verb.is_some_and(|v| {
            matches!(
                v,
                "get"
                    | "set"
                    | "select"
                    | "add"
                    | "out"
                    | "remove"
                    | "copy"
                    | "move"
                    | "new"
                    | "rename"
                    | "test"
                    | "invoke"
                    | "write"
            )
        })
}

/// The parameters of a cmdlet: switches, and what is given to those that name files or patterns; other values count not.
fn cmdlet_args(all: &[String]) -> (Vec<&str>, Vec<&str>) {
    const NAMES: &[&str] =
        &["-path", "-literalpath", "-pattern", "-filepath", "-destination", "-value", "-uri", "-inputobject"];
    const VALUES: &[&str] = &[
        "-filter",
        "-include",
        "-exclude",
        "-totalcount",
        "-first",
        "-last",
        "-skip",
        "-head",
        "-tail",
        "-encoding",
        "-context",
        "-depth",
        "-itemtype",
        "-method",
        "-property",
        "-name",
        "-newname",
        "-erroraction",
    ];
    let (mut flags, mut first, mut plain) = (Vec::new(), Vec::new(), Vec::new());
    let mut words = all.iter().map(String::as_str);
    while let Some(w) = words.next() {
        let lower = w.to_ascii_lowercase();
        if lower == "-pattern" {
            first.extend(words.next());
        } else if NAMES.contains(&lower.as_str()) {
            plain.extend(words.next());
        } else if VALUES.contains(&lower.as_str()) {
            flags.push(w);
            words.next();
        } else if w.starts_with('-') {
            flags.push(w);
        } else {
            plain.push(w);
        }
    }
    // the pattern goes before the places, wherever it stands
    first.extend(plain);
    (flags, first)
}

/// What `s/old/new/` puts in place of what.
fn substitution(script: &str) -> (String, String) {
    let Some(rest) = script.strip_prefix('s') else { return (String::new(), String::new()) };
    let Some(sign) = rest.chars().next().filter(|c| c.is_ascii_punctuation()) else {
        return (String::new(), String::new());
    };
    let mut parts = rest[1..].split(sign);
    let text = |part: Option<&str>| part.unwrap_or("").replace('\\', "");
    (text(parts.next()), text(parts.next()))
}

/// Takes redirections out of the words: the files written; those read go to `s`.
fn redirections(s: &mut Shell, words: Vec<String>) -> (Vec<String>, Vec<String>) {
    let (mut rest, mut written) = (Vec::new(), Vec::new());
    let mut all = words.into_iter();
    while let Some(w) = all.next() {
        match w.as_str() {
            ">" | ">>" => {
                if let Some(path) = all.next().filter(|p| p != "/dev/null" && !p.starts_with('&')) {
                    written.push(path);
                }
            }
            "<" => {
                if let Some(path) = all.next() {
                    s.reads.push((clean(&path).to_owned(), None, None));
                }
            }
            "<<" | "<<-" | "<<<" => {
                all.next();
            }
            _ => rest.push(w),
        }
    }
    (rest, written)
}

fn strip_wrappers(words: &mut Vec<String>) {
    let mut skip = 0;
    while let Some(w) = words.get(skip) {
        let assignment = w.split_once('=').is_some_and(|(n, _)| {
            n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !n.starts_with(|c: char| c.is_ascii_digit())
                && !n.is_empty()
        });
        if assignment {
            skip += 1;
        } else if WRAPPERS.contains(&w.as_str()) && words.len() > skip + 1 {
            // `command -v x` asks for a program
            if w == "command" && words.get(skip + 1).is_some_and(|n| n.starts_with('-')) {
                break;
            }
            let takes_number = matches!(w.as_str(), "timeout" | "nice" | "stdbuf");
            skip += 1;
            while words
                .get(skip)
                .is_some_and(|n| takes_number && n.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
            {
                skip += 1;
            }
        } else {
            break;
        }
    }
    words.drain(..skip);
}

/// `10,20p` and `10p`.
fn line_range(word: &str) -> Option<(u64, u64)> {
    let body = word.split('p').next()?;
    if !word.ends_with('p') || word.starts_with("s/") {
        return None;
    }
    match body.split_once(',') {
        Some((a, b)) => {
            let from = a.parse().ok()?;
            Some((from, if b == "$" { u64::MAX } else { b.parse().ok()? }))
        }
        None => body.parse().ok().map(|n| (n, n)),
    }
}

fn looks_like_path(word: &str) -> bool {
    !word.is_empty()
        && !word.starts_with('-')
        && word.len() < 300
        && !word.contains(|c: char| c.is_whitespace() || "|(){}$\\^".contains(c))
        && !word.starts_with("s/")
        && (word.contains('/') || is_file(word))
}

fn pattern_and_places(args: &[String]) -> (String, Vec<String>) {
    let mut plain = Vec::new();
    let mut pattern = None;
    let mut all = args.iter();
    while let Some(a) = all.next() {
        if a == "-e" || a == "--regexp" || a == "-Pattern" {
            pattern = pattern.or(all.next().cloned());
        } else if SEARCH_FLAGS_WITH_VALUE.contains(&a.as_str()) {
            all.next();
        } else if !a.starts_with('-') {
            plain.push(a.clone());
        }
    }
    match pattern {
        Some(p) => (p, plain),
        None if plain.is_empty() => (String::new(), plain),
        None => (plain.remove(0), plain),
    }
}

/// The subcommand behind git's own options (`-C dir`, `-c key=value`).
fn git_subcommand(args: &[String]) -> &str {
    let mut all = args.iter();
    while let Some(a) = all.next() {
        if matches!(a.as_str(), "-C" | "-c" | "--git-dir" | "--work-tree") {
            all.next();
        } else if !a.starts_with('-') && !a.starts_with('/') {
            return a;
        }
    }
    ""
}
