//! Reading a session file: lines folded to events, with every problem by line.

use std::collections::{BTreeMap, HashMap};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use xxhash_rust::xxh3::xxh3_64;

use super::{hooked, rewound};
use crate::event::Event;
use crate::plain;

/// Bytes that are read before their lines are parsed, side by side.
const CHUNK: u64 = 4 << 20;

/// Bytes that one thread parses as fast as several.
const SMALL: usize = 256 << 10;

/// Something wrong with a line of the store.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// Line in the file, from 1.
    pub line: u64,
    /// What is wrong.
    pub reason: String,
}

/// The content of a session file.
#[derive(Debug, Default)]
pub struct Stored {
    /// Events, folded, in the order of their first line.
    pub events: Vec<Event>,
    /// The line on which each event first stands, by its index.
    pub lines: Vec<u64>,
    /// Lines that could not be read.
    pub problems: Vec<Problem>,
    /// Lines by schema version.
    pub versions: BTreeMap<String, u64>,
}

/// Reads a session file. Events without a session id (Python lines) take the file's name as theirs.
///
/// # Errors
/// The file cannot be opened or read on.
pub fn read_file(path: &Path) -> anyhow::Result<Stored> {
    let file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut reader = BufReader::with_capacity(256 * 1024, file);
    let mut stored = Stored::default();
    let mut known: HashMap<String, usize> = HashMap::new();
    let (mut chunk, mut number) = (Vec::new(), 0u64);
    let stem = path.file_stem().map(|s| s.to_string_lossy().into_owned()).unwrap_or_default();
    loop {
        chunk.clear();
        let read = reader.by_ref().take(CHUNK).read_to_end(&mut chunk).and_then(|_| match chunk.last() {
            Some(b'\n') | None => Ok(0),
            Some(_) => reader.read_until(b'\n', &mut chunk),
        });
        read.with_context(|| format!("cannot read {}", path.display()))?;
        if chunk.is_empty() {
            break;
        }
        let lines: Vec<&[u8]> = lines(&chunk).collect();
        let event = |line: &&[u8]| (!line.is_empty()).then(|| parse::<Event>(line));
        // threads are worth their start only where there is much to do
        let parsed: Vec<_> =
            if chunk.len() < SMALL { lines.iter().map(event).collect() } else { lines.par_iter().map(event).collect() };
        for (line, parsed) in lines.into_iter().zip(parsed) {
            number += 1;
            match parsed {
                Some(Ok(event)) => {
                    *stored.versions.entry(version_of(line).to_owned()).or_default() += 1;
                    take(&mut stored, &mut known, event, number, &stem);
                }
                Some(Err(e)) => {
                    let text = e.to_string();
                    let what = text.split(" at line ").next().unwrap_or(&text);
                    let torn = if e.is_eof() { "torn line: " } else { "not an event: " };
                    stored.problems.push(Problem { line: number, reason: format!("{torn}{what}") });
                }
                None => {}
            }
        }
    }
    hooked::complete(&mut stored);
    rewound::mark(&mut stored.events);
    Ok(stored)
}

/// Parses a line. One check of the whole is cheaper than one of each string in it.
pub(super) fn parse<'a, T: Deserialize<'a>>(line: &'a [u8]) -> serde_json::Result<T> {
    std::str::from_utf8(line).map_or_else(|_| serde_json::from_slice(line), serde_json::from_str)
}

/// Folds an event into what is known.
fn take(stored: &mut Stored, known: &mut HashMap<String, usize>, mut event: Event, number: u64, stem: &str) {
    if event.session_id.is_empty() {
        stem.clone_into(&mut event.session_id);
    }
    if event.agent.is_empty() {
        event.agent = "unknown".to_owned();
    }
    // hooks give a prompt typed while the agent works the id of the one that it works on
    let other = known.get(&event.event_id).and_then(|&i| hooked::other_prompt(&stored.events[i], &event));
    event.event_id = other.unwrap_or(event.event_id);
    match known.get(&event.event_id) {
        Some(&i) => stored.events[i].fold(event),
        None => {
            known.insert(event.event_id.clone(), stored.events.len());
            stored.lines.push(number);
            stored.events.push(event);
        }
    }
}

/// The lines of a chunk, without the white space around each.
fn lines(chunk: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = if chunk.ends_with(b"\n") { None } else { Some(chunk.len()) };
    let mut from = 0;
    memchr::memchr_iter(b'\n', chunk)
        .chain(whole)
        .map(move |end| chunk[std::mem::replace(&mut from, end + 1)..end].trim_ascii())
}

/// The schema version at the head of a line; "" where it does not begin with one.
fn version_of(line: &[u8]) -> &str {
    let head = &line[..line.len().min(64)];
    let after = head.strip_prefix(br#"{"schema_version":"#).map(<[u8]>::trim_ascii_start);
    let text = after.and_then(|a| a.strip_prefix(b"\"")).and_then(|a| a.split(|b| *b == b'"').next());
    text.and_then(|t| std::str::from_utf8(t).ok()).unwrap_or("")
}

/// What makes a line the same as another: all of it but where it was read from. An agent that rewrites or moves its file
/// then adds nothing.
pub fn line_key(line: &[u8]) -> u64 {
    let line = line.trim_ascii_end();
    let end = memchr::memmem::rfind(line, br#","source":{"#).unwrap_or(line.len());
    xxh3_64(&line[..end])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_lines_are_named_and_cost_only_themselves() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.jsonl");
        std::fs::write(
            &path,
            "{\"schema_version\":\"1.0\",\"event_id\":\"a\",\"status\":\"running\"}\n\n{\"event_id\":\n[]\n{\"schema_version\": \"0.1\",\"event_id\":\"b\"}\n{\"event_id\":\"a\",\"status\":\"ok\"}\n{\"eve",
        )
        .unwrap();
        let s = read_file(&path).unwrap();
        let ids: Vec<_> = s.events.iter().map(|e| (e.event_id.as_str(), e.session_id.as_str(), e.status)).collect();
        assert_eq!(ids, [("a", "s", Some(crate::event::Status::Ok)), ("b", "s", None)]);
        assert_eq!(s.problems.iter().map(|p| p.line).collect::<Vec<_>>(), [3, 4, 7]);
        assert_eq!(s.versions.keys().collect::<Vec<_>>(), ["", "0.1", "1.0"]);
        assert_eq!(s.lines, [1, 5]);
    }

    #[test]
    fn the_key_of_a_line_leaves_out_its_source() {
        let a = br#"{"event_id":"a","source":{"file":"/x","line":1}}"#;
        let b = br#"{"event_id":"a","source":{"file":"/y","line":7}}"#;
        assert_eq!(line_key(a), line_key(b));
        assert_ne!(line_key(a), line_key(br#"{"event_id":"b","source":{"file":"/x","line":1}}"#));
    }
}
