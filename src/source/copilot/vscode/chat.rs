//! Turns the requests of a chat session into events with their proven parents.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::super::AGENT;
use super::align::Mark;
use super::edits::changes;
use super::parts::{By, Call, Piece, Shown, shown};
use super::places::path_of_uri;
use super::result::{result_text, status};
use super::round::{Joined, RoundCall, thought_text, usage};
use super::sub_agents::SubAgents;
use super::timing::Timing;
use super::wire::{Request, Tool, list, number, plain_id, text};
use crate::event::{Event, EventType, Origin, Status, Usage, time_from_ms};
use crate::id;
use crate::source::{Report, Sink, first_line};

/// A chat's state with what the user took back.
pub(super) struct Chat<'a> {
    /// The session.
    pub(super) session: &'a str,
    /// Its file, for the origin of events.
    pub(super) file: &'a str,
    /// The whole state: `requests` and what is said of all of them.
    pub(super) state: &'a Value,
    /// Requests that were taken away, with their places.
    pub(super) removed: &'a [(usize, Value)],
    /// Where it ran, from elsewhere.
    pub(super) cwd: Option<String>,
    /// What the extension's own files tell of calls.
    pub(super) timing: Timing,
}

/// Reads the whole chat.
pub(super) fn read(chat: Chat<'_>, mut report: Report, sink: Sink<'_>) -> Report {
    report.records += list(chat.state, "requests").len() as u64;
    let mut reader = Reader { chat, report, position: 0, pending: Vec::new(), dead: false, told: HashSet::new() };
    reader.header(sink);
    let stays: HashSet<&str> =
        list(reader.chat.state, "requests").iter().filter_map(|r| text(r, "requestId")).collect();
    let gone = reader.chat.removed.iter().filter(|(_, r)| text(r, "requestId").is_some_and(|id| !stays.contains(id)));
    let mut gone: Vec<(usize, &Value)> = gone.map(|(i, r)| (*i, r)).collect();
    gone.sort_by_key(|(i, _)| *i);
    let mut gone = gone.into_iter().peekable();
    for (i, request) in list(reader.chat.state, "requests").iter().enumerate() {
        while let Some((_, request)) = gone.next_if(|(at, _)| *at <= i) {
            reader.dead_request(request, sink);
        }
        reader.position = i as u64 + 1;
        reader.request(Request(request), sink);
    }
    for (_, request) in gone {
        reader.dead_request(request, sink);
    }
    reader.report
}

struct Reader<'a> {
    chat: Chat<'a>,
    report: Report,
    /// Number of the request, from 1.
    position: u64,
    /// What the next response will have newly in its context.
    pending: Vec<String>,
    /// The request was taken back by the user.
    dead: bool,
    /// Events given.
    told: HashSet<String>,
}

impl<'a> Reader<'a> {
    fn event(&self, kind: EventType, event_id: String, ms: Option<i64>) -> Event {
        let mut e = Event {
            event_id,
            session_id: self.chat.session.to_owned(),
            agent: AGENT.to_owned(),
            event_type: kind,
            timestamp: ms.and_then(time_from_ms),
            cwd: self.chat.cwd.clone(),
            source: Origin { file: Some(self.chat.file.to_owned()), line: Some(self.position), hook: None },
            ..Event::default()
        };
        if self.dead {
            e.extra.insert("dead_branch".to_owned(), true.into());
        }
        e
    }

    fn id(&self, native: &str) -> String {
        id::event_id(AGENT, self.chat.session, native)
    }

    fn put(&mut self, e: Event, sink: Sink<'_>) {
        if self.told.insert(e.event_id.clone()) {
            self.report.count(&e);
        }
        sink(e);
    }

