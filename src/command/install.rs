//! `causetrace install`.
