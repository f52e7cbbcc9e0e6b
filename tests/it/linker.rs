//! Tests of linker.
