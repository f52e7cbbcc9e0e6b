//! All sessions there are, in the store and in the agents' own files, and how the user names one.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use chrono::{DateTime, TimeDelta, Utc};
use rayon::prelude::*;

use super::context::Context;
use super::failure::Failure;
use super::sync::{self, Readable};
use crate::event::Event;
use crate::plain;
use crate::render::text;
use crate::source::{SOURCES, by_name, claim};
use crate::store::index::Index;
use crate::store::kept::{self, BUILD, Kept, Sources, Stamp};
use crate::store::{Summary, read_file};

/// Everything that is there to be looked at.
pub struct Catalog {
    index: Index,
    stored: Vec<Summary>,
    transcripts: Vec<Readable>,
}

/// A session with all its events, and those of the sessions it spawned.
#[derive(Debug, Default)]
pub struct Session {
    /// Its id.
    pub id: String,
    /// Its agent.
    pub agent: String,
    /// Events, folded, in the order of the files they came from.
    pub events: Vec<Event>,
    /// Lines of the store or of the agent's file that could not be read.
    pub problems: Vec<String>,
    /// What it was read from, where that is the store alone.
    pub sources: Option<Sources>,
}

/// One candidate for a selector.
struct Candidate {
    id: String,
    agent: String,
    modified: Option<DateTime<Utc>>,
}

impl Catalog {
    /// Looks at the store's index and at the agents' folders; reads no transcript.
    pub fn gather(ctx: &Context) -> Self {
        let mut catalog = Self { index: Index::load(&ctx.store), stored: Vec::new(), transcripts: Vec::new() };
        catalog.look_again(ctx);
        // where it cannot be written, the next look reads again what this one read
        catalog.index.save(&ctx.store).ok();
        catalog
    }

    /// Looks at all folders again: what changed since [`Self::gather`].
    pub fn look_again(&mut self, ctx: &Context) {
        self.stored = self.index.summaries(&ctx.store);
        let found = SOURCES.par_iter().map(|s| s.discover(&ctx.env).into_iter().map(|t| (*s, t)).collect::<Vec<_>>());
        self.transcripts = found.flatten().collect();
    }

    /// Whether no session was found anywhere.
    pub fn is_empty(&self) -> bool {
        self.stored.is_empty() && self.transcripts.is_empty()
    }

    /// The transcripts of the agents' folders.
    pub fn transcripts(&self) -> &[Readable] {
        &self.transcripts
    }

    /// Brings the whole store up to date; says how far it is on standard error where that takes a while.
    pub fn sync_all(&mut self, ctx: &Context) -> sync::News {
        let unread = sync::unread(&self.index, &self.transcripts);
        self.sync(ctx, &unread)
    }

    /// Reads those of these transcripts that changed into the store.
    pub fn sync_changed(&mut self, ctx: &Context, transcripts: &[Readable]) -> sync::News {
        let unread = sync::unread(&self.index, transcripts);
        self.sync(ctx, &unread)
    }

    /// Reads these transcripts into the store.
    pub fn sync(&mut self, ctx: &Context, transcripts: &[Readable]) -> sync::News {
        let progress = super::progress::Progress::new(transcripts.len());
        let news = sync::sync(&ctx.store, &mut self.index, transcripts, &|done, of| progress.at(done, of));
        progress.end();
        if !transcripts.is_empty() {
            self.stored = self.index.summaries(&ctx.store);
        }
        if let Err(e) = self.index.save(&ctx.store) {
            ctx.out.note(&format!("{e:#}"));
        }
        news
    }

    /// Summaries of all stored sessions, newest first.
    pub fn summaries(&self) -> Vec<&Summary> {
        let mut all: Vec<_> = self.stored.iter().collect();
        all.sort_by(|a, b| (b.ended, &b.session_id).cmp(&(a.ended, &a.session_id)));
        all
    }

