//! causetrace turns what coding agents did into a causal DAG.
//!
//! # Bird's eye
//!
//! Each agent's files ([`source`]) become [`event::Event`]s with proven parents; the store ([`store`]) keeps
//! them, one file a session; [`causality`] infers which earlier observation led to each call, with evidence; [`graph`] joins
//! both kinds of edge; [`query`] answers (why, impact, blame, stats); [`render`] and [`export`] show it; [`command`] is the
//! command line. [`settings`] changes agents' settings files for it.
//!
//! # Code map
//!
//! Uses point one way: `command → {render, export, store, source, query, settings}`; `render, export, query → graph → causality →
//! event, id, action, patch, text`; `source, store → event, id, action, patch, text`; whoever reads files `→ plain`. A test holds this.
//!
//! Causes are computed, never stored as facts. What a look at a session found is kept beside the store's index ([`store::kept`],
//! [`graph::Graph::to_blocks`]) for as long as its files and this very build stay what they were: the next look reads only that,
//! and no bodies. It is a cache: whoever deletes it loses time and nothing else.
//!
//! # What is deliberately absent
//!
//! A source never touches the store, the terminal or another source. Graph and query do no I/O and know no agent. Only
//! [`render`] knows colours. Only [`store`] writes, and nothing is ever written into an agent's own folder but the hook that `install` registers. Everything ambient
//! (home, now, width, colour) is passed in.

pub mod action;
pub mod causality;
pub mod command;
pub mod event;
pub mod export;
pub mod graph;
pub mod id;
pub mod patch;
pub mod plain;
pub mod query;
pub mod render;
pub mod settings;
pub mod source;
pub mod store;
pub mod text;
