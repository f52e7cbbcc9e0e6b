//! Tolerant reading of JSON lines: every damage that real agents' files show is repaired or reported, never passed on to
//! the line next to it.
//!
//! [`Lines`] finds the lines; [`records`] parses one. The straight path is one borrowed `serde_json` pass; only a line
//! that fails is looked at again: lone surrogates (Claude Code before 2.1.132 wrote them where a cut split an emoji), raw
//! control bytes, invalid UTF-8, duplicate keys, numbers beyond range, nesting beyond what parsers take, a trailing NUL padding, several objects
//! on a line.

use std::io::{self, Read};
use std::ops::Range;

use serde::de::{Deserialize, DeserializeOwned};

/// Longest line that is kept, in bytes. A longer one is passed over and reported: nothing that an agent writes comes near.
pub const MAX_LINE: usize = 256 << 20;

/// Bytes that are read at once.
const CHUNK: usize = 256 << 10;

/// The lines of a file, one at a time. They are looked at where they were read to: no line is copied.
pub struct Lines<R> {
    reader: R,
    buffer: Vec<u8>,
    /// What of the buffer has been read and not given.
    from: usize,
    to: usize,
    number: u64,
    offset: u64,
}

/// One line.
pub struct Line<'a> {
    /// Number, from 1.
    pub number: u64,
    /// Byte offset of its beginning.
    pub offset: u64,
    /// Its bytes without the line ending, byte order mark, NUL padding and white space around it; none where it was longer
    /// than [`MAX_LINE`].
    pub bytes: Option<&'a [u8]>,
    /// It ends with a newline: false for a last line that may still be being written.
    pub complete: bool,
}

impl<R: Read> Lines<R> {
    /// Lines of `reader`, which stands at the beginning of the file.
    pub fn new(reader: R) -> Self {
        Self { reader, buffer: Vec::new(), from: 0, to: 0, number: 0, offset: 0 }
    }

    /// The next line that is not empty.
    ///
    /// # Errors
    /// The file cannot be read on.
    #[expect(clippy::should_implement_trait, reason = "an item borrows from the reader, which Iterator cannot say")]
    pub fn next(&mut self) -> io::Result<Option<Line<'_>>> {
        loop {
            let offset = self.offset;
            let (line, length, complete) = self.line()?;
            if length == 0 {
                return Ok(None);
            }
            self.number += 1;
            self.offset += length;
            let number = self.number;
            if length > MAX_LINE as u64 {
                return Ok(Some(Line { number, offset, bytes: None, complete }));
            }
            if !trim(&self.buffer[line.clone()]).is_empty() {
                return Ok(Some(Line { number, offset, bytes: Some(trim(&self.buffer[line])), complete }));
            }
        }
    }

    /// Takes one line: where it stands in the buffer (at most [`MAX_LINE`] of it), its length, and whether it ended.
    fn line(&mut self) -> io::Result<(Range<usize>, u64, bool)> {
        let (mut searched, mut dropped) = (self.from, 0u64);
        loop {
            let end = memchr::memchr(b'\n', &self.buffer[searched..self.to]).map(|i| searched + i + 1);
            if let Some(end) = end {
                let line = std::mem::replace(&mut self.from, end)..end;
                return Ok((line.clone(), dropped + line.len() as u64, true));
            }
            // what has been given makes room; of a line that will not be given only the end is looked for
            self.buffer.copy_within(self.from..self.to, 0);
            self.to -= std::mem::take(&mut self.from);
            if self.to > MAX_LINE {
                dropped += std::mem::take(&mut self.to) as u64;
            }
            searched = self.to;
            if self.read()? == 0 {
                let line = std::mem::replace(&mut self.from, searched)..searched;
                return Ok((line.clone(), dropped + line.len() as u64, false));
            }
        }
    }

    /// Reads on; how many bytes that gave.
    fn read(&mut self) -> io::Result<usize> {
        // what one large line took is given back
        if self.to < CHUNK && self.buffer.len() > 4 * CHUNK {
            self.buffer.truncate(2 * CHUNK);
            self.buffer.shrink_to_fit();
        }
        // the same bytes are read into again and again: nothing is cleared but what is new
        if self.buffer.len() < self.to + CHUNK {
            self.buffer.resize(self.to + CHUNK, 0);
        }
        loop {
            match self.reader.read(&mut self.buffer[self.to..]) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => return read.inspect(|n| self.to += n),
            }
        }
    }
}

/// Without a byte order mark, NUL padding and white space around.
pub(super) fn trim(mut line: &[u8]) -> &[u8] {
    line = line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line);
    let junk = |b: &u8| b.is_ascii_whitespace() || *b == 0;
    while let Some((first, rest)) = line.split_first().filter(|(b, _)| junk(b)) {
        let _ = first;
        line = rest;
    }
    while let Some((last, rest)) = line.split_last().filter(|(b, _)| junk(b)) {
        let _ = last;
        line = rest;
    }
    line
}