    /// Sessions that no other spawned, newest first.
    fn candidates(&self) -> Vec<Candidate> {
        let mut by_id: BTreeMap<&str, Candidate> = BTreeMap::new();
        let children: HashSet<&str> =
            self.stored.iter().filter(|s| s.parent_session_id.is_some()).map(|s| s.session_id.as_str()).collect();
        for s in &self.stored {
            // where no more than one moment is recorded (Continue, Aider), the file knows better when it was last used
            let modified = s.ended.filter(|_| s.started != s.ended);
            let c = Candidate { id: s.session_id.clone(), agent: s.agent.clone(), modified };
            by_id.insert(&s.session_id, c);
        }
        for (_, t) in &self.transcripts {
            let Some(id) = &t.session_id else { continue };
            let c = by_id.entry(id).or_insert_with(|| Candidate {
                id: id.clone(),
                agent: t.agent.to_owned(),
                modified: None,
            });
            // a stored session that has not grown keeps its own last time: copying a folder changes only the files' times
            if c.modified.is_none() || (t.modified > c.modified && sync::is_unread(&self.index, t)) {
                c.modified = t.modified.or(c.modified);
            }
        }
        for s in &self.stored {
            if let Some(c) = by_id.get_mut(s.session_id.as_str()).filter(|c| c.modified.is_none()) {
                c.modified = s.ended;
            }
        }
        let mut all: Vec<_> = by_id.into_values().filter(|c| !children.contains(c.id.as_str())).collect();
        all.sort_by(|a, b| (b.modified, &b.id).cmp(&(a.modified, &a.id)));
        all
    }

    /// The working directory of a session, from the store or from the head of its transcript.
    fn cwd(&self, id: &str) -> Option<String> {
        let stored = self.stored.iter().find(|s| s.session_id == id).and_then(|s| s.cwd.clone());
        stored.or_else(|| {
            let (source, t) = self.transcripts.iter().find(|(_, t)| t.session_id.as_deref() == Some(id))?;
            source.cwd(t)
        })
    }

    /// The id of the session that `selector` names: an id, a unique prefix of one, `latest`, `@N`, or the path of an agent's file; none
    /// names the newest session of the current directory, else of its repository, else the newest of all.
    ///
    /// # Errors
    /// There is none, or more than one.
    pub fn select(&mut self, ctx: &Context, selector: Option<&str>) -> anyhow::Result<String> {
        // files that hold many sessions tell their ids only when read
        let many: Vec<_> = self.transcripts.iter().filter(|(_, t)| t.session_id.is_none()).cloned().collect();
        let unread = sync::unread(&self.index, &many);
        if !unread.is_empty() {
            self.sync(ctx, &unread);
        }
        let all = self.candidates();
        if all.is_empty() {
            return Err(nothing_found().into());
        }
        let id = match selector {
            None => self.newest_here(ctx, &all),
            Some("latest" | "@1") => all[0].id.clone(),
            Some(s) if s.starts_with('@') => nth(&all, s)?,
            Some(s) => return self.by_prefix(&all, s),
        };
        Ok(self.root(ctx, id))
    }

    /// The session at the root of those that spawned each other: that a session was spawned is known once it is read.
    fn root(&mut self, ctx: &Context, mut id: String) -> String {
        for _ in 0..16 {
            self.refresh(ctx, &id);
            let parent = self.stored.iter().find(|s| s.session_id == id).and_then(|s| s.parent_session_id.clone());
            let there = |p: &String| {
                self.stored.iter().any(|s| s.session_id == *p)
                    || self.transcripts.iter().any(|(_, t)| t.session_id.as_ref() == Some(p))
            };
            match parent.filter(there) {
                Some(p) => id = p,
                None => break,
            }
        }
        id
    }

    /// The newest session whose working directory is the current one, else one of the same repository; says which other agent
    /// was at work there.
    fn newest_here(&self, ctx: &Context, all: &[Candidate]) -> String {
        let here = ctx.env.cwd.as_path();
        // an agent may have been started elsewhere in the same repository
        let root = here.ancestors().find(|d| d.join(".git").exists());
        let is_here = |c: &&Candidate| {
            let whole = by_name(&c.agent).is_some_and(|s| s.is_of_repository());
            self.cwd(&c.id).is_some_and(|d| Path::new(&d) == here || whole && root == Some(Path::new(&d)))
        };
        let is_near =
            |c: &&Candidate| root.is_some_and(|r| self.cwd(&c.id).is_some_and(|d| Path::new(&d).starts_with(r)));
        // a session that was begun and left at once shows nothing
        let is_filled = |c: &&Candidate| !self.stored.iter().any(|s| s.session_id == c.id && s.is_empty());
        let mut mine = all.iter().filter(is_here).filter(is_filled);
        let Some(first) = mine.next() else {
            let near = all.iter().filter(is_filled).find(is_near).or_else(|| all.iter().find(is_here));
            if let Some(near) = near {
                return near.id.clone();
            }
            let newest = all.iter().find(is_filled).unwrap_or(&all[0]);
            ctx.out.note(&format!(
                "no session of this directory; showing the newest of all, {} of {}",
                super::short_id(&newest.id),
                newest.agent
            ));
            return newest.id.clone();
        };
        let near = |c: &&Candidate| match (c.modified, first.modified) {
            (Some(a), Some(b)) => b - a < TimeDelta::hours(12),
            _ => false,
        };
        if let Some(other) = mine.take(20).filter(near).find(|c| c.agent != first.agent) {
            ctx.out.note(&format!(
                "{} was at work in this directory too: session {}",
                other.agent,
                super::short_id(&other.id)
            ));
        }
        first.id.clone()
    }

