//! Which module may use which: one way only, as the crate documentation says.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// Per module, the modules it may use.
fn allowed() -> BTreeMap<&'static str, Vec<&'static str>> {
    let base = vec!["event", "id", "action", "patch", "text"];
    let reads = |more: &[&'static str]| [base.as_slice(), &["plain"], more].concat();
    let with = |more: &[&'static str]| [base.as_slice(), more].concat();
    BTreeMap::from([
        ("text", vec![]),
        ("event", vec!["text"]),
        ("id", vec![]),
        ("action", vec![]),
        ("patch", vec!["action"]),
        ("source", reads(&[])),
        ("store", reads(&[])),
        ("causality", base.clone()),
        ("graph", with(&["causality"])),
        ("query", with(&["graph", "causality"])),
        ("render", with(&["graph", "causality", "query"])),
        ("export", with(&["graph", "causality", "query"])),
        ("command", reads(&["render", "export", "store", "source", "query", "graph", "causality", "settings"])),
        ("settings", vec!["plain"]),
        ("plain", vec![]),
    ])
}

fn rust_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(dir).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            rust_files(&path, out);
        } else if path.extension().is_some_and(|x| x == "rs") {
            out.push(path);
        }
    }
}

#[test]
fn uses_point_one_way() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    rust_files(&src, &mut files);
    let allowed = allowed();
    let mut wrong = Vec::new();
    let mut seen = 0;
    for file in files {
        let inner = file.strip_prefix(&src).unwrap();
        let first = inner.components().next().unwrap().as_os_str().to_str().unwrap();
        let module = first.trim_end_matches(".rs");
        if matches!(module, "lib" | "main") {
            continue;
        }
        let may = allowed.get(module).unwrap_or_else(|| panic!("{module} is not in the table of this test"));
        for (n, line) in fs::read_to_string(&file).unwrap().lines().enumerate() {
            if line.trim_start().starts_with("//") {
                continue;
            }
            for part in line.split("crate::").skip(1) {
                let used: String = part.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                seen += 1;
                if !used.is_empty()
                    && used != module
                    && allowed.contains_key(used.as_str())
                    && !may.contains(&used.as_str())
                {
                    wrong.push(format!("{}:{}: {module} uses {used}", inner.display(), n + 1));
                }
            }
        }
    }
    assert!(seen > 20, "the test found no uses at all");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn a_source_knows_no_other() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/source");
    let agents = ["aider", "claude_code", "codex", "continue_dev", "copilot", "opencode"];
    let mut files = Vec::new();
    rust_files(&dir, &mut files);
    for file in files {
        let inner = file.strip_prefix(&dir).unwrap().to_str().unwrap().to_owned();
        let Some(own) = agents.iter().find(|a| inner.starts_with(*a)) else { continue };
        let text = fs::read_to_string(&file).unwrap();
        for other in agents.iter().filter(|a| *a != own) {
            for path in [format!("source::{other}::"), format!("super::{other}::"), format!("super::super::{other}::")]
            {
                assert!(!text.contains(&path), "{inner} uses {path}");
            }
        }
    }
}
