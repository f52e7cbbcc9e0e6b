//! The telling words of a text: identifiers, compounds, paths, numbers, hashes; and its telling lines.

use std::sync::LazyLock;

use xxhash_rust::xxh3::xxh3_64;

use super::files::{base, clean, is_file};
use super::hash::{ByHash, Hashes};

/// Longest part of a text that is looked at, in bytes: what stands further back in an output hardly any model reads.
pub(super) const LIMIT: usize = 200_000;

/// Words that say nothing about where they came from.
const STOP: &[&str] = &[
    "the",
    "and",
    "for",
    "with",
    "that",
    "this",
    "from",
    "into",
    "then",
    "when",
    "where",
    "which",
    "file",
    "files",
    "path",
    "paths",
    "code",
    "test",
    "tests",
    "true",
    "false",
    "null",
    "none",
    "return",
    "func",
    "function",
    "string",
    "output",
    "content",
    "command",
    "description",
    "pattern",
    "head",
    "tail",
    "grep",
    "echo",
    "line",
    "lines",
    "edit",
    "read",
    "write",
    "let",
    "now",
    "need",
    "check",
    "use",
    "using",
    "used",
    "was",
    "were",
    "will",
    "would",
    "should",
    "could",
    "can",
    "cannot",
    "not",
    "but",
    "all",
    "any",
    "are",
    "has",
    "have",
    "had",
    "its",
    "you",
    "your",
    "what",
    "how",
    "why",
    "also",
    "only",
    "just",
    "more",
    "some",
    "same",
    "such",
    "they",
    "them",
    "there",
    "here",
    "than",
    "out",
    "over",
    "under",
    "about",
    "each",
    "other",
    "after",
    "before",
    "between",
    "while",
    "because",
    "been",
    "being",
    "does",
    "did",
    "done",
    "run",
    "running",
    "new",
    "old",
    "add",
    "added",
    "remove",
    "update",
    "updated",
    "create",
    "created",
    "set",
    "get",
    "got",
    "see",
    "find",
    "found",
    "look",
    "make",
    "made",
    "first",
    "second",
    "last",
    "next",
    "fix",
    "error",
    "errors",
    "fail",
    "failed",
    "pass",
    "passed",
    "call",
    "calls",
    "name",
    "type",
    "types",
    "value",
    "values",
    "data",
    "list",
    "var",
    "const",
    "int",
    "bool",
    "str",
    "self",
    "import",
    "package",
    "err",
    "nil",
    "want",
    "fmt",
    "else",
    "break",
    "continue",
    "case",
    "switch",
    "default",
    "struct",
    "class",
    "def",
    "end",
    "begin",
    "start",
    "stop",
    "users",
    "user",
    "home",
    "tmp",
    "usr",
    "bin",
    "dev",
    "git",
    "src",
];

/// One word.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Word<'a> {
    pub text: &'a str,
    pub hash: u64,
    /// How telling it is by its shape.
    pub weight: f32,
    /// It is a path, or the name of a file.
    pub path: bool,
}

/// How telling a word is by its shape: an identifier or a path says more than a plain word.
fn weight(word: &str) -> f32 {
    let b = word.as_bytes();
    let (mut shaped, mut before) = (false, 0u8);
    for &c in b {
        match c {
            b'/' => return 1.6,
            b'0'..=b'9' | b'_' | b'.' | b'-' => shaped = true,
            b'A'..=b'Z' => shaped |= before.is_ascii_alphabetic(),
            _ => {}
        }
        before = c;
    }
    match (shaped, b.len()) {
        (true, 8..) => 1.3,
        (true, _) => 1.0,
        (false, 4..) => 0.45,
        (false, _) => 0.2,
    }
}

fn is_stop(word: &str) -> bool {
    static SET: LazyLock<ByHash<&str>> = LazyLock::new(|| STOP.iter().map(|w| (xxh3_64(w.as_bytes()), *w)).collect());
    if word.len() > 11 {
        return false;
    }
    let mut lower = [0u8; 11];
    let lower = &mut lower[..word.len()];
    lower.copy_from_slice(word.as_bytes());
    lower.make_ascii_lowercase();
    SET.get(&xxh3_64(lower)).is_some_and(|w| w.as_bytes() == lower)
}

/// Bytes of a chunk of text that is looked at as one: 1 those of a plain word, 2 those between words.
const CLASS: [u8; 256] = {
    let mut class = [0; 256];
    let mut b = 0;
    while b < 256 {
        class[b] = match b as u8 {
            b'0'..=b'9' | b'A'..=b'Z' | b'a'..=b'z' | b'_' => 1,
            b'.' | b'-' | b'/' | b'@' | b'+' | b'~' | b'*' | b'\\' | 0x80.. => 2,
            _ => 0,
        };
        b += 1;
    }
    class
};

