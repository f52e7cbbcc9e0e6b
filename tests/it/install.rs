//! Tests of install.
