//! Figures of a session: what was called, how it went, how the causes are known, what led nowhere.

use std::collections::{BTreeMap, HashMap, HashSet};

use serde::Serialize;

use super::impact::{Effect, effect};
use crate::causality::Kind;
use crate::event::{EventType, Status};
use crate::graph::Graph;

/// Calls of one tool.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tool {
    /// Its name.
    pub name: String,
    /// Calls.
    pub calls: usize,
    /// Those that did not succeed.
    pub failures: usize,
    /// Recorded time in milliseconds; none where no call recorded one.
    pub duration_ms: Option<u64>,
}

/// Tokens, where recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Tokens {
    /// Input that no cache served.
    pub input: u64,
    /// Output.
    pub output: u64,
    /// Input from a cache.
    pub cache_read: u64,
    /// Input written to a cache.
    pub cache_write: u64,
}

/// A call that was made several times with the same result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Loop {
    /// The first.
    pub event: usize,
    /// All of them.
    pub times: usize,
}

/// Figures of a session.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Events by type.
    pub events: BTreeMap<String, usize>,
    /// By number of calls.
    pub tools: Vec<Tool>,
    /// Responses of the model.
    pub responses: usize,
    /// None where the agent recorded none.
    pub tokens: Option<Tokens>,
    /// From the first to the last recorded time, in milliseconds.
    pub span_ms: Option<u64>,
    /// Events on the longest chain of primary causes.
    pub longest_chain: usize,
    /// Edges that ids prove.
    pub proven: usize,
    /// Inferred edges by kind.
    pub inferred: BTreeMap<&'static str, usize>,
    /// Calls by their number of causes.
    pub fan_in: BTreeMap<usize, usize>,
    /// Calls from which no edit, commit or answer follows.
    pub dead: Vec<usize>,
    /// Their recorded time in milliseconds; none where none was recorded.
    pub dead_ms: Option<u64>,
    /// The same call with the same result.
    pub loops: Vec<Loop>,
}

/// The figures.
pub fn stats(graph: &Graph) -> Stats {
    let mut s = Stats::default();
    let mut tools: HashMap<&str, Tool> = HashMap::new();
    let mut responses = HashSet::new();
    for (i, e) in graph.events.iter().enumerate() {
        *s.events.entry(e.event_type.as_str().to_owned()).or_default() += 1;
        if let Some(t) = &e.turn_id {
            responses.insert((t, &e.agent_id, &e.session_id));
        }
        if let Some(u) = e.usage {
            let t = s.tokens.get_or_insert_default();
            t.input += u.input.unwrap_or(0);
            t.output += u.output.unwrap_or(0);
            t.cache_read += u.cache_read.unwrap_or(0);
            t.cache_write += u.cache_write.unwrap_or(0);
        }
        s.proven += graph.parents[i].len();
        if e.is_call() {
            let tool = tools.entry(e.tool_name.as_deref().unwrap_or("")).or_default();
            tool.calls += 1;
            tool.failures += usize::from(failed(e.status, e.exit_code));
            tool.duration_ms = add(tool.duration_ms, e.duration_ms);
            *s.fan_in.entry(graph.causes[i].len()).or_default() += 1;
        }
        for c in &graph.causes[i] {
            *s.inferred.entry(c.kind.as_str()).or_default() += 1;
        }
    }
    s.responses = responses.len();
    s.tools = tools.into_iter().map(|(name, t)| Tool { name: name.to_owned(), ..t }).collect();
    s.tools.sort_by(|a, b| b.calls.cmp(&a.calls).then(a.name.cmp(&b.name)));
    let times = graph.events.iter().filter_map(|e| e.timestamp);
    s.span_ms = times.clone().min().zip(times.max()).and_then(|(a, b)| u64::try_from((b - a).num_milliseconds()).ok());
    s.longest_chain = longest_chain(graph);
    s.dead = dead(graph);
    for &i in &s.dead {
        s.dead_ms = add(s.dead_ms, graph.events[i].duration_ms);
    }
    s.loops = loops(graph);
    let order = s.inferred.get(Kind::Order.as_str()).copied();
    debug_assert!(order.is_none_or(|n| n > 0));
    s
}

fn failed(status: Option<Status>, exit_code: Option<i64>) -> bool {
    matches!(status, Some(Status::Error | Status::Denied | Status::Interrupted)) || exit_code.is_some_and(|c| c != 0)
}

fn add(sum: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (sum, more) {
        (None, None) => None,
        (a, b) => Some(a.unwrap_or(0).saturating_add(b.unwrap_or(0))),
    }
}

fn longest_chain(graph: &Graph) -> usize {
    let mut length = vec![1usize; graph.events.len()];
    for i in 0..length.len() {
        // parents stand before their children
        if let Some(p) = graph.tree_parent(i).filter(|p| *p < i) {
            length[i] = length[p] + 1;
        }
    }
    length.into_iter().max().unwrap_or(0)
}

/// Calls from which nothing that lasts follows.
fn dead(graph: &Graph) -> Vec<usize> {
    let n = graph.events.len();
    let mut lasting = vec![false; n];
    for i in (0..n).rev() {
        let own = matches!(effect(graph, i), Effect::Edit | Effect::Commit | Effect::Answer);
        lasting[i] |= own;
        if lasting[i] {
            for p in graph.reasons(i) {
                lasting[p] = true;
            }
            // an answer rests on all results that the response had
            for &p in &graph.parents[i] {
                lasting[p] |= graph.events[i].event_type == EventType::Message;
            }
        }
    }
    (0..n).filter(|i| graph.events[*i].is_call() && !lasting[*i]).collect()
}

fn loops(graph: &Graph) -> Vec<Loop> {
    let mut seen: HashMap<(String, String, String), Loop> = HashMap::new();
    for (i, e) in graph.events.iter().enumerate().filter(|(_, e)| e.is_call() && e.tool_output.is_some()) {
        let key = (e.tool_name.clone().unwrap_or_default(), e.input_text().into_owned(), e.output_text().into_owned());
        seen.entry(key).or_insert(Loop { event: i, times: 0 }).times += 1;
    }
    let mut all: Vec<Loop> = seen.into_values().filter(|l| l.times > 1).collect();
    all.sort_by(|a, b| b.times.cmp(&a.times).then(a.event.cmp(&b.event)));
    all
}
