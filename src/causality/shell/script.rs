//! What a short program that stands in the command line itself reads and writes: `python3 - <<'E'`, `node -e '…'`. Agents
//! change files that way where they have no tool for it.

use std::collections::HashMap;
use std::sync::LazyLock;

use regex::Regex;

use super::super::files::{clean, is_file};
use super::Written;

/// Longest program that is looked at, in bytes.
const LIMIT: usize = 40_000;

const STRING: &str = r#""""(?s:.*?)"""|'''(?s:.*?)'''|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*'|`[^`]*`"#;

fn pattern(p: &str) -> Option<Regex> {
    // the classes of ASCII: the program is built without the tables of Unicode
    let ascii = p.replace(r"\w", "A-Za-z0-9_").replace(r"\s", r"(?-u:\s)").replace(r"\b", r"(?-u:\b)");
    Regex::new(&ascii.replace("STR", STRING)).ok()
}

/// `name = "text"`, `name = Path("text")`.
static SET: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?m)\b([A-Za-z_][\w]*)\s*=\s*(?:[\w.]*Path\(\s*)?[rbu]?(STR)"));
/// A call that writes, and the file that it names: by its text or by a name.
static WRITES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(
        r#"(?:open\(\s*(?:[\w.]*Path\()?(STR|[A-Za-z_][\w]*)\)?\s*,\s*(?:mode\s*=\s*)?["'][rwaxb+]*[wax+]|(?:[\w.]*Path\(\s*)?(STR|[A-Za-z_][\w]*)\)?\.write_(?:text|bytes)\(|(?:writeFileSync|appendFileSync|writeFile|appendFile|File\.write|IO\.write)\(\s*(STR|[A-Za-z_][\w]*))"#,
    )
});
/// A call that reads.
static READS: LazyLock<Option<Regex>> =
    LazyLock::new(|| pattern(r"(?:open|readFileSync|readFile|File\.read|Path)\(\s*(STR|[A-Za-z_][\w]*)"));
/// What is put in place of what.
static REPLACES: LazyLock<Option<Regex>> = LazyLock::new(|| {
    pattern(r"(?:\.replace|re\.sub|\.sub|\.gsub)\(\s*(?:/)?[rbu]?(STR|[A-Za-z_][\w]*)\s*,\s*[rbu]?(STR|[A-Za-z_][\w]*)")
});
static TEXTS: LazyLock<Option<Regex>> = LazyLock::new(|| pattern("STR"));

/// Files that a program reads and writes.
#[derive(Debug, Default)]
pub(super) struct Effects {
    pub reads: Vec<String>,
    pub writes: Vec<Written>,
}

/// Reads a program of whatever language of that kind.
pub(super) fn effects(code: &str) -> Effects {
    let code = super::super::tokens::start(code, LIMIT);
    let mut names: HashMap<&str, &str> = HashMap::new();
    for c in SET.iter().flat_map(|r| r.captures_iter(code)) {
        if let (Some(name), Some(text)) = (c.get(1), c.get(2)) {
            names.insert(name.as_str(), text.as_str());
        }
    }
    // the text that an argument stands for, where the program says so
    let text = |arg: &str| -> Option<String> {
        if arg.starts_with(['"', '\'', '`']) { Some(plain(arg)) } else { names.get(arg).map(|t| plain(t)) }
    };
    let files = |r: &LazyLock<Option<Regex>>| -> (Vec<String>, bool) {
        let (mut found, mut unknown) = (Vec::new(), false);
        for c in r.iter().flat_map(|r| r.captures_iter(code)) {
            let Some(arg) = c.iter().skip(1).flatten().next() else { continue };
            match text(arg.as_str()).filter(|t| is_path(t)) {
                Some(path) => found.push(clean(&path).to_owned()),
                None => unknown = true,
            }
        }
        (found, unknown)
    };
    let mut out = Effects::default();
    let (mut written, unknown) = files(&WRITES);
    if written.is_empty() && unknown {
        // by a name that a loop gives: every file that the program names
        let all = TEXTS.iter().flat_map(|r| r.find_iter(code)).map(|m| plain(m.as_str()));
        written = all.filter(|t| is_path(t)).map(|t| clean(&t).to_owned()).take(16).collect();
    }
    let mut seen = std::collections::HashSet::new();
    written.retain(|p| seen.insert(p.clone()));
    let (mut before, mut after) = (String::new(), String::new());
    for c in REPLACES.iter().flat_map(|r| r.captures_iter(code)) {
        for (group, into) in [(1, &mut before), (2, &mut after)] {
            if let Some(t) = c.get(group).and_then(|m| text(m.as_str())) {
                into.push_str(&t);
                into.push('\n');
            }
        }
    }
    for path in written {
        out.writes.push(Written { path, text: after.clone(), before: before.clone() });
    }
    out.reads = files(&READS).0;
    out.reads.retain(|p| !out.writes.iter().any(|w| w.path == *p));
    out.reads.truncate(16);
    out
}

/// A text without its quotes, its escapes resolved.
fn plain(literal: &str) -> String {
    let inner = ["\"\"\"", "'''", "\"", "'", "`"]
        .iter()
        .find_map(|q| literal.strip_prefix(q)?.strip_suffix(q))
        .unwrap_or(literal);
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('n') => out.push('\n'),
                Some('t') => out.push('\t'),
                Some(other) => out.push(other),
                None => {}
            },
            c => out.push(c),
        }
    }
    out
}

fn is_path(text: &str) -> bool {
    text.len() < 300
        && !text.contains(|c: char| c.is_whitespace() || "{}()*<>|$".contains(c))
        && (is_file(text) || text.contains('/') && !text.contains("://"))
}
