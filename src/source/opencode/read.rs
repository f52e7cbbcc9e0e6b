//! Turns the records of one session into events with their proven parents.

use std::collections::{HashMap, HashSet};

use serde_json::{Value, json};

use super::tools::{patch, plain, status};
use super::wire::{Message, Part, Record, Records, Session, Task};
use super::{AGENT, message_id, prompt_id};
use crate::event::{Event, EventType, Origin, Status, Usage, time_from_ms};
use crate::id;
use crate::source::{Report, Sink};

/// Text of the message with which the client announces a command that the user ran himself (`!command`).
const USER_SHELL: &str = "The following tool was executed by the user";

/// Reads all that `records` hold; `file` is where they come from.
pub(super) fn read(records: &dyn Records, file: &str, sink: Sink<'_>) -> anyhow::Result<Report> {
    let session = records.session()?;
    let mut reader = Reader::new(records, session, file);
    reader.header(sink);
    records.each(&mut |record| reader.record(record, sink))?;
    Ok(reader.report)
}

/// Something new in the context of the next response.
#[derive(Clone)]
struct Input {
    event: String,
    /// Which of the user's messages it belongs to; none for results and summaries.
    ordinal: Option<usize>,
}

struct Reader<'a> {
    records: &'a dyn Records,
    session: Session,
    file: &'a str,
    report: Report,
    position: u64,
    /// The user's messages in order.
    ordinals: HashMap<String, usize>,
    pending: Vec<Input>,
    /// The user's messages that only announce a command of his own.
    shells: HashSet<String>,
    /// The calls of the parent session that this one works for.
    tasks: Vec<Task>,
    /// What sub-agents said, by session.
    said: HashMap<String, Vec<(i64, String)>>,
    hidden_from: Option<String>,
    hidden: bool,
    /// What was pending where a reverted branch begins.
    before_branch: Option<Vec<Input>>,
    dead: bool,
    told_model: Option<String>,
    /// What a fork took over.
    copies: HashMap<String, (String, String)>,
}

impl<'a> Reader<'a> {
    fn new(records: &'a dyn Records, session: Session, file: &'a str) -> Self {
        let tasks = session.parent_id.as_deref().map(|p| records.tasks(p, &session.id)).unwrap_or_default();
        Self {
            records,
            file,
            report: Report::default(),
            position: 0,
            ordinals: HashMap::new(),
            pending: Vec::new(),
            shells: HashSet::new(),
            tasks,
            said: HashMap::new(),
            hidden_from: session.hidden_from().map(str::to_owned),
            hidden: false,
            before_branch: None,
            dead: false,
            told_model: None,
            copies: records.copies(),
            session,
        }
    }

