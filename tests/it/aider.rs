//! Tests of aider.
