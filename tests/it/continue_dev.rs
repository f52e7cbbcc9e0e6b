//! Tests of continue_dev.