    fn by_prefix(&self, all: &[Candidate], prefix: &str) -> anyhow::Result<String> {
        let ids: Vec<&str> = all
            .iter()
            .map(|c| c.id.as_str())
            .chain(self.stored.iter().map(|s| s.session_id.as_str()))
            .collect::<std::collections::BTreeSet<_>>()
            .into_iter()
            .collect();
        if ids.contains(&prefix) {
            return Ok(prefix.to_owned());
        }
        let matching: Vec<_> = ids.iter().filter(|id| id.starts_with(prefix)).collect();
        match matching.as_slice() {
            [one] => Ok((**one).to_owned()),
            [] => {
                let near = nearest(prefix, &ids);
                let failure = Failure::new(format!("no session {prefix:?}"));
                Err(match near {
                    Some(id) => failure.hint(format!("did you mean {id}? `causetrace sessions` lists all")),
                    None => failure.hint("`causetrace sessions` lists all"),
                }
                .into())
            }
            many => {
                let shown: Vec<_> = many.iter().take(10).map(|id| format!("  {}", text::name(id))).collect();
                let more = if many.len() > 10 { format!("\n  and {} more", many.len() - 10) } else { String::new() };
                Err(Failure::new(format!("{} sessions begin with {prefix:?}", many.len()))
                    .hint(format!("give more of the id:\n{}{more}", shown.join("\n")))
                    .into())
            }
        }
    }