    fn header(&mut self, sink: Sink<'_>) {
        let state = self.chat.state;
        let requests = || list(state, "requests").iter().map(Request);
        if self.chat.cwd.is_none() {
            // several folders name none
            let folders = requests().find_map(Request::folders).filter(|f| !f.contains(','));
            self.chat.cwd = folders.and_then(path_of_uri);
        }
        let created = number(state, "creationDate").or_else(|| requests().find_map(Request::sent));
        let mut e = self.event(EventType::Session, id::session(AGENT, self.chat.session), created);
        let title = text(state, "customTitle").or_else(|| text(state, "computedTitle")).filter(|t| !t.is_empty());
        let title = title.or_else(|| Some(first_line(requests().find_map(Request::prompt)?)));
        e.tool_input = title.filter(|t| !t.is_empty()).map(Value::from);
        if let Some((provider, model)) = requests().find_map(Request::model) {
            e.model = Some(model.to_owned());
            e.provider = Some(provider.to_owned()).filter(|p| !p.is_empty());
        }
        let version = requests().find_map(Request::version).map(str::to_owned);
        if let Some(version) = version.or_else(|| self.chat.timing.version.clone()) {
            e.extra.insert("version".to_owned(), version.into());
        }
        e.extra.insert("client".to_owned(), "vscode".into());
        self.put(e, sink);
    }

    /// A request that the user took back: what came of it is in no context after it.
    fn dead_request(&mut self, request: &'a Value, sink: Sink<'_>) {
        let pending = std::mem::take(&mut self.pending);
        self.dead = true;
        self.request(Request(request), sink);
        self.dead = false;
        self.pending = pending;
    }

    fn request(&mut self, request: Request<'a>, sink: Sink<'_>) {
        let Some(id) = request.id() else {
            self.report.bad(self.chat.file, self.position, "a request without an id");
            return;
        };
        let mut shown = shown(request.parts(), &mut self.report);
        let prompt = self.prompt(request, id, sink);
        let rounds = request.rounds();
        let joined = Joined::of(rounds, &shown);
        shown.assign(
            |i, path| {
                let call = joined.calls.get(*joined.call_of.get(&i)?)?;
                let names = call.edits_file(path)?;
                let failed = request
                    .result_of(call.id)
                    .map(result_text)
                    .is_some_and(|said| status(call.name, None, Some(&said), true, false).0 == Some(Status::Error));
                Some(names && !failed)
            },
            &mut self.report,
        );
        self.adopt(&shown, &joined);
        if rounds.is_empty() {
            self.unfinished(request, id, &prompt, &shown, sink);
        } else {
            self.finished(request, id, &prompt, &shown, &joined, sink);
        }
        if let Some((code, message)) = request.failure() {
            let mut e = self.event(EventType::Message, self.id(&format!("failure:{id}")), None);
            e.tool_input = Some(message.into());
            e.native_id = Some(id.to_owned());
            e.status = Some(if request.cancelled() { Status::Interrupted } else { Status::Error });
            e.extra.insert("error".to_owned(), code.into());
            e.parents = if self.pending.is_empty() { vec![prompt] } else { self.pending.clone() };
            self.put(e, sink);
        }
    }

    /// Gives what the debug logs tell of sub-agents to their shown calls.
    fn adopt(&mut self, shown: &Shown<'a>, joined: &Joined<'a>) {
        if self.chat.timing.children.is_empty() {
            return;
        }
        let mut parts: HashMap<usize, Vec<Mark<'_>>> = HashMap::new();
        for call in &shown.calls {
            if let By::SubAgent(by) = call.by {
                parts.entry(by).or_default().push(Mark { id: call.tool.id(), name: call.name });
            }
        }
        for (by, marks) in parts {
            let known = joined.call_of.get(&by).and_then(|c| joined.calls.get(*c)).map(|c| plain_id(c.id));
            let known = known.or_else(|| shown.calls.get(by).map(|c| c.tool.id()));
            self.chat.timing.adopt(known.unwrap_or_default(), &marks);
        }
    }

