//! Which events a view shows.

use crate::action::Action;
use crate::event::{EventType, Status};
use crate::graph::Graph;

/// A kind of event to show alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Only {
    /// Changes of files.
    Edits,
    /// Shell commands.
    Commands,
    /// What failed or was refused.
    Failures,
}

/// Whether each event is shown: calls, prompts, injected text that led to something, and answers (the agent's words where no
/// call followed in the same response); with `full` everything but headers. `only` leaves prompts and one kind.
pub fn visible(graph: &Graph, only: Option<Only>, full: bool) -> Vec<bool> {
    let mut causes = vec![false; graph.events.len()];
    for c in graph.causes.iter().flatten() {
        causes[c.event] = true;
    }
    let shown = |(i, e): (usize, &crate::event::Event)| match (&e.event_type, only) {
        (EventType::Session, _) => false,
        (EventType::UserInput, _) => true,
        (EventType::ToolCall, None) => true,
        (EventType::ToolCall, Some(Only::Edits)) => matches!(graph.actions[i], Action::Edit(_)),
        (EventType::ToolCall, Some(Only::Commands)) => matches!(graph.actions[i], Action::Run { .. }),
        (EventType::ToolCall, Some(Only::Failures)) => {
            matches!(e.status, Some(Status::Error | Status::Denied | Status::Interrupted))
                || e.exit_code.is_some_and(|c| c != 0)
        }
        (_, Some(_)) => false,
        (_, None) if full => true,
        (EventType::Message, _) => graph.is_answer(i),
        (EventType::ContextUpdate, _) => causes[i] || e.extra.contains_key("compaction"),
        _ => false,
    };
    graph.events.iter().enumerate().map(shown).collect()
}
