//! What Aider says, in fixed words: what became of a reply, and what else it did.

use serde_json::json;

use super::super::blocks::whole;
use super::super::words;
use super::outcome::is_of;
use super::{BY_COMMENTS, Session, Shell};
use crate::event::{Event, EventType, Status};
use crate::source::Report;

impl Session<'_> {
    /// A line, or several, that Aider said.
    pub(in crate::source::aider) fn said(&mut self, text: &str, report: &mut Report) {
        let text = text.trim_end();
        if !self.started_up && self.starting(text, report) {
            return;
        }
        if let Some(lines) = self.failure.as_mut().filter(|_| !words::ends_failure(text)) {
            lines.push('\n');
            lines.push_str(text);
            return;
        }
        self.end_failure(report);
        if self.fact(text, report) {
            self.question.clear();
            return;
        }
        if let Some((_, lines)) = &mut self.lint {
            lines.push_str(text);
            lines.push('\n');
            return;
        }
        self.question = text.to_owned();
        match &mut self.command {
            Some(c) => c.said.push(text.to_owned()),
            None if text.is_empty() => report.pass_over("empty line"),
            None => report.pass_over("notice"),
        }
    }

    /// What Aider says of itself before the first prompt.
    fn starting(&mut self, text: &str, report: &mut Report) -> bool {
        if !self.header.extra.contains_key("command_line") && self.out.len() < 2 && words::program(text) {
            let mut header = self.header.clone();
            header.extra.insert("command_line".to_owned(), text.into());
            self.header.extra.insert("command_line".to_owned(), true.into());
            self.out.push(header);
            report.pass_over("command line");
            return true;
        }
        if let Some(version) = text.strip_prefix("Aider v") {
            let mut header = self.header.clone();
            header.extra.clear();
            header.extra.insert("version".to_owned(), version.into());
            self.out.push(header);
            return true;
        }
        false
    }

    /// One of the things that Aider says in fixed words.
    fn fact(&mut self, text: &str, report: &mut Report) -> bool {
        if let Some(model) = words::model(text) {
            self.format = model.format.to_owned();
            if self.model.as_deref() != Some(model.name) {
                self.model = Some(model.name.to_owned());
                let mut header = self.header.clone();
                header.extra.clear();
                header.model.clone_from(&self.model);
                self.out.push(header);
            }
        } else if let Some(path) = words::added(text) {
            self.add(path, text, report);
        } else if let Some(rest) = text.strip_prefix("Tokens: ") {
            self.tokens(rest, report);
        } else if let Some(path) = text.strip_prefix("Applied edit to ") {
            self.applied(path, report);
        } else if let Some((hash, subject)) = text.strip_prefix("Commit ").and_then(words::hash) {
            self.commit(hash, subject, report);
        } else if text.starts_with("Committing ") && text.ends_with(" before applying edits.") {
            self.dirty = true;
        } else if let Some(path) = words::not_applied(text) {
            self.end_edits(path, Status::Denied, text, report);
        } else if let Some(n) = words::lines_added(text) {
            self.output_added(n, report);
        } else if let Some(yes) = words::answer(text, "Attempt to fix test errors?") {
            self.answered(yes, "test");
        } else if let Some(yes) = words::answer(text, "Attempt to fix lint errors?") {
            self.end_lint();
            self.answered(yes, "lint");
        } else if let Some(yes) = words::answer(text, "Fix lint errors in ") {
            self.answered(yes, "lint");
        } else if text.trim_start().starts_with("# Fix any errors below") {
            self.lint(text, report);
        } else if let Some(yes) =
            words::answer(text, "Add file to the chat?").or(words::answer(text, "Add these files to the chat?"))
        {
            self.mentioned(yes, report);
        } else if let Some(yes) = words::answer(text, "Run shell command") {
            self.may_run = yes;
            if !yes {
                self.refused(report);
            }
        } else if let Some(command) = text.strip_prefix("Running ").filter(|_| self.may_run) {
            self.suggested(command, report);
        } else if text.starts_with("The LLM did not conform to the edit format")
            || text.starts_with("Malformed response")
        {
            self.malformed = true;
        } else if self.malformed
            && (text.is_empty() || text.starts_with("https://") || text.starts_with("For more info see"))
        {
            report.pass_over("notice");
        } else if self.malformed || text.starts_with("# ") && text.contains("failed to match!") {
            // older clients tell it line by line
            self.malformed = false;
            self.failure = Some(text.to_owned());
            if text.contains('\n') {
                self.end_failure(report);
            }
        } else if text.starts_with("^C") {
            self.cut = true;
        } else if text.starts_with("Only ") && text.ends_with("reflections allowed, stopping.") {
            let mut e = self.of_kind(EventType::ContextUpdate, "context");
            e.tool_input = Some(text.into());
            e.parents = std::mem::take(&mut self.since);
            self.put(e, report);
        } else if text == BY_COMMENTS {
            // comments in files stand for a prompt; only the LLM history tells their text
            self.started_up = true;
            self.prompted(text, report);
        } else if words::api_error(text) {
            self.no_reply(text, report);
        } else {
            return false;
        }
        true
    }

    /// A request that brought no reply.
    fn no_reply(&mut self, text: &str, report: &mut Report) {
        let mut e = self.of_kind(EventType::Message, "failure");
        e.tool_input = Some(text.into());
        e.status = Some(Status::Error);
        e.parents.clone_from(&self.since);
        let name = text.split([':', ' ']).next().unwrap_or("error");
        e.extra.insert("error".to_owned(), name.into());
        self.put(e, report);
    }

    fn add(&mut self, path: &str, text: &str, report: &mut Report) {
        let tool = if text.contains("read-only") { "read-only" } else { "add" };
        let parents = match &mut self.command {
            Some(c) if c.told => {
                c.said.clear();
                c.call.parents.clone()
            }
            _ => Vec::new(),
        };
        let mut e = self.call(tool, json!({"path": path}), Some(Status::Ok), parents);
        e.tool_output = Some(text.into());
        self.adds.insert(path.to_owned(), (e.event_id.clone(), false));
        self.put(e, report);
    }

    /// The question whether to add a file that the reply speaks of; the line before names it.
    pub(super) fn mentioned(&mut self, yes: bool, report: &mut Report) {
        let path = std::mem::take(&mut self.question);
        let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
        let status = if yes { Status::Ok } else { Status::Denied };
        let e = self.call("add", json!({"path": path}), Some(status), parents);
        if yes {
            self.adds.insert(path, (e.event_id.clone(), false));
            if self.added.is_empty() {
                self.since.clear();
            }
            self.added.push(e.event_id.clone());
            self.since.push(e.event_id.clone());
        }
        self.put(e, report);
    }

    fn tokens(&mut self, text: &str, report: &mut Report) {
        let Some(reply) = self.reply.as_ref().filter(|_| self.sure) else {
            report.pass_over("tokens of a reply that is not known");
            return;
        };
        self.counted = true;
        let mut e = self.again(reply);
        e.extra.insert("tokens".to_owned(), text.replace('\n', " ").into());
        if reply.usage.is_none() {
            e.usage = words::usage(text);
        }
        self.out.push(e);
    }

    pub(super) fn of_reply(&self, e: &mut Event) {
        e.turn_id = self.reply.as_ref().and_then(|r| r.turn_id.clone());
    }

    /// The content of a file that the reply gives whole.
    pub(super) fn whole(&self, path: &str) -> Option<String> {
        whole(&self.text, path).filter(|_| self.format.contains("whole"))
    }

    fn applied(&mut self, path: &str, report: &mut Report) {
        if !self.sure {
            // of another process perhaps, of which nothing here is the parent
            let e = self.call("edit", json!({"path": path}), Some(Status::Ok), Vec::new());
            self.put(e, report);
            return;
        }
        let mine: Vec<_> = self.edits.extract_if(.., |e| is_of(e, path)).collect();
        if mine.is_empty() {
            let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
            // a file that the reply gave whole, or a form that is not known
            let (tool, input) = match self.whole(path) {
                Some(content) => ("write", json!({"path": path, "content": content})),
                None => ("edit", json!({"path": path})),
            };
            let mut e = self.call(tool, input, Some(Status::Ok), parents);
            self.of_reply(&mut e);
            self.done.push(e.event_id.clone());
            self.applied.push(e.event_id.clone());
            self.put(e, report);
        }
        for e in mine {
            self.made(e, report);
        }
    }

    /// An edit was made.
    pub(super) fn made(&mut self, e: Event, report: &mut Report) {
        let id = self.settle(e, Status::Ok, None, report);
        self.done.push(id.clone());
        self.applied.push(id);
    }

    fn end_edits(&mut self, path: &str, status: Status, text: &str, report: &mut Report) {
        let (mine, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.edits)
            .into_iter()
            .partition(|e| words::edits(e).iter().any(|p| words::same_path(p, path)));
        self.edits = rest;
        for e in mine {
            self.settle(e, status, Some(text), report);
        }
    }

    /// The end of what is told of a failure.
    pub(super) fn end_failure(&mut self, report: &mut Report) {
        if let Some(text) = self.failure.take() {
            self.failed(&text, report);
        }
    }

    /// Blocks that did not fit; those that the text does not name were applied where it says so.
    pub(super) fn failed(&mut self, text: &str, report: &mut Report) {
        let others_applied = text.contains("were applied successfully");
        self.since.clear();
        for e in std::mem::take(&mut self.edits) {
            // a reply that could not be taken apart changed nothing
            if !text.contains("failed to match!") || words::names_failed(text, &e) {
                let done = self.settle(e, Status::Error, Some(text), report);
                self.since.push(done);
            } else if others_applied {
                self.made(e, report);
            } else {
                let done = self.settle(e, Status::Interrupted, None, report);
                self.since.push(done);
            }
        }
        if self.since.is_empty() {
            let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
            let mut e = self.call("edit", json!({}), Some(Status::Error), parents);
            self.of_reply(&mut e);
            e.tool_output = Some(text.into());
            self.since.push(e.event_id.clone());
            self.put(e, report);
        }
    }

    pub(super) fn commit(&mut self, hash: &str, subject: &str, report: &mut Report) {
        let by_user = self.sure && std::mem::take(&mut self.dirty);
        let command = self.command.as_ref().filter(|c| c.told).map(|c| c.call.parents.clone());
        if let Some(c) = self.command.as_mut().filter(|_| self.sure) {
            c.said.clear();
        }
        let parents = match command {
            // it may be the work of another process, of which nothing here is the parent
            _ if !self.sure => {
                if self.made_commit(subject) {
                    self.applied.clear();
                }
                Vec::new()
            }
            Some(prompt) => prompt,
            // the user's own changes, committed out of the way of this reply
            None if by_user => self.reply.iter().map(|r| r.event_id.clone()).collect(),
            None => std::mem::take(&mut self.applied),
        };
        let mut e = self.call("commit", json!({"message": subject}), Some(Status::Ok), parents);
        e.tool_output = Some(format!("Commit {hash} {subject}").into());
        let known = self.setting.hashes.iter().find(|(full, _)| full.starts_with(hash));
        e.timestamp = known.map(|(_, at)| *at);
        e.extra.insert("commit".to_owned(), known.map_or(hash, |(full, _)| full).into());
        if by_user {
            e.extra.insert("by_user".to_owned(), true.into());
        }
        Self::automatic(&mut e);
        if let Some(times) = self.setting.commits.get_mut(subject).filter(|t| self.sure && !t.is_empty()) {
            e.timestamp = Some(times.remove(0));
        }
        self.commits.insert(hash.to_owned(), e.event_id.clone());
        self.put(e, report);
    }

    /// Output was put into the chat: of the user's command, of suggested commands, else of a test that failed by itself.
    fn output_added(&mut self, lines: u64, report: &mut Report) {
        if let Some(c) = &mut self.command {
            let event_id = c.call.event_id.clone();
            if c.call.tool_name.as_deref() == Some("test") {
                // a test that passes is not put into the chat
                c.failed = true;
                self.since = vec![event_id];
            } else {
                self.context.push(event_id);
            }
            c.said.push(format!("Added {lines} line{} of output to the chat.", if lines == 1 { "" } else { "s" }));
            return;
        }
        let suggested: Vec<String> =
            self.shells.iter().filter(|s| s.suggested).map(|s| s.call.event_id.clone()).collect();
        if self.may_run && !suggested.is_empty() {
            self.context.extend(suggested);
            self.may_run = false;
            return;
        }
        // a test that Aider runs by itself follows on the edits of the reply
        let mut e = self.call("test", json!({}), Some(Status::Error), self.done.clone());
        Self::automatic(&mut e);
        self.shells.push(Shell { call: e.clone(), command: None, suggested: false });
        self.put(e, report);
    }

    /// The user lets Aider go on with what failed.
    fn answered(&mut self, yes: bool, tool: &str) {
        if !yes {
            return;
        }
        let last = match tool {
            "lint" => {
                let own = self.command.as_ref().map(|c| &c.call).or(self.linted.as_ref());
                own.map(|e| e.event_id.clone())
            }
            _ => self.shells.iter().rev().find(|s| !s.suggested).map(|s| s.call.event_id.clone()),
        };
        if let Some(id) = last {
            self.since = vec![id];
        }
    }

    /// Marks what Aider does by itself because of the event's parents.
    fn automatic(e: &mut Event) {
        e.extra.insert("automatic".to_owned(), true.into());
    }

    pub(super) fn lint_answered(&self) -> bool {
        self.command
            .as_ref()
            .is_some_and(|c| c.call.tool_name.as_deref() == Some("lint") && self.since.contains(&c.call.event_id))
    }

    pub(super) fn lint(&mut self, text: &str, report: &mut Report) {
        if self.command.is_some() {
            if let Some(c) = &mut self.command {
                c.said.push(text.to_owned());
                c.failed = true;
            }
            return;
        }
        let mut e = self.call("lint", json!({}), Some(Status::Error), self.done.clone());
        Self::automatic(&mut e);
        self.lint = Some((e.clone(), format!("{text}\n")));
        self.put(e, report);
    }

    pub(super) fn end_lint(&mut self) {
        let Some((e, text)) = self.lint.take() else { return };
        let mut end = self.again(&e);
        end.tool_output = Some(text.trim_end().into());
        if let Some(command) = words::lint_command(&text) {
            end.tool_input = Some(json!({"command": command}));
        }
        self.out.push(end);
        self.linted = Some(e);
    }

    /// A command that the model suggested and the user refused; the line before names it.
    fn refused(&mut self, report: &mut Report) {
        let command = std::mem::take(&mut self.question);
        let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
        let mut e = self.call("shell", json!({"command": command}), Some(Status::Denied), parents);
        self.of_reply(&mut e);
        self.put(e, report);
    }

    pub(super) fn suggested(&mut self, command: &str, report: &mut Report) {
        let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
        // how it ended is written nowhere
        let mut e = self.call("shell", json!({"command": command}), None, parents);
        self.of_reply(&mut e);
        self.shells.push(Shell { call: e.clone(), command: Some(command.to_owned()), suggested: true });
        self.put(e, report);
    }
}
