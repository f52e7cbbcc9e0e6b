//! Reads a transcript and its sub-agents' files into events, line by line.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::{Map, Value, json};

use super::chain::{Chain, Made, Node, Told};
use super::wire::{Attachment, Block, Content, Line, Meta, Text};
use super::{AGENT, agent_files, agent_files_beside, prompt_id};
use crate::event::{Event, EventType, Origin, Status, Usage, parse_time};
use crate::id;
use crate::plain;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript};

/// Kinds of line that say nothing about causes, seen in clients 1.0 to 2.1.330.
const PASSED_OVER: &[&str] = &[
    "file-history-snapshot",
    "file-history-delta",
    "permission-mode",
    "last-prompt",
    "mode",
    "pr-link",
    "queue-operation",
    "bridge-session",
    "progress",
    "worktree-state",
    "relocated",
    "tools-used",
    "cost-state",
    "atis-latch",
    "api-request",
    "api-request-shape",
    "api-request-blob",
    "agent-name",
    "agent-color",
    "agent-setting",
    "tag",
    "task-summary",
    "content-replacement",
    "data-flow-records",
    "fork-context-ref",
    "continued-in",
    "marble-origami-commit",
    "marble-origami-snapshot",
    "speculation-accept",
    "attribution-snapshot",
    "saved_hook_context",
    "session-name",
    "frame-link",
];

/// Attachments that carry text of the user or of the world into the context.
const TELLING_ATTACHMENTS: &[&str] = &[
    "queued_command",
    "edited_text_file",
    "hook_additional_context",
    "hook_blocking_error",
    "plan_file_reference",
    "file",
    "selected_lines_in_ide",
    "opened_file_in_ide",
    "diagnostics",
    "mcp_resource",
    "plan_mode_exit",
    "nested_memory",
];

/// Reads a session's main file, then its sub-agents'.
pub(super) fn read(transcript: &Transcript, sink: Sink<'_>) -> anyhow::Result<Report> {
    let path = &transcript.path;
    let mut reader = Reader::new(transcript.session_id.as_deref());
    reader.file(path, None, sink)?;
    if path.file_stem().and_then(|s| s.to_str()).is_some_and(|s| !s.starts_with("agent-")) {
        // mostly found with the transcript, by one look at a folder that may hold thousands
        let files = match &transcript.parts {
            Some(found) => found.clone(),
            None => {
                let beside = agent_files_beside(&super::files(path.parent().unwrap_or(path)));
                agent_files(path, &reader.session, &beside)
            }
        };
        // who spawned whom is in small files: known before any sub-agent is read
        for file in &files {
            let meta = plain::read(&file.with_extension("meta.json")).unwrap_or_default();
            let meta: Meta = serde_json::from_slice(&meta).unwrap_or_default();
            // a workflow's agents lie in the folder of its run
            let run = file.parent().and_then(|d| d.file_name()?.to_str()).and_then(|run| reader.runs.get(run));
            if let (Some(call), Some(agent)) = (meta.tool_use_id.or_else(|| run.cloned()), agent_of(file)) {
                reader.spawned_by.entry(agent).or_insert(call);
            }
        }
        for file in &files {
            if let (Err(e), Some(name)) = (reader.file(file, agent_of(file), sink), file.to_str()) {
                reader.report.bad(name, 0, format!("{e:#}"));
            }
        }
    }
    reader.end(sink);
    Ok(reader.report)
}

/// The sub-agent's id in the name of its file.
fn agent_of(file: &Path) -> Option<String> {
    Some(file.file_stem()?.to_str()?.strip_prefix("agent-")?.to_owned())
}

/// A call that has been met.
struct Call {
    event: String,
    answered: bool,
    agent: Option<String>,
    file: u32,
    /// Ordinal of the response that issued it, within its file.
    response: usize,
}

struct Reader {
    session: String,
    report: Report,
    /// Calls by the agent's id.
    calls: HashMap<String, Call>,
    /// Results that stood before their call, by id: no call may come.
    early: HashSet<String>,
    /// Sub-agent → id of the call that spawned it.
    spawned_by: HashMap<String, String>,
    /// Run of a workflow → id of the call that began it.
    runs: HashMap<String, String>,
    /// Sub-agent → its last words.
    last_words: BTreeMap<String, String>,
    /// Notifications: event, sub-agent, spawning call.
    notifications: Vec<(String, String, Option<String>)>,
    /// Prompt ids and prompt texts that have an event.
    prompts: HashSet<String>,
    header: Event,
    titled: bool,
    /// The header has been given.
    given: bool,
    /// Per file, the last response that began.
    newest: HashMap<(u32, Option<String>), usize>,
    files: u32,
}

