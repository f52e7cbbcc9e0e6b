//! What calls changed, and what is known of it since.

use std::collections::HashSet;

use super::act::{Act, Group, Kind};
use super::files::compat;
use super::hash::{ByHash, ByStep};
use super::lane::Lane;
use super::shell::{GIT_CHANGES, Kind as ShellKind};

/// The changes so far.
#[derive(Default)]
pub(super) struct Changes {
    /// Edits of files that stay.
    pub edits: Vec<usize>,
    /// These, and steps of version control.
    pub all: Vec<usize>,
    /// Calls that moved or removed files.
    pub moved: Vec<usize>,
    /// Edits whose text a later one took away again.
    pub gone: HashSet<usize>,
    /// By the hash of a word, the last edit that wrote it.
    pub wrote: ByHash<usize>,
    /// Of an edit, why it was made.
    pub reason: ByStep<usize>,
    /// Of an edit, the one that it goes on from.
    pub follows: ByStep<usize>,
}

impl Changes {
    /// A call is over that wrote these words.
    pub(super) fn enter(&mut self, n: usize, a: &Act, wrote: Vec<u64>) {
        let failed_edit = a.failed && a.kind == Kind::Edit;
        if !(a.edits.is_empty() || failed_edit || a.scratch) {
            self.edits.push(n);
            for hash in wrote {
                self.wrote.insert(hash, n);
            }
        }
        let changes_git = a.git.iter().any(|g| GIT_CHANGES.contains(&g.as_str()));
        if a.group == Group::Edit || a.is_shell(&[ShellKind::Vcs]) || changes_git {
            self.all.push(n);
        }
        let moves = a.git.iter().any(|g| matches!(g.as_str(), "mv" | "rm"))
            || a.is_shell(&[ShellKind::FileOp])
                && a.norm.split(" && ").any(|c| matches!(c.split_whitespace().next(), Some("mv" | "rm")));
        if moves && !a.failed {
            self.moved.push(n);
        }
    }
}

impl Lane<'_> {
    /// Edits whose text this one took away again count no longer.
    pub(super) fn mark_gone(&mut self, a: &Act) {
        if a.failed {
            return;
        }
        let mut gone = Vec::new();
        for e in &a.edits {
            let added: HashSet<&str> = e.added.iter().map(String::as_str).collect();
            let taken: HashSet<&str> = e.removed.iter().map(String::as_str).filter(|l| !added.contains(l)).collect();
            if taken.is_empty() {
                continue;
            }
            for &m in self.changes.edits.iter().rev().take(12) {
                if let Some([other]) = self.act(m).map(|b| b.edits.as_slice())
                    && compat(&e.path, &other.path) > 0
                    && !other.added.is_empty()
                {
                    let lines: HashSet<&str> = other.added.iter().map(String::as_str).collect();
                    let left = lines.iter().filter(|l| taken.contains(**l)).count();
                    if left * 10 >= lines.len() * 6 {
                        gone.push(m);
                    }
                }
            }
        }
        self.changes.gone.extend(gone);
    }
}
