//! `causetrace completions`.

use super::context::Context;

/// Print completions for a shell
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The shell
    shell: clap_complete::Shell,
}

/// Runs the command.
///
/// # Errors
/// None.
pub fn run(ctx: &mut Context, args: &Args) -> anyhow::Result<u8> {
    let mut bytes = Vec::new();
    clap_complete::generate(args.shell, &mut super::clap_command(), "causetrace", &mut bytes);
    ctx.out.text(&String::from_utf8_lossy(&bytes));
    Ok(0)
}
