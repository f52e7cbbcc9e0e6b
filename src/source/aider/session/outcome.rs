//! What Aider says of its last reply, and which of several processes in one chat history can have said it.

use super::super::words;
use super::Session;
use crate::event::Event;

/// What became of a reply, in Aider's words. The line names no process.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(in crate::source::aider) enum Outcome<'a> {
    /// Its tokens.
    Tokens(&'a str),
    /// An edit of this file was made, or was not to be made.
    Edit(&'a str),
    /// A commit of this subject.
    Commit(&'a str),
}

impl<'a> Outcome<'a> {
    /// The outcome that a line tells, if any.
    pub(in crate::source::aider) fn of(text: &'a str) -> Option<Self> {
        let text = text.trim_end();
        if let Some(tokens) = text.strip_prefix("Tokens: ") {
            Some(Self::Tokens(tokens))
        } else if let Some(path) = text.strip_prefix("Applied edit to ").or_else(|| words::not_applied(text)) {
            Some(Self::Edit(path))
        } else {
            text.strip_prefix("Commit ").and_then(words::hash).map(|(_, subject)| Self::Commit(subject))
        }
    }
}

impl Session<'_> {
    /// Whether this can be told by this process: of a reply without tokens so far that counts as many, of a change in its reply
    /// that is not settled, of a commit that its git traced and that was not told yet.
    pub(in crate::source::aider) fn may_tell(&self, outcome: Outcome<'_>) -> bool {
        match outcome {
            Outcome::Tokens(text) => self.reply.as_ref().is_some_and(|r| !self.counted && counts(r, text)),
            Outcome::Edit(path) => self.edits.iter().any(|e| is_of(e, path)) || self.whole(path).is_some(),
            Outcome::Commit(subject) => self.made_commit(subject),
        }
    }

    /// Whether git's trace of this process holds a commit of this subject that was not told yet.
    pub(super) fn made_commit(&self, subject: &str) -> bool {
        self.setting.commits.get(subject).is_some_and(|times| !times.is_empty())
    }

    /// Forgets what this may have settled: which process told it, nobody knows, so how the edits ended is not known either.
    pub(in crate::source::aider) fn let_go(&mut self, outcome: Outcome<'_>) {
        match outcome {
            Outcome::Edit(path) => self.edits.retain(|e| !is_of(e, path)),
            Outcome::Tokens(_) | Outcome::Commit(_) => {}
        }
    }
}

/// Whether an edit changes the file that Aider names.
pub(super) fn is_of(edit: &Event, path: &str) -> bool {
    words::edits(edit).iter().any(|p| words::same_path(p, path))
}

/// Whether the tokens of a reply can be those that are told: Aider rounds beyond a thousand, and then nothing speaks against it.
fn counts(reply: &Event, text: &str) -> bool {
    let (Some(known), Some(told)) = (&reply.usage, words::usage(text)) else { return true };
    [(known.input, told.input), (known.output, told.output)]
        .into_iter()
        .all(|(a, b)| a.zip(b).is_none_or(|(a, b)| a == b))
}
