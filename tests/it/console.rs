//! Runs the console examples of the README and of `tests/cli/*.md`: each `$ causetrace …` line is run, and what follows must be
//! what it prints: standard output, then standard error, then `[exit N]` where N is not 0. `UPDATE_EXPECT=1` writes it anew.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A machine on which no agent has ever run.
struct Machine {
    home: tempfile::TempDir,
}

impl Machine {
    fn run(&self, line: &str) -> String {
        let (line, piped) = line.split_once(" < ").map_or((line, None), |(l, f)| (l, Some(f.trim())));
        let words = words(line);
        let (vars, words): (Vec<_>, Vec<_>) = {
            let n = words.iter().take_while(|w| w.contains('=') && !w.starts_with('-')).count();
            (words[..n].to_vec(), words[n..].to_vec())
        };
        assert_eq!(words[0], "causetrace", "examples run causetrace only: {line}");
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        let mut command = Command::new(env!("CARGO_BIN_EXE_causetrace"));
        command.args(&words[1..]).current_dir(root).env_clear();
        command
            .env("HOME", self.home.path())
            .env("TZ", "UTC")
            .env("COLUMNS", "90")
            .env("PATH", std::env::var_os("PATH").unwrap());
        for v in &vars {
            let (name, value) = v.split_once('=').unwrap();
            command.env(name, value);
        }
        command.stdin(piped.map_or_else(Stdio::null, |f| fs::File::open(root.join(f)).unwrap().into()));
        let out = command.output().unwrap();
        let mut text = String::from_utf8(out.stdout).unwrap() + &String::from_utf8(out.stderr).unwrap();
        if !out.status.success() {
            text.push_str(&format!("[exit {}]\n", out.status.code().unwrap()));
        }
        let text = text.replace(self.home.path().to_str().unwrap(), "~").replace(root.to_str().unwrap(), ".");
        text.lines().map(|l| l.trim_end().to_owned() + "\n").collect()
    }
}

/// Splits a command line at blanks outside quotes.
fn words(line: &str) -> Vec<String> {
    let (mut out, mut word, mut quote, mut begun) = (Vec::new(), String::new(), None, false);
    for c in line.chars() {
        match (quote, c) {
            (Some(q), c) if c == q => quote = None,
            (None, '\'' | '"') => (quote, begun) = (Some(c), true),
            (None, ' ') if begun || !word.is_empty() => {
                out.push(std::mem::take(&mut word));
                begun = false;
            }
            (None, ' ') => {}
            (_, c) => word.push(c),
        }
    }
    if begun || !word.is_empty() {
        out.push(word);
    }
    out
}

/// The text with every console block as it really comes out, and how many commands were run.
fn replayed(text: &str) -> (String, usize) {
    let machine = Machine { home: tempfile::tempdir().unwrap() };
    let (mut out, mut count, mut inside) = (String::new(), 0, false);
    for line in text.split_inclusive('\n') {
        let bare = line.trim_end();
        if bare == "```console" {
            inside = true;
        } else if bare == "```" {
            inside = false;
        } else if inside {
            if let Some(command) = bare.strip_prefix("$ causetrace").map(|_| &bare[2..]) {
                count += 1;
                out.push_str(line);
                let text = machine.run(command);
                // a fence within the output would end the block
                assert!(!text.contains("```"), "{command}");
                out.push_str(&text);
            }
            continue;
        }
        out.push_str(line);
    }
    (out, count)
}

fn check(path: &Path) -> usize {
    let text = fs::read_to_string(path).unwrap();
    let (now, count) = replayed(&text);
    if now != text {
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            fs::write(path, now).unwrap();
        } else {
            let diff = text.lines().zip(now.lines()).find(|(a, b)| a != b);
            panic!("{}: an example prints something else (UPDATE_EXPECT=1 writes it anew): {diff:#?}", path.display());
        }
    }
    count
}

#[test]
fn readme() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    assert!(check(&path) >= 8);
    // its event is one of the built-in session as it is exported
    let text = fs::read_to_string(path).unwrap();
    let event = text.split("```json\n").nth(1).and_then(|t| t.lines().next()).unwrap();
    let machine = Machine { home: tempfile::tempdir().unwrap() };
    let exported = machine.run("causetrace export demo --format jsonl --json");
    let number = &event[event.find("\"number\"").unwrap()..event.find(",\"causes\"").unwrap()];
    let line = exported.lines().find(|l| l.contains(number)).unwrap();
    assert_eq!(event, line);
}

#[test]
fn cases() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cli");
    let mut files: Vec<PathBuf> = fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()).collect();
    files.retain(|f| f.extension().is_some_and(|x| x == "md"));
    files.sort();
    let count: usize = files.iter().map(|f| check(f)).sum();
    assert!(count >= 20, "{count} commands in {} files", files.len());
}
