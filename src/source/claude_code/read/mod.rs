//! Reads a transcript and its sub-agents' files into events, line by line: what a line is, and the state that lines leave to
//! later ones. What each kind of line means stands in the files beside this one.

mod call;
mod context;
mod header;
mod passed_over;
mod response;
mod user;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::Path;

use anyhow::Context;
use chrono::{DateTime, Utc};
use serde_json::Map;
use uuid::Uuid;

use self::call::Call;
use self::passed_over::PASSED_OVER;
use super::chain::{Chain, Node};
use super::wire::{Line, Meta, Text};
use super::{AGENT, agent_files, agent_files_beside};
use crate::event::{Event, EventType, Origin, parse_time};
use crate::id;
use crate::plain;
use crate::source::jsonl::{Lines, records};
use crate::source::{Report, Sink, Transcript};

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

struct Reader {
    session: String,
    report: Report,
    /// Calls by the agent's id ([`call::key`]).
    calls: HashMap<u64, Call>,
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
    /// The events of prompts.
    prompts: HashSet<Uuid>,
    header: Event,
    titled: bool,
    /// The header has been given.
    given: bool,
    /// Per file and agent, the last response that began.
    newest: HashMap<(u32, u64), u32>,
    files: u32,
}

/// What all events of a line share.
struct Place<'a> {
    uuid: &'a str,
    parent: Option<&'a str>,
    time: Option<DateTime<Utc>>,
    agent: Option<String>,
    origin: &'a Origin,
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
        let mut origin = Origin { file: Some(name.clone()), ..Origin::default() };
        self.files += 1;
        while let Some(line) = lines.next().with_context(|| format!("cannot read {name}"))? {
            self.report.records += 1;
            let Some(bytes) = line.bytes else {
                self.report.bad(&name, line.number, "the line is longer than 256 MiB");
                continue;
            };
            origin.line = Some(line.number);
            match records::<Line<'_>>(bytes, &mut scratch) {
                Ok(found) => {
                    for wire in found {
                        self.line(wire, &origin, agent.as_deref(), &mut chain, &mut sidechains, sink);
                    }
                }
                Err(reason) => self.report.bad(&name, line.number, reason),
            }
        }
        for left in chain.left_branches() {
            sink(
                self.patch(left.event, left.event_type(), |e| {
                    _ = e.extra.insert("dead_branch".to_owned(), true.into())
                }),
            );
        }
        Ok(())
    }

    fn line(
        &mut self,
        mut wire: Line<'_>,
        origin: &Origin,
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
            self.see_header(wire, origin, sink);
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
                Some(a) => self.attachment(*a, &place, chain, sink),
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

    /// What became known of an event that has been given.
    fn patch(&self, event: Uuid, event_type: EventType, change: impl FnOnce(&mut Event)) -> Event {
        let mut e = Event {
            event_id: event.to_string(),
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
    id::event_id(AGENT, session, &[kind, ":", uuid].concat())
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
