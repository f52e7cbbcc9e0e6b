//! Which earlier observations led to a call: inferred edges with kind, confidence and evidence.
//!
//! Proven edges are in [`Event::parents`](crate::event::Event::parents), decided when a file is read. Inferred ones are
//! computed here and never stored as facts: what [`crate::graph`] keeps of a look is a cache, which holds for the very files and
//! the very build that it was worked out with, and may be deleted at any time.

mod act;
mod answer;
mod asked;
mod changes;
mod check;
mod decide;
mod edit;
mod effect;
mod explore;
mod files;
mod hash;
mod index;
mod lane;
mod link;
mod place;
mod poll;
mod prompt;
mod repeat;
mod rules;
mod runs;
mod shell;
mod step;
mod tokens;
mod turns;
mod wording;

use serde::{Deserialize, Serialize};

pub use link::link;
pub use shell::written;

/// How a cause led to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// Uses a path, symbol, line, id, value or text first shown there, or written by that call.
    Content,
    /// Checks the effect of that edit.
    Verify,
    /// Reacts to that failure or empty result.
    Retry,
    /// Takes the next item of a list or plan that came out of it.
    Plan,
    /// Does what the user's words ask for.
    Prompt,
    /// Nothing better is known: the last result in view.
    Order,
}

impl Kind {
    /// The name in JSON and views.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Content => "content",
            Self::Verify => "verify",
            Self::Retry => "retry",
            Self::Plan => "plan",
            Self::Prompt => "prompt",
            Self::Order => "order",
        }
    }
}

/// The text that shows why a cause is one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Evidence {
    /// The very text, as it stands in the cause; short, one line.
    pub text: String,
    /// Where it stands in the cause: `output:12`, `input.new_string:1`, `prompt:2` (field and line from 1).
    #[serde(rename = "where")]
    pub place: String,
}

/// One inferred cause of a call.
#[derive(Clone, Debug, PartialEq)]
pub struct Cause {
    /// Index of the cause among the events that were linked.
    pub event: usize,
    /// How it led to the call.
    pub kind: Kind,
    /// 0 to 1, calibrated: of the edges given as .8, eight in ten hold.
    pub confidence: f32,
    /// Name of the rule that found it.
    pub rule: &'static str,
    /// What shows it; none for `order` edges.
    pub evidence: Option<Evidence>,
}

/// Per event (same index), its causes, the primary first. Empty for what is neither a tool call nor an answer.
pub type Links = Vec<Vec<Cause>>;

/// The name of a rule, as [`Cause::rule`] gives it, from another copy of it.
pub fn rule_named(name: &str) -> Option<&'static str> {
    rules::NAMES.iter().copied().chain([PREVIOUS]).find(|n| *n == name)
}

/// What stands for a rule where none proposed anything: the step before.
const PREVIOUS: &str = "previous";
