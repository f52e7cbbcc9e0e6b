//! The parts of a response, in the order in which VS Code shows them: words, thoughts, calls and the edits that came of them.

use std::collections::{HashMap, HashSet};

use serde_json::Value;

use super::tools::{edits_files, model_name};
use super::wire::{Tool, list, path, plain_id, text, words};
use crate::source::Report;

/// Parts that say nothing about causes, or nothing that another part does not say.
const SILENT: [&str; 31] = [
    "clearToPreviousToolInvocation",
    "codeCitation",
    "codeblockUri",
    "command",
    "confirmation",
    "disabledClaudeHooks",
    "elicitation",
    "elicitation2",
    "elicitationSerialized",
    "extensions",
    "externalToolInvocationUpdate",
    "hook",
    "mcpServersStarting",
    "move",
    "multiDiffData",
    "notebookEditGroup",
    "planReview",
    "prepareToolInvocation",
    "progressMessage",
    "progressTask",
    "progressTaskSerialized",
    "pullRequest",
    "questionCarousel",
    "references",
    "systemNotification",
    "treeData",
    "undoStop",
    "usage",
    "warning",
    "workspaceEdit",
    "workspaceEditGroup",
];

/// Something that a response shows.
pub(super) enum Piece {
    /// Words of the agent.
    Words(String),
    /// Its thoughts.
    Thought(String),
    /// A call, by its place in [`Shown::calls`].
    Call(usize),
}

/// A call as it is shown.
pub(super) struct Call<'a> {
    pub(super) tool: Tool<'a>,
    /// The tool, by the name that the model knows.
    pub(super) name: &'a str,
    /// The sub-agent that made it.
    pub(super) by: By,
    /// What it changed, where that is sure.
    pub(super) edits: Vec<Edited<'a>>,
}

/// Who made a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum By {
    /// The agent that the user talks to.
    Main,
    /// The sub-agent that the call at this place began.
    SubAgent(usize),
    /// Some sub-agent; which is not told.
    SomeSubAgent,
}

/// The changes of one file.
#[derive(Clone)]
pub(super) struct Edited<'a> {
    pub(super) path: String,
    pub(super) edits: &'a [Value],
}

/// A response, taken apart.
#[derive(Default)]
pub(super) struct Shown<'a> {
    pub(super) pieces: Vec<Piece>,
    pub(super) calls: Vec<Call<'a>>,
    /// Calls that began a sub-agent.
    pub(super) begun: HashSet<usize>,
    /// The last two calls of the agent itself.
    last: (Option<usize>, Option<usize>),
    /// Changes, with the calls that could have made them.
    groups: Vec<(Vec<usize>, Edited<'a>)>,
}

/// Takes a response apart; counts what is passed over.
pub(super) fn shown<'a>(parts: &'a [Value], report: &mut Report) -> Shown<'a> {
    let mut s = Shown::default();
    let mut by_id: HashMap<&'a str, usize> = HashMap::new();
    for part in parts {
        let kind = text(part, "kind").unwrap_or(if part.get("value").is_some() { "" } else { "none" });
        match kind {
            "" | "markdownContent" | "markdownVuln" => {
                let said = words(part.get("content").unwrap_or(part)).unwrap_or_default();
                if !only_fences(said) {
                    s.say(said);
                }
            }
            "inlineReference" => s.say(&reference(part)),
            "thinking" => {
                let thought = match part.get("value") {
                    Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("\n"),
                    other => other.and_then(Value::as_str).unwrap_or_default().to_owned(),
                };
                s.think(&thought);
            }
            "toolInvocationSerialized" | "toolInvocation" => {
                let tool = Tool(part);
                if is_inner(tool.tool()) {
                    // a tool of the client that a tool of the extension calls: not the model's
                    report.pass_over("call inside of a call");
                    continue;
                }
                let by = s.made_by(tool, &by_id);
                by_id.insert(tool.id(), s.calls.len());
                match by {
                    By::Main => s.last = (s.last.1, Some(s.calls.len())),
                    By::SubAgent(begun_by) => {
                        s.begun.insert(begun_by);
                    }
                    By::SomeSubAgent => {}
                }
                s.pieces.push(Piece::Call(s.calls.len()));
                s.calls.push(Call { tool, name: model_name(tool.tool()), by, edits: Vec::new() });
            }
            "textEditGroup" => s.edited(part, &by_id),
            "none" => report.unknown("part without a kind"),
            kind if SILENT.contains(&kind) => report.pass_over(&format!("part {kind}")),
            other => report.unknown(&format!("part {other}")),
        }
    }
    s
}

