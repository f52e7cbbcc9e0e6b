//! Replies, the changes in them, and what the requests that brought them prove.

use std::collections::HashSet;

use serde_json::json;

use super::super::analytics::Sent;
use super::super::blocks::{Block, blocks};
use super::super::llm::{Call, file_contents};
use super::super::words::{self, Ran};
use super::{BY_COMMENTS, Session, Shell};
use crate::event::{Event, EventType, Origin, Status, Usage};
use crate::source::Report;

/// Where thoughts stand in a reply (0.86).
const THINKING: (&str, &str) =
    ("<thinking-content-7bbeb8e1441453ad999a0bbba8a46d4b>", "</thinking-content-7bbeb8e1441453ad999a0bbba8a46d4b>");

impl Session<'_> {
    /// What the model replied; `call` is the request as the LLM history has it, `sent` what the analytics log says of it.
    pub(in crate::source::aider) fn reply(
        &mut self,
        text: &str,
        call: Option<&Call>,
        sent: Option<&Sent>,
        report: &mut Report,
    ) {
        let cut = std::mem::take(&mut self.cut);
        self.end_command();
        self.end_lint();
        self.end_failure(report);
        if let Some(call) = call {
            self.request(call, report);
        }
        for e in std::mem::take(&mut self.edits) {
            self.settle(e, Status::Interrupted, None, report);
        }
        self.malformed = false;
        self.may_run = false;
        self.added.clear();
        self.done.clear();
        self.applied.clear();
        self.shells.clear();
        let (thought, words) = thoughts(text);
        let turn = format!("reply:{}", self.line.saturating_sub(self.setting.line));
        let mut inputs = std::mem::take(&mut self.since);
        let format = self.once.clone().unwrap_or_else(|| self.format.clone());
        let mut reply: Option<Event> = None;
        for (kind, name, text) in [(EventType::Reasoning, "reasoning", thought), (EventType::Message, "message", words)]
        {
            let Some(text) = text.filter(|t| !t.is_empty()) else { continue };
            let mut e = self.of_kind(kind, name);
            e.tool_input = Some(text.into());
            e.turn_id = Some(turn.clone());
            e.parents = reply.as_ref().map_or_else(|| std::mem::take(&mut inputs), |hub| vec![hub.event_id.clone()]);
            e.model = self.model.clone().filter(|_| format != "editor");
            if reply.is_none() {
                self.stamp(&mut e, call, sent);
            }
            if cut {
                e.status = Some(Status::Interrupted);
            }
            if matches!(format.as_str(), "architect" | "editor" | "ask" | "context") {
                e.extra.insert("role".to_owned(), format.as_str().into());
            }
            self.put(e.clone(), report);
            reply = reply.or(Some(e));
        }
        self.reply = reply;
        self.counted = false;
        self.text = text.to_owned();
        self.started_up = true;
        if matches!(format.as_str(), "ask" | "context" | "help")
            || format == "architect" && self.once.as_deref() != Some("editor")
        {
            return;
        }
        let hub: Vec<String> = self.reply.iter().map(|r| r.event_id.clone()).collect();
        for block in blocks(text) {
            let input = match block {
                Block::Replace { path, before, after } => json!({"path": path, "before": before, "after": after}),
                Block::Diff { path, diff } => json!({"path": path, "diff": diff}),
                Block::Patch(patch) => json!({"patch": patch}),
            };
            let mut e = self.call("edit", input, Some(Status::Running), hub.clone());
            e.turn_id = Some(turn.clone());
            self.put(e.clone(), report);
            self.edits.push(e);
        }
    }

    /// Time, length and tokens of a request, as far as the files beside the chat history tell.
    fn stamp(&self, e: &mut Event, call: Option<&Call>, sent: Option<&Sent>) {
        if let Some(call) = call {
            e.timestamp = self.setting.zone.time(call.at);
            let took = call.answered.map(|a| (a - call.at).num_milliseconds());
            // within one second nothing is known
            e.duration_ms = took.filter(|ms| *ms > 0).and_then(|ms| u64::try_from(ms).ok());
        }
        let Some(sent) = sent else { return };
        e.timestamp = sent.at.or(e.timestamp);
        e.usage =
            sent.input.or(sent.output).map(|_| Usage { input: sent.input, output: sent.output, ..Usage::default() });
        if let Some(cost) = sent.cost {
            e.extra.insert("cost_usd".to_owned(), cost.into());
        }
    }

    /// What was new in a request is what its reply answers.
    fn request(&mut self, call: &Call, report: &mut Report) {
        let mut others = Vec::new();
        let Some((trigger, context)) = call.fresh.split_last() else { return };
        if self.setting.requests_only && trigger.contains("failed to match!") {
            // before the commit of those that did
            self.failed(trigger, report);
        }
        for text in context {
            if let Some(hash) = words::committed(text) {
                others.extend(self.committed(hash, text, report));
            }
        }
        let mut first = self.trigger(trigger, report);
        for text in context.iter().filter(|t| t.trim() != trigger.trim()) {
            if let Some(ran) = words::ran(text) {
                others.extend(self.ran(&ran, "run", report));
            } else if text.starts_with("Output from ") {
                others.extend(self.output_of(text, report));
            }
        }
        if first.is_empty() {
            first = std::mem::take(&mut self.since);
        }
        others.extend(self.shown(&call.files, report));
        others.retain(|id| !first.contains(id));
        first.append(&mut others);
        let mut seen = HashSet::new();
        first.retain(|id| seen.insert(id.clone()));
        self.since = first;
    }

    /// The last message of a request: what made it necessary.
    fn trigger(&mut self, text: &str, report: &mut Report) -> Vec<String> {
        let only = self.setting.requests_only;
        if let Some(ran) = words::ran(text) {
            return self.ran(&ran, "test", report);
        }
        if text.trim_start().starts_with("# Fix any errors below") {
            if only && self.linted.is_none() {
                self.lint(text.trim(), report);
                self.end_lint();
            }
            let Some(lint) = self.linted.take() else { return Vec::new() };
            let mut end = self.again(&lint);
            // the chat history has it without its indentation
            end.tool_output = Some(text.trim().into());
            self.out.push(end);
            return vec![lint.event_id];
        }
        if only {
            if text.contains("failed to match!") {
                return std::mem::take(&mut self.since);
            }
            if let Some(paths) = words::files_added(text) {
                for path in paths {
                    self.question = path.to_owned();
                    self.mentioned(true, report);
                }
                return std::mem::take(&mut self.since);
            }
            if self.is_handed_over(text) {
                self.user(text, report);
            } else {
                self.close(report);
                self.prompted(text, report);
            }
            return std::mem::take(&mut self.since);
        }
        if words::files_added(text).is_some() || text.contains("failed to match!") {
            return std::mem::take(&mut self.since);
        }
        if let Some(prompt) = self.prompt.clone().filter(|p| p.input_text() == BY_COMMENTS) {
            let mut told = self.again(&prompt);
            told.tool_input = Some(text.into());
            self.out.push(told);
            self.title(text);
        }
        Vec::new()
    }

    /// The commit that a request speaks of.
    fn committed(&mut self, hash: &str, text: &str, report: &mut Report) -> Option<String> {
        if let Some(known) = self.commits.get(hash) {
            return Some(known.clone());
        }
        if !self.setting.requests_only || self.reply.is_none() {
            return None;
        }
        for e in std::mem::take(&mut self.edits) {
            self.made(e, report);
        }
        let subject = text.split_once("commit msg: ").map_or("", |(_, s)| s).lines().next().unwrap_or("");
        self.commit(hash, subject, report);
        self.commits.get(hash).cloned()
    }

    /// A command and its output, as a request shows them.
    fn ran(&mut self, ran: &Ran<'_>, tool: &str, report: &mut Report) -> Vec<String> {
        let known =
            self.shells.iter().position(|s| !s.suggested && s.command.as_deref().is_none_or(|c| c == ran.command));
        let shell = match known {
            Some(i) => self.shells.get_mut(i),
            None if self.setting.requests_only && self.reply.is_some() => {
                let status = (tool == "test").then_some(Status::Error);
                let call = self.call(tool, json!({}), status, Vec::new());
                self.shells.push(Shell { call: call.clone(), command: None, suggested: false });
                self.put(call, report);
                self.shells.last_mut()
            }
            None => None,
        };
        let Some(shell) = shell else { return Vec::new() };
        shell.command = Some(ran.command.to_owned());
        let call = shell.call.clone();
        let mut end = self.again(&call);
        end.tool_input = Some(json!({"command": ran.command}));
        end.tool_output = Some(ran.output.into());
        self.out.push(end);
        vec![call.event_id]
    }

    /// The output of commands that the model suggested.
    fn output_of(&mut self, text: &str, report: &mut Report) -> Vec<String> {
        let mut found = Vec::new();
        for part in text.split("Output from ").filter(|p| !p.is_empty()) {
            let Some((command, output)) = part.split_once('\n') else { continue };
            let known = self.shells.iter().find(|s| s.suggested && s.command.as_deref() == Some(command));
            if known.is_none() && self.setting.requests_only && self.reply.is_some() {
                self.suggested(command, report);
            }
            let known = self.shells.iter().find(|s| s.suggested && s.command.as_deref() == Some(command));
            let Some(shell) = known else { continue };
            let mut end = self.again(&shell.call);
            end.tool_output = Some(output.trim_end().into());
            found.push(end.event_id.clone());
            self.out.push(end);
        }
        found
    }

    /// The files whose contents a request shows for the first time.
    fn shown(&mut self, files: &str, report: &mut Report) -> Vec<String> {
        let mut found = Vec::new();
        for (path, content) in file_contents(files) {
            match self.adds.get_mut(path) {
                Some((_, true)) => continue,
                Some((id, told)) => {
                    *told = true;
                    found.push(id.clone());
                }
                None if self.setting.requests_only => {
                    let e = self.call("add", json!({"path": path}), Some(Status::Ok), Vec::new());
                    self.adds.insert(path.to_owned(), (e.event_id.clone(), true));
                    found.push(e.event_id.clone());
                    self.put(e, report);
                }
                None => continue,
            }
            let Some(id) = found.last() else { continue };
            let mut end = self.event(EventType::ToolCall, id.clone());
            end.source = Origin::default();
            end.tool_output = Some(content.into());
            self.out.push(end);
        }
        found
    }
}

/// A reply's thoughts and its words.
fn thoughts(text: &str) -> (Option<&str>, Option<&str>) {
    let Some((thought, rest)) = text.trim_start().strip_prefix(THINKING.0).and_then(|t| t.split_once(THINKING.1))
    else {
        return (None, Some(text));
    };
    (Some(thought.trim()), Some(rest.trim()))
}
