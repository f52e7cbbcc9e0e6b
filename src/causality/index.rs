//! Where words, paths, lines of source and `path:line` hits stand in the steps so far. Every list is bounded, so that a word
//! that is everywhere costs no more than one that is rare.

use super::files::{base, clean, compat, is_file};
use super::hash::ByHash;
use super::tokens::{LIMIT, floor, is_telling, line_hash, path_lines, scan, source_line, telling_lines, words};
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

#[derive(Debug, Default)]
pub(super) struct Index<'a> {
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
    pub(super) fn holders(&self, word: u64) -> Option<&Holders> {
        self.words.get(&word)
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
        self.words.contains_key(&word)
    }

    /// The steps that showed a path, in order.
    pub(super) fn showers(&self, path: &str) -> Vec<usize> {
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
        if !is_file(path) {
            return;
        }
        for line in text[..floor(text, LIMIT)].lines() {
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

/// What a text shows. Finding it is most of the work, and needs nothing of the steps before.
#[derive(Debug, Default)]
pub(super) struct Shown<'a> {
    /// Hashes of its words.
    words: Vec<u64>,
    paths: Vec<&'a str>,
    /// Path and line.
    hits: Vec<(&'a str, u64)>,
    /// Hashes of its telling lines, as they stand in the file.
    lines: Vec<u64>,
}

impl<'a> Shown<'a> {
    /// `plainly`: its lines count also as they stand in the text.
    pub(super) fn of(whole: &'a str, plainly: bool) -> Self {
        let text = &whole[..floor(whole, LIMIT)];
        let mut shown = Self::default();
        for w in words(text) {
            shown.words.push(w.hash);
            if w.path {
                shown.paths.push(w.text);
            }
        }
        path_lines(text, |p, line| shown.hits.push((p, line)));
        let mut file: Option<&str> = None;
        for line in text.lines() {
            if let Some(name) = line.strip_prefix("+++ ") {
                file = Some(clean(name.split_whitespace().next().unwrap_or("")));
            } else if let (Some(rest), Some(f)) = (line.strip_prefix("@@ -"), file) {
                let start =
                    rest.split('+').nth(1).and_then(|r| r.split([',', ' ']).next()).and_then(|n| n.parse().ok());
                if let Some(start) = start {
                    shown.hits.push((f, start));
                }
            }
            let l = source_line(line);
            if is_telling(l) {
                shown.lines.push(line_hash(l));
            }
        }
        if plainly {
            shown.lines.extend(telling_lines(whole).map(line_hash));
        }
        shown
    }
}

/// Hashes of the words of a text, and of those among them that an edit would be known by.
pub(super) fn coined(text: &str) -> (Vec<u64>, Vec<u64>) {
    let (mut all, mut strong) = (Vec::new(), Vec::new());
    scan(text, |w| {
        all.push(w.hash);
        if w.weight >= 1.0 {
            strong.push(w.hash);
        }
    });
    (all, strong)
}
