//! What git says of the lines of a file.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;
use std::process::{Command, Stdio};

use chrono::{DateTime, Utc};

/// The commit that last changed a line.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The line it is asked of, from 1.
    pub line: u64,
    /// Its whole hash.
    pub hash: String,
    /// Its author's name.
    pub author: String,
    /// When it was written.
    pub time: Option<DateTime<Utc>>,
    /// First line of its message.
    pub subject: String,
}

impl Commit {
    /// The beginning of its hash.
    pub fn short(&self) -> &str {
        self.hash.get(..8).unwrap_or(&self.hash)
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} by {}: {}", self.short(), self.author, self.subject)
    }
}

/// The commits of lines `from..=to`. Lines that are not committed are left out; empty outside a repository and without git.
pub fn blame(path: &Path, from: u64, to: u64) -> Vec<Commit> {
    let (Some(dir), Some(name)) = (path.parent(), path.file_name()) else { return Vec::new() };
    let output = Command::new("git")
        .arg("-C")
        .arg(dir)
        .args(["--no-optional-locks", "blame", "--porcelain", "-L", &format!("{from},{to}"), "--"])
        .arg(name)
        .stdin(Stdio::null())
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(o) if o.status.success() => porcelain(&String::from_utf8_lossy(&o.stdout)),
        _ => Vec::new(),
    }
}

/// Reads the porcelain format: a header per line, the facts of a commit only where it first comes.
fn porcelain(text: &str) -> Vec<Commit> {
    let mut facts: HashMap<String, Commit> = HashMap::new();
    let mut lines: Vec<(String, u64)> = Vec::new();
    for line in text.lines() {
        if line.starts_with('\t') {
            continue;
        }
        let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
        if word.len() >= 40 && word.bytes().all(|b| b.is_ascii_hexdigit()) {
            let number = rest.split(' ').nth(1).and_then(|n| n.parse().ok()).unwrap_or(0);
            lines.push((word.to_owned(), number));
            continue;
        }
        let Some((hash, _)) = lines.last() else { continue };
        let commit = facts.entry(hash.clone()).or_default();
        match word {
            "author" => commit.author = rest.to_owned(),
            "author-time" => commit.time = rest.parse().ok().and_then(|s| DateTime::from_timestamp(s, 0)),
            "summary" => commit.subject = rest.to_owned(),
            _ => {}
        }
    }
    let committed = lines.into_iter().filter(|(hash, _)| hash.bytes().any(|b| b != b'0'));
    committed
        .map(|(hash, line)| {
            let known = facts.get(&hash).cloned().unwrap_or_default();
            Commit { line, hash, ..known }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn porcelain_tells_a_commit_once() {
        let (a, zero) = ("a".repeat(40), "0".repeat(40));
        let text = format!(
            "{a} 1 3 2\nauthor Ann B\nauthor-time 60\nsummary Begin\n\tx\n{a} 2 4\n\tauthor none\n{zero} 5 5 1\nauthor Not Committed Yet\n\ty\n"
        );
        let all = porcelain(&text);
        let told: Vec<_> = all.iter().map(|c| (c.line, c.to_string())).collect();
        let said = "aaaaaaaa by Ann B: Begin".to_owned();
        assert_eq!(told, [(3, said.clone()), (4, said)]);
        assert_eq!(all[0].time.unwrap().timestamp(), 60);
    }
}
