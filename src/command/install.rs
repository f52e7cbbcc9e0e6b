//! `causetrace install` and `causetrace uninstall`.

use super::context::Context;

/// Not there yet
#[derive(Debug, clap::Args)]
pub struct InstallArgs {}

/// Not there yet
#[derive(Debug, clap::Args)]
pub struct UninstallArgs {}

pub fn install(_ctx: &mut Context, _args: &InstallArgs) -> anyhow::Result<u8> {
    Ok(0)
}

pub fn uninstall(_ctx: &mut Context, _args: &UninstallArgs) -> anyhow::Result<u8> {
    Ok(0)
}
