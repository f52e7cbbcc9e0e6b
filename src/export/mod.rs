//! Sessions for other tools: each format returns bytes. What leaves is masked by default ([`redact()`]).

mod redact;

use serde_json::Value;

pub use redact::{mask, redact};

/// A format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Format {
    /// One JSON array.
    Json,
    /// One JSON object a line.
    Jsonl,
}

impl Format {
    /// The events in this format.
    ///
    /// # Errors
    /// An event cannot be serialised.
    pub fn bytes(self, events: &[Value]) -> anyhow::Result<Vec<u8>> {
        let mut out = Vec::new();
        match self {
            Self::Json => {
                serde_json::to_writer_pretty(&mut out, events)?;
                out.push(b'\n');
            }
            Self::Jsonl => {
                for e in events {
                    serde_json::to_writer(&mut out, e)?;
                    out.push(b'\n');
                }
            }
        }
        Ok(out)
    }
}
