//! One session: its parts turned into events with their proven parents.
//!
//! # What proves the parents
//! Aider writes no ids. What it writes in fixed words does prove: a reply stands behind what it answers, for one process works
//! on one thing at a time; the reply after `Attempt to fix … y`, after a failed block, after `Add file to the chat? … y`
//! answers that; `Applied edit to` and `Commit` speak of the reply before them. The LLM history proves more: it holds each
//! request, and so names all that was new in it.

mod outcome;
mod reply;
mod said;

use std::collections::HashMap;

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use serde_json::{Map, Value};

pub(super) use outcome::Outcome;

use super::AGENT;
use super::input::Inputs;
use super::words;
use super::zone::Zone;
use crate::event::{Event, EventType, Origin, Status};
use crate::id;
use crate::source::Report;

/// Stands in the chat history where comments in files were the prompt (`--watch-files`); only a request has their text.
const BY_COMMENTS: &str = "Processing your request...";

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
    /// Whether what is told is surely told by this process: no other is at work, or no other can tell it.
    pub sure: bool,
    setting: Setting<'a>,
    inputs: &'a Inputs,
    header: Event,
    titled: bool,
    typed: Option<NaiveDateTime>,
    latest: Option<DateTime<Utc>>,
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
    /// Whether the tokens of the reply have been told.
    counted: bool,
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
    /// What is told of blocks that did not fit, line by line.
    failure: Option<String>,
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
            sure: true,
            inputs,
            header: Event::default(),
            titled: false,
            typed: None,
            latest: None,
            format: String::new(),
            once: None,
            model: None,
            prompt: None,
            since: Vec::new(),
            context: Vec::new(),
            reply: None,
            counted: false,
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
            failure: None,
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
        // whole seconds would put a reply before what it answers
        let rounded = |t: &DateTime<Utc>| self.latest.is_some_and(|l| *t < l && l - *t < TimeDelta::seconds(1));
        if e.event_type == EventType::Message {
            e.timestamp = e.timestamp.filter(|t| !rounded(t));
        }
        if e.timestamp.is_none() && self.started_up {
            // what has no time of its own was seen when it was written
            let seen = self.setting.seen.partition_point(|(size, _)| *size <= self.offset);
            if let Some((_, at)) = self.setting.seen.get(seen) {
                e.timestamp = Some(*at);
                e.extra.insert("time_seen".to_owned(), true.into());
            }
        }
        self.latest = self.latest.max(e.timestamp);
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
        self.end_failure(report);
        for e in std::mem::take(&mut self.edits) {
            self.settle(e, Status::Interrupted, None, report);
        }
        self.malformed = false;
        self.may_run = false;
        self.cut = false;
    }

    /// Tells what is known so far of what is under way: the file may go on.
    pub(super) fn pause(&mut self, report: &mut Report) {
        self.end_command();
        self.end_lint();
        self.end_failure(report);
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
        if words::command(text).is_none() && text != BY_COMMENTS {
            self.title(text);
        }
        event_id
    }

    /// The first prompt is the title.
    fn title(&mut self, text: &str) {
        if !std::mem::replace(&mut self.titled, true) {
            let mut header = self.header.clone();
            header.extra.clear();
            header.tool_input = Some(crate::source::first_line(text).into());
            self.out.push(header);
        }
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
}
