//! One session: its parts turned into events with their proven parents.
//!
//! # What proves the parents
//! Aider writes no ids. What it writes in fixed words does prove: a reply stands behind what it answers, for one process works
//! on one thing at a time; the reply after `Attempt to fix … y`, after a failed block, after `Add file to the chat? … y`
//! answers that; `Applied edit to` and `Commit` speak of the reply before them. The LLM history proves more: it holds each
//! request, and so names all that was new in it.

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, Utc};
use serde_json::{Map, Value, json};

use super::AGENT;
use super::analytics::Sent;
use super::blocks::{Block, blocks, whole};
use super::input::Inputs;
use super::llm::{Call, file_contents};
use super::words::{self, Ran};
use super::zone::Zone;
use crate::event::{Event, EventType, Origin, Status, Usage};
use crate::id;
use crate::source::Report;

/// Where thoughts stand in a reply (0.86).
const THINKING: (&str, &str) =
    ("<thinking-content-7bbeb8e1441453ad999a0bbba8a46d4b>", "</thinking-content-7bbeb8e1441453ad999a0bbba8a46d4b>");

/// What is known of a session beside its parts.
pub(super) struct Setting<'a> {
    /// The session's id.
    pub id: String,
    /// The file that is read.
    pub file: &'a str,
    /// The folder to which paths are relative.
    pub root: Option<String>,
    /// Line of its beginning.
    pub line: u64,
    /// When it began, on the local clock, and when the next did.
    pub started: Option<NaiveDateTime>,
    /// When the session behind it began.
    pub until: Option<NaiveDateTime>,
    /// Its clock.
    pub zone: Zone,
    /// When its commits were made, by subject, in order.
    pub commits: HashMap<String, Vec<DateTime<Utc>>>,
    /// The commits that were made while it ran, with their full ids.
    pub hashes: Vec<(String, DateTime<Utc>)>,
    /// When the chat history was seen to have which size: in order.
    pub seen: Vec<(u64, DateTime<Utc>)>,
    /// Without a chat history, what only its lines tell is taken from the requests.
    pub requests_only: bool,
}

/// A command of the user that is at work.
struct Command {
    call: Event,
    said: Vec<String>,
    /// The call is told only if no other event stands for what the command did.
    told: bool,
    failed: bool,
}

/// A test, a run or a suggested command, until its output is known.
struct Shell {
    call: Event,
    command: Option<String>,
    suggested: bool,
}

/// Turns the parts of one session into events.
pub(super) struct Session<'a> {
    /// Events that are ready.
    pub out: Vec<Event>,
    setting: Setting<'a>,
    inputs: &'a Inputs,
    header: Event,
    titled: bool,
    typed: Option<NaiveDateTime>,
    /// The edit format: what is done with a reply.
    format: String,
    once: Option<String>,
    model: Option<String>,
    prompt: Option<Event>,
    /// What the next reply answers, its trigger first.
    since: Vec<String>,
    /// Output that was put into the chat for whatever comes next.
    context: Vec<String>,
    reply: Option<Event>,
    text: String,
    edits: Vec<Event>,
    applied: Vec<String>,
    commits: HashMap<String, String>,
    dirty: bool,
    command: Option<Command>,
    shells: Vec<Shell>,
    adds: HashMap<String, (String, bool)>,
    added: Vec<String>,
    /// The lint report that is being told, line by line.
    lint: Option<(Event, String)>,
    /// The last one.
    linted: Option<Event>,
    /// Edits of the present reply that were made.
    done: Vec<String>,
    malformed: bool,
    question: String,
    may_run: bool,
    cut: bool,
    started_up: bool,
    line: u64,
    offset: u64,
    count: u64,
}

impl<'a> Session<'a> {
    pub(super) fn new(setting: Setting<'a>, inputs: &'a Inputs, report: &mut Report) -> Self {
        let mut session = Self {
            out: Vec::new(),
            inputs,
            header: Event::default(),
            titled: false,
            typed: None,
            format: String::new(),
            once: None,
            model: None,
            prompt: None,
            since: Vec::new(),
            context: Vec::new(),
            reply: None,
            text: String::new(),
            edits: Vec::new(),
            applied: Vec::new(),
            commits: HashMap::new(),
            dirty: false,
            command: None,
            shells: Vec::new(),
            adds: HashMap::new(),
            added: Vec::new(),
            lint: None,
            linted: None,
            done: Vec::new(),
            malformed: false,
            question: String::new(),
            may_run: false,
            cut: false,
            started_up: false,
            line: setting.line,
            offset: 0,
            count: 0,
            setting,
        };
        let mut header = session.event(EventType::Session, id::session(AGENT, &session.setting.id));
        header.cwd = session.setting.root.clone();
        header.timestamp = session.setting.started.and_then(|t| session.setting.zone.time(t));
        if let (None, Some(local)) = (header.timestamp, session.setting.started) {
            header.extra.insert("local_time".to_owned(), local.to_string().into());
        }
        session.header = session.again(&header);
        session.put(header, report);
        session
    }