/// What all events of a line share.
struct Place<'a> {
    uuid: &'a str,
    parent: Option<&'a str>,
    time: Option<DateTime<Utc>>,
    agent: Option<String>,
    origin: Origin,
    /// The session from which a fork copied the line.
    copied: Option<&'a str>,
}

impl Reader {
    fn new(session: Option<&str>) -> Self {
        let session = session.unwrap_or_default().to_owned();
        Self {
            header: Event { event_type: EventType::Session, agent: AGENT.to_owned(), ..Event::default() },
            session,
            report: Report::default(),
            calls: HashMap::new(),
            early: HashSet::new(),
            spawned_by: HashMap::new(),
            runs: HashMap::new(),
            last_words: BTreeMap::new(),
            notifications: Vec::new(),
            prompts: HashSet::new(),
            titled: false,
            given: false,
            newest: HashMap::new(),
            files: 0,
        }
    }

    fn file(&mut self, path: &Path, agent: Option<String>, sink: Sink<'_>) -> anyhow::Result<()> {
        let file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
        let mut lines = Lines::new(file);
        let name = path.to_string_lossy().into_owned();
        let mut chain = Chain::new(agent.is_some());
        // sidechains of old clients: which agent a line belongs to follows from its parent
        let mut sidechains: HashMap<u64, String> = HashMap::new();
        let mut scratch = String::new();
        self.files += 1;
        while let Some(line) = lines.next().with_context(|| format!("cannot read {name}"))? {
            self.report.records += 1;
            let Some(bytes) = line.bytes else {
                self.report.bad(&name, line.number, "the line is longer than 256 MiB");
                continue;
            };
            match records::<Line<'_>>(bytes, &mut scratch) {
                Ok(found) => {
                    for wire in found {
                        let origin = Origin { file: Some(name.clone()), line: Some(line.number), hook: None };
                        self.line(wire, origin, agent.as_deref(), &mut chain, &mut sidechains, sink);
                    }
                }
                Err(reason) => self.report.bad(&name, line.number, reason),
            }
        }
        for (event, kind) in chain.left_branches() {
            sink(self.patch(&event, kind, |e| _ = e.extra.insert("dead_branch".to_owned(), true.into())));
        }
        Ok(())
    }

    fn line(
        &mut self,
        mut wire: Line<'_>,
        origin: Origin,
        file_agent: Option<&str>,
        chain: &mut Chain,
        sidechains: &mut HashMap<u64, String>,
        sink: Sink<'_>,
    ) {
        // bodies are moved, not copied
        let content = wire.message.as_mut().and_then(|m| m.content.take());
        let attachment = wire.attachment.take();
        let wire = &wire;
        let kind = wire.kind.as_deref().unwrap_or("");
        if self.session.is_empty() {
            self.session = wire.session_id.as_deref().unwrap_or("unknown").to_owned();
        }
        let agent = file_agent.map(str::to_owned).or_else(|| sidechain(wire, sidechains));
        if agent.is_none() {
            self.see_header(wire, &origin, sink);
        }
        let Some(uuid) = wire.uuid.as_deref() else {
            match kind {
                "summary" | "ai-title" | "custom-title" => self.report.pass_over(kind),
                k if PASSED_OVER.contains(&k) => self.report.pass_over(k),
                "" => self.report.unknown("(no type)"),
                other => self.report.unknown(other),
            }
            return;
        };
        if chain.knows(uuid) {
            self.report.pass_over("copied line");
            return;
        }
        let copied =
            wire.request_session_id.as_deref().or(wire.forked_from.as_ref().and_then(|f| f.session_id.as_deref()));
        let place = Place {
            uuid,
            parent: wire.parent_uuid.as_deref(),
            time: wire.timestamp.as_deref().and_then(parse_time),
            agent,
            origin,
            copied: copied.filter(|from| *from != self.session),
        };
        match kind {
            "user" => self.user(wire, content, &place, chain, sink),
            "assistant" => self.assistant(wire, content, &place, chain, sink),
            "attachment" => match attachment {
                Some(a) => self.attachment(a, &place, chain, sink),
                None => self.report.unknown("attachment without content"),
            },
            "system" => self.system(wire, &place, chain, sink),
            "progress" => {
                self.report.pass_over(kind);
                chain.note(uuid, place.parent, Node::Passed);
            }
            other => {
                self.report.unknown(if other.is_empty() { "(no type)" } else { other });
                chain.note(uuid, place.parent, Node::Passed);
            }
        }
    }

    /// Takes what a line says of the session and gives the header whenever something new is known.
    fn see_header(&mut self, wire: &Line<'_>, origin: &Origin, sink: Sink<'_>) {
        let first = self.header.event_id.is_empty();
        let mut news = false;
        if first {
            self.header.event_id = id::session(AGENT, &self.session);
            self.header.session_id.clone_from(&self.session);
            self.header.source = Origin { line: Some(1), ..origin.clone() };
        }
        if self.header.cwd.is_none() && wire.cwd.is_some() {
            self.header.cwd = wire.cwd.as_deref().map(str::to_owned);
            self.header.timestamp = wire.timestamp.as_deref().and_then(parse_time);
            for (key, value) in [("version", &wire.version), ("git_branch", &wire.git_branch)] {
                if let Some(v) = value {
                    self.header.extra.insert(key.to_owned(), Value::from(&**v));
                }
            }
            news = true;
        }
        if let Some(from) = wire.forked_from.as_ref().and_then(|f| f.session_id.as_deref())
            && !self.header.extra.contains_key("forked_from")
        {
            self.header.extra.insert("forked_from".to_owned(), from.into());
            news = true;
        }
        let title = wire.custom_title.as_ref().or(wire.ai_title.as_ref());
        let title = title.or(wire.summary.as_ref().filter(|_| !self.titled));
        // 2.0 took the failure of its first request for a summary
        let title = title.filter(|t| !t.starts_with("API Error"));
        if let Some(t) = title {
            self.titled = true;
            let t = Value::from(&**t);
            news |= self.header.tool_input.as_ref() != Some(&t);
            self.header.tool_input = Some(t);
        }
        if news {
            self.report.events += u64::from(!std::mem::replace(&mut self.given, true));
            sink(self.header.clone());
        }
    }

    /// An event, its id by `id` from the session; a copied one names what it is a copy of.
    fn event(&self, place: &Place<'_>, event_type: EventType, id: impl Fn(&str) -> String) -> Event {
        let mut extra = Map::new();
        if let Some(from) = place.copied {
            extra.insert("copied_from".to_owned(), id(from).into());
        }
        Event {
            event_id: id(&self.session),
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            event_type,
            native_id: Some(place.uuid.to_owned()),
            timestamp: place.time,
            agent_id: place.agent.clone(),
            extra,
            source: place.origin.clone(),
            ..Event::default()
        }
    }

    fn user(
        &mut self,
        wire: &Line<'_>,
        content: Option<Content<'_>>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) {
        let mut results = 0;
        let mut answered = None;
        let text = match content {
            Some(Content::Blocks(blocks)) => {
                let text = words(&blocks);
                for b in blocks.into_iter().filter(|b| b.kind.as_deref() == Some("tool_result")) {
                    results += 1;
                    answered = self.result(wire, b, place, chain, sink);
                }
                text
            }
            Some(other) => other.into_text(),
            None => String::new(),
        };
        if text.trim().is_empty() {
            if results == 0 {
                self.report.pass_over("user line without text");
            }
            chain.note(place.uuid, place.parent, answered.map_or(Node::Passed, Node::Results));
            return;
        }
        let event = self.words_in(wire, text, place, chain);
        if event.event_type == EventType::UserInput {
            chain.note_prompt(place.uuid, place.parent, event.event_id.clone());
        } else {
            chain.note(place.uuid, place.parent, Node::Input(event.event_id.clone(), event.event_type.clone()));
        }
        if let Some(message) = wire.interrupted_message_id.as_deref() {
            self.cut_off(message, chain, sink);
        }
        self.report.events += 1;
        sink(event);
    }

    /// A user line's own text: the human's words, or what the client put in.
    fn words_in(&mut self, wire: &Line<'_>, text: String, place: &Place<'_>, chain: &Chain) -> Event {
        let origin = wire.origin.as_ref().and_then(|o| o.kind.as_deref());
        let made = wire.is_meta == Some(true)
            || wire.is_compact_summary == Some(true)
            || origin.is_some_and(|k| k != "human")
            || is_client_text(&text);
        let text = typed(&text).filter(|_| !made).unwrap_or(text);
        let first_of_agent = place.agent.is_some() && place.parent.is_none();
        let notification = text.trim_start().starts_with("<task-notification>");
        let event_type = if made && !first_of_agent { EventType::ContextUpdate } else { EventType::UserInput };
        let mut event = self.event(place, event_type, |s| own_id(s, "context", place.uuid));
        if place.agent.is_none() && wire.is_meta != Some(true) && (!made || notification) {
            event.event_id = self.prompt_event(wire, &text, place.uuid);
            // a fork gives its copies new prompt ids
            event.extra.remove("copied_from");
        }
        if wire.is_compact_summary == Some(true) {
            event.extra.insert("compaction".to_owned(), true.into());
        }
        if wire.is_meta == Some(true) && !is_client_text(&text) {
            event.extra.insert("instructs".to_owned(), true.into());
        }
        let by_call = wire.source_tool_use_id.as_deref().map(|c| id::call(AGENT, &self.session, c));
        if let Some(call) = by_call {
            event.parents = vec![call];
        } else if notification {
            self.notification(&text, &mut event);
        } else if wire.is_compact_summary == Some(true) {
            event.parents = chain.input_at(place.parent).into_iter().collect();
        } else if first_of_agent {
            let call = place.agent.as_deref().and_then(|a| self.spawned_by.get(a));
            event.parents = call.map(|c| id::call(AGENT, &self.session, c)).into_iter().collect();
        } else {
            event.parents = chain.answer_above(place.parent).into_iter().collect();
        }
        event.tool_input = Some(text.into());
        event
    }

    fn prompt_event(&mut self, wire: &Line<'_>, text: &str, uuid: &str) -> String {
        // before 2.1.196 hooks did not have the prompt id, so the text is what hook and transcript share
        let by_id = wire.prompt_id.as_deref().filter(|_| wire.version.as_deref().is_none_or(hooks_tell_prompt_id));
        let event_id = prompt_id(&self.session, by_id, text);
        if self.prompts.insert(event_id.clone()) { event_id } else { own_id(&self.session, "prompt", uuid) }
    }

    /// A background task's end: its parents are the call that started it and, where a sub-agent was it, its last words.
    fn notification(&mut self, text: &str, event: &mut Event) {
        let call = tag(text, "tool-use-id").map(str::to_owned);
        if let Some(c) = call.as_ref().and_then(|c| self.calls.get(c)) {
            event.parents = vec![c.event.clone()];
        }
        if let Some(task) = tag(text, "task-id") {
            self.notifications.push((event.event_id.clone(), task.to_owned(), call));
        }
    }

    /// The user cut off a response: its calls that end with a refusal had begun.
    fn cut_off(&self, message: &str, chain: &Chain, sink: Sink<'_>) {
        let calls = chain.by_message(message).map_or(&[][..], |r| r.calls.as_slice());
        for call in calls.iter().filter(|c| c.result == Some(Told::Refused)) {
            sink(self.patch(&call.event, EventType::ToolCall, |e| e.status = Some(Status::Interrupted)));
        }
    }

    /// Gives a result; the response whose call it answers, where that stands in this file.
    fn result(
        &mut self,
        wire: &Line<'_>,
        block: Block<'_>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) -> Option<usize> {
        let Some(call_id) = block.tool_use_id.as_deref() else {
            self.report.unknown("tool_result without tool_use_id");
            return None;
        };
        let text = block.content.map(Content::into_text).unwrap_or_default();
        let mut e = Event {
            event_id: match self.calls.get(call_id) {
                Some(call) => call.event.clone(),
                None => id::call(AGENT, &self.session, call_id),
            },
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            call_id: Some(call_id.to_owned()),
            source: place.origin.clone(),
            ..Event::default()
        };
        let failed = block.is_error == Some(true);
        e.status = Some(ending(&text, failed, wire.tool_denial_kind.as_deref()));
        e.exit_code = if failed { exit_code(&text) } else { None };
        e.tool_output = Some(text.into());
        if let Some(t) = place.time {
            e.extra.insert("ended_at".to_owned(), t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true).into());
        }
        if let Some(r) = &wire.tool_use_result {
            e.duration_ms = r.duration_ms;
            if let Some(agent) = &r.agent_id {
                self.spawned_by.entry(agent.clone()).or_insert_with(|| call_id.to_owned());
            }
            if let Some(run) = &r.run_id {
                self.runs.entry(run.clone()).or_insert_with(|| call_id.to_owned());
            }
            if let Some(task) = &r.background_task_id {
                e.extra.insert("background_task".to_owned(), task.as_str().into());
            }
            if let (Some(patch), Some(path)) = (&r.structured_patch, &r.file_path) {
                let hunks = hunks(patch);
                if !hunks.is_empty() {
                    e.extra.insert("patch".to_owned(), json!([{"path": path, "hunks": hunks}]));
                }
            }
        }
        let refused = e.status == Some(Status::Denied) && wire.tool_denial_before_run != Some(true);
        let told = if refused { Told::Refused } else { Told::Known };
        match self.calls.get_mut(call_id) {
            Some(c) => {
                c.answered = true;
                if c.file == self.files {
                    chain.at(c.response).answer(&c.event, told);
                }
            }
            None => {
                self.early.insert(call_id.to_owned());
            }
        }
        sink(e);
        self.calls.get(call_id).filter(|c| c.file == self.files).map(|c| c.response)
    }

    fn assistant(
        &mut self,
        wire: &Line<'_>,
        content: Option<Content<'_>>,
        place: &Place<'_>,
        chain: &mut Chain,
        sink: Sink<'_>,
    ) {
        let Some(message) = &wire.message else {
            self.report.unknown("assistant line without message");
            return;
        };
        let made = wire.is_api_error_message == Some(true) || message.model.as_deref() == Some("<synthetic>");
        if made {
            // written by the client, no answer of the model: a failed request, "No response requested."
            let text = content.map(Content::into_text).unwrap_or_default();
            let mut e = self.event(place, EventType::ContextUpdate, |s| own_id(s, "context", place.uuid));
            e.tool_input = Some(text.into());
            if wire.is_api_error_message == Some(true) {
                e.extra.insert("api_error".to_owned(), true.into());
            }
            chain.note(place.uuid, place.parent, Node::Passed);
            self.report.events += 1;
            sink(e);
            return;
        }
        let turn = message.id.as_deref().unwrap_or(place.uuid).to_owned();
        let (r, begun) = chain.response(&turn, place.parent);
        chain.note(place.uuid, place.parent, Node::Response(r));
        if begun {
            self.newest.insert((self.files, place.agent.clone()), r);
        }
        let blocks = match content {
            Some(Content::Blocks(b)) => b,
            Some(Content::Text(t)) => {
                let e = self.said(EventType::Message, "message", t.into_owned(), place, &turn, 0);
                self.give(e, message, r, chain, sink);
                return;
            }
            _ => {
                self.report.unknown("assistant line without content");
                Vec::new()
            }
        };
        let told = |t: Option<Text<'_>>| t.filter(|t| !t.trim().is_empty()).map(Text::into_owned);
        for (n, b) in blocks.into_iter().enumerate() {
            let e = match b.kind.as_deref() {
                Some("text") => match told(b.text) {
                    Some(t) => self.said(EventType::Message, "message", t, place, &turn, n),
                    None => {
                        self.report.pass_over("block without text");
                        continue;
                    }
                },
                Some("thinking" | "redacted_thinking") => match told(b.thinking) {
                    Some(t) => self.said(EventType::Reasoning, "reasoning", t, place, &turn, n),
                    None => {
                        self.report.pass_over("block without text");
                        continue;
                    }
                },
                Some("tool_use" | "server_tool_use" | "mcp_tool_use") => match self.call(wire, b, place, &turn, r) {
                    Some(e) => e,
                    None => continue,
                },
                Some(kind) if kind.ends_with("tool_result") => {
                    // results of tools that the provider runs stand in the response itself
                    self.result(wire, b, place, chain, sink);
                    continue;
                }
                Some("fallback" | "image") => continue,
                other => {
                    self.report.unknown(&format!("block {}", other.unwrap_or("(no type)")));
                    continue;
                }
            };
            self.give(e, message, r, chain, sink);
        }
    }

    fn said(&self, kind: EventType, name: &str, text: String, place: &Place<'_>, turn: &str, block: usize) -> Event {
        let key = if block == 0 { place.uuid.to_owned() } else { format!("{}/{block}", place.uuid) };
        let mut e = self.event(place, kind, |s| own_id(s, name, &key));
        e.tool_input = Some(text.into());
        e.turn_id = Some(turn.to_owned());
        e
    }

    fn call(&mut self, wire: &Line<'_>, b: Block<'_>, place: &Place<'_>, turn: &str, r: usize) -> Option<Event> {
        let Some(call_id) = b.id.as_deref() else {
            self.report.unknown("tool_use without id");
            return None;
        };
        if self.calls.contains_key(call_id) {
            self.report.pass_over("repeated call");
            return None;
        }
        let mut e = self.event(place, EventType::ToolCall, |s| id::call(AGENT, s, call_id));
        e.tool_name = Some(b.name.as_deref().unwrap_or("").to_owned());
        e.tool_input = b.input;
        e.call_id = Some(call_id.to_owned());
        e.turn_id = Some(turn.to_owned());
        e.cwd = wire.cwd.as_deref().map(str::to_owned);
        let answered = self.early.remove(call_id);
        e.status = Some(Status::Running).filter(|_| !answered);
        self.report.calls += 1;
        let call =
            Call { event: e.event_id.clone(), answered, agent: place.agent.clone(), file: self.files, response: r };
        self.calls.insert(call_id.to_owned(), call);
        Some(e)
    }

    /// Gives an event of a response: its parents, and once the usage.
    fn give(&mut self, mut e: Event, message: &super::wire::Message<'_>, r: usize, chain: &mut Chain, sink: Sink<'_>) {
        let response = chain.at(r);
        e.parents = match &response.hub {
            Some(hub) => vec![hub.clone()],
            None => response.inputs.clone(),
        };
        if e.is_call() {
            let result = e.status.is_none().then_some(Told::Known);
            response.calls.push(Made { event: e.event_id.clone(), result });
        } else {
            if response.hub.is_none() && response.calls.is_empty() {
                response.hub = Some(e.event_id.clone());
            }
            response.said.push((e.event_id.clone(), e.event_type.clone()));
        }
        e.model = message.model.as_deref().map(str::to_owned);
        // a fork's copies were paid for by the session they come from
        if let Some(u) = message.usage.as_ref().filter(|_| !e.extra.contains_key("copied_from")) {
            let output = u.output_tokens.unwrap_or(0);
            match &mut response.counted {
                None => {
                    response.counted = Some((e.event_id.clone(), e.event_type.clone(), output));
                    e.usage = Some(used(u));
                }
                // lines written while the response was under way tell less than the last one
                Some((event, kind, told)) if *told < output => {
                    *told = output;
                    let (event, kind) = (event.clone(), kind.clone());
                    sink(self.patch(&event, kind, |e| e.usage = Some(used(u))));
                }
                Some(_) => {}
            }
        }
        if e.event_type == EventType::Message
            && let Some(agent) = &e.agent_id
        {
            self.last_words.insert(agent.clone(), e.event_id.clone());
        }
        self.report.events += 1;
        sink(e);
    }

    fn attachment(&mut self, mut a: Attachment<'_>, place: &Place<'_>, chain: &mut Chain, sink: Sink<'_>) {
        let text = attached(&mut a);
        let kind = a.kind.as_deref().unwrap_or("(no type)");
        if !TELLING_ATTACHMENTS.contains(&kind) || text.trim().is_empty() {
            self.report.pass_over(&format!("attachment {kind}"));
            chain.note(place.uuid, place.parent, Node::Passed);
            return;
        }
        let human = kind == "queued_command"
            && a.origin.as_ref().and_then(|o| o.kind.as_deref()).is_none_or(|k| k == "human")
            && a.command_mode.as_deref().is_none_or(|m| m == "prompt")
            && !is_client_text(&text);
        let event_type = if human { EventType::UserInput } else { EventType::ContextUpdate };
        let mut e = self.event(place, event_type, |s| own_id(s, "context", place.uuid));
        if text.trim_start().starts_with("<task-notification>") {
            self.notification(&text, &mut e);
        }
        e.tool_input = Some(text.into());
        chain.note(place.uuid, place.parent, Node::Input(e.event_id.clone(), e.event_type.clone()));
        self.report.events += 1;
        sink(e);
    }

    fn system(&mut self, wire: &Line<'_>, place: &Place<'_>, chain: &mut Chain, sink: Sink<'_>) {
        let subtype = wire.subtype.as_deref().unwrap_or("(no subtype)");
        if subtype == "compact_boundary" {
            let mut e = self.event(place, EventType::ContextUpdate, |s| own_id(s, "context", place.uuid));
            let meta = wire.compact_metadata.as_ref();
            let trigger = meta.and_then(|m| m.trigger.as_deref()).unwrap_or("unknown");
            e.tool_input = Some(format!("compaction ({trigger})").into());
            let kept = meta.and_then(|m| m.preserved_segment.as_ref()?.tail_uuid.as_deref());
            e.parents = chain.inputs_above(wire.logical_parent_uuid.as_deref(), kept);
            e.extra.insert("compaction".to_owned(), true.into());
            if let Some(n) = meta.and_then(|m| m.pre_tokens) {
                e.extra.insert("tokens_before".to_owned(), n.into());
            }
            chain.note(place.uuid, place.parent, Node::Input(e.event_id.clone(), EventType::ContextUpdate));
            self.report.events += 1;
            sink(e);
            return;
        }
        self.report.pass_over(&format!("system {subtype}"));
        chain.note(place.uuid, place.parent, Node::Passed);
    }

    /// What is known only at the end: calls that will get no result, what sub-agents returned.
    fn end(&mut self, sink: Sink<'_>) {
        let mut open: Vec<_> = self.calls.iter().filter(|(_, c)| !c.answered).collect();
        open.sort_by(|a, b| a.1.event.cmp(&b.1.event));
        for (_, call) in &open {
            self.report.unanswered += 1;
            // the same agent went on to another response: the result will not come
            let newest = self.newest.get(&(call.file, call.agent.clone()));
            if newest.is_some_and(|n| *n > call.response) {
                sink(self.patch(&call.event, EventType::ToolCall, |e| e.status = Some(Status::Interrupted)));
            }
        }
        self.report.orphans += self.early.len() as u64;
        for (agent, words) in &self.last_words {
            if let Some(call) = self.spawned_by.get(agent).and_then(|c| self.calls.get(c)) {
                sink(self.patch(&call.event, EventType::ToolCall, |e| {
                    e.extra.insert("returned_from".to_owned(), words.as_str().into());
                    e.extra.insert("spawned".to_owned(), agent.as_str().into());
                }));
            }
        }
        for (event, task, call) in &self.notifications {
            if let Some(words) = self.last_words.get(task) {
                let call = call.as_ref().and_then(|c| Some(self.calls.get(c)?.event.clone()));
                let parents = std::iter::once(words.clone()).chain(call).collect();
                sink(self.patch(event, EventType::ContextUpdate, |e| e.parents = parents));
            }
        }
    }

    /// What became known of an event that has been given.
    fn patch(&self, event_id: &str, event_type: EventType, change: impl FnOnce(&mut Event)) -> Event {
        let mut e = Event {
            event_id: event_id.to_owned(),
            event_type,
            session_id: self.session.clone(),
            agent: AGENT.to_owned(),
            ..Event::default()
        };
        change(&mut e);
        e
    }
}