impl<'a> Shown<'a> {
    fn say(&mut self, said: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Words(open)) => open.push_str(said),
            _ if said.trim().is_empty() => {}
            _ => self.pieces.push(Piece::Words(said.to_owned())),
        }
    }

    fn think(&mut self, thought: &str) {
        match self.pieces.last_mut() {
            Some(Piece::Thought(open)) => open.push_str(thought),
            _ if thought.trim().is_empty() => {}
            _ => self.pieces.push(Piece::Thought(thought.to_owned())),
        }
    }

    /// Who made a call. Clients of 2025 only say that a sub-agent did: then it is the one that was begun last, unless that one was
    /// begun together with another.
    fn made_by(&self, tool: Tool<'a>, by_id: &HashMap<&'a str, usize>) -> By {
        if let Some(id) = tool.sub_agent() {
            return by_id.get(id).map_or(By::SomeSubAgent, |i| By::SubAgent(*i));
        }
        if !tool.of_some_sub_agent() {
            return By::Main;
        }
        let (before, Some(last)) = self.last else { return By::SomeSubAgent };
        let began = |i: usize| self.calls.get(i).is_some_and(|c| spawns(c.name));
        let together = before.is_some_and(|b| b + 1 == last && began(b));
        if began(last) && !together { By::SubAgent(last) } else { By::SomeSubAgent }
    }

    /// Keeps the changes of a file with the calls that could have made them: those since the agent said something.
    fn edited(&mut self, part: &'a Value, by_id: &HashMap<&'a str, usize>) {
        let Some(path) = part.get("uri").and_then(path) else { return };
        let owner = text(part, "subAgentInvocationId").map(plain_id);
        let owner = owner.map(|id| by_id.get(id).map_or(By::SomeSubAgent, |i| By::SubAgent(*i)));
        // of many calls in a row the last ones are near enough
        let since = self.pieces.iter().rev().take(64).take_while(|p| matches!(p, Piece::Call(_))).count();
        let able = self.calls.iter().enumerate().skip(self.calls.len().saturating_sub(since));
        let able = able.filter(|(_, c)| edits_files(c.name) && owner.is_none_or(|o| o == c.by)).map(|(i, _)| i);
        let mut able: Vec<usize> = able.rev().take(16).collect();
        able.reverse();
        self.groups.push((able, Edited { path, edits: list(part, "edits") }));
    }

    /// Gives the changes of each file to the call that made them. `names` says whether a call, by its place, changed a file; none where
    /// its input is not told. Changes that are not surely of one call are counted and left out.
    pub(super) fn assign(&mut self, names: impl Fn(usize, &str) -> Option<bool>, report: &mut Report) {
        for (able, edited) in std::mem::take(&mut self.groups) {
            let mut named = Vec::new();
            let mut perhaps = Vec::new();
            for i in able {
                match names(i, &edited.path) {
                    Some(true) => named.push(i),
                    Some(false) => {}
                    None => perhaps.push(i),
                }
            }
            let open = |all: &[usize], waits: &dyn Fn(&Call<'a>) -> bool| -> Vec<usize> {
                all.iter().copied().filter(|i| self.calls.get(*i).is_some_and(waits)).collect()
            };
            // of calls that name the file, those that have no changes of it yet; of the others, those that have none at all
            let first = open(&named, &|c| c.edits.iter().all(|e| e.path != edited.path));
            let second = open(&perhaps, &|c| c.edits.is_empty());
            let chosen = match (first.as_slice(), second.as_slice()) {
                ([only], _) | ([], [only]) => Some(*only),
                ([], []) => named.last().or(perhaps.last()).copied(),
                _ => None,
            };
            match chosen.and_then(|i| self.calls.get_mut(i)) {
                Some(call) => call.edits.push(edited),
                None => report.pass_over("edit of no certain call"),
            }
        }
    }
}

fn spawns(name: &str) -> bool {
    name.starts_with("runSubagent") || name.ends_with("_subagent")
}

fn is_inner(tool: &str) -> bool {
    tool.starts_with("vscode_") && tool.ends_with("_internal")
}

/// The fences that the client puts around edits.
fn only_fences(said: &str) -> bool {
    said.contains('`') && said.chars().all(|c| c == '`' || c.is_whitespace())
}

/// A file or symbol in the words: its name in backquotes, as the model wrote it.
fn reference(part: &Value) -> String {
    let target = part.get("inlineReference");
    let place =
        target.and_then(|t| path(t).or_else(|| path(t.get("uri")?)).or_else(|| path(t.get("location")?.get("uri")?)));
    let name = text(part, "name").or_else(|| text(target?, "name")).map(str::to_owned);
    let name = name.or_else(|| Some(place?.rsplit(['/', '\\']).next()?.to_owned()));
    name.map(|n| format!("`{n}`")).unwrap_or_default()
}
