//! What a tool call does, in words that are the same for all agents.
//!
//! Each source maps its agent's tools to these ([`crate::source::Source::action`]); the linker and the queries know no
//! tool name and no agent.

use serde::{Deserialize, Serialize};

/// A neutral view of one tool call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub enum Action {
    /// Shows a file, or lines `first..=last` of it (from 1; none: the whole, or as much as the tool shows).
    Read {
        /// The file.
        path: String,
        /// First and last line.
        lines: Option<(u64, u64)>,
    },
    /// Looks for a pattern in contents.
    Search {
        /// The pattern, as the tool takes it.
        pattern: String,
        /// File or folder searched.
        path: Option<String>,
    },
    /// Lists or finds files by name.
    List {
        /// Folder.
        path: Option<String>,
        /// Name pattern.
        pattern: Option<String>,
    },
    /// Changes files.
    Edit(Vec<FileEdit>),
    /// Runs a shell command; what it reads, writes and checks is the shell reader's business.
    Run {
        /// The whole command line, as the shell gets it.
        command: String,
        /// Where it runs, if the call says so.
        cwd: Option<String>,
    },
    /// Asks for the state or further output of something that runs, or sends it input.
    Poll {
        /// Ids by which the call names it.
        ids: Vec<String>,
    },
    /// Writes a list of things to do, or a plan.
    Plan,
    /// Asks the user.
    Ask,
    /// Starts or addresses a sub-agent.
    Spawn {
        /// What it is told.
        prompt: String,
    },
    /// Loads a skill or a set of tools.
    Skill {
        /// Its name or query.
        name: String,
    },
    /// Fetches from the web.
    Fetch {
        /// Address or query.
        target: String,
    },
    /// Anything else: unknown and MCP tools.
    #[default]
    Other,
}

/// Change of one file by one call.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct FileEdit {
    /// The file, as the call names it.
    pub path: String,
    /// What happens to it.
    pub change: Change,
    /// Its new name, where it is renamed.
    pub moved_to: Option<String>,
    /// The changed places, in the order of the call; for [`Change::Write`] one hunk with the whole content.
    pub hunks: Vec<Hunk>,
    /// Lines added and removed, where the hunks were left out ([`Action::head`]).
    pub counted: Option<(usize, usize)>,
}

/// Kind of a [`FileEdit`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Change {
    /// Places in the file are replaced.
    #[default]
    Edit,
    /// The file is written whole (created or overwritten).
    Write,
    /// The file is removed.
    Delete,
}

/// One replaced place.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Hunk {
    /// Line of the file before the change at which `before` stands (from 1), where the record says so.
    pub line: Option<u64>,
    /// Text before: removed lines with the context that the call gives. Empty for new content.
    pub before: String,
    /// Text after: added lines with the same context. Empty for a removal.
    pub after: String,
}

impl FileEdit {
    /// Lines added and removed; the context that the call gives around them does not count.
    pub fn lines(&self) -> (usize, usize) {
        if let Some(counted) = self.counted {
            return counted;
        }
        let count = |h: &Hunk| {
            let (before, after): (Vec<_>, Vec<_>) = (h.before.lines().collect(), h.after.lines().collect());
            let head = before.iter().zip(&after).take_while(|(x, y)| x == y).count();
            let rest = before.len().min(after.len()) - head;
            let tail = before.iter().rev().zip(after.iter().rev()).take(rest).take_while(|(x, y)| x == y).count();
            (after.len() - head - tail, before.len() - head - tail)
        };
        self.hunks.iter().map(count).fold((0, 0), |(a, r), (added, removed)| (a + added, r + removed))
    }

    /// The change without its texts.
    fn head(&self) -> Self {
        Self {
            path: self.path.clone(),
            change: self.change,
            moved_to: self.moved_to.clone(),
            hunks: Vec::new(),
            counted: Some(self.lines()),
        }
    }
}

impl Action {
    /// All that one line says of it: edits without their texts.
    pub fn head(&self) -> Self {
        match self {
            Self::Edit(files) => Self::Edit(files.iter().map(FileEdit::head).collect()),
            other => other.clone(),
        }
    }
}