    /// The prompt and what came with it; the id of the prompt.
    fn prompt(&mut self, request: Request<'a>, id: &str, sink: Sink<'_>) -> String {
        let mut e = self.event(EventType::UserInput, self.id(&format!("prompt:{id}")), request.sent());
        e.tool_input = Some(request.prompt().unwrap_or_default().into());
        e.native_id = Some(id.to_owned());
        let attached = request.attachments();
        if !attached.is_empty() {
            e.extra.insert("attachments".to_owned(), attached.into());
        }
        let prompt = e.event_id.clone();
        self.pending.push(prompt.clone());
        self.put(e, sink);
        let rendered = request.rendered();
        let around = without_prompt(&rendered);
        if !around.trim().is_empty() {
            let mut e = self.event(EventType::ContextUpdate, self.id(&format!("context:{id}")), request.sent());
            e.tool_input = Some(around.into());
            e.native_id = Some(id.to_owned());
            e.parents = vec![prompt.clone()];
            self.pending.push(e.event_id.clone());
            self.put(e, sink);
        }
        prompt
    }

    /// A request of which only the shown parts are recorded: it runs, or was stopped. Which response of the model gave what is not told.
    fn unfinished(&mut self, request: Request<'a>, id: &str, prompt: &str, shown: &Shown<'a>, sink: Sink<'_>) {
        let (mut said, mut thought) = (0, 0);
        // words after a call show that the model went on: the call has ended
        let last_words = shown.pieces.iter().rposition(|p| !matches!(p, Piece::Call(_))).unwrap_or(0);
        for (n, piece) in shown.pieces.iter().enumerate() {
            let e = match piece {
                Piece::Words(words) => {
                    said += 1;
                    self.spoken(EventType::Message, &format!("message:{id}:{said}"), words, request)
                }
                Piece::Thought(words) => {
                    thought += 1;
                    self.spoken(EventType::Reasoning, &format!("reasoning:{id}:{thought}"), words, request)
                }
                Piece::Call(i) => {
                    let Some(call) = shown.calls.get(*i) else { continue };
                    let mut e = self.shown_call(request, *i, call, shown);
                    e.status = e.status.filter(|s| *s != Status::Running || n > last_words);
                    e
                }
            };
            let mut e = e;
            if e.parents.is_empty() && e.agent_id.is_none() {
                e.parents = vec![prompt.to_owned()];
            }
            self.put(e, sink);
        }
        // what was stopped is not told to the model again but for the words
        self.pending.clear();
    }

