//! Tests of copilot.
