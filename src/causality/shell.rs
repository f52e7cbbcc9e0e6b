//! What a shell command reads, searches, writes and checks.

use std::sync::LazyLock;

use regex::bytes::Regex;

use super::files::{base, clean, is_file};
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
    /// The text, where the command line holds it (a heredoc).
    pub text: String,
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

/// Words of one simple command, and whether a pipe feeds it.
#[derive(Debug, PartialEq)]
struct Simple {
    words: Vec<String>,
    piped: bool,
}

struct Heredoc {
    line: String,
    body: String,
}

static CHECKS: LazyLock<Vec<(Category, Regex)>> = LazyLock::new(|| {
    let all = [
        (
            Category::Test,
            r"\b(go test|cargo (nextest|test)|(npm|pnpm|yarn|bun)( run)? (test|t)\b|pytest|unittest|jest|vitest|mocha|rspec|phpunit|ctest|(mise( run)?|make|just|task|rake|tox|gradle\w*|\./gradlew|mvn)\b[^|;&]*\b(test|tests|check|e2e|verify)|dotnet test|swift test|deno test|nox|tox|playwright|Invoke-Pester)|(?:^|[/ ])tests?/\S*test\S*\.(py|js|ts|rb|sh|php)\b|(?:^|[/ ])test_\w+\.py\b",
        ),
        (
            Category::Lint,
            r"\b(golangci-lint|clippy|eslint|ruff( check)?|flake8|pylint|mypy|pyright|tsc|go vet|staticcheck|shellcheck|typecheck|lint|rubocop|biome|bun check|cargo deny|ktlint|swiftlint|goreleaser check|terraform (validate|fmt -check)|nginx -t|actionlint|hadolint|yamllint|markdownlint)\b",
        ),
        (
            Category::Format,
            r"\b(gofmt|goimports|cargo fmt|rustfmt|prettier|black|(mise( run)?|make|just|npm run|pnpm|yarn) (fmt|format)|ruff format|clang-format)\b",
        ),
        (
            Category::Build,
            r"\b(go (build|install|run)|cargo (build|check|run|install)|(npm|pnpm|yarn|bun)( run)? build|make|cmake|ninja|(mise( run)?|just|task) build|gradle\w*|mvn|tsc|dotnet build|swift build|docker (build|compose)|xcodebuild|node|python3?|bash|sh|deno|bun run|npx|npm start)\b|^\./\S+|\btarget/\S+",
        ),
    ];
    all.iter().filter_map(|(c, p)| Some((*c, Regex::new(&format!("(?i-u){p}")).ok()?))).collect()
});

static TOOL_QUESTIONS: LazyLock<Option<Regex>> = LazyLock::new(|| {
    let p = r"^(mise|asdf|rustup|nvm|volta|rbenv|pyenv) (which|current|ls|list|show|where|use|trust)\b|^(npm|pnpm|yarn|cargo|pip3?|go|uv) (ls|list|show|view|info|why|tree|metadata|env|doc|version)\b";
    Regex::new(&format!("(?-u){p}")).ok()
});

/// The category of a command.
pub(super) fn category(command: &str) -> Option<Category> {
    // `ruff format` is no lint although it names one
    CHECKS
        .iter()
        .find(|(c, r)| r.is_match(command.as_bytes()) && !(*c == Category::Lint && command.contains("ruff format")))
        .map(|(c, _)| *c)
}

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
    "sed",
    "awk",
];
const LISTERS: &[&str] =
    &["ls", "find", "fd", "tree", "which", "command", "dir", "get-childitem", "gci", "where", "eza", "exa"];
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
    "del",
    "copy",
];
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
    "fi",
    "done",
    "for",
    "while",
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
    let script = unwrapped(line);
    let (text, docs) = heredocs(&script);
    let mut s = Shell::default();
    let mut kinds: Vec<Kind> = Vec::new();
    let mut norm: Vec<String> = Vec::new();
    let mut last_read: Option<usize> = None;
    for simple in split(&text) {
        one(&mut s, simple, &docs, &mut kinds, &mut norm, &mut last_read);
    }
    for d in &docs {
        if !s.writes.iter().any(|w| w.text == d.body) {
            s.loose.push_str(&d.body);
            s.loose.push('\n');
        }
    }
    s.norm = norm.join(" && ");
    s.kind = kinds.iter().min().copied().unwrap_or(Kind::Other);
    if s.kind == Kind::Write && s.writes.iter().all(|w| w.text.is_empty()) {
        // output sent to a file: what made it is the point
        s.kind = kinds.iter().copied().filter(|k| *k != Kind::Write).min().unwrap_or(Kind::Write);
    }
    s.bare = if docs.is_empty() { script } else { text };
    s
}