    fn finished(
        &mut self,
        request: Request<'a>,
        id: &str,
        prompt: &str,
        shown: &Shown<'a>,
        joined: &Joined<'a>,
        sink: Sink<'_>,
    ) {
        let ended = request.ended();
        let summary = request.summary();
        let (mut said, mut thought, mut n) = (0, 0, 0);
        let mut sub_agents = SubAgents::of(shown);
        let last = request.rounds().len();
        for (at, round) in request.rounds().iter().enumerate() {
            let turn = text(round, "id").map(str::to_owned);
            // the last words come when all is done
            let done = (at + 1 == last && list(round, "toolCalls").is_empty()).then(|| request.completed()).flatten();
            let started = number(round, "timestamp").or(done);
            let words = text(round, "response").unwrap_or_default();
            let asked = list(round, "toolCalls").first().and_then(|c| text(c, "id"));
            let usage = usage(round).or_else(|| self.chat.timing.usage(asked.map(plain_id), words));
            let mut response = Response { inputs: std::mem::take(&mut self.pending), usage, ..Response::default() };
            let thoughts = round.get("thinking").map(thought_text).unwrap_or_default();
            let mut spoken = Vec::new();
            if !thoughts.trim().is_empty() {
                thought += 1;
                spoken.push(self.spoken(
                    EventType::Reasoning,
                    &format!("reasoning:{id}:{thought}"),
                    &thoughts,
                    request,
                ));
            }
            if !words.trim().is_empty() {
                said += 1;
                spoken.push(self.spoken(EventType::Message, &format!("message:{id}:{said}"), words, request));
            }
            for mut e in spoken {
                e.turn_id.clone_from(&turn);
                e.timestamp = started.and_then(time_from_ms);
                self.put(response.place(e), sink);
            }
            let first = n;
            n += list(round, "toolCalls").len();
            for call in joined.calls.get(first..n).unwrap_or_default() {
                let mut e = self.call(request, call, joined.part_of(call).and_then(|p| shown.calls.get(p)));
                e.turn_id.clone_from(&turn);
                if e.status != Some(Status::Running) {
                    response.results.push(e.event_id.clone());
                }
                if let Some(part) = joined.part_of(call).filter(|p| sub_agents.has(*p)) {
                    let agent = shown.calls.get(part).map(|c| c.tool.id().to_owned());
                    e.extra.insert("spawned".to_owned(), agent.into());
                    let e = response.place(e);
                    self.put(e, sink);
                    self.sub_agents(request, shown, sub_agents.take(part), sink);
                } else {
                    self.put(response.place(e), sink);
                }
            }
            let silent = response.hub.is_none() && n == first;
            self.pending = if silent { response.inputs } else { response.results };
            if let Some(added) = text(round, "hookContext").filter(|t| !t.trim().is_empty()) {
                let native = format!("context:{}:hook", turn.as_deref().unwrap_or_default());
                let mut e = self.event(EventType::ContextUpdate, self.id(&native), None);
                e.tool_input = Some(added.into());
                e.parents = response.hub.iter().cloned().collect();
                self.pending.push(e.event_id.clone());
                self.put(e, sink);
            }
            let summed = summary.filter(|(round, _)| Some(*round) == turn.as_deref()).map(|(_, text)| text);
            if let Some(summed) = text(round, "summary").or(summed).filter(|t| !t.trim().is_empty()) {
                let native = format!("context:{}", turn.as_deref().unwrap_or_default());
                let mut e = self.event(EventType::ContextUpdate, self.id(&native), None);
                e.tool_input = Some(summed.into());
                e.native_id.clone_from(&turn);
                e.extra.insert("compaction".to_owned(), true.into());
                e.parents =
                    if self.pending.is_empty() { vec![prompt.to_owned()] } else { std::mem::take(&mut self.pending) };
                self.pending = vec![e.event_id.clone()];
                self.put(e, sink);
            }
        }
        // what belongs to no call that is surely known
        self.sub_agents(request, shown, sub_agents.rest(), sink);
        let lost = (0..shown.calls.len())
            .filter(|i| shown.calls.get(*i).is_some_and(|c| c.by == By::Main) && !joined.call_of.contains_key(i));
        for _ in lost {
            self.report.pass_over("shown call that is not surely one of the calls");
        }
        if !ended {
            self.report.pass_over("request that runs");
        }
    }

    fn sub_agents(&mut self, request: Request<'a>, shown: &Shown<'a>, calls: Vec<usize>, sink: Sink<'_>) {
        for at in calls {
            let Some(call) = shown.calls.get(at) else { continue };
            let e = self.shown_call(request, at, call, shown);
            self.put(e, sink);
        }
    }

    fn spoken(&self, kind: EventType, native: &str, words: &str, request: Request<'a>) -> Event {
        let mut e = self.event(kind, self.id(native), None);
        e.tool_input = Some(words.trim_end_matches(' ').into());
        self.of_model(&mut e, request);
        e
    }

    fn of_model(&self, e: &mut Event, request: Request<'a>) {
        if let Some((provider, model)) = request.model() {
            e.model = Some(model.to_owned());
            e.provider = Some(provider.to_owned()).filter(|p| !p.is_empty());
        }
    }