    fn event(&self, kind: EventType, event_id: String, ms: Option<i64>) -> Event {
        let mut e = Event {
            event_id,
            session_id: self.session.id.clone(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: ms.and_then(time_from_ms),
            source: Origin { file: Some(self.file.to_owned()), line: Some(self.position), hook: None },
            ..Event::default()
        };
        if self.dead {
            e.extra.insert("dead_branch".to_owned(), true.into());
        }
        e
    }

    /// The event that a fork copied this one from.
    fn copied_from(&self, e: &Event) -> Option<String> {
        let (session, native) = self.copies.get(e.native_id.as_ref()?)?;
        let kind = match e.event_type {
            EventType::UserInput => "prompt",
            EventType::Reasoning => "reasoning",
            EventType::ToolCall => "call",
            _ if e.extra.contains_key("error") => "failure",
            EventType::ContextUpdate if !e.extra.contains_key("compaction") => "context",
            _ => "message",
        };
        Some(id::event_id(AGENT, session, &format!("{kind}:{native}")))
    }

    fn put(&mut self, mut e: Event, sink: Sink<'_>) {
        if let Some(from) = self.copied_from(&e) {
            e.extra.insert("copied_from".to_owned(), from.into());
        }
        self.report.count(&e);
        sink(e);
    }

    fn header(&mut self, sink: Sink<'_>) {
        let mut e = self.event(EventType::Session, id::session(AGENT, &self.session.id), self.session.time.created);
        e.tool_input = self.session.title.clone().map(Value::from);
        e.cwd = self.session.directory.clone();
        e.parent_session_id = self.session.parent_id.clone();
        if let Some(version) = &self.session.version {
            e.extra.insert("version".to_owned(), version.as_str().into());
        }
        self.put(e, sink);
    }

    /// Tells the header the model of the first response.
    fn tell_model(&mut self, message: &Message, sink: Sink<'_>) {
        if self.told_model.is_some() || message.model_id.is_none() {
            return;
        }
        let mut e = self.event(EventType::Session, id::session(AGENT, &self.session.id), None);
        e.extra.clear();
        e.model = message.model_id.clone();
        e.provider = message.provider_id.clone();
        self.told_model = e.model.clone();
        sink(e);
    }

    fn record(&mut self, record: Record, sink: Sink<'_>) {
        self.position += 1;
        self.report.records += 1 + record.parts.len() as u64;
        for reason in record.problems {
            self.report.bad(self.file, self.position, reason);
        }
        record.passed_over.iter().for_each(|kind| self.report.pass_over(kind));
        record.unknown.iter().for_each(|kind| self.report.unknown(kind));
        self.hidden |= self.hidden_from.as_ref().is_some_and(|id| *id == record.message.id);
        self.branch(record.dead || self.hidden);
        match record.message.role.as_str() {
            "user" => self.user(&record.message, record.parts, sink),
            "assistant" => self.assistant(&record.message, record.parts, sink),
            "" => {}
            other => self.report.unknown(&format!("role {other}")),
        }
    }

    /// What was said in a reverted branch is not in the context of what comes after it.
    fn branch(&mut self, dead: bool) {
        if dead && !self.dead {
            self.before_branch = Some(self.pending.clone());
        } else if let Some(pending) = self.before_branch.take_if(|_| !dead) {
            self.pending = pending;
        }
        self.dead = dead;
    }

    fn user(&mut self, message: &Message, parts: Vec<Part>, sink: Sink<'_>) {
        let ordinal = self.ordinals.len();
        self.ordinals.insert(message.id.clone(), ordinal);
        let mut words = Vec::new();
        let mut attached = Vec::new();
        let mut injected = Vec::new();
        for part in parts {
            match part.kind.as_str() {
                "text" if part.synthetic => injected.push(part),
                "text" => words.extend(part.text.filter(|t| !t.is_empty())),
                "subtask" => words.extend(part.prompt),
                "compaction" => injected.push(part),
                "file" => attached.extend(part.filename.map(Value::from)),
                "agent" | "snapshot" | "patch" | "step-start" | "step-finish" => self.report.pass_over(&part.kind),
                other => self.report.unknown(&format!("part {other}")),
            }
        }
        let mut prompt = None;
        if !words.is_empty() {
            let mut e =
                self.event(EventType::UserInput, prompt_id(&self.session.id, &message.id), message.time.created);
            let words = words.join("\n");
            e.parents = self.task_of(&words, message.time.created).into_iter().collect();
            e.tool_input = Some(words.into());
            e.native_id = Some(message.id.clone());
            if !attached.is_empty() {
                e.extra.insert("attachments".to_owned(), attached.into());
            }
            prompt = Some(e.event_id.clone());
            self.pending.push(Input { event: e.event_id.clone(), ordinal: Some(ordinal) });
            self.put(e, sink);
        }
        for part in injected {
            if prompt.is_none() && part.text.as_deref() == Some(USER_SHELL) {
                self.shells.insert(message.id.clone());
                self.report.pass_over("announcement of a user's command");
                continue;
            }
            let key = format!("context:{}", part.id);
            let start = part.time.and_then(|t| t.start).or(message.time.created);
            let mut e = self.event(EventType::ContextUpdate, id::event_id(AGENT, &self.session.id, &key), start);
            e.native_id = Some(part.id);
            e.parents = prompt.iter().cloned().collect();
            if part.kind == "compaction" {
                let by = if part.auto == Some(true) { "client" } else { "user" };
                e.tool_input = Some(format!("compaction asked for by the {by}").into());
            } else {
                e.tool_input = part.text.map(Value::from);
            }
            self.pending.push(Input { event: e.event_id.clone(), ordinal: Some(ordinal) });
            self.put(e, sink);
        }
    }

    /// The call of the parent session that gave this prompt. The calls name this session; of several, each gave one
    /// prompt, told by its words or its time. (Clients before 1.2 write the start of a call only after the prompt.)
    fn task_of(&mut self, words: &str, created: Option<i64>) -> Option<String> {
        let parent = self.session.parent_id.as_deref()?;
        let first = self.ordinals.len() == 1;
        let gave = |t: &Task| {
            let within = created.is_some_and(|c| t.start <= c && t.end.is_none_or(|end| c <= end));
            first || within || t.prompt.as_deref() == Some(words)
        };
        let at = self.tasks.iter().position(gave)?;
        self.tasks.drain(..=at).next_back().map(|t| id::call(AGENT, parent, &t.part))
    }

    /// What a response of the turn of `parent` has newly in its context, taken out of what is pending. A prompt that was
    /// queued after that one was not yet in it.
    fn inputs(&mut self, parent: Option<&str>) -> Vec<Input> {
        let last = parent.and_then(|p| self.ordinals.get(p)).copied();
        let seen = |i: &Input| match (i.ordinal, last) {
            (Some(n), Some(last)) => n <= last,
            _ => true,
        };
        let (inputs, later) = std::mem::take(&mut self.pending).into_iter().partition(seen);
        self.pending = later;
        inputs
    }

    fn assistant(&mut self, message: &Message, parts: Vec<Part>, sink: Sink<'_>) {
        self.tell_model(message, sink);
        let announced = message.parent_id.as_ref().is_some_and(|p| self.shells.contains(p));
        if message.by_user || announced && parts.iter().all(|p| p.kind != "step-start") {
            for part in parts.into_iter().filter(|p| p.kind == "tool") {
                let mut e = self.call(message, part);
                e.turn_id = None;
                e.extra.insert("by_user".to_owned(), true.into());
                self.pending.push(Input { event: e.event_id.clone(), ordinal: None });
                self.put(e, sink);
            }
            return;
        }
        let inputs = self.inputs(message.parent_id.as_deref());
        let mut response = Response {
            inputs: inputs.iter().map(|i| i.event.clone()).collect(),
            usage: usage(&message.tokens),
            changed: changed_files(&parts),
            ..Response::default()
        };
        let is_summary = message.summary == Value::Bool(true);
        for part in parts {
            let event = match part.kind.as_str() {
                "text" if is_summary => self.words(message, part, EventType::ContextUpdate).inspect(|e| {
                    response.results.push(e.event_id.clone());
                }),
                "text" => self.words(message, part, EventType::Message),
                "reasoning" => self.words(message, part, EventType::Reasoning),
                "tool" => {
                    let e = self.call(message, part);
                    if e.status != Some(Status::Running) {
                        response.results.push(e.event_id.clone());
                    }
                    Some(e)
                }
                "retry" => {
                    let e = self.failure(message, &part.error, &format!("context:{}", part.id));
                    sink_all(self, e.map(|e| response.place(e, false)), sink);
                    None
                }
                "step-start" | "step-finish" | "patch" | "snapshot" | "compaction" | "file" | "agent" | "subtask" => {
                    self.report.pass_over(&part.kind);
                    None
                }
                other => {
                    self.report.unknown(&format!("part {other}"));
                    None
                }
            };
            sink_all(self, event.map(|e| response.place(e, true)), sink);
        }
        let failure = self.failure(message, &message.error, &format!("failure:{}", message.id));
        let silent = !response.spoke;
        sink_all(self, failure.map(|e| response.place(e, false)), sink);
        // a request that brought nothing is followed by another one with the same inputs
        let carried = if silent { inputs } else { Vec::new() };
        let results = response.results.into_iter().map(|event| Input { event, ordinal: None });
        self.pending.splice(0..0, carried.into_iter().chain(results));
    }

    /// A message or a thought; none while nothing of it is recorded.
    fn words(&self, message: &Message, part: Part, kind: EventType) -> Option<Event> {
        let text = part.text.filter(|t| !t.is_empty())?;
        let time = part.time.unwrap_or_default();
        let event_id = match kind {
            EventType::Reasoning => id::event_id(AGENT, &self.session.id, &format!("reasoning:{}", part.id)),
            _ => message_id(&self.session.id, &part.id),
        };
        let compaction = kind == EventType::ContextUpdate;
        let mut e = self.event(kind, event_id, time.start.or(message.time.created));
        e.tool_input = Some(text.into());
        e.duration_ms = span(time.start, time.end);
        e.native_id = Some(part.id);
        self.of_response(&mut e, message);
        if compaction {
            e.extra.insert("compaction".to_owned(), true.into());
        }
        Some(e)
    }

    fn of_response(&self, e: &mut Event, message: &Message) {
        e.turn_id = Some(message.id.clone());
        e.model = message.model_id.clone();
        e.provider = message.provider_id.clone();
    }

    fn call(&mut self, message: &Message, part: Part) -> Event {
        let state = part.state.unwrap_or_default();
        let tool = part.tool.unwrap_or_default();
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, &self.session.id, &part.id), state.time.start);
        self.of_response(&mut e, message);
        let (status, exit_code) = status(&tool, &state);
        if let Some(patch) = patch(&state) {
            e.extra.insert("patch".to_owned(), patch);
        }
        let child = ["sessionId", "sessionID"].iter().find_map(|k| state.metadata.get(k)).and_then(Value::as_str);
        if let Some(said) = child.and_then(|c| self.last_said(c, state.time.end)) {
            e.extra.insert("returned_from".to_owned(), said.into());
        }
        e.tool_name = Some(tool);
        e.native_id = Some(part.id);
        e.call_id = part.call_id;
        e.status = Some(status);
        e.exit_code = exit_code;
        e.duration_ms = span(state.time.start, state.time.end).filter(|_| status != Status::Running);
        e.tool_input = state.input;
        e.tool_output = if state.status == "error" { state.error } else { state.output };
        e.cwd = message.path.get("cwd").and_then(Value::as_str).map(str::to_owned);
        e
    }

    /// The last thing that a sub-agent said before its call came back; none while it runs.
    fn last_said(&mut self, child: &str, end: Option<i64>) -> Option<String> {
        let end = end?;
        if !self.said.contains_key(child) {
            self.said.insert(child.to_owned(), self.records.said(child));
        }
        let said = self.said.get(child)?;
        let at = said.partition_point(|(time, _)| *time <= end).checked_sub(1)?;
        said.get(at).map(|(_, part)| message_id(child, part))
    }

    /// A request to the model that failed or was cut off.
    fn failure(&self, message: &Message, error: &Value, key: &str) -> Option<Event> {
        if error.is_null() {
            return None;
        }
        let name = error.get("name").and_then(Value::as_str).unwrap_or("error");
        let said = error.get("data").and_then(|d| d.get("message")).or_else(|| error.get("message"));
        let mut e = self.event(EventType::Message, id::event_id(AGENT, &self.session.id, key), message.time.created);
        e.tool_input = Some(said.map_or_else(|| name.to_owned(), plain).into());
        e.native_id = Some(message.id.clone());
        e.status = Some(if name == "MessageAbortedError" { Status::Interrupted } else { Status::Error });
        e.extra.insert("error".to_owned(), name.into());
        self.of_response(&mut e, message);
        Some(e)
    }
}

