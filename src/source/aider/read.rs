//! Reads a chat history with all that stands beside it, or an LLM history alone.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Take};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{NaiveDateTime, TimeDelta};

use super::chat::{Chat, Part, started};
use super::input::Inputs;
use super::llm::{Call, Calls};
use super::run::Run;
use super::session::{Outcome, Session, Setting};
use super::zone::Zone;
use super::{AGENT, analytics, trace};
use crate::id;
use crate::plain;
use crate::source::{Report, Sink};

/// A session begins at most so long after its program was started.
const START: TimeDelta = TimeDelta::minutes(3);

fn open(path: &Path, from: u64) -> io::Result<BufReader<Take<File>>> {
    Ok(BufReader::with_capacity(256 * 1024, plain::open_from(path, from)?))
}

/// An LLM history with the analytics log of the same requests.
struct Llm {
    calls: Calls<BufReader<Take<File>>>,
    sent: Vec<analytics::Sent>,
    /// How many calls were taken.
    taken: usize,
}

impl Llm {
    fn open(path: &Path, from: u64, analytics: &Path, analytics_from: u64) -> Option<Self> {
        let calls = Calls::new(open(path, from).ok()?);
        let sent = open(analytics, analytics_from).map(analytics::requests).unwrap_or_default();
        Some(Self { calls, sent, taken: 0 })
    }

    /// What the next reply will be.
    fn next_reply(&mut self) -> Option<&str> {
        self.calls.peek().map(|c| c.reply.as_str()).filter(|r| !r.is_empty())
    }

    fn take(&mut self) -> Option<(Call, Option<analytics::Sent>)> {
        let call = self.calls.take()?;
        self.taken += 1;
        Some((call, self.sent.get(self.taken - 1).cloned()))
    }

    /// Passes over what was sent before a session began.
    fn from(&mut self, started: NaiveDateTime) {
        while self.calls.peek().is_some_and(|c| c.at < started) {
            self.take();
        }
    }

    /// Whether this file goes on with that prompt or reply.
    fn expects(&mut self, part: &Part) -> bool {
        let Some(next) = self.calls.peek() else { return false };
        match part {
            Part::User(text) => next.fresh.last().is_some_and(|last| same(last, text)),
            Part::Reply(text) => !next.reply.is_empty() && same(&next.reply, text),
            _ => false,
        }
    }

    /// The call that brought this reply. Requests that failed brought none.
    fn call_of(&mut self, reply: &str) -> Option<(Call, Option<analytics::Sent>)> {
        while self.calls.peek().is_some_and(|c| c.reply.is_empty() && c.answered.is_some()) {
            self.take();
        }
        if same(&self.calls.peek()?.reply, reply) { self.take() } else { None }
    }
}

/// Whether two texts are the same but for blanks at the ends of lines and of the whole.
fn same(a: &str, b: &str) -> bool {
    a.trim().lines().map(str::trim_end).eq(b.trim().lines().map(str::trim_end))
}

/// A chat history and where its companions are.
pub(super) struct History {
    /// The chat history.
    pub chat: PathBuf,
    /// The runs that went to it under the wrapper.
    pub runs: Vec<Run>,
}

impl History {
    fn beside(&self, name: &str) -> PathBuf {
        self.chat.with_file_name(name)
    }