    /// What an earlier look at a session found, brought up to date first; none where it has changed since, or where nothing is
    /// kept that can be used.
    pub fn kept(&mut self, ctx: &Context, id: &str) -> Option<Kept> {
        self.refresh(ctx, id);
        let kept = kept::open(&ctx.store, id, BUILD)?;
        self.read_spawned(ctx, &kept.sources().spawned.iter().map(String::as_str).collect());
        let mut ids = vec![id.to_owned()];
        let mut files = kept.sources().files.iter();
        // the same sessions in the same order as they are read in
        let mut seen = HashSet::new();
        while let Some(id) = ids.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            if Stamp::of(&ctx.store, &id).as_ref() != Some(files.next()?) {
                return None;
            }
            ids.extend(self.spawned_by(&id));
        }
        files.next().is_none().then_some(kept)
    }

    fn spawned_by(&self, id: &str) -> impl Iterator<Item = String> {
        let spawned = self.stored.iter().filter(move |s| s.parent_session_id.as_deref() == Some(id));
        spawned.map(|s| s.session_id.clone())
    }

    /// A session with the sessions it spawned, brought up to date first.
    ///
    /// # Errors
    /// It has no events, or a file of it cannot be read.
    pub fn load(&mut self, ctx: &Context, id: &str) -> anyhow::Result<Session> {
        self.refresh(ctx, id);
        // a spawned session is shown within the one that spawned it only when that one is asked for
        let mut session = Session::default();
        let mut queue = vec![id.to_owned()];
        let mut seen = HashSet::new();
        let (mut files, mut named) = (Vec::new(), Vec::new());
        while let Some(id) = queue.pop() {
            if !seen.insert(id.clone()) {
                continue;
            }
            // before it is read: what is added meanwhile is news to the next look
            files.push(Stamp::of(&ctx.store, &id));
            if let Some(stored) = ctx.store.read(&id)? {
                let spawned: HashSet<&str> =
                    stored.events.iter().filter_map(|e| e.extra.get("spawned")?.as_str()).collect();
                self.read_spawned(ctx, &spawned);
                named.extend(spawned.into_iter().map(str::to_owned));
                let file = ctx.store.path(&id);
                session
                    .problems
                    .extend(stored.problems.iter().map(|p| format!("{}:{}: {}", file.display(), p.line, p.reason)));
                session.events.extend(stored.events);
            }
            queue.extend(self.spawned_by(&id));
        }
        if session.events.is_empty() {
            return Err(Failure::new(format!("session {id} has no events"))
                .hint("`causetrace doctor` shows what could not be read")
                .into());
        }
        session.agent = session.events.first().map(|e| e.agent.clone()).unwrap_or_default();
        session.id = id.to_owned();
        named.sort_unstable();
        let files: Option<Vec<Stamp>> = files.into_iter().collect();
        session.sources = files.map(|files| Sources { files, spawned: named, problems: session.problems.clone() });
        Ok(session)
    }

    /// Reads what the store lacks of a session and of those it may have spawned: the same agent's transcripts that changed
    /// since it began.
    fn refresh(&mut self, ctx: &Context, id: &str) {
        let own: Vec<_> =
            self.transcripts.iter().filter(|(_, t)| t.session_id.as_deref() == Some(id)).cloned().collect();
        let unread = sync::unread(&self.index, &own);
        if !unread.is_empty() {
            self.warn(ctx, &unread);
        }
        let Some(me) = self.stored.iter().find(|s| s.session_id == id) else { return };
        let (Some(from), Some(until)) = (me.started, me.ended) else { return };
        let agent = me.agent.clone();
        let near = self.transcripts.iter().filter(|(_, t)| {
            t.agent == agent && t.modified.is_some_and(|m| m >= from && m <= until + TimeDelta::days(1))
        });
        let near: Vec<_> = near.cloned().collect();
        let unread = sync::unread(&self.index, &near);
        if !unread.is_empty() {
            self.warn(ctx, &unread);
        }
    }

    /// Reads the transcripts of sessions that calls of this one began, whatever their files' times say.
    fn read_spawned(&mut self, ctx: &Context, ids: &HashSet<&str>) {
        if ids.is_empty() {
            return;
        }
        let named = |t: &crate::source::Transcript| t.session_id.as_deref().is_some_and(|id| ids.contains(id));
        let theirs: Vec<_> = self.transcripts.iter().filter(|(_, t)| named(t)).cloned().collect();
        let unread = sync::unread(&self.index, &theirs);
        if !unread.is_empty() {
            self.warn(ctx, &unread);
        }
    }

    fn warn(&mut self, ctx: &Context, transcripts: &[Readable]) {
        let news = self.sync(ctx, transcripts);
        for p in news.problems {
            ctx.out.note(&p);
        }
    }
}

