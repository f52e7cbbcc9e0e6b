//! `causetrace doctor`.
