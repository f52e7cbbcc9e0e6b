//! How the user names an event.

use super::context::Context;
use super::failure::Failure;
use super::look::{Extent, Held};
use crate::graph::Graph;

/// The index of the event that `selector` names: its number in a view (`12`, `#12`), or a unique prefix of its id or of the
/// agent's id of the call.
///
/// # Errors
/// There is none, or more than one.
pub fn find(graph: &Graph, selector: &str) -> anyhow::Result<usize> {
    let digits = selector.strip_prefix('#').unwrap_or(selector);
    let known = graph.events.iter().position(|e| e.event_id == selector);
    if let Some(i) = known {
        return Ok(i);
    }
    if digits.len() < 8
        && let Ok(n) = digits.parse::<usize>()
    {
        let found = n.checked_sub(1).filter(|i| *i < graph.events.len());
        return found.ok_or_else(|| {
            Failure::new(format!("no event {n}: the session has events 1 to {}", graph.events.len()))
                .hint("`causetrace tree` shows the numbers")
                .into()
        });
    }
    let is = |id: &Option<String>| id.as_deref().is_some_and(|id| id.starts_with(selector));
    let matching: Vec<usize> = (0..graph.events.len())
        .filter(|i| {
            let e = &graph.events[*i];
            e.event_id.starts_with(selector) || is(&e.call_id) || is(&e.native_id)
        })
        .collect();
    match matching.as_slice() {
        [one] => Ok(*one),
        [] => Err(Failure::new(format!("no event {selector:?} in this session"))
            .hint("give the number that `causetrace tree` shows, or a prefix of an id")
            .into()),
        many => {
            let numbers: Vec<_> = many.iter().take(10).map(|i| format!("#{}", i + 1)).collect();
            Err(Failure::new(format!("{} events begin with {selector:?}", many.len()))
                .hint(format!("give a number: {}", numbers.join(" ")))
                .into())
        }
    }
}

/// The graph and index that `[SESSION#]EVENT` names; `session` where the selector has no session of its own.
///
/// # Errors
/// The session or the event does not exist.
pub fn open<G: Extent>(ctx: &Context, selector: &str, session: Option<&str>) -> anyhow::Result<(Held<G>, usize)> {
    let (session, event) = match selector.rsplit_once('#') {
        Some((s, e)) if !s.is_empty() => (Some(s), e),
        _ => (session, selector),
    };
    let graph = G::look(ctx, session)?.graph;
    let missing = match find((*graph).as_ref(), event) {
        Ok(i) => return Ok((graph, i)),
        Err(e) => e,
    };
    // the beginning of an id, as `blame` shows it, names an event of any session
    let is_id = (6..=36).contains(&event.len()) && event.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-');
    if session.is_some() || !is_id {
        return Err(missing);
    }
    match super::history::events_with_prefix(ctx, event).as_slice() {
        [] => Err(missing),
        [(session, id)] => open(ctx, id, Some(session)),
        many => Err(Failure::new(format!("{} events begin with {event:?}", many.len()))
            .hint(format!("give more of the id: {}", many.iter().take(4).map(|m| &*m.1).collect::<Vec<_>>().join(" ")))
            .into()),
    }
}
