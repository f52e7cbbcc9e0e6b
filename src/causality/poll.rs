//! Calls that ask about something that goes on: a command in the background, a sub-agent.

use std::collections::HashMap;

use super::act::Act;
use super::hash::ByStep;
use super::lane::Lane;
use super::rules::Rule;
use super::tokens::start;
use crate::event::Event;

/// What goes on, and who asked about it.
#[derive(Default)]
pub(super) struct Polls {
    /// Of a poll, the call that began what it asks about.
    source: ByStep<usize>,
    /// Of such a call, its polls in order.
    of: ByStep<Vec<usize>>,
    /// By an id under which it can be asked about, the call.
    ids: HashMap<String, usize>,
}

impl Polls {
    /// A call is over whose output gave these ids.
    pub(super) fn enter(&mut self, n: usize, ids: Vec<String>) {
        for id in ids {
            self.ids.entry(id).or_insert(n);
        }
    }

    /// The call that began what this one asks about, where it does.
    pub(super) fn source(&self, n: usize) -> Option<usize> {
        self.source.get(&n).copied()
    }

    /// The polls of a call, in order.
    pub(super) fn of(&self, n: usize) -> &[usize] {
        self.of.get(&n).map_or(&[], Vec::as_slice)
    }
}

impl Lane<'_> {
    /// Whether a poll is explained by what it asks about.
    pub(super) fn poll(&mut self, n: usize, a: &Act) -> bool {
        let mut found = false;
        for id in a.poll.iter().filter(|id| id.len() > 1) {
            let Some(&source) = self.polls.ids.get(id).filter(|m| self.steps[**m].turn < self.steps[n].turn) else {
                continue;
            };
            self.put(source, Rule::Poll, 1.0, Some(id.clone()));
            if self.polls.source.insert(n, source) != Some(source) {
                self.polls.of.entry(source).or_default().push(n);
            }
            let polls_it = |m: &usize| self.polls.source.get(m) == Some(&source) && *m != n;
            let recent = self.recent(3).filter(polls_it).max();
            if let Some(again) = recent {
                self.put(again, Rule::PollAgain, 1.0, Some(id.clone()));
            }
            found = true;
        }
        found && !self.proposals.is_empty()
    }
}

/// Whether a call's output says that the command goes on.
pub(super) fn still_running(text: &str) -> bool {
    let head = start(text, 400);
    ["running with session", "running in background", "Command running", "still running"]
        .iter()
        .any(|s| head.contains(s))
}

/// Ids under which something that a call started can be asked about later: what the source recorded, and the ids in the head
/// of its output.
pub(super) fn poll_ids(e: &Event, text: &str) -> Vec<String> {
    let mut ids: Vec<String> =
        ["background_task", "spawned"].iter().filter_map(|k| e.extra.get(*k)?.as_str().map(str::to_owned)).collect();
    let head = start(text, 4000);
    for mark in [
        "session ID ",
        "cell ID ",
        "with ID: ",
        "ID: ",
        "agent_id\":\"",
        "agentId: ",
        "shellId: ",
        "task_id\":\"",
        "id=\"",
    ] {
        for (at, _) in head.match_indices(mark) {
            let rest = &head[at + mark.len()..];
            let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-".contains(c))).unwrap_or(rest.len());
            if end > 0 {
                ids.push(rest[..end].to_owned());
            }
        }
    }
    ids
}
