//! Tells the program what it was built from, so that nothing that one build worked out is taken for the work of another.

use std::collections::hash_map::DefaultHasher;
use std::hash::{Hash as _, Hasher as _};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

fn main() {
    let mut hasher = DefaultHasher::new();
    for name in ["src", "Cargo.toml", "Cargo.lock", "build.rs"] {
        println!("cargo::rerun-if-changed={name}");
        for file in files(Path::new(name)) {
            file.hash(&mut hasher);
            fs::read(&file).ok().hash(&mut hasher);
        }
    }
    // the same source may reckon otherwise with another compiler
    let rustc = env::var_os("RUSTC").and_then(|r| Command::new(r).arg("-vV").output().ok());
    rustc.map(|r| r.stdout).hash(&mut hasher);
    for name in ["TARGET", "PROFILE", "OPT_LEVEL"] {
        env::var_os(name).hash(&mut hasher);
    }
    println!("cargo::rustc-env=CAUSETRACE_BUILD={:016x}", hasher.finish());
}

/// A file, or all files below a folder, in an order that does not change.
fn files(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return vec![path.to_owned()] };
    let mut inside: Vec<PathBuf> = entries.filter_map(|e| Some(e.ok()?.path())).collect();
    inside.sort();
    inside.iter().flat_map(|p| files(p)).collect()
}
