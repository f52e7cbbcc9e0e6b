//! The head of a rollout and what its turns tell about the session: the session's event.

use serde_json::Value;

use super::response::Boundary;
use super::{Place, Reader};
use crate::event::{Origin, parse_time};
use crate::id;
use crate::source::Sink;
use crate::source::codex::AGENT;
use crate::source::codex::wire::Payload;
use crate::source::raw::Raw;

impl Reader {
    pub(super) fn meta(&mut self, p: &Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        if self.given {
            // the parent's head in a forked child's file: its history follows
            if p.id.as_deref().is_some_and(|id| id != self.session) {
                self.copying = true;
            }
            self.report.pass_over("session_meta of the parent");
            return;
        }
        if let Some(id) = p.id.as_deref().filter(|_| !self.known_session) {
            self.session = id.to_owned();
        }
        self.copy_until = p.subagent_history_start_ordinal;
        let source = p.source.map(Raw::value);
        let spawned = source.as_ref().and_then(|s| s.pointer("/subagent/thread_spawn/parent_thread_id"));
        let parent = p.parent_thread_id.as_deref().or(spawned.and_then(Value::as_str));
        self.cwd = p.cwd.as_deref().map(str::to_owned);
        let h = &mut self.header;
        h.event_id = id::session(AGENT, &self.session);
        h.session_id.clone_from(&self.session);
        h.native_id = Some(self.session.clone());
        h.timestamp = p.timestamp.as_deref().and_then(parse_time).or_else(|| place.time());
        h.cwd.clone_from(&self.cwd);
        h.provider = p.model_provider.as_deref().map(str::to_owned);
        h.parent_session_id = parent.filter(|x| *x != self.session).map(str::to_owned);
        h.source = place.origin.clone();
        let mut put = |key: &str, v: Option<&str>| {
            if let Some(v) = v {
                h.extra.insert(key.to_owned(), v.into());
            }
        };
        put("version", p.cli_version.as_deref());
        put("originator", p.originator.as_deref());
        put("forked_from", p.forked_from_id.as_deref());
        put("nickname", p.agent_nickname.as_deref());
        let git = p.git.map(Raw::value);
        let git = |key: &str| git.as_ref().and_then(|g| g.get(key)).and_then(Value::as_str);
        put("git_branch", git("branch"));
        put("git_commit", git("commit_hash"));
        self.give_header(sink);
    }

    pub(super) fn give_header(&mut self, sink: Sink<'_>) {
        if self.header.event_id.is_empty() {
            // no head in the file: what the name says
            self.header.event_id = id::session(AGENT, &self.session);
            self.header.session_id.clone_from(&self.session);
        }
        self.report.events += u64::from(!std::mem::replace(&mut self.given, true));
        sink(self.header.clone());
    }

    pub(super) fn turn_context(&mut self, p: &Payload<'_>, place: &Place<'_>, sink: Sink<'_>) {
        self.report.pass_over("turn_context");
        if p.turn_id.is_none() && self.boundary == Boundary::Runs {
            self.boundary = Boundary::Contexts;
        }
        if self.boundary == Boundary::Contexts {
            self.fresh = true;
        }
        self.turn = p.turn_id.as_deref().map(str::to_owned).or(self.turn.take());
        self.model = p.model.as_deref().map(str::to_owned).or(self.model.take());
        if let Some(cwd) = p.cwd.as_deref() {
            self.cwd = Some(cwd.to_owned());
        }
        if self.header.cwd.is_none() || self.header.model.is_none() {
            if self.header.source == Origin::default() {
                self.header.source = place.origin.clone();
            }
            self.header.cwd = self.header.cwd.take().or_else(|| self.cwd.clone());
            self.header.model.clone_from(&self.model);
            self.give_header(sink);
        }
    }
}