/// The records of one line: nearly always one, for which nothing is allocated.
pub type Found<T> = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

/// The record, or records, of one line. `scratch` holds the repaired text where repair was needed.
///
/// # Errors
/// The reason why the line is of no use.
pub fn records<'a, T: Deserialize<'a>>(line: &'a [u8], scratch: &'a mut String) -> Result<Found<T>, String> {
    // one check of the whole line is cheaper than one of each string
    let parsed = match std::str::from_utf8(line) {
        Ok(text) => serde_json::from_str(text),
        Err(_) => serde_json::from_slice(line),
    };
    let first = match parsed {
        Ok(record) => return Ok(Some(record).into_iter().chain(Vec::new())),
        Err(e) => e,
    };
    repair(line, scratch);
    let scratch: &'a str = scratch;
    let mut found = Vec::new();
    let mut stream = serde_json::Deserializer::from_str(scratch).into_iter::<T>();
    loop {
        match stream.next() {
            Some(Ok(record)) => found.push(record),
            None => return Ok(None.into_iter().chain(found)),
            // whole objects before a torn end are used
            Some(Err(_)) if !found.is_empty() => return Ok(None.into_iter().chain(found)),
            Some(Err(_)) => return Err(reason(&first)),
        }
    }
}

/// One JSON value of a small file that is not made of lines, repaired like a line.
///
/// # Errors
/// The reason why the text is of no use.
pub fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, String> {
    let bytes = trim(bytes);
    serde_json::from_slice(bytes).or_else(|first| {
        let mut scratch = String::new();
        repair(bytes, &mut scratch);
        serde_json::from_str(&scratch).map_err(|_| reason(&first))
    })
}

/// What is wrong, in words without serde's `at line 1`.
fn reason(e: &serde_json::Error) -> String {
    let text = e.to_string();
    let text = text.split(" at line ").next().unwrap_or(&text);
    if e.is_eof() { format!("torn: {text}") } else { format!("{text} (column {})", e.column()) }
}

/// Deeper than this a value becomes the text of its JSON: parsers stop at 128.
const DEEPEST: usize = 100;

/// Writes the text of `line` to `out` with what no JSON parser takes made harmless; duplicate keys keep their last value.
pub(super) fn repair(line: &[u8], out: &mut String) {
    out.clear();
    let text = String::from_utf8_lossy(line);
    let mut fixed = String::with_capacity(text.len());
    let bytes = text.as_bytes();
    let (mut i, mut from, mut inside, mut depth) = (0, 0, false, 0usize);
    while i < bytes.len() {
        let (instead, length) = match bytes[i] {
            b'\\' => match lone_surrogate(&bytes[i..]) {
                Escape::Lone => (Some("\\ufffd".into()), 6),
                Escape::Whole(n) => (None, n),
            },
            b'"' => {
                inside = !inside;
                (None, 1)
            }
            b'\t' if inside => (Some("\\t".into()), 1),
            b'\n' if inside => (Some("\\n".into()), 1),
            b'\r' if inside => (Some("\\r".into()), 1),
            b'\t' | b'\n' | b'\r' => (None, 1),
            0..0x20 => (Some("\u{fffd}".into()), 1),
            b'[' | b'{' if !inside && depth == DEEPEST => {
                let value = &text[i..i + length_of(&bytes[i..])];
                (Some(serde_json::Value::from(value).to_string().into()), value.len())
            }
            b'[' | b'{' if !inside => {
                depth += 1;
                (None, 1)
            }
            b']' | b'}' if !inside => {
                depth = depth.saturating_sub(1);
                (None, 1)
            }
            b'-' | b'0'..=b'9' | b'N' | b'I' if !inside => number(&text[i..]),
            _ => (None, 1),
        };
        if let Some(instead) = instead {
            let instead: std::borrow::Cow<'_, str> = instead;
            fixed.push_str(&text[from..i]);
            fixed.push_str(&instead);
            from = i + length;
        }
        i = (i + length).min(bytes.len());
        // an escaped character of several bytes must not be cut
        while !text.is_char_boundary(i) {
            i += 1;
        }
    }
    fixed.push_str(text.get(from..).unwrap_or(""));
    // a pass through a map keeps the last of duplicate keys
    let mut values = serde_json::Deserializer::from_str(&fixed).into_iter::<serde_json::Value>();
    for value in values.by_ref() {
        let Ok(value) = value else {
            break;
        };
        out.push_str(&value.to_string());
        out.push('\n');
    }
    if out.is_empty() {
        *out = fixed;
    }
}

/// Bytes of the array or object at the beginning of a text; all of it where it does not end.
fn length_of(bytes: &[u8]) -> usize {
    let (mut depth, mut inside, mut escaped) = (0usize, false, false);
    for (i, b) in bytes.iter().enumerate() {
        match b {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'"' => inside = !inside,
            b'[' | b'{' if !inside => depth += 1,
            b']' | b'}' if !inside => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return i + 1;
                }
            }
            _ => {}
        }
    }
    bytes.len()
}

