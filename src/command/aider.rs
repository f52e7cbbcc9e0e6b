//! `causetrace aider`.
