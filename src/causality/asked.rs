//! What the rules will ask the index for. It follows from the inputs of calls and the agent's words, which are short; so it
//! is known before the outputs are read, and of these only what somebody asks for is kept. Most words of most outputs nobody
//! ever asks for.
//!
//! What is not announced here is not found later: a rule that asks for words of another text has to add that text in
//! [`Asked::of`]. The index checks it in debug builds.

use std::borrow::Cow;
use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::act::Act;
use super::check::how_words;
use super::files::folders_above;
use super::index::name_key;
use super::tokens::{LIMIT, line_hash, literals, scan, start, without_paths};
use super::wording::to_explain;
use crate::event::{Event, EventType};

/// So much of what the agent says before a call is looked at, in bytes.
pub(super) const SAID: usize = 4000;

/// Words, names and lines that are asked for; and, as it is a filter of hashes, a few others.
#[derive(Debug)]
pub(super) struct Asked {
    words: Filter,
    names: Filter,
    lines: Filter,
}

impl Asked {
    /// What the calls and the words of a session ask for.
    pub(super) fn of(events: &[Event], acts: &[Option<Act>]) -> Self {
        let said = |e: &Event| e.tool_input.as_ref().and_then(|i| i.as_str()).map_or(0, str::len) / 8;
        let size = |e: &Event, a: &Option<Act>| a.as_ref().map_or_else(|| said(e), |a| a.need.len() + a.new.len());
        let size: usize = events.iter().zip(acts).map(|(e, a)| size(e, a)).sum();
        let asked = Self { words: Filter::new(size), names: Filter::new(size / 16), lines: Filter::new(size / 4) };
        events.par_iter().zip(acts).with_min_len(64).for_each(|(e, act)| match act {
            Some(a) => asked.call(a),
            None if matches!(e.event_type, EventType::Message | EventType::Reasoning) => {
                let text = e.input_text();
                // the cut may make another word of the last one
                asked.telling(start(&text, SAID));
                // of what the agent says as its answer all is looked at
                if e.event_type == EventType::Message && text.len() > SAID {
                    asked.telling(&text);
                }
            }
            None => {}
        });
        asked
    }

    fn call(&self, a: &Act) {
        let all = |text: &str| scan(text, |w| self.words.add(w.hash));
        all(&a.need);
        all(&a.bare);
        if let Cow::Owned(text) = to_explain(a) {
            all(&without_paths(&text));
        }
        self.telling(&a.new);
        if let Some((pattern, _)) = a.searches.first() {
            literals(pattern).for_each(|l| all(&l));
        }
        how_words(a).iter().for_each(|(hash, _)| self.words.add(*hash));
        for p in &a.paths {
            let name = name_key(p);
            self.names.add(name);
            // the same name is found as a word, too
            self.words.add(name);
            folders_above(p).for_each(|above| self.names.add(name_key(above)));
        }
        for e in &a.edits {
            e.removed.iter().chain(&e.added).for_each(|l| self.lines.add(line_hash(l)));
        }
    }

    fn telling(&self, text: &str) {
        scan(start(text, LIMIT), |w| {
            if w.weight >= 1.0 {
                self.words.add(w.hash);
            }
        });
    }

    /// Whether a word may be asked for.
    pub(super) fn word(&self, hash: u64) -> bool {
        self.words.has(hash)
    }

    /// Whether a file may be asked for, by the hash of its name.
    pub(super) fn name(&self, key: u64) -> bool {
        self.names.has(key)
    }

    /// Whether a line may be asked for.
    pub(super) fn line(&self, hash: u64) -> bool {
        self.lines.has(hash)
    }
}

/// A set of hashes that may say yes to a few more.
#[derive(Debug)]
struct Filter {
    bits: Vec<AtomicU64>,
}

impl Filter {
    /// For about so many.
    fn new(most: usize) -> Self {
        let words = (most / 64).clamp(64, 1 << 16).next_power_of_two();
        Self { bits: (0..words).map(|_| AtomicU64::new(0)).collect() }
    }

    /// The place of a hash; none where there is no place at all.
    fn place(&self, hash: u64) -> Option<(&AtomicU64, u64)> {
        let at = (hash >> 6) as usize & (self.bits.len() - 1);
        Some((self.bits.get(at)?, 1 << (hash & 63)))
    }

    fn add(&self, hash: u64) {
        if let Some((bits, bit)) = self.place(hash)
            && bits.load(Ordering::Relaxed) & bit == 0
        {
            bits.fetch_or(bit, Ordering::Relaxed);
        }
    }

    fn has(&self, hash: u64) -> bool {
        self.place(hash).is_some_and(|(bits, bit)| bits.load(Ordering::Relaxed) & bit != 0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_word_is_announced_as_the_cut_leaves_it() {
        let text = format!("{}parse_everything", " ".repeat(SAID - 6));
        let said = |event_type| Event { event_type, tool_input: Some(text.as_str().into()), ..Event::default() };
        let hash = |w: &str| xxhash_rust::xxh3::xxh3_64(w.as_bytes());
        for (event_type, whole) in [(EventType::Message, true), (EventType::Reasoning, false)] {
            let asked = Asked::of(&[said(event_type)], &[None]);
            assert!(asked.word(hash("parse_")));
            assert_eq!(asked.word(hash("parse_everything")), whole);
        }
    }
}