fn own_id(session: &str, kind: &str, uuid: &str) -> String {
    id::event_id(AGENT, session, &format!("{kind}:{uuid}"))
}

fn used(u: &super::wire::Usage) -> Usage {
    Usage {
        input: u.input_tokens,
        output: u.output_tokens,
        cache_read: u.cache_read_input_tokens,
        cache_write: u.cache_creation_input_tokens,
        reasoning: u.output_tokens_details.as_ref().and_then(|d| d.thinking_tokens).filter(|n| *n > 0),
    }
}

/// The sub-agent of a sidechain line: named, or (clients before 2.0.42) the uuid at the root of its chain.
fn sidechain(wire: &Line<'_>, known: &mut HashMap<u64, String>) -> Option<String> {
    if wire.is_sidechain != Some(true) {
        return None;
    }
    if let Some(agent) = &wire.agent_id {
        return Some((**agent).to_owned());
    }
    let key = |id: &Text<'_>| xxhash_rust::xxh3::xxh3_64(id.as_bytes());
    let uuid = wire.uuid.as_ref()?;
    let agent = wire.parent_uuid.as_ref().and_then(|p| known.get(&key(p)).cloned());
    let agent = agent.unwrap_or_else(|| format!("sidechain-{}", uuid.get(..8).unwrap_or(uuid)));
    known.insert(key(uuid), agent.clone());
    Some(agent)
}

