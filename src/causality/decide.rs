//! From the proposals of the rules to the causes that are named, with confidence and evidence.

use super::lane::Lane;
use super::rules::Rule;
use super::step::What;
use super::tokens::start;
use super::{Cause, Evidence};

/// An edge below this confidence is not reported; the primary always is.
pub(super) const FLOOR: f32 = 0.50;

/// A proposal: the rule, how strongly it applies (0 to 1), and the text it rests on.
pub(super) type Proposal = (Rule, f32, Option<String>);

impl Lane<'_> {
    /// Proposes a cause of the call that is looked at.
    pub(super) fn put(&mut self, cause: usize, rule: Rule, strength: f32, span: Option<String>) {
        if cause < self.view || self.steps[cause].turn >= self.steps[self.now()].turn || strength <= 0.0 {
            return;
        }
        let strength = strength.min(1.0);
        let at = match self.proposals.iter().position(|(c, _)| *c == cause) {
            Some(at) => at,
            None => {
                self.proposals.push((cause, Vec::new()));
                self.proposals.len() - 1
            }
        };
        let list = &mut self.proposals[at].1;
        match list.iter_mut().find(|(r, ..)| *r == rule) {
            Some(old) if old.1 < strength => *old = (rule, strength, span),
            Some(_) => {}
            None => list.push((rule, strength, span)),
        }
    }

    /// Makes what a rule says of all steps but one weaker.
    pub(super) fn weaken(&mut self, keep: usize, rule: Rule, factor: f32) {
        for (_, list) in self.proposals.iter_mut().filter(|(m, _)| *m != keep) {
            for (_, x, _) in list.iter_mut().filter(|(r, ..)| *r == rule) {
                *x *= factor;
            }
        }
    }

    /// The proposals so far.
    pub(super) fn proposed(&self) -> &[(usize, Vec<Proposal>)] {
        &self.proposals
    }

    /// Weighs the proposals: confidence by noisy-or of the rules' `p`, the primary by their `r`.
    pub(super) fn decide(&mut self, n: usize, most: usize) -> Vec<Cause> {
        let mut weighed: Vec<(usize, f32, f32)> = Vec::with_capacity(self.proposed().len());
        for (m, list) in self.proposed() {
            let mut open = 1.0f32;
            let mut strong: Vec<f32> = Vec::with_capacity(list.len());
            for (rule, x, _) in list {
                let w = rule.weights();
                // coming just before adds nothing to what shows more
                if !(*rule == Rule::Prev && list.len() > 1) {
                    open *= 1.0 - w.p * x;
                }
                strong.push(w.r * x);
            }
            strong.sort_by(|a, b| b.total_cmp(a));
            let score: f32 = strong.iter().zip(0i32..).map(|(v, i)| v * 0.5f32.powi(i)).sum();
            weighed.push((*m, (1.0 - open).min(0.98), score));
        }
        let Some(&(primary, ..)) = weighed.iter().max_by(|a, b| a.2.total_cmp(&b.2).then(a.0.cmp(&b.0))) else {
            return Vec::new();
        };
        self.primary.insert(n, primary);
        weighed.retain(|(m, confidence, _)| *m == primary || *confidence >= FLOOR);
        weighed.sort_by(|a, b| (b.0 == primary).cmp(&(a.0 == primary)).then(b.1.total_cmp(&a.1)).then(b.0.cmp(&a.0)));
        let bound = |m: usize| {
            let list = self.proposed().iter().find(|(c, _)| *c == m);
            list.is_some_and(|(_, l)| {
                l.iter().any(|(r, ..)| {
                    matches!(
                        r,
                        Rule::Verify
                            | Rule::VerifyMain
                            | Rule::VerifyInherit
                            | Rule::VerifyRun
                            | Rule::OldShown
                            | Rule::OldWrote
                            | Rule::OldWroteShown
                            | Rule::LookEdit
                            | Rule::SearchAgain
                            | Rule::Moved
                    )
                })
            })
        };
        let mut free = 0;
        weighed.retain(|(m, ..)| {
            if *m == primary || bound(*m) {
                return true;
            }
            free += 1;
            free < most
        });
        weighed.into_iter().map(|(m, confidence, _)| self.cause(m, confidence)).collect()
    }

    fn cause(&self, m: usize, confidence: f32) -> Cause {
        let list = self.proposed().iter().find(|(c, _)| *c == m).map(|(_, l)| l.as_slice()).unwrap_or_default();
        let strength = |p: &&Proposal| p.0.weights().p * p.1;
        // coming just before is named only where nothing else shows
        let shows = |p: &&Proposal| p.0.weights().kind != super::Kind::Order && strength(p) >= 0.3;
        let best = list.iter().filter(shows).max_by(|a, b| strength(a).total_cmp(&strength(b)));
        let best = best.or_else(|| list.iter().max_by(|a, b| strength(a).total_cmp(&strength(b))));
        let weights = best.map(|b| b.0.weights());
        // the rule with the best evidence to show need not be the strongest
        let says = |p: &&Proposal| p.2.as_deref().is_some_and(|t| t.chars().any(char::is_alphanumeric));
        let mut spans: Vec<&Proposal> = list.iter().filter(says).collect();
        spans.sort_by(|a, b| strength(b).total_cmp(&strength(a)));
        let evidence = spans.iter().find_map(|p| self.locate(m, p.2.as_deref()?));
        Cause {
            event: self.steps[m].event,
            kind: weights.as_ref().map_or(super::Kind::Order, |w| w.kind),
            confidence,
            rule: weights.map_or(super::PREVIOUS, |w| w.name),
            evidence,
        }
    }

    /// Where a text stands in a step: the line of its output, of the input's field, or of the prompt.
    fn locate(&self, m: usize, span: &str) -> Option<Evidence> {
        let e = self.event(m);
        let find = |text: &str, place: &str| {
            let at = text.find(span)?;
            let number = text[..at].bytes().filter(|b| *b == b'\n').count() + 1;
            let shown = span.lines().next().unwrap_or(span);
            Some(Evidence { text: start(shown, 160).to_owned(), place: format!("{place}:{number}") })
        };
        if self.steps[m].what != What::Call {
            return find(&self.steps[m].text, "prompt");
        }
        if let Some(found) = find(&self.steps[m].text, "output") {
            return Some(found);
        }
        match e.tool_input.as_ref()? {
            serde_json::Value::String(s) => find(s, "input"),
            serde_json::Value::Object(map) => {
                let mut fields = map.iter().filter_map(|(k, v)| Some((k, v.as_str()?)));
                fields.find_map(|(k, v)| find(v, &format!("input.{k}")))
            }
            _ => None,
        }
    }
}
