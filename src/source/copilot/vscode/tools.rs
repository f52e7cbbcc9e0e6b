//! What the tools of VS Code's chat do.

use crate::action::Action;
use crate::event::Event;

/// The neutral action of a call; none for a tool that is not VS Code's own.
pub(in crate::source::copilot) fn action(_event: &Event) -> Option<Action> {
    None
}