/// The texts among the blocks of a user line.
fn words(blocks: &[Block<'_>]) -> String {
    let mut out = String::new();
    for b in blocks {
        let part: &str = match b.kind.as_deref() {
            Some("text") => b.text.as_deref().unwrap_or(""),
            Some("image") => "[image]",
            Some("document") => "[document]",
            _ => continue,
        };
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(part);
    }
    out
}

/// The command that the user typed, of the tags that the client makes of it.
fn typed(text: &str) -> Option<String> {
    let name = tag(text, "command-name").filter(|_| text.trim_start().starts_with("<command-"))?;
    let args = tag(text, "command-args").unwrap_or("");
    Some(format!("{name} {args}").trim_end().to_owned())
}

/// Text that the client wrote although no field says so (clients before `origin` and `isMeta` covered it).
fn is_client_text(text: &str) -> bool {
    const HEADS: &[&str] = &[
        "[Request interrupted by user",
        "<task-notification>",
        "<system-reminder>",
        "<local-command-stdout>",
        "<local-command-stderr>",
        "<local-command-caveat>",
        "<bash-stdout>",
        "<bash-stderr>",
        "<bash-input>",
        "<user-memory-input>",
        "Caveat: The messages below were generated by the user while running local commands",
        "This session is being continued from a previous conversation",
        "<command-name>/clear",
        "<command-name>/exit",
        "<command-name>/compact",
        "<command-name>/model",
        "<teammate-message",
    ];
    let text = text.trim_start();
    HEADS.iter().any(|h| text.starts_with(h))
}

/// What an attachment tells.
fn attached(a: &mut Attachment<'_>) -> String {
    if let Some(p) = a.prompt.take() {
        return p.into_text();
    }
    let parts = [&a.filename, &a.snippet, &a.stdout, &a.plan_content];
    let parts: Vec<&str> = parts.into_iter().flatten().map(|t| &**t).collect();
    parts.join("\n")
}

/// The text of `<name>…</name>`.
pub(super) fn tag<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let rest = text.split_once(&format!("<{name}>"))?.1;
    Some(rest.split_once(&format!("</{name}>"))?.0.trim())
}

