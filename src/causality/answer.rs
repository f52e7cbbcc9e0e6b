//! What the agent's last words of a turn rest on: the calls since the prompt that showed what they tell of.

use std::collections::BTreeMap;

use super::lane::Lane;
use super::rules::Rule;
use super::tokens::{LIMIT, start, words};

/// Calls that an answer is said to rest on, at most.
pub(super) const CAP: usize = 12;

/// Words of these stems name a check, and words of those say how it went: an answer about a check has one of each.
const CHECKS: [&str; 7] = ["test", "suite", "build", "built", "lint", "compil", "check"];
const WENT: [&str; 8] = ["pass", "fail", "green", "clean", "succe", "complet", "compiles", "warning"];

impl Lane<'_> {
    pub(super) fn answer(&mut self, n: usize) {
        let text = &self.steps[n].text;
        let text_seen = start(text, LIMIT);
        let prompt = self.last_prompt();
        let from = prompt.unwrap_or(self.view);
        let mut total = 0.0;
        let mut votes: BTreeMap<usize, (f32, f32, &str)> = BTreeMap::new();
        for w in words(text_seen) {
            // an echo of the prompt tells nothing
            let asked = prompt.and_then(|p| self.prompts.about.get(&p)).is_some_and(|p| p.words.contains(&w.hash));
            if w.weight < 1.0 || asked {
                continue;
            }
            let Some(holders) = self.index.holders(w.hash) else { continue };
            let since = holders.steps.iter().map(|m| *m as usize).filter(|m| *m > from);
            // what a call was only given, and answered nothing to, it did not show
            let Some(m) = since.filter(|m| self.is(*m, |b| !b.empty)).max() else { continue };
            let rarity = self.index.rarity(w.hash, w.weight);
            total += rarity;
            let vote = votes.entry(m).or_insert((0.0, 0.0, w.text));
            vote.0 += rarity;
            if rarity > vote.1 {
                (vote.1, vote.2) = (rarity, w.text);
            }
        }
        let found: Vec<(usize, f32, String)> =
            votes.into_iter().map(|(m, (v, _, word))| (m, v, word.to_owned())).collect();
        for (m, v, word) in found {
            // one common name of many may be chance; a rare one, or several, or most of what is told are not
            let strength = f32::max(v / 2.0, 2.0 * v / f32::max(total, 2.0));
            self.put(m, Rule::Tells, strength.min(1.0).sqrt(), Some(word));
        }
        let lower = text_seen.to_lowercase();
        let says = |stems: &[&str]| {
            lower.split(|c: char| !c.is_alphanumeric()).any(|w| stems.iter().any(|s| w.starts_with(s)))
        };
        let speaks = says(&CHECKS) && says(&WENT) || says(&["passing"]);
        if let Some((m, _)) = self.checks.all.last().filter(|(m, _)| speaks && *m > from) {
            self.put(*m, Rule::TellsCheck, 1.0, None);
        }
    }
}
