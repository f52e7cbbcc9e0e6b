//! From the events of a session to the causes of its calls: one lane per agent, its steps in order.
//!
//! A call's candidates are steps of earlier turns of the same agent that are still in its context. What decides is (a) the
//! turn, (b) what kind of act the call is, (c) for each kind a few exact questions to the index: which edits came since the
//! last such run, who last showed the text that is replaced, who showed `path:line`, what was the latest reason to act.

use std::collections::HashMap;

use rayon::prelude::*;

use super::act::Act;
use super::asked::Asked;
use super::lane::Lane;
use super::step::steps;
use super::{Cause, Links};
use crate::action::Action;
use crate::event::Event;

/// A lane of more events is long.
const LONG: usize = 256;

/// The causes of every tool call. `events` are folded and in causal order; `action_of` says what a call does.
pub fn link(events: &[Event], action_of: &(dyn Fn(&Event) -> Action + Sync)) -> Links {
    let mut links: Links = vec![Vec::new(); events.len()];
    let acts: Vec<Option<Act>> = events.par_iter().map(|e| e.is_call().then(|| Act::of(e, &action_of(e)))).collect();
    let asked = Asked::of(events, &acts);
    let mut lanes: HashMap<(&str, Option<&str>), Vec<usize>> = HashMap::new();
    for (i, e) in events.iter().enumerate() {
        lanes.entry((&e.session_id, e.agent_id.as_deref())).or_default().push(i);
    }
    // a long lane has both threads to itself, and many short ones share them: never one within another, so that no thread
    // that waits for its lane begins the next
    let (long, short): (Vec<_>, Vec<_>) = lanes.into_values().partition(|members| members.len() > LONG);
    let run = |members: &[usize], apart: bool| -> Vec<(usize, Vec<Cause>)> {
        let dead = |i: &usize| events[*i].extra.get("dead_branch").and_then(serde_json::Value::as_bool) == Some(true);
        let live: Vec<usize> = members.iter().copied().filter(|i| !dead(i)).collect();
        let mut decided = lane(events, &acts, &asked, &live, apart);
        if live.len() < members.len() {
            // what the user took back is out of view of all that came after, but had its own reasons
            let all = lane(events, &acts, &asked, members, apart);
            decided.extend(all.into_iter().filter(|(i, _)| dead(i)));
        }
        decided
    };
    let mut decided: Vec<_> = long.iter().map(|members| run(members, true)).collect();
    decided.par_extend(short.par_iter().map(|members| run(members, false)));
    for (i, causes) in decided.into_iter().flatten() {
        // what a client does by itself has no other causes than its proven parents
        if !automatic(&events[i]) {
            links[i] = causes;
        }
    }
    links
}

fn automatic(e: &Event) -> bool {
    !e.parents.is_empty() && e.extra.get("automatic").is_some_and(|v| v == true)
}

/// The causes of an agent's calls; `apart`: with other threads reading ahead.
fn lane(
    events: &[Event],
    acts: &[Option<Act>],
    asked: &Asked,
    members: &[usize],
    apart: bool,
) -> Vec<(usize, Vec<Cause>)> {
    let (steps, said) = steps(events, members);
    Lane::new(events, acts, asked, &steps, said).run(apart)
}