    /// The line that is read, for the places of events.
    pub(super) fn at(&mut self, line: u64, offset: u64) {
        self.line = line;
        self.offset = offset;
        self.count = 0;
    }

    fn event(&self, kind: EventType, event_id: String) -> Event {
        Event {
            event_id,
            session_id: self.setting.id.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            source: Origin { file: Some(self.setting.file.to_owned()), line: Some(self.line), hook: None },
            ..Event::default()
        }
    }

    /// A name for the next event of this line: lines count from the session's first, so that they stay when older sessions
    /// are cut off the file.
    fn place(&mut self) -> String {
        let line = self.line.saturating_sub(self.setting.line);
        self.count += 1;
        if self.count == 1 { line.to_string() } else { format!("{line}.{}", self.count) }
    }

    fn of_kind(&mut self, kind: EventType, name: &str) -> Event {
        let native = format!("{name}:{}", self.place());
        self.event(kind, id::event_id(AGENT, &self.setting.id, &native))
    }

    fn call(&mut self, tool: &str, input: Value, status: Option<Status>, parents: Vec<String>) -> Event {
        let place = self.place();
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.setting.id, &place));
        e.tool_name = Some(tool.to_owned());
        e.tool_input = Some(input);
        e.status = status;
        e.parents = parents;
        e
    }

    /// A later line of an event, with nothing said yet.
    fn again(&self, e: &Event) -> Event {
        Event {
            event_id: e.event_id.clone(),
            session_id: e.session_id.clone(),
            agent: AGENT.to_owned(),
            event_type: e.event_type.clone(),
            ..Event::default()
        }
    }

    fn put(&mut self, mut e: Event, report: &mut Report) {
        if e.timestamp.is_none() && e.event_type != EventType::Session {
            // what has no time of its own was seen when it was written
            let seen = self.setting.seen.partition_point(|(size, _)| *size <= self.offset);
            if let Some((_, at)) = self.setting.seen.get(seen) {
                e.timestamp = Some(*at);
                e.extra.insert("time_seen".to_owned(), true.into());
            }
        }
        report.events += 1;
        if e.is_call() {
            report.calls += 1;
            report.unanswered += u64::from(e.status == Some(Status::Running));
        }
        self.out.push(e);
    }

    /// Says how an edit that was under way ended.
    fn settle(&mut self, mut e: Event, status: Status, output: Option<&str>, report: &mut Report) -> String {
        let mut end = self.again(&e);
        end.status = Some(status);
        end.tool_output = output.map(Value::from);
        report.unanswered = report.unanswered.saturating_sub(1);
        self.out.push(end);
        std::mem::take(&mut e.event_id)
    }

    /// Ends what was under way: the user goes on, or the session is over.
    pub(super) fn close(&mut self, report: &mut Report) {
        self.end_command();
        self.end_lint();
        for e in std::mem::take(&mut self.edits) {
            self.settle(e, Status::Interrupted, None, report);
        }
        self.malformed = false;
        self.may_run = false;
        self.cut = false;
    }

    /// Tells what is known so far of what is under way: the file may go on.
    pub(super) fn pause(&mut self) {
        self.end_command();
        self.end_lint();
    }

    /// What the user typed.
    pub(super) fn user(&mut self, text: &str, report: &mut Report) {
        if self.is_handed_over(text) {
            // the architect's words, given to the editor as if the user had typed them
            self.end_command();
            let mut e = self.of_kind(EventType::ContextUpdate, "context");
            e.tool_input = Some(text.into());
            e.parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
            e.extra.insert("instructs".to_owned(), true.into());
            self.once = Some("editor".to_owned());
            self.since = vec![e.event_id.clone()];
            self.put(e, report);
            return;
        }
        if self.reply.is_none() && self.prompt.as_ref().is_some_and(|p| words::repeats(&p.input_text(), text)) {
            report.pass_over("question of a command, repeated");
            return;
        }
        if text.trim_start().starts_with("# Fix any errors below") && self.lint_answered() {
            report.pass_over("lint errors, repeated");
            return;
        }
        self.close(report);
        self.started_up = true;
        let prompt = self.prompted(text, report);
        self.obey(text, prompt, report);
    }

    fn prompted(&mut self, text: &str, report: &mut Report) -> String {
        let mut e = self.of_kind(EventType::UserInput, "prompt");
        e.tool_input = Some(text.into());
        let after = self.typed.or(self.setting.started);
        let typed = after.and_then(|a| self.inputs.typed(text, a, self.setting.until));
        self.typed = typed.or(self.typed);
        e.timestamp = typed.and_then(|t| self.setting.zone.time(t));
        let event_id = e.event_id.clone();
        self.reply = None;
        self.once = None;
        self.prompt = Some(e.clone());
        self.since = vec![event_id.clone()];
        self.since.append(&mut self.context);
        self.put(e, report);
        if !self.titled && words::command(text).is_none() {
            self.titled = true;
            let mut header = self.header.clone();
            header.tool_input = Some(super::super::first_line(text).into());
            self.out.push(header);
        }
        event_id
    }

    /// Does what a command of the user says.
    fn obey(&mut self, text: &str, prompt: String, report: &mut Report) {
        let Some((name, rest)) = words::command(text) else { return };
        let rest = rest.trim();
        let mut input = Map::new();
        let (tool, key) = match name {
            "run" | "!" => ("run", "command"),
            "test" => ("test", "command"),
            "ask" | "code" | "architect" | "context" | "help" => {
                self.once = Some(name.to_owned());
                if !rest.is_empty() || name == "code" {
                    return;
                }
                (name, "args")
            }
            "exit" | "quit" => return,
            "web" => ("web", "url"),
            "git" => ("run", "command"),
            other => (other, "args"),
        };
        if !rest.is_empty() {
            let value = if name == "git" { format!("git {rest}") } else { rest.to_owned() };
            input.insert(key.to_owned(), value.into());
        }
        let call = self.call(tool, input.into(), None, vec![prompt]);
        let told = matches!(tool, "add" | "read-only" | "commit");
        if !told {
            self.put(call.clone(), report);
            if matches!(tool, "run" | "test") && name != "git" {
                let command = Some(rest.to_owned()).filter(|c| !c.is_empty());
                self.shells.push(Shell { call: call.clone(), command, suggested: false });
            }
        }
        self.command = Some(Command { call, said: Vec::new(), told, failed: false });
    }

    fn end_command(&mut self) {
        let Some(c) = self.command.take() else { return };
        if c.said.is_empty() && !c.failed {
            // nothing more was said of it, or other events say it
            return;
        }
        let mut end = if c.told { c.call.clone() } else { self.again(&c.call) };
        if !c.said.is_empty() {
            end.tool_output = Some(c.said.join("\n").into());
        }
        let failed = c.failed || c.said.first().is_some_and(|l| l.starts_with("Invalid command"));
        end.status = failed.then_some(Status::Error);
        if c.call.tool_name.as_deref() == Some("undo") {
            let removed = c.said.iter().find_map(|l| words::hash(l.strip_prefix("Removed: ")?));
            end.status = Some(if removed.is_some() { Status::Ok } else { Status::Error });
            if let Some((hash, _)) = removed {
                end.extra.insert("removed_commit".to_owned(), hash.into());
                end.parents = c.call.parents.iter().chain(self.commits.get(hash)).cloned().collect();
            }
        }
        self.out.push(end);
    }

    fn is_handed_over(&self, text: &str) -> bool {
        let same = |a: &str, b: &str| {
            let words = |t: &str| t.lines().map(|l| l.trim_end().to_owned()).collect::<Vec<_>>();
            words(a.trim()) == words(b.trim())
        };
        self.reply.is_some() && !self.text.is_empty() && same(&self.text, text)
    }

    /// A line, or several, that Aider said.
    pub(super) fn said(&mut self, text: &str, report: &mut Report) {
        let text = text.trim_end();
        if !self.started_up && self.starting(text, report) {
            return;
        }
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
            self.tokens(rest);
        } else if let Some(path) = text.strip_prefix("Applied edit to ") {
            self.applied(path, report);
        } else if let Some((hash, subject)) = text.strip_prefix("Commit ").and_then(words::hash) {
            self.commit(hash, subject, report);
        } else if text.starts_with("Committing ") && text.ends_with(" before applying edits.") {
            self.dirty = true;
        } else if let Some(rest) = text.strip_prefix("Skipping edits to ") {
            let path = rest.split(" that matches gitignore").next().unwrap_or(rest);
            self.end_edits(path, Status::Denied, text, report);
        } else if let Some(path) =
            text.strip_prefix("Did not apply edit to ").and_then(|r| r.strip_suffix(" (--dry-run)"))
        {
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
            self.malformed = false;
            self.failed(text, report);
        } else if text.starts_with("^C") {
            self.cut = true;
        } else if text.starts_with("Only ") && text.ends_with("reflections allowed, stopping.") {
            let mut e = self.of_kind(EventType::ContextUpdate, "context");
            e.tool_input = Some(text.into());
            e.parents = std::mem::take(&mut self.since);
            self.put(e, report);
        } else if text == "Processing your request..." {
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
    fn mentioned(&mut self, yes: bool, report: &mut Report) {
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

    fn tokens(&mut self, text: &str) {
        let Some(reply) = &self.reply else { return };
        let mut e = self.again(reply);
        e.extra.insert("tokens".to_owned(), text.replace('\n', " ").into());
        if reply.usage.is_none() {
            e.usage = words::usage(text);
        }
        self.out.push(e);
    }

    fn of_reply(&self, e: &mut Event) {
        e.turn_id = self.reply.as_ref().and_then(|r| r.turn_id.clone());
    }

    fn applied(&mut self, path: &str, report: &mut Report) {
        let (mine, rest): (Vec<_>, Vec<_>) = std::mem::take(&mut self.edits)
            .into_iter()
            .partition(|e| words::edits(e).iter().any(|p| words::same_path(p, path)));
        self.edits = rest;
        if mine.is_empty() {
            let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
            // a file that the reply gave whole, or a form that is not known
            let (tool, input) = match whole(&self.text, path).filter(|_| self.format.contains("whole")) {
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
    fn made(&mut self, e: Event, report: &mut Report) {
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

    /// Blocks that did not fit; those that the text does not name were applied where it says so.
    fn failed(&mut self, text: &str, report: &mut Report) {
        let others_applied = text.contains("were applied successfully");
        self.since.clear();
        for e in std::mem::take(&mut self.edits) {
            if words::names_failed(text, &e) {
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

    fn commit(&mut self, hash: &str, subject: &str, report: &mut Report) {
        let by_user = std::mem::take(&mut self.dirty);
        let command = self.command.as_ref().filter(|c| c.told).map(|c| c.call.parents.clone());
        if let Some(c) = &mut self.command {
            c.said.clear();
        }
        let parents = match command {
            Some(prompt) => prompt,
            None if by_user => Vec::new(),
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
        if let Some(times) = self.setting.commits.get_mut(subject).filter(|t| !t.is_empty()) {
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

    fn lint_answered(&self) -> bool {
        self.command
            .as_ref()
            .is_some_and(|c| c.call.tool_name.as_deref() == Some("lint") && self.since.contains(&c.call.event_id))
    }

    fn lint(&mut self, text: &str, report: &mut Report) {
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

    fn end_lint(&mut self) {
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

    fn suggested(&mut self, command: &str, report: &mut Report) {
        let parents = self.reply.iter().map(|r| r.event_id.clone()).collect();
        // how it ended is written nowhere
        let mut e = self.call("shell", json!({"command": command}), None, parents);
        self.of_reply(&mut e);
        self.shells.push(Shell { call: e.clone(), command: Some(command.to_owned()), suggested: true });
        self.put(e, report);
    }

    /// What the model replied; `call` is the request as the LLM history has it, `sent` what the analytics log says of it.
    pub(super) fn reply(&mut self, text: &str, call: Option<&Call>, sent: Option<&Sent>, report: &mut Report) {
        let cut = std::mem::take(&mut self.cut);
        self.end_command();
        self.end_lint();
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
        let mut seen = std::collections::HashSet::new();
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
        // comments in files that stood for a prompt
        if let Some(prompt) = self.prompt.clone().filter(|p| p.input_text() == "Processing your request...") {
            let mut told = self.again(&prompt);
            told.tool_input = Some(text.into());
            self.out.push(told);
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