/// What stands for a number, and its length: `null` for one that no parser takes (`NaN` and `Infinity`, as Python writes them,
/// and what is beyond a double).
fn number(rest: &str) -> (Option<std::borrow::Cow<'static, str>>, usize) {
    let part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '+' | '-' | '.');
    let token = &rest[..rest.find(|c| !part(c)).unwrap_or(rest.len())];
    let beyond = matches!(token, "NaN" | "Infinity" | "-Infinity")
        || !token.contains(['N', 'I', 'n', 'i']) && token.parse::<f64>().is_ok_and(f64::is_infinite);
    (beyond.then_some("null".into()), token.len().max(1))
}

enum Escape {
    /// An escape of this many bytes that is as it should be (or is for the parser to judge).
    Whole(usize),
    /// Half of a surrogate pair.
    Lone,
}

fn lone_surrogate(bytes: &[u8]) -> Escape {
    let unit = |b: &[u8]| {
        let hex = b.strip_prefix(b"\\u")?.get(..4)?;
        u16::from_str_radix(std::str::from_utf8(hex).ok()?, 16).ok()
    };
    match unit(bytes) {
        Some(0xd800..=0xdbff) => match bytes.get(6..).and_then(unit) {
            Some(0xdc00..=0xdfff) => Escape::Whole(12),
            _ => Escape::Lone,
        },
        Some(0xdc00..=0xdfff) => Escape::Lone,
        Some(_) => Escape::Whole(6),
        None => Escape::Whole(2),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn all(text: &[u8]) -> Vec<Result<Vec<Value>, String>> {
        let mut lines = Lines::new(text);
        let mut out = Vec::new();
        while let Some(line) = lines.next().unwrap() {
            out.push(records(line.bytes.unwrap(), &mut String::new()).map(Iterator::collect));
        }
        out
    }

    fn one(text: &[u8]) -> Value {
        all(text)[0].as_ref().unwrap()[0].clone()
    }

    #[test]
    fn damage_is_repaired() {
        assert_eq!(one(br#"{"a":"x\ud83d y"}"#)["a"], "x\u{fffd} y");
        assert_eq!(one(br#"{"a":"x\ude00"}"#)["a"], "x\u{fffd}");
        assert_eq!(one(br#"{"a":"\ud83d\ude00 \\ud83d"}"#)["a"], "\u{1f600} \\ud83d");
        assert_eq!(one(b"{\"a\":\"x\xff\x01\"}")["a"], "x\u{fffd}\u{fffd}");
        assert_eq!(one(b"{\"a\":\"x\ty\"}")["a"], "x\ty");
        assert_eq!(one(b"\xef\xbb\xbf{\"a\":1,\"a\":2}\r\n")["a"], 2);
        assert_eq!(one(b"{\"a\":1}\0\0\0\n")["a"], 1);
        assert_eq!(
            one(br#"{"a":1e400,"b":-1e999,"c":"1e400 NaN","d":[NaN,Infinity,-Infinity,1e3]}"#).to_string(),
            r#"{"a":null,"b":null,"c":"1e400 NaN","d":[null,null,null,1000.0]}"#
        );
    }

    #[test]
    fn what_is_too_deep_becomes_text() {
        let line = format!("{{\"a\":{}\"]\\\"\"{},\"b\":1}}", "[".repeat(200), "]".repeat(200));
        let found = one(line.as_bytes());
        assert_eq!(found["b"], 1);
        let mut at = &found["a"];
        while let Some(inner) = at.get(0) {
            at = inner;
        }
        let rest = at.as_str().unwrap();
        assert!(rest.starts_with("[[[") && rest.ends_with("]]]") && rest.contains("\"]\\\"\""), "{rest}");
        // what does not end is no record, however deep
        assert!(all(&vec![b'['; 100_000])[0].is_err());
    }

    #[test]
    fn neighbours_are_not_lost() {
        let got = all(b"{\"a\":1}{\"a\":2}\n\n{\"a\":\n{\"a\":3}\n{\"a\":4}{\"b\":");
        let count: Vec<_> = got.iter().map(|r| r.as_ref().map(Vec::len).map_err(String::as_str)).collect();
        assert_eq!(count, [Ok(2), Err("torn: EOF while parsing a value"), Ok(1), Ok(1)]);
    }

    #[test]
    fn lines_know_their_place() {
        let mut lines = Lines::new(&b"{}\n\n {} "[..]);
        let mut seen = Vec::new();
        while let Some(l) = lines.next().unwrap() {
            seen.push((l.number, l.offset, l.complete));
        }
        assert_eq!(seen, [(1, 0, true), (3, 4, false)]);
    }
}