    /// The files that belong to it, of which a change is a change of the whole.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        let mut files = vec![self.chat.clone(), self.beside(".aider.input.history"), self.beside(".aider.llm.history")];
        for run in &self.runs {
            files.extend([run.input.clone(), run.llm.clone(), run.analytics.clone(), run.git_trace.clone()]);
            files.extend([run.folder.join(super::run::RUN), run.folder.join(super::run::SEEN)]);
        }
        files.retain(|f| !f.as_os_str().is_empty());
        files.sort();
        files.dedup();
        files
    }

    /// Reads all its sessions.
    ///
    /// # Errors
    /// The chat history cannot be opened.
    pub(super) fn read(&self, sink: Sink<'_>) -> anyhow::Result<Report> {
        let name = self.chat.to_string_lossy().into_owned();
        let starts = starts(open(&self.chat, 0).with_context(|| format!("cannot open {name}"))?);
        let input = self.runs.iter().map(|r| r.input.clone()).next_back();
        let input = input.unwrap_or_else(|| self.beside(".aider.input.history"));
        let inputs = open(&input, 0).map(Inputs::read).unwrap_or_default();
        let zone = Zone::of(&input, inputs.last);
        let mut own = Llm::open(&self.beside(".aider.llm.history"), 0, Path::new(""), 0);
        let mut report = Report::default();
        let mut chat = Chat::new(open(&self.chat, 0)?);
        let mut runs: Vec<&Run> = self.runs.iter().collect();
        let mut times: HashMap<NaiveDateTime, u32> = HashMap::new();
        let mut session: Option<Session<'_>> = None;
        let mut of_run: Option<Llm> = None;
        let mut run_only = false;
        // sessions of other processes that are at work in the same file, with the time at which they end
        let mut others: Vec<(Session<'_>, Llm, Option<NaiveDateTime>)> = Vec::new();
        let mut over = None;
        let mut stored = false;
        loop {
            let llm = if run_only { of_run.as_mut() } else { own.as_mut() };
            let at_work = llm.into_iter().chain(others.iter_mut().map(|o| &mut o.1));
            let replies: Vec<&str> = at_work.filter_map(Llm::next_reply).collect();
            let Some(placed) = chat.next(&replies) else { break };
            report.records += 1;
            if let Part::Session(time) = placed.part {
                if let Some(mut old) = session.take() {
                    match of_run.take().filter(|_| over.is_none_or(|end| end > time)) {
                        Some(llm) => others.push((old, llm, over)),
                        None => {
                            old.close(&mut report);
                            old.out.drain(..).for_each(&mut *sink);
                        }
                    }
                }
                for (mut old, ..) in others.extract_if(.., |o| o.2.is_some_and(|end| end <= time)) {
                    old.close(&mut report);
                    old.out.drain(..).for_each(&mut *sink);
                }
                let ordinal = times.entry(time).and_modify(|n| *n += 1).or_insert(0);
                let behind = starts.partition_point(|(at, _)| *at <= placed.offset);
                let until = starts.iter().skip(behind).map(|(_, t)| *t).find(|t| *t >= time);
                let run = take_run(&mut runs, placed.offset, time);
                stored = run.is_some_and(|r| r.is_stored(&self.runs));
                if stored {
                    (run_only, over) = (true, None);
                    continue;
                }
                let mut clock = zone;
                if inputs.last.is_some_and(|l| l >= time && until.is_none_or(|u| l < u)) {
                    clock = zone.since(time);
                }
                let (mut commits, mut hashes, mut seen) = (HashMap::new(), Vec::new(), Vec::new());
                run_only = run.is_some();
                over = run.and_then(Run::ended_locally);
                if let Some(run) = run {
                    clock = run.zone().since(time);
                    hashes.clone_from(&run.commits);
                    seen = run.seen();
                    commits = open(&run.git_trace, 0).map(trace::commits).unwrap_or_default();
                    of_run = Llm::open(&run.llm, run.llm_from, &run.analytics, run.analytics_from);
                    if let Some(llm) = &mut of_run {
                        llm.from(time);
                    }
                } else if let Some(llm) = &mut own {
                    llm.from(time);
                }
                let setting = Setting {
                    id: id::event_id(AGENT, &name, &format!("{time}#{ordinal}")),
                    file: &name,
                    root: self.chat.parent().map(|p| p.to_string_lossy().into_owned()),
                    line: placed.line,
                    started: Some(time),
                    until,
                    zone: clock,
                    commits,
                    hashes,
                    seen,
                    requests_only: false,
                };
                session = Some(Session::new(setting, &inputs, &mut report));
            } else if let Some(session) = &mut session {
                // of several processes each told its own LLM history what it asks and what it got
                let outcome = if let Part::Said(text) = &placed.part { Outcome::of(text) } else { None };
                if let Some(llm) = of_run.as_mut().filter(|_| !others.is_empty()) {
                    let whose = match (&placed.part, outcome) {
                        (_, Some(outcome)) => teller(outcome, session, &mut others),
                        (part, None) if llm.expects(part) => None,
                        (part, None) => others.iter_mut().find_map(|o| o.1.expects(part).then_some(o)),
                    };
                    if let Some(other) = whose {
                        session.out.drain(..).for_each(&mut *sink);
                        std::mem::swap(session, &mut other.0);
                        std::mem::swap(llm, &mut other.1);
                        std::mem::swap(&mut over, &mut other.2);
                    }
                }
                session.sure = others.is_empty()
                    || outcome.is_some_and(|what| session.may_tell(what) && !others.iter().any(|o| o.0.may_tell(what)));
                if let Some(outcome) = outcome.filter(|_| !session.sure) {
                    others.iter_mut().map(|o| &mut o.0).chain([&mut *session]).for_each(|s| s.let_go(outcome));
                }
                session.at(placed.line, placed.offset);
                match placed.part {
                    Part::User(text) => session.user(&text, &mut report),
                    Part::Said(text) => session.said(&text, &mut report),
                    Part::Reply(text) => {
                        let llm = if run_only { of_run.as_mut() } else { own.as_mut() };
                        let found = llm.and_then(|l| l.call_of(&text));
                        let (call, sent) = found.map_or((None, None), |(c, s)| (Some(c), s));
                        session.reply(&text, call.as_ref(), sent.as_ref(), &mut report);
                    }
                    Part::Session(_) => {}
                }
            } else {
                report.pass_over(if stored { "in the store already" } else { "before the first session" });
            }
            if let Some(session) = &mut session {
                session.out.drain(..).for_each(&mut *sink);
            }
        }
        if let Some(e) = chat.problem() {
            report.bad(&name, 0, format!("reading ended early: {e}"));
        }
        for mut open in session.into_iter().chain(others.into_iter().map(|(s, ..)| s)) {
            open.pause(&mut report);
            open.out.drain(..).for_each(&mut *sink);
        }
        Ok(report)
    }
}

