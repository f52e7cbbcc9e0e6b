//! What a call uses besides paths: words, values, phrases, what the agent says and what the prompt asks for.

use std::borrow::Cow;
use std::collections::HashMap;

use super::act::{Act, Group, Kind};
use super::asked::SAID;
use super::files::{base, is_file};
use super::hash::Hashes;
use super::lane::Lane;
use super::rules::Rule;
use super::tokens::{Word, is_opaque, literals, squeeze, start, words};

impl<'a> Lane<'a> {
    /// What the agent says in the turn points to the call just before that alone of them showed it.
    pub(super) fn said(&mut self, n: usize, previous: &[usize], fresh: bool) {
        if fresh || previous.len() < 2 {
            return;
        }
        let Some(list) = self.said.get(&n) else { return };
        let mut votes: HashMap<usize, (f32, f32, String)> = HashMap::new();
        let mut total = 0.0;
        for e in list {
            let text = self.events[*e].input_text();
            let tail = start(&text, SAID);
            for w in words(tail).into_iter().filter(|w| w.weight >= 1.0) {
                let Some(h) = self.index.holders(w.hash) else { continue };
                let now: Vec<usize> = previous.iter().copied().filter(|m| h.steps.contains(&(*m as u32))).collect();
                if now.is_empty() || now.len() == previous.len() {
                    continue;
                }
                let rarity = self.index.rarity(w.hash, w.weight);
                total += rarity;
                for m in &now {
                    let v = rarity / now.len() as f32;
                    let e = votes.entry(*m).or_insert((0.0, 0.0, String::new()));
                    e.0 += v;
                    if v > e.1 {
                        e.1 = v;
                        e.2 = w.text.to_owned();
                    }
                }
            }
        }
        let best = votes.into_iter().max_by(|x, y| x.1.0.total_cmp(&y.1.0).then(x.0.cmp(&y.0)));
        if let Some((m, (v, _, word))) = best.filter(|(_, (v, _, _))| *v >= 0.5 * total && *v > 0.4) {
            self.put(m, Rule::Said, v / total, Some(word));
        }
    }