/// Whether hooks of this client version carry `prompt_id` (2.1.196 and later).
fn hooks_tell_prompt_id(version: &str) -> bool {
    let mut parts = version.split('.').map(|p| p.parse::<u32>().unwrap_or(0));
    let version = (parts.next().unwrap_or(0), parts.next().unwrap_or(0), parts.next().unwrap_or(0));
    version >= (2, 1, 196)
}

/// How a call ended, from the result's text where the client (before 2.1.260) has no field for it.
pub(super) fn ending(text: &str, failed: bool, denial: Option<&str>) -> Status {
    match denial {
        Some("interrupted") => return Status::Interrupted,
        Some(_) => return Status::Denied,
        None => {}
    }
    if !failed {
        return Status::Ok;
    }
    let denied = [
        "The user doesn't want to proceed",
        "The user doesn't want to take this action",
        "User rejected tool use",
        "Permission to use",
        "Permission for this action has been denied",
        "Claude requested permissions to",
    ];
    let never_ran = ["<tool_use_error>Sibling tool call errored", "<tool_use_error>Cancelled", "Cancelled: parallel"];
    let interrupted = ["[Request interrupted by user", "[Tool call interrupted", "Interrupted by user"];
    let begins = |heads: &[&str]| heads.iter().any(|h| text.trim_start().starts_with(h));
    if begins(&denied) {
        Status::Denied
    } else if begins(&never_ran) || begins(&interrupted) {
        Status::Interrupted
    } else {
        Status::Error
    }
}

/// The code of `Exit code N` at the head of a failed result.
pub(super) fn exit_code(text: &str) -> Option<i64> {
    let rest = text.trim_start().strip_prefix("Error: ").unwrap_or(text.trim_start()).strip_prefix("Exit code ")?;
    let end = rest.find(|c: char| c != '-' && !c.is_ascii_digit()).unwrap_or(rest.len());
    rest[..end].parse().ok()
}

/// `structuredPatch` as hunks with line numbers.
pub(super) fn hunks(patch: &Value) -> Vec<Value> {
    let mut out = Vec::new();
    for h in patch.as_array().into_iter().flatten() {
        let (mut before, mut after) = (String::new(), String::new());
        for line in h.get("lines").and_then(Value::as_array).into_iter().flatten().filter_map(Value::as_str) {
            let Some(sign) = line.chars().next() else { continue };
            let text = &line[sign.len_utf8()..];
            if matches!(sign, ' ' | '-') {
                before.push_str(text);
                before.push('\n');
            }
            if matches!(sign, ' ' | '+') {
                after.push_str(text);
                after.push('\n');
            }
        }
        out.push(json!({"line": h.get("oldStart"), "before": before, "after": after}));
    }
    out
}
