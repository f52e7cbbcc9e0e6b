//! Splits a command line into simple commands as a shell does: quotes, escapes, `&& || ; | &`, newlines, groups, substitutions.

use super::super::files::base;

/// Words of one simple command, and whether a pipe feeds it.
#[derive(Debug, PartialEq)]
pub(super) struct Simple {
    pub words: Vec<String>,
    pub piped: bool,
}

/// The text that `<<` feeds to a command.
pub(super) struct Heredoc {
    /// The line that begins it.
    pub line: String,
    pub body: String,
}

const SHELLS: &[&str] = &["sh", "bash", "zsh", "dash", "pwsh", "powershell", "cmd"];

/// Of `bash -lc '…'`, `pwsh -NoProfile -Command "…"`, `cmd /c …` the script.
pub(super) fn unwrapped(line: &str) -> String {
    let simple = split(line);
    let [one] = simple.as_slice() else { return line.to_owned() };
    let Some((shell, rest)) = one.words.split_first() else { return line.to_owned() };
    let name = base(shell).to_ascii_lowercase();
    if !SHELLS.contains(&name.trim_end_matches(".exe")) {
        return line.to_owned();
    }
    for (i, flag) in rest.iter().enumerate() {
        let lower = flag.to_ascii_lowercase();
        let begins = match lower.as_str() {
            "-command" | "/c" | "/k" => true,
            _ if lower.starts_with("--") || !lower.starts_with('-') => return line.to_owned(),
            _ => lower.len() <= 5 && lower.ends_with('c'),
        };
        if begins {
            let script = rest.get(i + 1..).unwrap_or_default().join(" ");
            return if script.is_empty() { line.to_owned() } else { script };
        }
        // a switch that takes a value
        if matches!(lower.as_str(), "-executionpolicy" | "-ep" | "-o") {
            return match rest.get(i + 2..) {
                Some(more) if !more.is_empty() => unwrapped(&format!("{name} {}", quoted(more))),
                _ => line.to_owned(),
            };
        }
    }
    line.to_owned()
}

fn quoted(words: &[String]) -> String {
    words.iter().map(|w| format!("'{}'", w.replace('\'', "'\\''"))).collect::<Vec<_>>().join(" ")
}

/// Whether a line is written for PowerShell or cmd, where `\` separates folders and escapes nothing.
fn is_windows(text: &str) -> bool {
    const ONLY_THERE: &[&str] = &["dir", "type", "findstr", "copy", "xcopy", "robocopy", "del", "move", "ren"];
    let first = text.trim_start().split(|c: char| c.is_whitespace()).next().unwrap_or("").to_ascii_lowercase();
    let cmdlet = first.split_once('-').is_some_and(|(verb, _)| {
        matches!(
            verb,
            "get" | "set" | "select" | "add" | "out" | "remove" | "copy" | "move" | "new" | "test" | "invoke" | "write"
        )
    });
    let drive = text.as_bytes().windows(3).any(|w| matches!(w, [d, b':', b'\\'] if d.is_ascii_uppercase()));
    cmdlet || drive || text.contains('\\') && (first.starts_with("cmd") || ONLY_THERE.contains(&first.as_str()))
}

/// The text without the bodies of its heredocs, and these with the line that began them.
pub(super) fn heredocs(text: &str) -> (String, Vec<Heredoc>) {
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

/// Splits a line into simple commands; redirections are words of their own.
pub(super) fn split(text: &str) -> Vec<Simple> {
    let mut out = Splitter { chars: text.chars().collect(), windows: is_windows(text), ..Splitter::default() };
    out.run();
    out.commands
}

#[derive(Default)]
struct Splitter {
    chars: Vec<char>,
    at: usize,
    windows: bool,
    commands: Vec<Simple>,
    words: Vec<String>,
    word: String,
    /// The word has begun although it is empty: `''`.
    begun: bool,
    piped: bool,
}

impl Splitter {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.chars.get(self.at + ahead).copied()
    }

    fn end_word(&mut self) {
        if self.begun || !self.word.is_empty() {
            self.words.push(std::mem::take(&mut self.word));
        }
        self.begun = false;
    }

    fn end_command(&mut self, pipe: bool) {
        self.end_word();
        if !self.words.is_empty() {
            self.commands.push(Simple { words: std::mem::take(&mut self.words), piped: self.piped });
        }
        self.piped = pipe;
    }

    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            let next = self.peek(1);
            match c {
                '\'' | '"' => {
                    self.begun = true;
                    self.at += 1;
                    self.quote(c);
                    continue;
                }
                '\\' if self.windows => self.word.push(c),
                '\\' => {
                    self.at += 1;
                    match next {
                        Some('\n') | None => {}
                        Some(n) => self.word.push(n),
                    }
                }
                '$' | '<' | '>' if next == Some('(') => {
                    self.word.push(c);
                    self.at += 1;
                    self.substitution();
                    continue;
                }
                ' ' | '\t' | '\r' => self.end_word(),
                '#' if self.word.is_empty() && !self.begun => {
                    while self.peek(1).is_some_and(|n| n != '\n') {
                        self.at += 1;
                    }
                }
                '\n' | ';' => self.end_command(false),
                '(' | ')' if self.word.is_empty() || c == ')' => self.end_command(false),
                '&' if next == Some('&') => {
                    self.at += 1;
                    self.end_command(false);
                }
                // `&>` sends both; what follows is the redirection
                '&' if next == Some('>') => {}
                '&' => self.end_command(false),
                '|' if next == Some('|') => {
                    self.at += 1;
                    self.end_command(false);
                }
                '|' => {
                    self.at += usize::from(next == Some('&'));
                    self.end_command(true);
                }
                '<' | '>' => self.redirection(c),
                c => self.word.push(c),
            }
            self.at += 1;
        }
        self.end_command(false);
    }

    /// What stands between quotes, up to the closing one.
    fn quote(&mut self, q: char) {
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == q {
                return;
            }
            if q == '"' && c == '\\' && !self.windows && self.peek(0).is_some_and(|n| "\"\\$`".contains(n)) {
                self.word.extend(self.peek(0));
                self.at += 1;
                continue;
            }
            self.word.push(c);
        }
    }

    /// `$(…)` stays one piece of its word, whatever stands in it.
    fn substitution(&mut self) {
        let mut depth = 0usize;
        while let Some(c) = self.peek(0) {
            self.at += 1;
            self.word.push(c);
            match c {
                '(' => depth += 1,
                ')' if depth <= 1 => return,
                ')' => depth -= 1,
                _ => {}
            }
        }
    }

    fn redirection(&mut self, c: char) {
        // a file descriptor before the sign is no word
        if self.word.bytes().all(|b| b.is_ascii_digit()) {
            self.word.clear();
        }
        self.end_word();
        let mut sign = String::from(c);
        while self.peek(1) == Some(c) && sign.len() < 3 {
            sign.push(c);
            self.at += 1;
        }
        if self.peek(1) == Some('&') && self.peek(2).is_some_and(|d| d.is_ascii_digit() || d == '-') {
            self.at += 2;
        } else {
            self.words.push(sign);
        }
    }
}