    /// After a prompt: telling words that an edit wrote, or one step alone showed.
    pub(super) fn words_when_fresh(&mut self, need: &[Word<'_>]) {
        let Some(prompt) = self.last_prompt() else { return };
        let mut votes: HashMap<usize, (f32, String)> = HashMap::new();
        for w in need {
            let in_prompt = self.prompts.about.get(&prompt).is_some_and(|p| p.words.contains(&w.hash));
            let writer = self.changes.wrote.get(&w.hash).copied();
            let holder = self.index.holders(w.hash);
            let m = match in_prompt {
                true => writer.filter(|_| w.weight >= 1.3),
                false if w.weight < 1.0 => None,
                false => writer
                    .or_else(|| holder.filter(|h| h.count == 1).and_then(|h| h.steps.first()).map(|m| *m as usize)),
            };
            if let Some(m) = m.filter(|_| holder.is_some()) {
                votes.entry(m).or_insert((0.0, w.text.to_owned())).0 += w.weight;
            }
        }
        for (m, (v, word)) in votes {
            self.put(m, Rule::WordsOnly, v / 1.3, Some(word));
        }
    }

    /// Each word is explained by the turn before where that holds it, else by its only or its last holder.
    pub(super) fn word_rules(&mut self, previous: &[usize], need: &[Word<'_>]) {
        let mut given: Hashes = Hashes::default();
        for &m in previous {
            if let Some(b) = self.act(m) {
                given.extend(words(&b.bare).iter().map(|w| w.hash));
            }
        }
        let mut total = 0.0;
        let mut ids = Vec::new();
        let mut votes: HashMap<(Rule, usize), (f32, f32, String)> = HashMap::new();
        let vote = |votes: &mut HashMap<_, (f32, f32, String)>, rule, m, v: f32, weight: f32, text: &str| {
            let e = votes.entry((rule, m)).or_insert((0.0, 0.0, String::new()));
            e.0 += v;
            if weight > e.1 {
                e.1 = weight;
                e.2 = text.to_owned();
            }
        };
        for w in need {
            let Some(h) = self.index.holders(w.hash) else { continue };
            let rarity = self.index.rarity(w.hash, w.weight);
            if is_opaque(w.text) {
                // nobody guesses such a value: it comes from the step that showed it last
                let shown = |m: &usize| self.is(*m, |b| b.group != Group::Edit) || self.act(*m).is_none();
                let last = h.steps.iter().rev().map(|m| *m as usize).find(shown);
                let near = h.steps.iter().map(|m| *m as usize).rfind(|m| previous.contains(m));
                if let Some(m) = near.or(last) {
                    ids.push((m, w.text.to_owned()));
                    continue;
                }
            }
            total += rarity;
            let now: Vec<usize> = previous.iter().copied().filter(|m| h.steps.contains(&(*m as u32))).collect();
            if !now.is_empty() {
                for m in &now {
                    vote(&mut votes, Rule::WordsPrev, *m, rarity / (now.len() as f32).sqrt(), rarity, w.text);
                }
            } else if !given.contains(&w.hash) {
                let (rule, m) = match (h.count, h.steps.first(), h.steps.last()) {
                    (1, Some(m), _) => (Rule::WordsOnly, *m as usize),
                    (_, _, Some(m)) => (Rule::WordsLast, *m as usize),
                    _ => continue,
                };
                vote(&mut votes, rule, m, rarity, rarity, w.text);
            }
        }
        for (m, id) in ids {
            let known = self.given.contains(&xxhash_rust::xxh3::xxh3_64(id.as_bytes()));
            self.put(m, if known { Rule::IdKnown } else { Rule::Id }, 1.0, Some(id));
        }
        for ((rule, m), (v, _, text)) in votes {
            if v > 0.3 {
                let floor = if rule == Rule::WordsPrev { 0.9 } else { 1.215 };
                self.put(m, rule, (v / total.max(floor)).min(1.0).sqrt(), Some(text));
            }
        }
    }

    /// What a tool of no known kind is given, as it stands in the turn before, else in one of the last that showed it: the
    /// reference of an element, an address, a name.
    pub(super) fn values(&mut self, a: &Act, previous: &[usize]) {
        if a.kind != Kind::Other {
            return;
        }
        let prompt = self.last_prompt();
        for value in a.need.lines().map(str::trim).filter(|v| is_value(v)).take(16) {
            let tail = address_tail(value);
            let holds = |m: &usize| {
                let text = self.shown(*m);
                stands(text, value) || tail.is_some_and(|t| stands(text, t))
            };
            let near = previous.iter().copied().rfind(holds);
            let found = near.or_else(|| self.recent(12).filter(|m| !previous.contains(m)).take(32).find(holds));
            // what the prompt itself gives needs no other source
            let told = prompt.is_some_and(|p| stands(self.shown(p), value));
            let again = previous.iter().any(|m| self.is(*m, |b| b.need.lines().any(|l| l.trim() == value)));
            let rare = value.len() >= 8 || value.bytes().any(|b| b.is_ascii_digit());
            if let (Some(p), true) = (prompt, told) {
                self.put(p, Rule::Value, 0.7, Some(value.to_owned()));
            } else if let Some(m) = found.filter(|_| !again) {
                let span = tail.filter(|_| !stands(self.shown(m), value)).unwrap_or(value);
                self.put(m, Rule::Value, if rare { 1.0 } else { 0.75 }, Some(span.to_owned()));
            }
        }
    }

    /// Literal alternatives of a search pattern: the last step that shows them.
    pub(super) fn phrases(&mut self, a: &Act, previous: &[usize]) {
        let Some((pattern, _)) = a.searches.first() else { return };
        let literals: Vec<String> = literals(pattern).collect();
        let mut votes: HashMap<usize, (u32, String)> = HashMap::new();
        for x in literals.iter().filter(|x| x.len() >= 8) {
            let rarest = words(x)
                .into_iter()
                .filter(|w| self.index.is_held(w.hash))
                .max_by(|p, q| self.index.rarity(p.hash, p.weight).total_cmp(&self.index.rarity(q.hash, q.weight)));
            let Some(h) = rarest.and_then(|w| self.index.holders(w.hash)) else { continue };
            let holders: Vec<usize> =
                h.steps.iter().map(|m| *m as usize).filter(|m| self.shown(*m).contains(x.as_str())).collect();
            let m = holders.iter().rev().find(|m| previous.contains(m)).or(holders.last()).copied();
            if let Some(m) = m {
                votes.entry(m).or_insert((0, x.clone())).0 += 1;
            }
        }
        for (m, (v, x)) in votes {
            self.put(m, Rule::Phrase, (v as f32 / literals.len().max(1) as f32).sqrt(), Some(x));
        }
    }

    /// The prompt speaks of what is looked at: its plain words are in the file's name or in the pattern.
    fn speaks(&mut self, a: &Act, prompt: usize, since: usize) {
        let Some(about) = self.prompts.about.get(&prompt) else { return };
        // to a part of a file leads what showed that part; a file from its top is chosen by its name, too
        if a.reads.iter().any(|r| r.1.is_some_and(|from| from > 1)) {
            return;
        }
        // while a failure is open, that is what one looks into
        if !self.checks.open.is_empty() {
            return;
        }
        let says = |w: &str| {
            let w = w.to_lowercase();
            let one = w.strip_suffix('s').unwrap_or(&w);
            w.len() >= 4
                && (about.plain.contains(&w) || about.plain.contains(one) || about.plain.contains(&format!("{w}s")))
        };
        let names = a.paths.iter().map(|p| base(p)).chain(a.searches.iter().map(|s| s.0.as_str()));
        let mut parts = names.flat_map(|n| n.split(|c: char| !c.is_alphanumeric()));
        let word = parts
            .find(|w| !matches!(*w, "func" | "type" | "file" | "from" | "with" | "this" | "that") && says(w))
            .map(str::to_owned);
        if word.is_some() {
            self.put(prompt, Rule::PromptSpeaks, if since <= 1 { 1.0 } else { 0.9 }, word);
        }
    }

    /// What comes from the prompt itself, when it is near.
    pub(super) fn prompt_rules(&mut self, a: &Act, previous: &[usize], need: &[Word<'_>], open: f32) {
        let Some(prompt) = self.last_prompt() else { return };
        let since = self.since().len();
        if !a.looks() && !a.norm.is_empty() && since <= 8 && !self.wordings.has(a) {
            let text = self.prompts.about.get(&prompt).map(|p| p.squeezed.as_str()).unwrap_or("");
            let told = a
                .norm
                .split(" && ")
                .map(squeeze)
                .find(|c| c.len() >= 10 && c.matches(' ').count() >= 2 && text.contains(c.as_str()));
            if let Some(c) = told {
                self.put(prompt, Rule::Told, 1.0, Some(c));
            }
        }
        if since <= 2 && a.looks() {
            self.speaks(a, prompt, since);
        }
        if since > 4 {
            return;
        }
        let held = |hash: u64, m: usize| self.index.holders(hash).is_some_and(|h| h.steps.contains(&(m as u32)));
        let mut value = 0.0;
        let mut best: (f32, String) = (0.0, String::new());
        for w in need {
            if held(w.hash, prompt) && !previous.iter().any(|m| held(w.hash, *m)) {
                let rarity = self.index.rarity(w.hash, w.weight);
                value += rarity;
                if rarity > best.0 {
                    best = (rarity, w.text.to_owned());
                }
            }
        }
        for p in a.paths.iter().filter(|p| p.contains('/')) {
            let shown = self.index.showers(p);
            if shown.contains(&prompt) && !shown.iter().any(|m| previous.contains(m)) && !self.used_since(p, usize::MAX)
            {
                value += 1.0;
                best = (2.0, base(p).to_owned());
            }
        }
        if value > 0.5 {
            let x = (1.0 - (-value).exp()) * if since <= 2 { 1.0 } else { 0.7 };
            self.put(prompt, Rule::PromptWords, x, Some(best.1));
        }
        let explained = self.proposed().iter().any(|(m, list)| {
            *m > prompt && self.act(*m).is_some() && list.iter().any(|(r, x, _)| r.weights().p * x >= 0.55)
        });
        if since <= 2 && open > 0.4 && !explained {
            self.put(prompt, Rule::PromptOnly, if since == 1 { 1.0 } else { 0.7 }, None);
        }
    }
}

/// The text of a call whose words are to be explained: of a search what is searched for; of commands not what they print
/// between their outputs, nor the marks around a text handed to them.
pub(super) fn to_explain(a: &Act) -> Cow<'_, str> {
    if a.is_search() && !a.searches.is_empty() {
        return a.searches.iter().map(|s| s.0.as_str()).collect::<Vec<_>>().join("\n").into();
    }
    if !matches!(a.kind, Kind::Shell(_)) || !["echo", "printf", "EOF"].iter().any(|w| a.need.contains(w)) {
        return a.need.as_str().into();
    }
    let prints = |c: &str| {
        matches!(c.split_whitespace().next(), Some("echo" | "printf")) && !c.contains('>') && !c.contains('$')
    };
    let parts = a.need.split(['\n', ';', '&', '|']).filter(|c| !prints(c));
    parts.collect::<Vec<_>>().join("\n").replace("EOF", "").into()
}

/// Whether a value given to a tool is one that has to come from somewhere: more than a plain word, a small number, a yes.
fn is_value(v: &str) -> bool {
    let telling = v.bytes().any(|b| b.is_ascii_alphabetic())
        && v.bytes().any(|b| b.is_ascii_digit() || matches!(b, b'_' | b'-' | b'.' | b'/' | b':' | b'#' | b' '));
    // the folder that one works in is no finding
    let folder = v.starts_with(['/', '~']) && !is_file(v);
    !folder && (2..=300).contains(&v.len()) && (telling || v.len() >= 5 && v.bytes().all(|b| b.is_ascii_digit()))
}

/// The end of an address that a page shows as a link: `runs/123` of `https://host/owner/name/runs/123`.
fn address_tail(value: &str) -> Option<&str> {
    let (_, rest) = value.split_once("://")?;
    let rest = rest.trim_end_matches('/');
    let (before, _) = rest.rsplit_once('/')?;
    let from = before.rfind('/').map_or(0, |i| i + 1);
    let tail = &rest[from..];
    (from > 0 && tail.len() >= 8 && tail.bytes().any(|b| b.is_ascii_digit())).then_some(tail)
}

/// Whether a value stands in a text as a whole, not within a longer word.
fn stands(text: &str, value: &str) -> bool {
    let inner = |c: Option<char>| c.is_some_and(char::is_alphanumeric);
    text.match_indices(value).take(64).any(|(at, _)| {
        let (before, after) = (text[..at].chars().next_back(), text[at + value.len()..].chars().next());
        !inner(before) && !inner(after)
    })
}
