//! What enters the context from outside: prompts, texts of the client, messages of other agents.

use uuid::Uuid;

use super::compaction::Mark;
use super::response::Boundary;
use super::{Place, Reader};
use crate::event::{Event, EventType};
use crate::id;
use crate::source::Sink;
use crate::source::codex::output::text_of;
use crate::source::codex::wire::Payload;
use crate::source::codex::{AGENT, prompt_id};
use crate::source::given::Given;

impl Reader {
    pub(super) fn user(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        let text = p.content.map(text_of).unwrap_or_default();
        if self.boundary != Boundary::Contexts {
            self.fresh = true;
        }
        let trimmed = text.trim_start();
        if trimmed.starts_with("<environment_context") || trimmed.starts_with("<permissions") || trimmed.is_empty() {
            if self.cwd.is_none() {
                // the only place where files of 2025 tell the directory
                self.cwd = between(trimmed, "<cwd>", "</cwd>").map(str::to_owned);
                self.header.cwd.clone_from(&self.cwd);
                self.give_header(sink);
            }
            self.report.pass_over("environment context");
            return;
        }
        if is_client_text(trimmed) {
            self.contexts += 1;
            let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
            let mut e = self.event(EventType::ContextUpdate, event_id, place);
            e.native_id = p.id.as_deref().map(str::to_owned);
            if trimmed.starts_with("<subagent_notification>") {
                e.parents = self.spawner(trimmed).into_iter().collect();
            }
            e.tool_input = Some(text.into());
            self.put_in(e, place.sequence, sink);
            return;
        }
        self.prompts += 1;
        let turn = self.turn.clone().filter(|t| self.prompt_turns.insert(t.clone()));
        let event_id = match turn {
            Some(turn) => prompt_id(&self.session, &turn),
            None => id::event_id(AGENT, &self.session, &format!("prompt-number:{}", self.prompts)),
        };
        if !std::mem::replace(&mut self.titled, true) && self.header.tool_input.is_none() {
            self.header.tool_input = Some(title(&text).into());
            self.give_header(sink);
        }
        let mut e = self.event(EventType::UserInput, event_id, place);
        e.native_id = p.id.as_deref().map(str::to_owned);
        e.tool_input = Some(text.into());
        // a prompt follows the answer that ended the turn before
        self.marks.push(Mark { given: self.events.len(), last: self.last });
        let last = self.last().filter(|r| r.calls.is_empty());
        if self.pending.is_empty() {
            e.parents = last.and_then(|r| r.hub).iter().map(Uuid::to_string).collect();
        }
        self.put_in(e, place.sequence, sink);
    }

    /// Gives a text that enters the context.
    pub(super) fn put_in(&mut self, e: Event, sequence: Option<u64>, sink: Sink<'_>) {
        let given = Given::of(&e);
        self.pending.push((given.event, sequence));
        self.first(e, given, sink);
    }

    /// The call that spawned the thread which a notification names.
    fn spawner(&self, text: &str) -> Option<String> {
        self.running
            .iter()
            .find(|(thread, _)| thread.len() > 8 && text.contains(thread.as_str()))
            .map(|(_, e)| e.clone())
    }

    /// A message of another agent (0.169).
    pub(super) fn mail(&mut self, p: &mut Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        self.contexts += 1;
        self.fresh = true;
        let event_id = id::event_id(AGENT, &self.session, &format!("context:{}", self.contexts));
        let mut e = self.event(EventType::ContextUpdate, event_id, place);
        let from = p.author.as_deref().unwrap_or("another agent");
        let text = p.content.map(text_of).unwrap_or_default();
        e.tool_input = Some(format!("message from {from}: {text}").into());
        e.native_id = p.id.as_deref().map(str::to_owned);
        // what a sub-agent writes comes back from the call that began it
        e.parents = p.author.as_deref().and_then(|a| self.running.get(a)).cloned().into_iter().collect();
        self.put_in(e, place.sequence, sink);
    }
}

/// Text of the client in a message of role user.
fn is_client_text(text: &str) -> bool {
    const HEADS: &[&str] = &[
        "# AGENTS.md instructions",
        "<user_instructions",
        "<skills_instructions",
        "<multi_agent",
        "<turn_aborted",
        "<subagent_notification",
        "<user_shell_command",
        "<skill>",
        "<hook_prompt",
        "<INSTRUCTIONS",
        "<collaboration_mode",
        "<goal_context",
        "<model_switch",
        "<personality",
        "<apps_instructions",
        "<plugins_instructions",
        "<user_action>",
        "Warning: apply_patch was requested via exec_command",
        "Warning: The maximum number of unified exec processes",
    ];
    HEADS.iter().any(|h| text.starts_with(h))
}

/// The first line of a prompt that is the user's: images stand before the words.
fn title(text: &str) -> &str {
    let lines = text.lines().map(str::trim);
    let mut own = lines.filter(|l| !l.starts_with("<image") && !l.starts_with("</image") && !l.starts_with("[image"));
    own.find(|l| !l.is_empty()).unwrap_or("")
}

pub(super) fn between<'a>(text: &'a str, open: &str, close: &str) -> Option<&'a str> {
    text.split_once(open)?.1.split_once(close).map(|(inner, _)| inner.trim())
}