/// Calls `f` with every telling word of a text, in order, repeated ones too.
pub(super) fn scan<'a>(text: &'a str, f: impl FnMut(Word<'a>)) {
    scan_for(text, |_, _, _| true, f);
}

/// Calls `f` with those telling words of a text that `wanted` lets through, by its text, its hash, and whether it is a path.
/// Most are turned away by their hash, before anything else is asked of them.
pub(super) fn scan_for<'a>(text: &'a str, wanted: impl Fn(&str, u64, bool) -> bool, mut f: impl FnMut(Word<'a>)) {
    let text = start(text, LIMIT);
    let bytes = text.as_bytes();
    let class = |i: usize| bytes.get(i).map_or(0, |b| CLASS[usize::from(*b)]);
    let mut i = 0;
    while i < bytes.len() {
        let from = i;
        let mut classes = 0;
        while class(i) != 0 {
            classes |= class(i);
            i += 1;
        }
        if (3..=400).contains(&(i - from)) {
            let mut give = |text: &'a str, shape: Shape| {
                let hash = xxh3_64(text.as_bytes());
                let path = shape == Shape::Path;
                if wanted(text, hash, path) && (shape != Shape::Plain || says_something(text)) {
                    f(Word { text, hash, weight: weight(text), path });
                }
            };
            match classes {
                1 => give(&text[from..i], Shape::Plain),
                _ => chunk(&text[from..i], &mut give),
            }
        }
        i += 1;
    }
}

/// What a piece of a text looks like.
#[derive(Clone, Copy, PartialEq)]
enum Shape {
    Path,
    Compound,
    /// Letters, digits and `_`, at least three.
    Plain,
}

/// A path, a compound, or several.
fn chunk<'a>(chunk: &'a str, give: &mut impl FnMut(&'a str, Shape)) {
    let path = clean(chunk);
    if path.contains('/') && path.len() >= 4 {
        give(path, Shape::Path);
        let name = base(path);
        if name.len() >= 3 && name.len() < path.len() {
            give(name, Shape::Path);
        }
    } else if is_file(path) && path.len() >= 4 {
        give(path, Shape::Path);
    }
    for part in chunk.split(|c: char| !(c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '-'))) {
        let part = part.trim_matches(['.', '-']);
        if part.len() >= 5
            && part.contains(['.', '-'])
            && part != path
            && part.bytes().any(|b| b.is_ascii_alphanumeric())
        {
            give(part, Shape::Compound);
        }
        for word in part.split(['.', '-']).filter(|w| w.len() >= 3) {
            give(word, Shape::Plain);
        }
    }
}

/// With single blanks.
pub(super) fn squeeze(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for w in text.split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(w);
    }
    out
}

/// Whether a plain word of three letters or more tells something.
fn says_something(word: &str) -> bool {
    let b = word.as_bytes();
    if !b.first().is_some_and(u8::is_ascii_digit) {
        return !is_stop(word);
    }
    let digits = b.iter().filter(|c| c.is_ascii_digit()).count();
    let hex = b.iter().all(u8::is_ascii_hexdigit);
    digits == b.len() && b.len() >= 4 || hex && digits < b.len() && (7..=40).contains(&b.len()) || is_opaque(word)
}

/// Whether a word is a value that nobody guesses: a hash, an id in which letters and digits change often.
pub(super) fn is_opaque(word: &str) -> bool {
    let b = word.as_bytes();
    if !(7..=64).contains(&b.len()) || !b.iter().all(|c| c.is_ascii_alphanumeric() || *c == b'_' || *c == b'-') {
        return false;
    }
    let digits = b.iter().filter(|c| c.is_ascii_digit()).count();
    let letters = b.iter().filter(|c| c.is_ascii_alphabetic()).count();
    let changes = b.windows(2).filter(|w| w[0].is_ascii_digit() != w[1].is_ascii_digit()).count();
    let hex = b.iter().all(u8::is_ascii_hexdigit);
    digits > 0 && letters > 0 && (hex || b.len() >= 9 && changes >= 3)
}

/// The telling words of a text, each once, in order.
pub(super) fn words(text: &str) -> Vec<Word<'_>> {
    let some = text.len().min(LIMIT) / 32;
    let mut seen = Hashes::with_capacity_and_hasher(some, Default::default());
    let mut out = Vec::with_capacity(some);
    scan(text, |w| {
        if seen.insert(w.hash) {
            out.push(w);
        }
    });
    out
}

/// The literal alternatives of a search pattern.
pub(super) fn literals(pattern: &str) -> impl Iterator<Item = String> {
    let plain = pattern.replace("\\|", "|");
    let all: Vec<String> = plain.split('|').take(12).map(|x| x.replace('\\', "").trim().to_owned()).collect();
    all.into_iter()
}

