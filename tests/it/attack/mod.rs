//! Attacks on what the project promises: junk, odd files, hostile text, crashes, sizes, secrets. Each fails when its defence is
//! taken out.

mod bundles;
mod crash;
mod deep;
mod fuzz;
mod hostile;
mod junk;
mod laws;
pub mod machine;
pub mod places;
mod rights;
mod samples;
mod secrets;
mod sqlite;