fn sink_all(reader: &mut Reader<'_>, event: Option<Event>, sink: Sink<'_>) {
    if let Some(e) = event {
        reader.put(e, sink);
    }
}

/// One response while its parts are read.
#[derive(Default)]
struct Response {
    inputs: Vec<String>,
    /// Its first message or thought.
    hub: Option<String>,
    usage: Option<Usage>,
    changed: Vec<Value>,
    /// What the next response will have newly in its context because of this one.
    results: Vec<String>,
    /// The model gave something.
    spoke: bool,
}

impl Response {
    /// Gives an event its place: parents, and what stands on the first event only.
    fn place(&mut self, mut e: Event, spoken: bool) -> Event {
        e.parents = self.hub.as_ref().map_or_else(|| self.inputs.clone(), |hub| vec![hub.clone()]);
        if !spoken {
            return e;
        }
        if self.hub.is_none() && !e.is_call() {
            self.hub = Some(e.event_id.clone());
        }
        e.usage = self.usage.take();
        if !self.changed.is_empty() {
            let files = std::mem::take(&mut self.changed);
            e.extra.insert("changed_files".to_owned(), json!(files));
        }
        self.spoke = true;
        e
    }
}

/// Files that the step changed, by whatever call (the client compares snapshots).
fn changed_files(parts: &[Part]) -> Vec<Value> {
    parts.iter().filter(|p| p.kind == "patch").flat_map(|p| p.files.iter().cloned()).collect()
}

fn span(start: Option<i64>, end: Option<i64>) -> Option<u64> {
    u64::try_from(end?.checked_sub(start?)?).ok()
}

/// Tokens of a response. The client takes cached tokens out of `input`, and since 1.1 thinking out of `output`: then the
/// kinds add up to `total`.
fn usage(tokens: &Value) -> Option<Usage> {
    let n = |key: &str| tokens.get(key).and_then(Value::as_u64);
    let cache = |key: &str| tokens.get("cache").and_then(|c| c.get(key)).and_then(Value::as_u64);
    let (input, output, reasoning) = (n("input"), n("output"), n("reasoning"));
    let sum =
        [input, output, reasoning, cache("read"), cache("write")].into_iter().flatten().fold(0, u64::saturating_add);
    if sum == 0 {
        return None;
    }
    let apart = n("total") == Some(sum);
    let output = if apart { output.map(|o| o.saturating_add(reasoning.unwrap_or(0))) } else { output };
    Some(Usage { input, output, cache_read: cache("read"), cache_write: cache("write"), reasoning })
}
