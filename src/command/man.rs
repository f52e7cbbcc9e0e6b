//! `causetrace man`.

use super::context::Context;

/// Print the manual page
#[derive(Debug, clap::Args)]
pub struct Args {}

/// Runs the command.
///
/// # Errors
/// The page cannot be made.
pub fn run(ctx: &mut Context, _args: &Args) -> anyhow::Result<u8> {
    let command = super::clap_command();
    let mut page = Vec::new();
    clap_mangen::Man::new(command.clone()).render(&mut page)?;
    for sub in command.get_subcommands().filter(|s| !s.is_hide_set()) {
        let mut part = Vec::new();
        clap_mangen::Man::new(sub.clone()).render(&mut part)?;
        // one page: what begins a page of its own becomes a section
        let text = String::from_utf8_lossy(&part);
        let body: Vec<_> = text.lines().skip_while(|l| !l.starts_with(".SH NAME")).skip(1).collect();
        page.extend_from_slice(format!(".SH \"CAUSETRACE {}\"\n", sub.get_name().to_uppercase()).as_bytes());
        for line in body {
            let line =
                if let Some(title) = line.strip_prefix(".SH ") { format!(".SS {title}") } else { line.to_owned() };
            page.extend_from_slice(line.as_bytes());
            page.push(b'\n');
        }
    }
    ctx.out.text(&String::from_utf8_lossy(&page));
    Ok(0)
}