/// A text without its paths.
pub(super) fn without_paths(text: &str) -> String {
    text.split_inclusive(|c: char| c.is_whitespace() || "'\"`,;:()[]{}<>=|".contains(c))
        .map(|part| if part.contains('/') { " " } else { part })
        .collect()
}

/// The beginning of a text, at most so many bytes.
pub(super) fn start(text: &str, most: usize) -> &str {
    &text[..text.floor_char_boundary(most)]
}

/// The end of a text, at most so many bytes.
pub(super) fn end(text: &str, most: usize) -> &str {
    &text[text.ceil_char_boundary(text.len().saturating_sub(most))..]
}

/// A line of source as it stands in the file: without the line number or grep prefix of a listing, without indentation.
pub(super) fn source_line(line: &str) -> &str {
    let line = line.trim_start();
    let digits = line.bytes().take_while(u8::is_ascii_digit).count();
    if digits > 0 {
        let rest = line[digits..].trim_start_matches(' ');
        for sign in ["→", "\t", ":", "|", "-"] {
            if let Some(text) = rest.strip_prefix(sign) {
                return text.trim();
            }
        }
    }
    // `path:12:text` and `path-12-text`
    let head = start(line, 200);
    let mut from = 0;
    while let Some(at) = head[from..].find([':', '-']) {
        let at = from + at;
        if head[..at].contains(char::is_whitespace) {
            break;
        }
        let rest = &line[at + 1..];
        let n = rest.bytes().take_while(u8::is_ascii_digit).count();
        if at >= 2 && n > 0 && rest[n..].starts_with([':', '-']) {
            return rest[n + 1..].trim();
        }
        from = at + 1;
    }
    line.trim()
}

/// Whether a trimmed line says enough to be told apart: six characters with three letters in a row.
pub(super) fn is_telling(line: &str) -> bool {
    line.len() >= 6 && line.as_bytes().windows(3).any(|w| w.iter().all(u8::is_ascii_alphabetic))
}

/// The telling lines of a text, trimmed.
pub(super) fn telling_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines().map(str::trim).filter(|l| is_telling(l))
}

/// The hash of a line.
pub(super) fn line_hash(line: &str) -> u64 {
    xxh3_64(line.as_bytes())
}

/// Every `path:12`, `path:12,40` and `path:12-18` of a text: path and each number.
pub(super) fn path_lines<'a>(text: &'a str, mut f: impl FnMut(&'a str, u64)) {
    let text = start(text, LIMIT);
    let bytes = text.as_bytes();
    for at in memchr::memchr_iter(b':', bytes) {
        if !bytes.get(at + 1).is_some_and(u8::is_ascii_digit) {
            continue;
        }
        let in_path = |b: &u8| b.is_ascii() && *b != b'*' && CLASS[usize::from(*b)] != 0;
        let from = bytes[..at].iter().rposition(|b| !in_path(b)).map_or(0, |i| i + 1);
        let Some(path) = text.get(from..at).map(clean).filter(|p| is_file(p)) else { continue };
        let mut rest = &bytes[at + 1..];
        loop {
            let n = rest.iter().take_while(|b| b.is_ascii_digit()).count();
            let number = std::str::from_utf8(&rest[..n]).ok().and_then(|t| t.parse().ok());
            match number {
                Some(number) => f(path, number),
                None => break,
            }
            rest = &rest[n..];
            match rest {
                [b',' | b'-', d, ..] if d.is_ascii_digit() => rest = &rest[1..],
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn telling_words_are_found() {
        let found: Vec<_> =
            words("Fix `src/utils.py:12` and bump_it() at 0a1b2c3 line 4711").iter().map(|w| w.text).collect();
        assert_eq!(found, ["src/utils.py", "utils.py", "utils", "bump_it", "0a1b2c3", "4711"]);
    }

    #[test]
    fn lines_lose_their_listing() {
        assert_eq!(source_line("    12→    return n"), "return n");
        assert_eq!(source_line("src/a.py:12:    return n"), "return n");
        assert_eq!(source_line("src/a-b.py-12-    return n"), "return n");
        assert_eq!(source_line("   12\treturn n"), "return n");
        assert_eq!(source_line("let x: u8 = 1;"), "let x: u8 = 1;");
        let mut hits = Vec::new();
        path_lines("x src/a.rs:3,17 and b.py:4-9: C:5", |p, n| hits.push((p, n)));
        assert_eq!(hits, [("src/a.rs", 3), ("src/a.rs", 17), ("b.py", 4), ("b.py", 9)]);
    }
}
