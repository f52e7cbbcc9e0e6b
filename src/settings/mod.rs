//! Changing an agent's settings file so that nothing else in it changes.
//!
//! The files are written by people and by the agents themselves, so text is put in and taken out; the file is never
//! serialised anew. Order, indentation, line endings, byte order mark and the hooks of others stay as they are, byte for byte.
//! What cannot be understood is refused, not repaired: the agent ignores such a file as well.
//!
//! - [`json`]: a strict parse with positions, and the edits.
//! - [`hooks`]: which handlers are ours, and where they go.
//! - [`mod@file`]: reading and replacing, through symlinks, with mode and owner kept.

pub mod file;
pub mod hooks;
pub mod json;
