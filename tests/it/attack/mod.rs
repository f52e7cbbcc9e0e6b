//! Attacks on what the project promises: junk, odd files, hostile text, crashes, sizes, secrets. Each fails when its defence is
//! taken out.

mod fuzz;
mod junk;
mod places;
mod samples;