fn one(
    s: &mut Shell,
    simple: Simple,
    docs: &[Heredoc],
    kinds: &mut Vec<Kind>,
    norm: &mut Vec<String>,
    last_read: &mut Option<usize>,
) {
    let (mut words, written) = redirections(s, simple.words);
    strip_wrappers(&mut words);
    if words.is_empty() {
        return;
    }
    let body_for = |name: &str| docs.iter().find(|d| d.line.contains(name)).map(|d| d.body.clone()).unwrap_or_default();
    for path in written {
        let text = body_for(&path);
        s.writes.push(Written { path: clean(&path).to_owned(), text });
        kinds.push(Kind::Write);
    }
    let program = base(&words[0]).trim_end_matches(".exe").to_ascii_lowercase();
    let p = program.as_str();
    let args = &words[1..];
    let flags: Vec<&str> = args.iter().map(String::as_str).filter(|a| a.starts_with('-')).collect();
    let plain: Vec<&str> = args.iter().map(String::as_str).filter(|a| !a.starts_with('-')).collect();
    let line = words.join(" ");
    match p {
        "cd" | "pushd" | "set-location" => {
            if let Some(to) = plain.first() {
                s.cwd = if to.starts_with(['/', '~']) {
                    (*to).to_owned()
                } else {
                    format!("{}/{to}", s.cwd.trim_end_matches('/'))
                };
            }
            return;
        }
        "tee" | "set-content" | "out-file" | "add-content" => {
            for path in &plain {
                s.writes.push(Written { path: clean(path).to_owned(), text: body_for(path) });
                kinds.push(Kind::Write);
            }
            return;
        }
        "sed" if flags.iter().any(|f| f.starts_with("-i") || *f == "--in-place") => {
            for path in plain.iter().skip(1) {
                s.writes.push(Written { path: clean(path).to_owned(), text: plain[0].to_owned() });
            }
            kinds.push(Kind::Edit);
            norm.push(line);
            return;
        }
        "perl" | "ruby" if flags.iter().any(|f| f.contains('i') && f.contains('p')) => {
            for path in plain.iter().filter(|x| is_file(x)) {
                s.writes.push(Written { path: clean(path).to_owned(), text: String::new() });
            }
            kinds.push(Kind::Edit);
            norm.push(line);
            return;
        }
        "sed" => {
            let range = plain.iter().find_map(|x| line_range(x));
            let files: Vec<&&str> = plain.iter().filter(|x| line_range(x).is_none() && looks_like_path(x)).collect();
            for f in &files {
                s.reads.push((clean(f).to_owned(), range.map(|r| r.0), range.map(|r| r.1)));
                kinds.push(Kind::Read);
            }
            if !files.is_empty() {
                *last_read = Some(s.reads.len() - 1);
            } else if let (Some((from, to)), Some(at), true) = (range, *last_read, simple.piped) {
                // `nl file | sed -n 10,20p`
                s.reads[at].1 = Some(from);
                s.reads[at].2 = Some(to);
            }
            norm.push(line);
            return;
        }
        _ => {}
    }
    if READERS.contains(&p) && p != "awk"
        || p == "awk" && plain.iter().skip(1).any(|x| looks_like_path(x)) && !simple.piped
    {
        let any_name = matches!(p, "cat" | "nl" | "bat" | "diff" | "type" | "get-content" | "gc");
        let number = |x: &str| x.bytes().all(|b| b.is_ascii_digit());
        let names = plain.iter().skip(usize::from(matches!(p, "jq" | "yq" | "awk")));
        let files: Vec<&str> = names.copied().filter(|x| looks_like_path(x) || any_name && !number(x)).collect();
        if simple.piped && files.is_empty() {
            return;
        }
        let n = flags.iter().find_map(|f| f.trim_start_matches(['-', 'n']).parse::<u64>().ok());
        let n = n.or_else(|| plain.iter().find_map(|x| x.parse().ok())).unwrap_or(10);
        for f in &files {
            let head = p == "head";
            s.reads.push((clean(f).to_owned(), head.then_some(1), head.then_some(n)));
        }
        if !files.is_empty() {
            *last_read = Some(s.reads.len() - 1);
        }
        kinds.push(Kind::Read);
        norm.push(line);
        return;
    }
    let git_grep = p == "git" && plain.first() == Some(&"grep");
    if LISTERS.contains(&p) {
        s.searches.push((args.join(" "), plain.first().map(|x| clean(x).to_owned()).unwrap_or_default()));
        kinds.push(Kind::List);
        norm.push(line);
        return;
    }
    if SEARCHERS.contains(&p) || git_grep {
        if simple.piped {
            return;
        }
        if flags.contains(&"--files") {
            s.searches.push((String::new(), plain.first().map(|x| clean(x).to_owned()).unwrap_or_default()));
            kinds.push(Kind::List);
        } else {
            let args = &args[usize::from(git_grep)..];
            let (pattern, places) = pattern_and_places(args);
            if places.is_empty() {
                s.searches.push((pattern.clone(), String::new()));
            }
            for place in places {
                s.searches.push((pattern.clone(), clean(&place).to_owned()));
            }
            kinds.push(Kind::Search);
        }
        norm.push(line);
        return;
    }
    if p == "git" {
        let sub = match git_subcommand(args) {
            "stash" if plain.iter().any(|x| matches!(*x, "list" | "show")) => "stash-list",
            other => other,
        };
        kinds.push(if GIT_LOOKS.contains(&sub) { Kind::Inspect } else { Kind::Vcs });
        s.git.push(sub.to_owned());
        norm.push(line);
        return;
    }
    if matches!(p, "gh" | "hub" | "glab" | "curl" | "wget" | "invoke-webrequest" | "iwr") {
        kinds.push(Kind::Fetch);
        norm.push(line);
        return;
    }
    if FILE_OPS.contains(&p) {
        if matches!(p, "cp" | "mv" | "copy-item" | "move-item")
            && let Some(to) = plain.last()
        {
            s.writes.push(Written { path: clean(to).to_owned(), text: String::new() });
        }
        kinds.push(Kind::FileOp);
        norm.push(line);
        return;
    }
    if MISC.contains(&p) || p == "awk" {
        kinds.push(Kind::Misc);
        return;
    }
    let asks_how = flags.iter().any(|f| matches!(*f, "--help" | "-h" | "--version"));
    if asks_how || TOOL_QUESTIONS.as_ref().is_some_and(|r| r.is_match(line.as_bytes())) {
        kinds.push(Kind::Inspect);
        norm.push(line);
        return;
    }
    match category(&line) {
        Some(category) => {
            let targets = plain.iter().filter(|x| x.contains('/') || looks_like_path(x));
            let targets = targets.map(|x| clean(x).trim_end_matches(['.', '/']).to_owned()).filter(|t| !t.is_empty());
            let narrow = ["-run", "-k", "-t", "--test", "-p", "--package", "--filter", "--grep", "-g"];
            let filtered = args.iter().any(|a| narrow.iter().any(|n| a.starts_with(n)) && !a.starts_with("-timeout"));
            kinds.push(match category {
                Category::Test => Kind::Test,
                Category::Lint => Kind::Lint,
                Category::Format => Kind::Format,
                Category::Build => Kind::Build,
            });
            s.checks.push(Check { category, command: line.clone(), filtered, targets: targets.collect() });
        }
        None => kinds.push(Kind::Run),
    }
    norm.push(line);
}

