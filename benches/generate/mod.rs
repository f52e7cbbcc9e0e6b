//! Sessions of realistic shape from a fixed seed: what an agent was asked, said, called and saw, written as each agent
//! writes it.
//!
//! The mix of tools, the sizes of inputs, outputs and words, the calls per response, the share of escapes and the lines that
//! say nothing were counted in published sessions of Claude Code (65 files, 42 MB, 3 600 calls) and Codex (29 files, 14 MB,
//! 2 200 calls). Texts are made up: code of made-up words, in which paths, symbols and failing lines come back as they do in
//! real work, so that the linker finds what it looks for.

pub mod claude_code;
pub mod codex;
pub mod opencode;
mod project;
mod random;
mod work;

pub use project::Project;
pub use random::Random;
pub use work::{Call, Response, Shape, Work};

/// The seed of all benchmarks.
pub const SEED: u64 = 0x00c0_ffee;

/// A session to be made up.
#[derive(Clone, Copy)]
pub struct Session<'a> {
    /// Its number: equal numbers give equal sessions.
    pub number: u64,
    pub shape: Shape,
    /// Where the agent works.
    pub cwd: &'a str,
}

impl Session<'_> {
    /// Session number `n` of the mixed shape.
    pub fn mixed(n: u64) -> Self {
        Self { number: n, shape: Shape::Mixed, cwd: "/home/dev/project" }
    }

    /// Its id.
    pub fn id(&self) -> String {
        Random::new(SEED ^ self.number.wrapping_mul(0x1000_0001)).uuid()
    }

    /// A stream of numbers of its own.
    fn random(&self, salt: u64) -> Random {
        Random::new(SEED ^ self.number ^ salt << 32)
    }
}

/// Milliseconds since 1970 at which session number `n` begins: one an hour.
pub fn begins(n: u64) -> i64 {
    1_767_225_600_000 + n as i64 * 3_600_000
}

/// A time as the agents write it.
pub fn rfc3339(ms: i64) -> String {
    let time = chrono::DateTime::from_timestamp_millis(ms).unwrap_or_default();
    time.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)
}
