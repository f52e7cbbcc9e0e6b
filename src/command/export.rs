//! `causetrace export`.

use super::context::Context;
use super::look::Extent as _;
use super::view;
use crate::export;
use crate::graph::Whole;
use crate::render::text;

/// Print a session for other tools
///
/// `json`: one array of all events, each call with its `causes`. `jsonl`: the same, one event a line.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The session
    session: Option<String>,
    /// The format
    #[arg(long, value_enum, default_value_t = export::Format::Json)]
    format: export::Format,
    /// Leave secrets as they are: by default tokens, keys and passwords are masked
    #[arg(long)]
    no_redact: bool,
}

/// Runs the command.
///
/// # Errors
/// The session does not exist or cannot be read.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let session = Whole::look(ctx, args.session.as_deref())?;
    let mut events = view::events_json(&session.graph);
    if !args.no_redact {
        let masked = export::redact(&mut events);
        if masked > 0 {
            ctx.out.note(&format!("{} masked; --no-redact leaves them", super::count(masked, "secret")));
        }
    }
    let bytes = args.format.bytes(&events)?;
    ctx.out.text(&text::json(String::from_utf8_lossy(&bytes).into_owned()));
    Ok(0)
}
