//! What Copilot CLI's tools do.

use crate::action::Action;
use crate::event::Event;

/// The neutral action of a call; none for a tool that is not Copilot CLI's own.
pub(super) fn action(_event: &Event) -> Option<Action> {
    None
}
