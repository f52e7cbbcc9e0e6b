//! The steps of a lane: what comes into an agent's context in its order, and what the pass asks of each one's texts.

use std::borrow::Cow;
use std::collections::{HashMap, HashSet};

use super::act::{Act, body};
use super::asked::Asked;
use super::index::{Shown, coined};
use super::poll::poll_ids;
use super::prompt::Prompt;
use crate::event::{Event, EventType};

/// What a step is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum What {
    /// The user's words.
    Prompt,
    /// Injected text that instructs: a skill, a command, the summary of a compaction.
    Meta,
    /// Injected text that only tells something.
    Noise,
    /// The agent's words that no call followed.
    Answer,
    Call,
}

/// A step of a lane.
pub(super) struct Step<'a> {
    pub event: usize,
    pub what: What,
    pub turn: usize,
    pub text: Cow<'a, str>,
}

/// What the pass asks of a step's texts. It depends on no other step.
pub(super) struct Seen<'a> {
    pub shown: Shown<'a>,
    /// Hashes of the words of what a call needs, and of what it writes.
    pub need: Vec<u64>,
    pub new: Vec<u64>,
    /// Those of `new` that a later use would be known by.
    pub wrote: Vec<u64>,
    /// Ids under which it can be asked about.
    pub ids: Vec<String>,
    pub about: Option<Prompt>,
}

impl<'a> Seen<'a> {
    pub(super) fn of(step: &'a Step<'_>, event: &Event, act: Option<&Act>, asked: &Asked) -> Self {
        let text: &str = &step.text;
        let Some(a) = act else {
            // nothing later uses what the agent says
            let shown = if step.what == What::Answer { Shown::default() } else { Shown::of(text, true, asked) };
            let about = matches!(step.what, What::Prompt | What::Meta).then(|| Prompt::of(text, &shown));
            return Self { shown, need: Vec::new(), new: Vec::new(), wrote: Vec::new(), ids: Vec::new(), about };
        };
        let (new, wrote) = coined(&a.new, asked);
        let ids = poll_ids(event, text);
        let shown = Shown::of(body(text), false, asked);
        Self { shown, need: coined(&a.need, asked).0, new, wrote, ids, about: None }
    }
}

/// An agent's steps, and the events with its own words in the turn of each call.
pub(super) fn steps<'a>(events: &'a [Event], members: &[usize]) -> (Vec<Step<'a>>, HashMap<usize, Vec<usize>>) {
    let mut steps: Vec<Step<'a>> = Vec::new();
    let mut turn = 0;
    let mut last: Option<&str> = None;
    let calls = members.iter().map(|i| &events[*i]).filter(|e| e.is_call());
    let working: HashSet<&str> = calls.filter_map(|e| e.turn_id.as_deref()).collect();
    let mut said: HashMap<usize, Vec<usize>> = HashMap::new();
    let mut words: Vec<usize> = Vec::new();
    for &i in members {
        let e = &events[i];
        let what = match &e.event_type {
            EventType::ToolCall => What::Call,
            EventType::UserInput => What::Prompt,
            EventType::ContextUpdate if instructs(e) => What::Meta,
            EventType::ContextUpdate => What::Noise,
            EventType::Message if e.turn_id.as_deref().is_none_or(|t| !working.contains(t)) => What::Answer,
            EventType::Message | EventType::Reasoning => {
                // words of a response keep its turn open
                words.push(i);
                if words.len() > 8 {
                    words.remove(0);
                }
                continue;
            }
            _ => continue,
        };
        let same = what == What::Call && e.turn_id.is_some() && e.turn_id.as_deref() == last;
        if what != What::Call {
            words.clear();
        } else if same && words.is_empty() {
            if let Some(before) = said.get(&(steps.len() - 1)).cloned() {
                said.insert(steps.len(), before);
            }
        } else if !words.is_empty() {
            said.insert(steps.len(), std::mem::take(&mut words));
        }
        if !same {
            turn += 1;
        }
        last = if what == What::Call { e.turn_id.as_deref() } else { None };
        let text = if what == What::Call { decoded(e) } else { e.input_text() };
        steps.push(Step { event: i, what, turn, text });
    }
    (steps, said)
}

/// The output of a call, the strings of a value in it as they would be printed: tools of no known kind answer with JSON, in
/// which a line ends with `\n` and the path behind it would not be seen.
fn decoded(e: &Event) -> Cow<'_, str> {
    let text = e.output_text();
    if !text.contains("\\n") || !body(&text).trim_start().starts_with(['{', '[']) {
        return text;
    }
    text.replace("\\n", "\n").replace("\\t", "\t").replace("\\\"", "\"").into()
}

/// Whether injected text instructs the agent, as a skill or a command of the user does.
fn instructs(e: &Event) -> bool {
    let flag = |key: &str| e.extra.get(key).and_then(serde_json::Value::as_bool) == Some(true);
    flag("instructs") || flag("compaction") && e.input_text().len() > 200
}