    /// A call that a round tells, with what its part adds.
    fn call(&self, request: Request<'a>, call: &RoundCall<'a>, part: Option<&Call<'a>>) -> Event {
        let said = request.result_of(call.id).map(result_text);
        let known = part.map_or_else(|| plain_id(call.id), |p| p.tool.id());
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.chat.session, known), None);
        e.tool_name = Some(call.name.to_owned());
        e.tool_input = call.input.clone();
        e.call_id = Some(plain_id(call.id).to_owned());
        e.native_id = Some(call.id.to_owned());
        self.of_model(&mut e, request);
        let tool = part.map(|p| p.tool);
        (e.status, e.exit_code) = status(call.name, tool, said.as_deref(), request.ended(), request.cancelled());
        e.tool_output = said.map(Value::from).or_else(|| tool.and_then(Tool::output));
        if let Some(tool) = tool {
            self.shown_facts(&mut e, tool);
        }
        if let Some(part) = part {
            changes(&mut e, &part.edits);
        }
        self.chat.timing.tell(&mut e);
        e
    }

    /// A call of which only the part is recorded.
    fn shown_call(&self, request: Request<'a>, at: usize, call: &Call<'a>, shown: &Shown<'a>) -> Event {
        let tool = call.tool;
        let mut e = self.event(EventType::ToolCall, id::call(AGENT, self.chat.session, tool.id()), None);
        e.tool_name = Some(call.name.to_owned());
        e.call_id = Some(tool.id().to_owned());
        e.native_id = Some(tool.id().to_owned());
        e.tool_input = tool.input();
        e.tool_output = tool.output();
        (e.status, e.exit_code) = status(call.name, Some(tool), None, request.ended(), request.cancelled());
        if !call.edits.is_empty() && matches!(e.status, None | Some(Status::Running)) {
            e.status = Some(Status::Ok);
        }
        self.shown_facts(&mut e, tool);
        changes(&mut e, &call.edits);
        match call.by {
            By::Main => self.of_model(&mut e, request),
            By::SubAgent(i) => {
                let begun_by = shown.calls.get(i).map(|c| c.tool.id()).unwrap_or_default();
                e.agent_id = Some(begun_by.to_owned());
                e.parents = vec![id::call(AGENT, self.chat.session, begun_by)];
            }
            By::SomeSubAgent => {
                e.agent_id = Some(tool.sub_agent().unwrap_or("sub-agent").to_owned());
            }
        }
        if shown.begun.contains(&at) {
            e.extra.insert("spawned".to_owned(), tool.id().into());
        }
        self.chat.timing.tell(&mut e);
        e
    }

    fn shown_facts(&self, e: &mut Event, tool: Tool<'a>) {
        e.timestamp = tool.started().and_then(time_from_ms);
        e.duration_ms = tool.took();
        if let Some(cwd) = tool.cwd() {
            e.cwd = Some(cwd);
        }
    }
}

/// One response while it is read.
#[derive(Default)]
struct Response {
    inputs: Vec<String>,
    /// Its first message or thought.
    hub: Option<String>,
    usage: Option<Usage>,
    /// Calls with a result.
    results: Vec<String>,
}

impl Response {
    fn place(&mut self, mut e: Event) -> Event {
        e.parents = self.hub.as_ref().map_or_else(|| self.inputs.clone(), |hub| vec![hub.clone()]);
        if self.hub.is_none() && !e.is_call() {
            self.hub = Some(e.event_id.clone());
        }
        e.usage = self.usage.take();
        e
    }
}

/// A rendered message without the user's own words, which are the prompt.
fn without_prompt(rendered: &str) -> String {
    match (rendered.find("<userRequest>"), rendered.rfind("</userRequest>")) {
        (Some(from), Some(to)) if from < to => {
            let rest = rendered.get(to + "</userRequest>".len()..).unwrap_or_default();
            format!("{}{}", rendered.get(..from).unwrap_or_default(), rest.trim_start())
        }
        _ => rendered.to_owned(),
    }
}
