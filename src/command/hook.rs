//! `causetrace hook`.