/// Of `bash -lc '…'` the script.
fn unwrapped(line: &str) -> String {
    let simple = split(line);
    if let [one] = simple.as_slice()
        && let [shell, flag, script] = one.words.as_slice()
        && matches!(base(shell), "sh" | "bash" | "zsh" | "pwsh" | "powershell" | "cmd" | "cmd.exe" | "powershell.exe")
        && (flag.starts_with('-') && flag.to_ascii_lowercase().ends_with('c')
            || flag.eq_ignore_ascii_case("-command")
            || flag == "/c")
    {
        return script.clone();
    }
    line.to_owned()
}

/// The text without the bodies of its heredocs, and these with the line that began them.
fn heredocs(text: &str) -> (String, Vec<Heredoc>) {
    let mut docs = Vec::new();
    let mut out = String::with_capacity(text.len());
    let mut lines = text.lines();
    while let Some(line) = lines.next() {
        out.push_str(line);
        out.push('\n');
        if let Some(end) = heredoc_end(line) {
            let mut body = String::new();
            for l in lines.by_ref() {
                if l.trim() == end {
                    break;
                }
                body.push_str(l);
                body.push('\n');
            }
            docs.push(Heredoc { line: line.to_owned(), body });
        }
    }
    (out, docs)
}

/// The word that ends a heredoc that this line begins.
fn heredoc_end(line: &str) -> Option<String> {
    let at = line.find("<<")?;
    let rest = line[at + 2..].strip_prefix('-').unwrap_or(&line[at + 2..]);
    if rest.starts_with('<') {
        return None;
    }
    let rest = rest.trim_start().trim_start_matches(['\'', '"', '\\']);
    let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '_')).unwrap_or(rest.len());
    let word = &rest[..end];
    word.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then(|| word.to_owned())
}

