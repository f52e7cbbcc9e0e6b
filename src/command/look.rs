//! A look at one session: its graph, from what an earlier look kept or from the events themselves.
//!
//! A [`Graph`] of heads is enough for most views and is had without the bodies of the events; a [`Whole`] has both. Sessions of
//! the store are kept for the next look, files that the user names are not.

use std::mem::ManuallyDrop;

use super::catalog::{self, Catalog, Session, read_path};
use super::context::Context;
use super::{demo, view};
use crate::graph::{Graph, Whole};
use crate::query::stats::FromTexts;
use crate::source;
use crate::store::kept::{self, BUILD};

/// A session that is looked at.
pub struct Looked<G> {
    /// Its id.
    pub id: String,
    /// Its events and how they hang together: a [`Graph`] or a [`Whole`].
    pub graph: Held<G>,
}

/// Held to the end of the program: to give the memory of 100,000 events back piece by piece takes as long as to draw them.
pub type Held<G> = ManuallyDrop<G>;

/// How much of a session's events is asked for.
pub trait Extent: AsRef<Graph> + Sized {
    /// Looks at the session that `selector` names; says which lines could not be read.
    ///
    /// # Errors
    /// The session does not exist or cannot be read.
    fn look(ctx: &Context, selector: Option<&str>) -> anyhow::Result<Looked<Self>>;

    /// As much of a graph that has all.
    fn of(whole: Whole) -> Self;
}

impl Extent for Graph {
    fn look(ctx: &Context, selector: Option<&str>) -> anyhow::Result<Looked<Self>> {
        Ok(heads(ctx, selector, false)?.0)
    }

    fn of(whole: Whole) -> Self {
        whole.into_heads()
    }
}

impl Extent for Whole {
    fn look(ctx: &Context, selector: Option<&str>) -> anyhow::Result<Looked<Self>> {
        let mut found = find(ctx, selector)?;
        let before = found.before(ctx);
        Ok(found.read(ctx, before, false)?.0)
    }

    fn of(whole: Whole) -> Self {
        whole
    }
}

/// A look at heads, and what only the texts of the events tell.
///
/// # Errors
/// The session does not exist or cannot be read.
pub fn with_texts(ctx: &Context, selector: Option<&str>) -> anyhow::Result<(Looked<Graph>, FromTexts)> {
    let (looked, texts) = heads(ctx, selector, true)?;
    Ok((looked, texts.unwrap_or_default()))
}

fn heads(ctx: &Context, selector: Option<&str>, texts: bool) -> anyhow::Result<(Looked<Graph>, Option<FromTexts>)> {
    let mut found = find(ctx, selector)?;
    let before = match (found.before(ctx), &found) {
        (Some(before), Found::Stored(_, id)) if before.texts.is_some() || !texts => {
            view::notes(ctx, &before.problems);
            return Ok((Looked { id: id.clone(), graph: Held::new(before.graph) }, before.texts));
        }
        (before, _) => before,
    };
    let (looked, texts) = found.read(ctx, before, texts)?;
    let graph = Held::new(Held::into_inner(looked.graph).into_heads());
    Ok((Looked { id: looked.id, graph }, texts))
}

/// What a selector names.
enum Found {
    /// A file that the user named, or the recording.
    Elsewhere(Session),
    /// A session of the store.
    Stored(Catalog, String),
}

/// What an earlier look found.
struct Before {
    graph: Graph,
    texts: Option<FromTexts>,
    problems: Vec<String>,
}

fn find(ctx: &Context, selector: Option<&str>) -> anyhow::Result<Found> {
    if let Some(path) = selector.and_then(|s| catalog::as_path(ctx, s)) {
        return read_path(ctx, &path).map(Found::Elsewhere);
    }
    if selector == Some(demo::NAME) {
        return Ok(Found::Elsewhere(demo::session()));
    }
    let mut catalog = Catalog::gather(ctx);
    if selector.is_none() && catalog.is_empty() {
        ctx.out.note(
            "no agent has run here yet (`causetrace doctor` shows where it looked); this is the built-in recording",
        );
        return Ok(Found::Elsewhere(demo::session()));
    }
    let id = catalog.select(ctx, selector)?;
    Ok(Found::Stored(catalog, id))
}

impl Found {
    /// What is kept of it, if that still holds.
    fn before(&mut self, ctx: &Context) -> Option<Before> {
        let Self::Stored(catalog, id) = self else { return None };
        let kept = catalog.kept(ctx, id)?;
        let problems = kept.sources().problems.clone();
        let mut blocks = kept.blocks();
        let texts: Option<FromTexts> = postcard::from_bytes(&blocks.next()?).ok()?;
        let graph = Graph::from_blocks(blocks)?;
        texts.as_ref().is_none_or(|t| t.is_of(&graph)).then_some(Before { graph, texts, problems })
    }

    /// Reads it whole, links it where no earlier look did, and keeps what is new.
    fn read(
        self,
        ctx: &Context,
        before: Option<Before>,
        texts: bool,
    ) -> anyhow::Result<(Looked<Whole>, Option<FromTexts>)> {
        let session = match self {
            Self::Elsewhere(session) => session,
            Self::Stored(mut catalog, id) => catalog.load(ctx, &id)?,
        };
        let new = texts || before.is_none();
        let graph = match before {
            Some(before) => Whole::with_causes(session.events, &source::action, before.graph),
            None => Graph::new(session.events, &source::action),
        };
        view::notes(ctx, &session.problems);
        let texts = texts.then(|| FromTexts::of(&graph));
        if let Some(sources) = session.sources.filter(|_| new) {
            let first = postcard::to_stdvec(&texts).unwrap_or_default();
            let blocks: Vec<Vec<u8>> = std::iter::once(first).chain(graph.to_blocks()).collect();
            kept::keep(&ctx.store, &session.id, BUILD, &sources, &blocks);
        }
        Ok((Looked { id: session.id, graph: Held::new(graph) }, texts))
    }
}