/// Which of the others tells of this: the only one of all at work that can, where that is not `session`.
fn teller<'a, 'b, T>(
    outcome: Outcome<'_>,
    session: &Session<'b>,
    others: &'a mut [(Session<'b>, Llm, T)],
) -> Option<&'a mut (Session<'b>, Llm, T)> {
    let mut found = others.iter_mut().filter(|o| o.0.may_tell(outcome));
    let one = found.next().filter(|_| !session.may_tell(outcome))?;
    found.next().is_none().then_some(one)
}

/// The run that a session belongs to: it went to this place of the file, at that time.
fn take_run<'a>(runs: &mut Vec<&'a Run>, offset: u64, time: NaiveDateTime) -> Option<&'a Run> {
    let at = runs.iter().position(|run| {
        let begun = run.zone().since(time).time(time);
        offset >= run.chat_from
            // the header has whole seconds
            && begun.is_some_and(|t| t >= run.started - TimeDelta::seconds(1) && t <= run.started + START)
    })?;
    Some(runs.remove(at))
}

/// Offset and time of all lines that look like the beginning of a session.
fn starts(mut reader: impl BufRead) -> Vec<(u64, NaiveDateTime)> {
    let mut found = Vec::new();
    let (mut offset, mut line) = (0, Vec::new());
    loop {
        line.clear();
        match reader.read_until(b'\n', &mut line) {
            Ok(n) if n > 0 => {
                if line.starts_with(b"# aider chat")
                    && let Some(time) = std::str::from_utf8(&line).ok().and_then(|l| started(l.trim_end()))
                {
                    found.push((offset, time));
                }
                offset += n as u64;
            }
            _ => return found,
        }
    }
}

/// Reads an LLM history without a chat history. It says nowhere where a session begins, so it is one.
///
/// # Errors
/// It cannot be opened.
pub(super) fn llm_only(path: &Path, session_id: &str, sink: Sink<'_>) -> anyhow::Result<Report> {
    let name = path.to_string_lossy().into_owned();
    let mut llm = Llm::open(path, 0, &path.with_file_name("analytics.jsonl"), 0)
        .with_context(|| format!("cannot open {name}"))?;
    let mut report = Report::default();
    let started = llm.calls.peek().map(|c| c.at);
    let sent = llm.sent.first().and_then(|s| s.at);
    let zone = match (started, sent) {
        (Some(local), Some(utc)) => Zone::between(local, utc, TimeDelta::seconds(2)),
        _ => Zone::Unknown,
    };
    let commits = open(&path.with_file_name("git.trace2.jsonl"), 0).map(trace::commits).unwrap_or_default();
    let setting = Setting {
        id: session_id.to_owned(),
        file: &name,
        root: None,
        line: 0,
        started,
        until: None,
        zone,
        commits,
        hashes: Vec::new(),
        seen: Vec::new(),
        requests_only: true,
    };
    let inputs = Inputs::default();
    let mut session = Session::new(setting, &inputs, &mut report);
    while let Some((call, sent)) = llm.take() {
        report.records += 1;
        session.at(call.line, 0);
        session.reply(&call.reply, Some(&call), sent.as_ref(), &mut report);
        session.out.drain(..).for_each(&mut *sink);
    }
    session.pause(&mut report);
    session.out.drain(..).for_each(&mut *sink);
    if let Some((line, count)) = llm.calls.bad {
        report.bad(&name, line, format!("{count} lines that are none of an LLM history"));
    }
    Ok(report)
}
