//! Rounds of the model: the calls of each, joined with the parts that are shown, its thoughts and its tokens.

use std::collections::HashMap;

use serde_json::Value;

use super::align::{Mark, align};
use super::edits::same_file;
use super::parts::{By, Shown};
use super::tools::action;
use super::wire::{list, plain_id, text};
use crate::action::Action;
use crate::event::{Event, Usage};

/// One call of a round.
pub(super) struct RoundCall<'a> {
    /// As the round has it, with what the client adds.
    pub(super) id: &'a str,
    pub(super) name: &'a str,
    pub(super) input: Option<Value>,
    /// Its place among the parts, where that is sure.
    part: Option<usize>,
}

impl RoundCall<'_> {
    /// Whether it changes a file; none where its input does not tell.
    pub(super) fn edits_file(&self, path: &str) -> Option<bool> {
        let e = Event { tool_name: Some(self.name.to_owned()), tool_input: self.input.clone(), ..Event::default() };
        match action(&e) {
            Some(Action::Edit(files)) if !files.is_empty() => Some(files.iter().any(|f| same_file(&f.path, path))),
            _ => None,
        }
    }
}

/// The calls of a request's rounds, joined with the shown parts.
pub(super) struct Joined<'a> {
    pub(super) calls: Vec<RoundCall<'a>>,
    /// Call by part.
    pub(super) call_of: HashMap<usize, usize>,
}

impl<'a> Joined<'a> {
    pub(super) fn of(rounds: &'a [Value], shown: &Shown<'a>) -> Self {
        let all = rounds.iter().flat_map(|r| list(r, "toolCalls"));
        let mut calls: Vec<RoundCall<'a>> = all
            .map(|c| RoundCall {
                id: text(c, "id").unwrap_or_default(),
                name: text(c, "name").unwrap_or_default(),
                input: arguments(c),
                part: None,
            })
            .collect();
        let mains: Vec<usize> =
            shown.calls.iter().enumerate().filter(|(_, c)| c.by == By::Main).map(|(i, _)| i).collect();
        let left: Vec<Mark<'_>> = calls.iter().map(|c| Mark { id: plain_id(c.id), name: c.name }).collect();
        let right: Vec<Mark<'_>> =
            mains.iter().filter_map(|i| shown.calls.get(*i)).map(|c| Mark { id: c.tool.id(), name: c.name }).collect();
        let found = align(&left, &right);
        let mut call_of = HashMap::new();
        for (n, (call, at)) in calls.iter_mut().zip(found).enumerate() {
            call.part = at.and_then(|a| mains.get(a).copied()).filter(|p| !call_of.contains_key(p));
            if let Some(part) = call.part {
                call_of.insert(part, n);
            }
        }
        Self { calls, call_of }
    }

    pub(super) fn part_of(&self, call: &RoundCall<'a>) -> Option<usize> {
        call.part
    }
}

/// The input of a call: JSON in a string.
pub(super) fn arguments(call: &Value) -> Option<Value> {
    match call.get("arguments")? {
        Value::String(s) if s.is_empty() => None,
        Value::String(s) => Some(arguments_text(s)),
        other => Some(other.clone()),
    }
}

/// JSON in a string; what is none stays a string.
pub(super) fn arguments_text(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| text.into())
}

pub(super) fn thought_text(thinking: &Value) -> String {
    match thinking.get("text") {
        Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect(),
        other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
    }
}

/// Tokens of one response, where the extension keeps them. Tokens from a cache are part of the prompt's there.
pub(super) fn usage(round: &Value) -> Option<Usage> {
    let usage = round.get("usage")?;
    let n = |v: &Value, key: &str| v.get(key).and_then(Value::as_u64);
    let detail = |part: &str, key: &str| usage.get(part).and_then(|d| n(d, key));
    let cached = detail("prompt_tokens_details", "cached_tokens");
    let input = n(usage, "prompt_tokens")?;
    Some(Usage {
        input: Some(input.saturating_sub(cached.unwrap_or(0))),
        output: n(usage, "completion_tokens"),
        cache_read: cached,
        cache_write: detail("prompt_tokens_details", "cache_creation_input_tokens"),
        reasoning: detail("completion_tokens_details", "reasoning_tokens"),
    })
}
