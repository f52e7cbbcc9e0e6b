//! The chat history taken apart: where a session begins, what the user typed, what Aider said, what the model replied.
//!
//! The file is markdown that Aider 0.x appends to (`io.py`: `append_chat_history`): a line of the user is `#### text` and two
//! blanks, with an empty line before it; a line of Aider's own is `> text` and two blanks, where text of several lines has the
//! sign on its first line only and the blanks on its last; a reply is the bare text between two empty lines. A reply may look
//! like any of the others. It is told apart by the two blanks, which models do not write, and exactly where the LLM history
//! holds its text.

use std::io::BufRead;

use chrono::NaiveDateTime;

use super::lines::{Line, Lines};

/// A reply longer than this, in bytes, is cut: nothing that a model says comes near.
const MAX_TEXT: usize = 64 << 20;

/// A part of a chat history.
#[derive(Debug, PartialEq)]
pub(super) enum Part {
    /// A session begins: its time on the local clock.
    Session(NaiveDateTime),
    /// What the user typed.
    User(String),
    /// What Aider said.
    Said(String),
    /// What the model replied.
    Reply(String),
}

/// A part and where it stands.
#[derive(Debug, PartialEq)]
pub(super) struct Placed {
    pub part: Part,
    /// Its first line, from 1.
    pub line: u64,
    /// Byte offset of that line.
    pub offset: u64,
}

/// What came last: it decides what a line without a sign belongs to.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    Start,
    Session,
    User,
    Said,
    Reply,
}

/// Reads a chat history part by part.
pub(super) struct Chat<R> {
    lines: Lines<R>,
    last: Last,
    /// The line before was empty, or there was none.
    blank: bool,
}

/// The local time in a line `# aider chat started at 2026-11-22 22:52:52`.
pub(super) fn started(line: &str) -> Option<NaiveDateTime> {
    let time = line.strip_prefix("# aider chat started at ")?.trim_end();
    if time.len() != 19 {
        return None;
    }
    NaiveDateTime::parse_from_str(time, "%Y-%m-%d %H:%M:%S").ok()
}

fn empty(line: &str) -> bool {
    line.trim().is_empty()
}

fn user(line: &str) -> bool {
    line.starts_with("#### ") && line.ends_with("  ")
}

/// A line of Aider's own. `sign` alone is how an empty one is written.
fn said(line: &str) -> Option<&str> {
    line.strip_prefix("> ").or_else(|| (line == ">").then_some(""))
}

fn ended(line: &str) -> bool {
    line.ends_with("  ")
}

impl<R: BufRead> Chat<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), last: Last::Start, blank: true }
    }

    /// Why reading ended early.
    pub(super) fn problem(&mut self) -> Option<std::io::Error> {
        self.lines.problem()
    }

    /// The next part; `replies` are what models may say next, as far as LLM histories tell: one for each process at work.
    pub(super) fn next(&mut self, replies: &[&str]) -> Option<Placed> {
        while self.lines.peek(0).is_some_and(empty) {
            self.lines.next();
            self.blank = true;
        }
        self.lines.peek(0)?;
        if self.blank && self.at_session() {
            let first = self.lines.next()?;
            let time = started(&first.text)?;
            return self.place(first.number, first.offset, Part::Session(time), Last::Session);
        }
        if self.blank
            && let Some(n) = replies.iter().find_map(|r| self.matching(r))
        {
            return self.reply(Some(n));
        }
        if self.blank && self.lines.peek(0).is_some_and(user) {
            return self.user();
        }
        let line = self.lines.peek(0)?;
        let bare = self.blank && self.last != Last::Session;
        match said(line) {
            // a reply may quote; the end of the line tells
            Some(text) if bare && !ended(line) && !text.starts_with("Tokens: ") => self.reply(None),
            Some(_) => self.said(),
            None if self.blank || self.last == Last::Start => self.reply(None),
            // more of what Aider said
            None => self.said(),
        }
    }

    fn place(&mut self, line: u64, offset: u64, part: Part, last: Last) -> Option<Placed> {
        self.last = last;
        self.blank = false;
        Some(Placed { part, line, offset })
    }

    /// Whether a session begins here: its line, an empty one, and a line of Aider's own, the next session or nothing yet.
    fn at_session(&mut self) -> bool {
        self.lines.peek(0).is_some_and(|l| started(l).is_some())
            && self.lines.peek(1).is_none_or(empty)
            && [2, 3].into_iter().all(|n| {
                self.lines.peek(n).is_none_or(|l| empty(l) || said(l).is_some() || user(l) || started(l).is_some())
            })
    }

    /// How many lines from here are exactly this reply.
    fn matching(&mut self, reply: &str) -> Option<usize> {
        let mut n = 0;
        for line in reply.lines() {
            if self.lines.peek(n)?.trim_end() != line.trim_end() {
                return None;
            }
            n += 1;
        }
        (n > 0 && self.lines.peek(n).is_none_or(empty)).then_some(n)
    }

    fn user(&mut self) -> Option<Placed> {
        let first = self.lines.next()?;
        let strip = |l: &str| l.strip_prefix("#### ").unwrap_or(l).strip_suffix("  ").unwrap_or(l).to_owned();
        let mut text = strip(&first.text);
        while self.lines.peek(0).is_some_and(|l| l.starts_with("#### ")) {
            let Some(more) = self.lines.next() else { break };
            text.push('\n');
            text.push_str(&strip(&more.text));
        }
        self.place(first.number, first.offset, Part::User(text), Last::User)
    }

    /// One line of Aider's, or a text of several lines that ends where a line ends with two blanks.
    fn said(&mut self) -> Option<Placed> {
        let first = self.lines.next()?;
        let mut text = said(&first.text).unwrap_or(&first.text).to_owned();
        let mut closed = ended(&first.text);
        while !closed && text.len() < MAX_TEXT {
            let Some(next) = self.lines.peek(0) else { break };
            let after_blank = text.ends_with('\n');
            if after_blank && (user(next) || started(next).is_some()) {
                break;
            }
            let Some(more) = self.lines.next() else { break };
            closed = ended(&more.text);
            text.push('\n');
            text.push_str(&more.text);
        }
        self.place(first.number, first.offset, Part::Said(text.trim_end().to_owned()), Last::Said)
    }

    /// A reply: `known` lines of it, else all up to something that is none.
    fn reply(&mut self, known: Option<usize>) -> Option<Placed> {
        let Line { number, offset, mut text } = self.lines.next()?;
        let mut taken = 1;
        let mut blank = false;
        loop {
            if known.is_some_and(|n| taken >= n) || self.lines.peek(0).is_none() {
                break;
            }
            if known.is_none() && blank && self.reply_ends() {
                break;
            }
            let Some(more) = self.lines.next() else { break };
            taken += 1;
            blank = empty(&more.text);
            if text.len() < MAX_TEXT {
                text.push('\n');
                text.push_str(&more.text);
            }
        }
        let end = text.trim_end().len();
        text.truncate(end);
        self.last = Last::Reply;
        self.blank = blank;
        Some(Placed { part: Part::Reply(text), line: number, offset })
    }

    /// Whether what stands behind an empty line is no more of the reply.
    fn reply_ends(&mut self) -> bool {
        if self.at_session() {
            return true;
        }
        self.lines.peek(0).is_some_and(|line| {
            // tokens and cost were once two lines, with the blanks behind the second
            user(line) || said(line).is_some_and(|text| ended(line) || text.starts_with("Tokens: "))
        })
    }
}
