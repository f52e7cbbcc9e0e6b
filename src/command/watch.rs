//! `causetrace watch`.

use super::context::Context;

/// Not there yet
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// None.
pub fn run(_ctx: &mut Context, _args: &Args) -> anyhow::Result<u8> {
    Ok(0)
}
pub fn follow(_ctx: &mut Context, _s: Option<&str>) -> anyhow::Result<u8> {
    Ok(0)
}
