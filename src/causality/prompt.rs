//! What a prompt, or a text put before the agent, asks for: checks, steps of git, consent to what was offered.

use std::collections::{BTreeSet, HashSet};

use super::act::Act;
use super::files::base;
use super::hash::{ByStep, Hashes};
use super::index::Shown;
use super::lane::Lane;
use super::shell::Category;
use super::step::What;
use super::tokens::{end, squeeze, start};

/// What is known of a prompt.
#[derive(Default)]
pub(super) struct Prompt {
    /// With single blanks.
    pub squeezed: String,
    pub asks: BTreeSet<Category>,
    /// It speaks of version control at its end.
    pub vcs: bool,
    /// It is an order of a few words.
    pub short: bool,
    pub agrees: bool,
    /// Its plain words, in lower case.
    pub plain: HashSet<String>,
    /// Hashes of its words that are asked for.
    pub words: Hashes,
}

impl Prompt {
    pub(super) fn of(text: &str, shown: &Shown<'_>) -> Self {
        let asks = [
            (Category::Test, &["test", "tests", "spec", "CI"][..]),
            (Category::Lint, &["lint", "linter", "linting", "clippy", "typecheck", "type-check"][..]),
            (Category::Format, &["format", "formatting", "fmt", "reformat"][..]),
            (Category::Build, &["build", "builds", "compile", "compiles", "building"][..]),
        ];
        let end = end(text, 600);
        // the words of a sentence, not the parts of a path or an address
        let tail: Vec<&str> = end
            .split_whitespace()
            .filter(|w| !(w.contains(['/', '_']) && w.len() > 12))
            .flat_map(|w| w.split(|c: char| !(c.is_alphanumeric() || c == '-')))
            .collect();
        let vcs = orders_vcs(end);
        let short = text.split_whitespace().take(41).count() <= 40;
        let plain = start(text, 2000).split(|c: char| !c.is_alphanumeric()).map(str::to_lowercase).collect();
        let named = |names: &[&str]| tail.iter().any(|w| names.iter().any(|n| w.eq_ignore_ascii_case(n)));
        let asks = asks.iter().filter(|(_, names)| text.len() < 3000 && named(names)).map(|(c, _)| *c).collect();
        let words = shown.words.iter().copied().collect();
        let squeezed = squeeze(start(text, 20_000));
        Self { squeezed, asks, vcs, short, agrees: agrees(text), plain, words }
    }
}

/// What the user said so far, and what was put before the agent besides.
#[derive(Default)]
pub(super) struct Prompts {
    pub all: Vec<usize>,
    /// Injected texts that instruct.
    pub metas: Vec<usize>,
    pub about: ByStep<Prompt>,
    /// Questions to the user that were answered.
    pub questions: Vec<usize>,
}

impl Lane<'_> {
    /// A prompt or an injected text comes into the context.
    pub(super) fn prompt(&mut self, n: usize, about: Option<Prompt>) {
        let e = self.event(n);
        if e.extra.get("compaction").and_then(serde_json::Value::as_bool) == Some(true) {
            // what came before is no longer seen; the summary stands for it
            self.view = n;
            self.checks.open.clear();
        }
        match self.steps[n].what {
            What::Prompt => {
                let mut about = about;
                let answer = n.checked_sub(1).filter(|m| self.steps[*m].what == What::Answer);
                if let (Some(a), Some(m)) = (about.as_mut().filter(|a| a.agrees), answer) {
                    // a "yes" says what the agent offered
                    let text = &self.steps[m].text;
                    a.squeezed.push(' ');
                    a.squeezed.push_str(&squeeze(end(text, 600)));
                }
                self.prompts.about.extend(about.map(|a| (n, a)));
                self.prompts.all.push(n);
                self.checks.open.clear();
                self.turns.prompt();
            }
            What::Meta => {
                self.prompts.about.extend(about.map(|a| (n, a)));
                self.prompts.metas.push(n);
            }
            What::Noise | What::Answer | What::Call => {}
        }
    }

    /// The latest prompt that is still in view.
    pub(super) fn last_prompt(&self) -> Option<usize> {
        self.prompts
            .all
            .last()
            .copied()
            .filter(|p| *p >= self.view && self.steps[*p].turn < self.steps[self.now()].turn)
    }

    /// Whether the prompt, and not the text that was loaded after it, speaks of what a call looks at.
    pub(super) fn prompt_names(&self, prompt: usize, meta: usize, a: &Act) -> bool {
        let (Some(p), Some(m)) = (self.prompts.about.get(&prompt), self.prompts.about.get(&meta)) else { return false };
        let stems =
            a.paths.iter().flat_map(|p| base(p).split(['.', '-', '_']).map(str::to_lowercase).collect::<Vec<_>>());
        stems.filter(|s| s.len() >= 4).any(|s| p.plain.contains(&s) && !m.plain.contains(&s))
    }
}

/// Whether a text orders a step of version control: its verb at the beginning of a clause ("commit this", "ok, push it", "and
/// then rebase"), or a pull request or release that is to be made.
fn orders_vcs(text: &str) -> bool {
    const VERBS: &[&str] = &[
        "commit",
        "push",
        "pull",
        "merge",
        "rebase",
        "stash",
        "checkout",
        "check",
        "branch",
        "ship",
        "tag",
        "release",
        "cherry-pick",
        "revert",
        "squash",
    ];
    const BEFORE: &[&str] = &[
        "and", "then", "please", "now", "lets", "let's", "also", "to", "ok", "okay", "you", "just", "should", "we",
        "can", "go", "do", "a", "make", "new",
    ];
    let mut before = String::new();
    let mut at_start = true;
    for piece in text.split_inclusive(|c: char| c.is_whitespace()) {
        let word = piece.trim().trim_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
        if word.is_empty() {
            at_start |= piece.contains('\n');
            continue;
        }
        let begins = at_start || BEFORE.contains(&before.as_str());
        // "check" only as "check out"
        let verb = VERBS.contains(&word.as_str()) && word != "check" || word == "out" && before == "check";
        if verb && (begins || word == "out")
            || matches!(word.as_str(), "pr" | "prs") && matches!(before.as_str(), "a" | "the" | "open" | "create")
        {
            return true;
        }
        at_start = piece.trim_end().ends_with([',', '.', ':', ';', '!', '?']) || piece.contains('\n');
        before = word;
    }
    false
}

/// A short "yes", "go on".
fn agrees(text: &str) -> bool {
    const YES: &[&str] = &[
        "yes",
        "yep",
        "yeah",
        "ok",
        "okay",
        "sure",
        "continue",
        "go",
        "proceed",
        "do it",
        "do that",
        "do both",
        "do so",
        "please do",
        "let's do",
        "lets do",
        "let's go",
        "sounds good",
        "lgtm",
        "approve",
        "keep going",
        "next",
        "y",
    ];
    let lower = text.trim_start_matches(|c: char| !c.is_alphanumeric()).to_lowercase();
    let words = lower.split_whitespace().count();
    words <= 10
        && YES.iter().any(|y| lower.strip_prefix(y).is_some_and(|r| !r.starts_with(|c: char| c.is_alphanumeric())))
}
