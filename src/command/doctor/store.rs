//! The store: where it is, whose it is, what is wrong in it.

use std::fs;
use std::path::{Path, PathBuf};

use rayon::prelude::*;
use serde_json::{Map, json};

use super::super::context::Context;
use super::super::count;
use super::{Finding, Section, path};
use crate::store::{read_file, unusable};

/// Bytes of session files that are read through; beyond, `validate` is the command.
const READ: u64 = 64 << 20;

/// The section about the store.
pub(super) fn section(ctx: &Context) -> Section {
    let root = ctx.store.root().to_owned();
    let mut findings = Vec::new();
    let mut facts = Map::new();
    facts.insert("path".to_owned(), root.display().to_string().into());
    let files = ctx.store.files();
    let size = |p: &PathBuf| fs::metadata(p).map_or(0, |m| m.len());
    let bytes: u64 = files.iter().map(size).sum();
    facts.insert("sessions".to_owned(), files.len().into());
    facts.insert("bytes".to_owned(), bytes.into());
    let shown = path(ctx, &root);
    if root.exists() {
        let held = format!("{} in {shown}, {}", count(files.len(), "session"), amount(bytes));
        findings.push(Finding::good(held));
        findings.extend(rights(&root, &ctx.store.data(), &files, &shown));
        findings.extend(damage(&files, bytes));
    } else {
        findings.push(Finding::note(format!("{shown} does not exist yet: the first session that is read makes it")));
    }
    let kept = unusable::kept(&ctx.store);
    if let Some(last) = kept.last() {
        facts.insert("unusable".to_owned(), json!(kept));
        let text = format!(
            "{} that the hook could not use, the last at {}: {}; to forget them:",
            count(kept.len(), "payload"),
            last.timestamp,
            last.reason
        );
        findings.push(Finding::note(text).fix(format!("rm {}", path(ctx, &unusable::path(&ctx.store)))));
    }
    let active = root.join("active");
    if active.is_dir() {
        let text = "leftovers of the Python causetrace's hook, which nothing reads any more:";
        findings.push(Finding::note(text).fix(format!("rm -r {}", path(ctx, &active))));
    }
    Section { name: "store".to_owned(), title: "Store".to_owned(), facts, findings }
}

fn amount(bytes: u64) -> String {
    match bytes {
        0..10_000 => format!("{bytes} bytes"),
        10_000..10_000_000 => format!("{} kB", bytes / 1000),
        _ => format!("{} MB", bytes / 1_000_000),
    }
}

/// Who else can read it, and whether it can be written to.
#[cfg(unix)]
fn rights(root: &Path, data: &Path, files: &[PathBuf], shown: &str) -> Vec<Finding> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let mut findings = Vec::new();
    let open = |p: &Path| fs::metadata(p).is_ok_and(|m| m.permissions().mode() & 0o077 != 0);
    // a closed folder closes what is in it
    let readable = open(root) && (open(data) || files.iter().any(|f| open(f)));
    let loose = files.iter().filter(|f| open(f)).count();
    if readable {
        let text = format!("other users of this machine can look into {shown}");
        findings.push(Finding::bad(text).fix(format!("chmod -R go= {shown}")));
    } else if loose > 0 {
        let text = format!("{} readable by others if the folder around is opened:", count(loose, "file"));
        findings.push(Finding::note(text).fix(format!("chmod -R go= {shown}")));
    }
    let me = rustix::process::geteuid();
    let theirs = |p: &Path| fs::metadata(p).is_ok_and(|m| !me.is_root() && m.uid() != me.as_raw());
    if theirs(root) || files.iter().any(|f| theirs(f)) {
        let text = format!("{shown} belongs to another user, so nothing can be stored");
        findings.push(Finding::bad(text).fix(format!("sudo chown -R \"$USER\" {shown}")));
    }
    findings
}

#[cfg(not(unix))]
fn rights(_root: &Path, _data: &Path, _files: &[PathBuf], _shown: &str) -> Vec<Finding> {
    Vec::new()
}

/// Lines that cannot be read.
fn damage(files: &[PathBuf], bytes: u64) -> Option<Finding> {
    if bytes > READ {
        return Some(Finding::note("too much to read through here; every line of it:").fix("causetrace validate"));
    }
    let problems: usize = files.par_iter().map(|f| read_file(f).map_or(1, |s| s.problems.len())).sum();
    let text = format!("{} that cannot be read (a process that was killed, a full disk):", count(problems, "line"));
    (problems > 0).then(|| Finding::note(text).fix("causetrace validate"))
}
