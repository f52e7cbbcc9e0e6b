//! Where words, paths, lines of source and `path:line` hits stand in the steps so far. Every list is bounded, so that a word
//! that is everywhere costs no more than one that is rare.

use super::asked::Asked;
use super::files::{base, clean, compat, is_file};
use super::hash::{ByHash, Hashes};
use super::tokens::{LIMIT, is_telling, line_hash, path_lines, scan_for, source_line, start, telling_lines};
use xxhash_rust::xxh3::xxh3_64;

/// Holders of one word: how many, the first, and the most recent.
#[derive(Clone, Debug, Default)]
pub(super) struct Holders {
    pub count: u32,
    pub steps: Vec<u32>,
}

/// A reading: step, first and last line, path.
pub(super) type Read<'a> = (u32, Option<u64>, Option<u64>, &'a str);

const HOLDERS: usize = 13;
const PER_NAME: usize = 96;
const PER_LINE: usize = 24;

#[derive(Debug)]
pub(super) struct Index<'a> {
    asked: &'a Asked,
    words: ByHash<Holders>,
    /// By hash of the base name: step and path.
    paths: ByHash<Vec<(u32, &'a str)>>,
    /// By hash of the base name: line, step, path.
    hits: ByHash<Vec<(u64, u32, &'a str)>>,
    /// By hash of a line of source: step, and whether it was shown (else written).
    lines: ByHash<Vec<(u32, bool)>>,
    /// By hash of the base name: step, first and last line, path.
    pub(super) reads: ByHash<Vec<Read<'a>>>,
    /// By hash of the base name: step and path.
    pub(super) edited: ByHash<Vec<(u32, &'a str)>>,
}

/// Adds to a bounded list: the first stays, the oldest of the others goes.
fn push<T>(list: &mut Vec<T>, item: T, most: usize) {
    list.push(item);
    if list.len() > most {
        list.remove(1);
    }
}

pub(super) fn name_key(path: &str) -> u64 {
    xxh3_64(base(path).as_bytes())
}

impl<'a> Index<'a> {
    /// Nothing yet; of what comes in only what is asked for will be kept.
    pub(super) fn new(asked: &'a Asked) -> Self {
        Self {
            asked,
            words: ByHash::default(),
            paths: ByHash::default(),
            hits: ByHash::default(),
            lines: ByHash::default(),
            reads: ByHash::default(),
            edited: ByHash::default(),
        }
    }

    pub(super) fn holders(&self, word: u64) -> Option<&Holders> {
        debug_assert!(self.asked.word(word), "a word that was not announced");
        self.words.get(&word)
    }

    /// Of the words of a text those that are asked for.
    pub(super) fn asked_of(&self, text: &str) -> Hashes {
        let mut found = Hashes::default();
        scan_for(text, |_, hash, _| self.asked.word(hash), |w| _ = found.insert(w.hash));
        found
    }

    pub(super) fn rarity(&self, word: u64, weight: f32) -> f32 {
        self.words.get(&word).map_or(0.0, |h| weight / (1.0 + (h.count as f32).ln()))
    }

    pub(super) fn hold(&mut self, word: u64, step: usize) {
        let h = self.words.entry(word).or_default();
        if h.steps.last() != Some(&(step as u32)) {
            h.count += 1;
            push(&mut h.steps, step as u32, HOLDERS);
        }
    }

    pub(super) fn is_held(&self, word: u64) -> bool {
        debug_assert!(self.asked.word(word), "a word that was not announced");
        self.words.contains_key(&word)
    }

    /// The steps that showed a path, in order.
    pub(super) fn showers(&self, path: &str) -> Vec<usize> {
        debug_assert!(self.asked.name(name_key(path)), "a path that was not announced");
        let all = self.paths.get(&name_key(path)).into_iter().flatten();
        let mut steps: Vec<usize> = all.filter(|(_, q)| compat(path, q) > 0).map(|(n, _)| *n as usize).collect();
        steps.dedup();
        steps
    }

    pub(super) fn add_path(&mut self, path: &'a str, step: usize) {
        push(self.paths.entry(name_key(path)).or_default(), (step as u32, path), PER_NAME);
    }

    pub(super) fn edit(&mut self, path: &'a str, step: usize) {
        push(self.edited.entry(name_key(path)).or_default(), (step as u32, path), PER_NAME);
    }

    pub(super) fn read(&mut self, path: &'a str, from: Option<u64>, to: Option<u64>, step: usize) {
        push(self.reads.entry(name_key(path)).or_default(), (step as u32, from, to, path), PER_NAME);
    }

    pub(super) fn knows_path(&self, path: &str) -> bool {
        self.paths.get(&name_key(path)).is_some_and(|all| all.iter().any(|(_, q)| compat(path, q) > 0))
    }

    /// Hits on a file within these lines: step and line, in order.
    pub(super) fn hits(&self, path: &str, lines: std::ops::RangeInclusive<u64>) -> Vec<(usize, u64)> {
        let all = self.hits.get(&name_key(path)).into_iter().flatten().filter(|(line, ..)| lines.contains(line));
        all.filter(|(_, _, q)| compat(path, q) > 0).map(|(line, n, _)| (*n as usize, *line)).collect()
    }

    fn add_hit(&mut self, path: &'a str, line: u64, step: usize) {
        let list = self.hits.entry(name_key(path)).or_default();
        list.push((line, step as u32, path));
        if list.len() > 1024 {
            list.drain(..512);
        }
    }

    pub(super) fn line(&self, hash: u64) -> &[(u32, bool)] {
        self.lines.get(&hash).map_or(&[], Vec::as_slice)
    }

    pub(super) fn add_line(&mut self, hash: u64, step: usize, shown: bool) {
        let list = self.lines.entry(hash).or_default();
        if list.last() != Some(&(step as u32, shown)) {
            push(list, (step as u32, shown), PER_LINE);
        }
    }

    /// Enters a text that was shown: words, paths, hits, lines.
    pub(super) fn show(&mut self, shown: &Shown<'a>, step: usize) {
        for word in &shown.words {
            self.hold(*word, step);
        }
        for path in &shown.paths {
            // a bare name within a path was entered with the path
            self.add_path(path, step);
        }
        for (path, line) in &shown.hits {
            self.add_hit(path, *line, step);
        }
        for line in &shown.lines {
            self.add_line(*line, step, true);
        }
    }

    /// A search in one file prints bare line numbers.
    pub(super) fn show_numbers(&mut self, path: &'a str, text: &str, step: usize) {
        if !is_file(path) || !self.asked.name(name_key(path)) {
            return;
        }
        for line in start(text, LIMIT).lines() {
            let digits = line.bytes().take_while(u8::is_ascii_digit).count();
            if digits > 0
                && line[digits..].starts_with([':', '-'])
                && let Ok(n) = line[..digits].parse()
            {
                self.add_hit(path, n, step);
            }
        }
    }

    /// Enters words that a call coined or an edit wrote.
    pub(super) fn coin(&mut self, words: &[u64], step: usize, only_new: bool) {
        for &hash in words {
            if !(only_new && self.is_held(hash)) {
                self.hold(hash, step);
            }
        }
    }
}

/// What a text shows of that which is asked for. Finding it is most of the work, and needs nothing of the steps before.
#[derive(Debug, Default)]
pub(super) struct Shown<'a> {
    /// Hashes of its words, some of them more than once.
    pub(super) words: Vec<u64>,
    paths: Vec<&'a str>,
    /// Path and line.
    hits: Vec<(&'a str, u64)>,
    /// Hashes of its telling lines, as they stand in the file.
    lines: Vec<u64>,
}

impl<'a> Shown<'a> {
    /// `plainly`: its lines count also as they stand in the text.
    pub(super) fn of(whole: &'a str, plainly: bool, asked: &Asked) -> Self {
        let text = start(whole, LIMIT);
        let mut shown = Self::default();
        let names = |path: &str| asked.name(name_key(path));
        // a path counts once, unless it was seen as a mere word first
        let mut seen = Hashes::default();
        let mut recent = [0u64; 256];
        let wanted = |text: &str, hash: u64, path: bool| asked.word(hash) || path && names(text);
        scan_for(text, wanted, |w| {
            let place = recent.get_mut((w.hash >> 32) as usize & 255);
            if place.is_some_and(|r| std::mem::replace(r, w.hash) != w.hash) {
                shown.words.push(w.hash);
            }
            let file = if w.path { names(w.text) } else { asked.name(w.hash) };
            if file && seen.insert(w.hash) && w.path {
                shown.paths.push(w.text);
            }
        });
        path_lines(text, |p, line| {
            if names(p) {
                shown.hits.push((p, line));
            }
        });
        let mut file: Option<&str> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("+++ ") {
                file = Some(clean(name.split_whitespace().next().unwrap_or("")));
            } else if let (Some(rest), Some(f)) = (line.strip_prefix("@@ -"), file) {
                let start =
                    rest.split('+').nth(1).and_then(|r| r.split([',', ' ']).next()).and_then(|n| n.parse().ok());
                if let Some(start) = start.filter(|_| names(f)) {
                    shown.hits.push((f, start));
                }
            }
            let l = source_line(line);
            if is_telling(l) {
                shown.lines.extend(Some(line_hash(l)).filter(|l| asked.line(*l)));
            }
        }
        if plainly {
            shown.lines.extend(telling_lines(whole).map(line_hash).filter(|l| asked.line(*l)));
        }
        shown
    }
}

/// Hashes of the words of a text that are asked for, and of those among them that an edit would be known by.
pub(super) fn coined(text: &str, asked: &Asked) -> (Vec<u64>, Vec<u64>) {
    let (mut all, mut strong) = (Vec::new(), Vec::new());
    scan_for(
        text,
        |_, hash, _| asked.word(hash),
        |w| {
            all.push(w.hash);
            if w.weight >= 1.0 {
                strong.push(w.hash);
            }
        },
    );
    (all, strong)
}

#[cfg(test)]
mod tests {
    use super::super::act::Act;
    use super::*;
    use crate::event::{Event, EventType};

    #[test]
    fn only_what_is_asked_for_is_kept() {
        let call = Event { event_type: EventType::ToolCall, ..Event::default() };
        let act = Act { need: "sed parse_it src/a.rs".into(), paths: vec!["src/a.rs".into()], ..Act::default() };
        let asked = Asked::of(&[call], &[Some(act)]);
        let shown = Shown::of("src/a.rs:3: parse_it(other_thing)\nsrc/b.rs:4: nobody_asks", false, &asked);
        let hash = |w: &str| xxh3_64(w.as_bytes());
        assert!(["src/a.rs", "a.rs", "parse_it"].iter().all(|w| shown.words.contains(&hash(w))));
        assert!(!["src/b.rs", "b.rs", "other_thing", "nobody_asks"].iter().any(|w| shown.words.contains(&hash(w))));
        assert_eq!(shown.paths, ["src/a.rs", "a.rs"]);
        assert_eq!(shown.hits, [("src/a.rs", 3)]);
    }
}