/// Reads a file that the user named, without storing it: an agent's own file, or one of the store.
///
/// # Errors
/// It cannot be read, or no agent writes such files.
pub fn read_path(ctx: &Context, path: &Path) -> anyhow::Result<Session> {
    if is_store_file(path)? {
        let stored = read_file(path)?;
        let problems = stored.problems.iter().map(|p| format!("{}:{}: {}", path.display(), p.line, p.reason)).collect();
        let first = stored.events.first();
        let (id, agent) = first.map(|e| (e.session_id.clone(), e.agent.clone())).unwrap_or_default();
        return Ok(Session { id, agent, events: stored.events, problems, sources: None });
    }
    let Some((source, transcripts)) = claim(path)? else {
        let names: Vec<_> = SOURCES.iter().map(|s| s.title()).collect();
        return Err(Failure::new(format!("{} is no session file of {}", path.display(), names.join(", ")))
            .hint("name a transcript, a rollout, a database, an export or a history file")
            .into());
    };
    let mut sessions: BTreeMap<String, Folded> = BTreeMap::new();
    let mut problems = Vec::new();
    for t in &transcripts {
        let mut take = |event: Event| match sessions.get_mut(&event.session_id) {
            Some(folded) => folded.take(event),
            None => {
                let mut folded = Folded::default();
                let id = event.session_id.clone();
                folded.take(event);
                sessions.insert(id, folded);
            }
        };
        let report = source.read(t, &mut take).with_context(|| format!("cannot read {}", t.path.display()))?;
        problems.extend(report.bad.iter().map(|b| format!("{}:{}: {}", b.file, b.line, b.reason)));
    }
    let summaries: Vec<_> = sessions.values().map(|f| Summary::of(&f.events)).collect();
    let roots: Vec<_> = summaries.iter().filter(|s| s.parent_session_id.is_none()).collect();
    let pool = if roots.is_empty() { summaries.iter().collect() } else { roots };
    let Some(newest) = pool.iter().max_by_key(|s| (s.ended, &s.session_id)) else {
        return Err(Failure::new(format!("{} holds no events", path.display()))
            .hint(problems.first().cloned().unwrap_or_else(|| "the session may not have begun yet".to_owned()))
            .into());
    };
    if pool.len() > 1 {
        ctx.out.note(&format!(
            "{} sessions in {}; showing the newest ({}); `causetrace import {}` makes all selectable",
            pool.len(),
            path.display(),
            super::short_id(&newest.session_id),
            path.display(),
        ));
    }
    let mut session = Session { id: newest.session_id.clone(), agent: newest.agent.clone(), ..Session::default() };
    session.problems = problems;
    let mut queue = vec![session.id.clone()];
    while let Some(id) = queue.pop() {
        if let Some(folded) = sessions.remove(&id) {
            session.events.extend(folded.events);
        }
        let spawned = summaries.iter().filter(|s| s.parent_session_id.as_deref() == Some(id.as_str()));
        queue.extend(spawned.map(|s| s.session_id.clone()).filter(|s| sessions.contains_key(s)));
    }
    Ok(session)
}

/// Events folded as they come.
#[derive(Default)]
pub(super) struct Folded {
    pub(super) events: Vec<Event>,
    by_id: HashMap<String, usize>,
}

impl Folded {
    pub(super) fn take(&mut self, event: Event) {
        match self.by_id.get(&event.event_id) {
            Some(&i) => self.events[i].fold(event),
            None => {
                self.by_id.insert(event.event_id.clone(), self.events.len());
                self.events.push(event);
            }
        }
    }
}

/// Whether a file holds lines of the store (or of the Python causetrace).
fn is_store_file(path: &Path) -> anyhow::Result<bool> {
    use std::io::Read as _;
    if path.is_dir() {
        return Ok(false);
    }
    let file = plain::open(path).with_context(|| format!("cannot open {}", path.display()))?;
    let mut head = Vec::new();
    file.take(64).read_to_end(&mut head)?;
    Ok(head.trim_ascii_start().starts_with(br#"{"schema_version""#))
}

/// Whether a selector is the path of a file: it has a separator or a known ending, so that a mistyped id gives a clear error.
pub fn as_path(ctx: &Context, selector: &str) -> Option<PathBuf> {
    let path = super::history::absolute(selector, &ctx.env.cwd);
    let endings = [".jsonl", ".json", ".db", ".zst", ".md"];
    let looks = selector.contains(['/', '\\']) || endings.iter().any(|e| selector.ends_with(e));
    (looks || path.is_file()).then_some(path)
}

fn nth(all: &[Candidate], selector: &str) -> anyhow::Result<String> {
    let n: usize = selector[1..].parse().map_err(|_| {
        Failure::usage(format!("{selector:?} is no session")).hint("@2 names the second newest, @3 the third newest")
    })?;
    let found = n.checked_sub(1).and_then(|i| all.get(i));
    let failure = || Failure::new(format!("no session {selector}: there are {}", all.len()));
    found.map(|c| c.id.clone()).ok_or_else(|| failure().into())
}

fn nothing_found() -> Failure {
    Failure::new("no session of any agent was found")
        .hint("`causetrace doctor` shows where it looked; `causetrace demo` shows a recorded session")
}

/// The id most like `wanted`, where one is like it at all.
fn nearest<'a>(wanted: &str, ids: &[&'a str]) -> Option<&'a str> {
    let common = |id: &str| id.bytes().zip(wanted.bytes()).take_while(|(a, b)| a == b).count();
    let inside = ids.iter().find(|id| wanted.len() >= 4 && id.contains(wanted));
    let best = ids.iter().max_by_key(|id| common(id)).filter(|id| common(id) >= 3);
    inside.or(best).copied()
}