/// Splits a line into simple commands as a shell does: quotes, escapes, `&& || ; | &`, newlines; redirections are words of
/// their own.
fn split(text: &str) -> Vec<Simple> {
    let mut out = Vec::new();
    let mut words: Vec<String> = Vec::new();
    let mut word = String::new();
    let (mut quote, mut begun, mut piped) = (None, false, false);
    let chars: Vec<char> = text.chars().collect();
    let mut i = 0;
    macro_rules! end_word {
        () => {
            if begun || !word.is_empty() {
                words.push(std::mem::take(&mut word));
            }
            begun = false;
        };
    }
    macro_rules! end_command {
        ($pipe:expr) => {
            end_word!();
            if !words.is_empty() {
                out.push(Simple { words: std::mem::take(&mut words), piped });
            }
            piped = $pipe;
        };
    }
    while i < chars.len() {
        let c = chars[i];
        let next = chars.get(i + 1).copied();
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (Some('"'), '\\') if next.is_some_and(|n| "\"\\$`".contains(n)) => {
                i += 1;
                word.push(chars[i]);
            }
            (Some(_), c) => word.push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                begun = true;
            }
            (None, '\\') => {
                i += 1;
                match next {
                    Some('\n') | None => {}
                    Some(n) => word.push(n),
                }
            }
            (None, ' ' | '\t') => {
                end_word!();
            }
            (None, '#') if word.is_empty() && !begun => {
                while i + 1 < chars.len() && chars[i + 1] != '\n' {
                    i += 1;
                }
            }
            (None, '\n' | ';') => {
                end_command!(false);
            }
            (None, '&') if next == Some('&') => {
                i += 1;
                end_command!(false);
            }
            (None, '&') if next == Some('>') => {}
            (None, '&') => {
                end_command!(false);
            }
            (None, '|') if next == Some('|') => {
                i += 1;
                end_command!(false);
            }
            (None, '|') => {
                end_command!(true);
            }
            (None, '<' | '>') => {
                // a file descriptor before the sign is no word
                if word.bytes().all(|b| b.is_ascii_digit()) {
                    word.clear();
                }
                end_word!();
                let mut sign = String::from(c);
                while let Some(n) = chars.get(i + 1).copied().filter(|n| *n == c && sign.len() < 3) {
                    sign.push(n);
                    i += 1;
                }
                if chars.get(i + 1) == Some(&'&') && chars.get(i + 2).is_some_and(|d| d.is_ascii_digit() || *d == '-') {
                    i += 2;
                } else {
                    words.push(sign);
                }
            }
            (None, c) => word.push(c),
        }
        i += 1;
    }
    end_command!(false);
    let _ = (piped, begun);
    out
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
            !n.is_empty()
                && n.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')
                && !n.as_bytes()[0].is_ascii_digit()
        });
        if assignment {
            skip += 1;
        } else if WRAPPERS.contains(&w.as_str()) && words.len() > skip + 1 {
            // `command -v x` asks for a program
            if w == "command" && words[skip + 1].starts_with('-') {
                break;
            }
            let takes_number = matches!(w.as_str(), "timeout" | "nice" | "stdbuf");
            skip += 1;
            while words
                .get(skip)
                .is_some_and(|n| takes_number && (n.starts_with('-') || n.as_bytes()[0].is_ascii_digit()))
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
    if !word.contains('p') || word.starts_with("s/") {
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

/// The telling lines that a command writes into a file.
pub(super) fn written_lines(w: &Written) -> Vec<String> {
    telling_lines(&w.text).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_agents_run_is_understood() {
        let reads = |c: &str| read(c).reads;
        let r = |p: &str, a: Option<u64>, b: Option<u64>| (p.to_owned(), a, b);
        assert_eq!(reads("sed -n '10,20p' src/a.rs"), [r("src/a.rs", Some(10), Some(20))]);
        assert_eq!(reads("cd x && nl -ba src/a.rs | sed -n 5,9p"), [r("src/a.rs", Some(5), Some(9))]);
        assert_eq!(reads("bash -lc 'cat a.txt | head -3'"), [r("a.txt", None, None)]);
        assert_eq!(reads("head -n 20 a.txt"), [r("a.txt", Some(1), Some(20))]);
        assert_eq!(reads("wc -l < in.txt"), [r("in.txt", None, None)]);
        let s = read("rg -n --glob '*.rs' 'fn main' src tests | head");
        assert_eq!(
            (s.searches, s.kind),
            (vec![("fn main".into(), "src".into()), ("fn main".into(), "tests".into())], Kind::Search)
        );
        let s = read("cat > src/x.py <<'EOF'\nimport os\nEOF\npython3 src/x.py 2>&1 | tail -5");
        assert_eq!(s.writes, [Written { path: "src/x.py".into(), text: "import os\n".into() }]);
        assert_eq!((s.checks[0].category, s.kind), (Category::Build, Kind::Build));
        let s = read("RUST_LOG=1 timeout 60 cargo test -p core -- name > /dev/null");
        assert_eq!((s.checks[0].category, s.checks[0].filtered, s.writes.len()), (Category::Test, true, 0));
        assert_eq!(read("git -C /w commit -m 'a; b' && git push").git, ["commit", "push"]);
        assert_eq!(read("git status --short").kind, Kind::Inspect);
        assert_eq!(read("python3 tests/test_utils.py").checks[0].category, Category::Test);
        assert_eq!(read("ruff format src").checks[0].category, Category::Format);
        assert_eq!(read("sed -i 's/a/b/' src/a.rs").kind, Kind::Edit);
        assert_eq!(read("echo 'x | rm -rf /' # cat b.txt").kind, Kind::Misc);
        assert_eq!(read("powershell -Command \"Get-Content a.txt\"").reads, [r("a.txt", None, None)]);
        assert_eq!(read("ls -la src && mkdir -p out").kind, Kind::FileOp);
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
