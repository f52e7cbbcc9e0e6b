//! The LLM history (`--llm-history-file`, Aider 0.x): every request with all that it held, and its reply.
//!
//! `TO LLM <local time>` and `LLM RESPONSE <local time>` begin at the margin; every line of a message carries its role, so
//! nothing in a message can look like either. Each request repeats the whole conversation: what is new in it is found by
//! comparing it with the one before.

use std::collections::HashSet;
use std::io::BufRead;

use chrono::NaiveDateTime;
use xxhash_rust::xxh3::xxh3_64;

use super::lines::Lines;

/// What one request may hold, in bytes; the rest is passed over.
const MAX_REQUEST: usize = 256 << 20;

/// One request and its reply.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Call {
    /// When it was sent, on the local clock, in seconds.
    pub at: NaiveDateTime,
    /// When the reply had come.
    pub answered: Option<NaiveDateTime>,
    /// The messages of the user's role that the request before did not hold, in order; the last one of the request is among
    /// them always.
    pub fresh: Vec<String>,
    /// The files in the chat with their contents, as the request shows them.
    pub files: String,
    /// The reply; empty where there was none.
    pub reply: String,
    /// Line of `TO LLM`, from 1.
    pub line: u64,
}

/// The calls of an LLM history, in order.
pub(super) struct Calls<R> {
    lines: Lines<R>,
    before: HashSet<u64>,
    ahead: Option<Call>,
    /// Lines that are none of the format, with the first of them.
    pub bad: Option<(u64, u64)>,
    /// How many requests were read.
    pub read: u64,
}

fn marked(line: &str, mark: &str) -> Option<NaiveDateTime> {
    NaiveDateTime::parse_from_str(line.strip_prefix(mark)?.trim_end(), "%Y-%m-%dT%H:%M:%S").ok()
}

/// Role and text of a line of a message.
fn of_role(line: &str) -> Option<(&str, &str)> {
    let (role, text) = line.split_once(' ').unwrap_or((line, ""));
    (!role.is_empty() && role.bytes().all(|b| b.is_ascii_uppercase() || b == b'_')).then_some((role, text))
}

impl<R: BufRead> Calls<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { lines: Lines::new(reader), before: HashSet::new(), ahead: None, bad: None, read: 0 }
    }

    /// The next call, which stays to be taken.
    pub(super) fn peek(&mut self) -> Option<&Call> {
        if self.ahead.is_none() {
            self.ahead = self.fetch();
        }
        self.ahead.as_ref()
    }

    /// Takes the next call.
    pub(super) fn take(&mut self) -> Option<Call> {
        self.peek();
        self.ahead.take()
    }

    fn fetch(&mut self) -> Option<Call> {
        let mut call = loop {
            let line = self.lines.next()?;
            match marked(&line.text, "TO LLM ") {
                Some(at) => break Call { at, line: line.number, ..Call::default() },
                None if line.text.trim().is_empty() => {}
                None => self.bad = Some((self.bad.map_or(line.number, |b| b.0), self.bad.map_or(1, |b| b.1 + 1))),
            }
        };
        self.read += 1;
        let messages = self.messages();
        if let Some(at) = self.lines.peek(0).and_then(|l| marked(l, "LLM RESPONSE ")) {
            self.lines.next();
            call.answered = Some(at);
            let reply: Vec<String> = self.messages().into_iter().map(|m| m.text).collect();
            call.reply = reply.join("\n").trim().to_owned();
        }
        let reminder = messages.iter().find(|m| m.role == "SYSTEM").map(|m| m.text.clone()).unwrap_or_default();
        let last = messages.iter().rposition(|m| m.role == "USER");
        let mut now = HashSet::with_capacity(messages.len());
        for (i, message) in messages.into_iter().enumerate() {
            let Message { role, text } = message;
            let key = xxh3_64(format!("{role} {text}").as_bytes());
            now.insert(key);
            if role != "USER" {
                continue;
            }
            if is_files(&text) {
                call.files = text;
            } else if Some(i) == last {
                call.fresh.push(without_reminder(&text, &reminder).to_owned());
            } else if !self.before.contains(&key) {
                call.fresh.push(text);
            }
        }
        self.before = now;
        Some(call)
    }

    /// The messages up to the next mark. A reply is one message without a separator.
    fn messages(&mut self) -> Vec<Message> {
        let mut all: Vec<Message> = Vec::new();
        let mut size = 0;
        let mut open = false;
        while let Some(line) = self.lines.peek(0) {
            if line.starts_with("TO LLM ") && marked(line, "TO LLM ").is_some()
                || line.starts_with("LLM RESPONSE ") && marked(line, "LLM RESPONSE ").is_some()
            {
                break;
            }
            if line == "-------" {
                open = false;
            } else if let Some((role, text)) = of_role(line) {
                size += text.len();
                if size < MAX_REQUEST {
                    match all.last_mut().filter(|m| open && m.role == role) {
                        Some(m) => {
                            m.text.push('\n');
                            m.text.push_str(text);
                        }
                        None => all.push(Message { role: role.to_owned(), text: text.to_owned() }),
                    }
                }
                open = true;
            } else if !line.trim().is_empty() {
                let number = self.lines.next().map_or(0, |l| l.number);
                self.bad = Some((self.bad.map_or(number, |b| b.0), self.bad.map_or(1, |b| b.1 + 1)));
                continue;
            }
            self.lines.next();
        }
        all
    }
}

#[derive(Debug)]
struct Message {
    role: String,
    text: String,
}

fn is_files(text: &str) -> bool {
    text.starts_with("I have *added these files to the chat*")
}

/// The last message without the reminder of the edit format, which is the end of the system's message too.
fn without_reminder<'a>(text: &'a str, system: &str) -> &'a str {
    let same = text.bytes().rev().zip(system.bytes().rev()).take_while(|(a, b)| a == b).count();
    let start = text.len() - same;
    // the reminder begins a paragraph
    let from =
        (start.saturating_sub(2)..=text.len()).find(|i| text.is_char_boundary(*i) && text[*i..].starts_with("\n\n"));
    match from {
        Some(at) if same > 0 && !text[at..].trim().is_empty() => text[..at].trim_end(),
        _ => text.trim_end(),
    }
}

/// A file and its contents as a request shows it: a line with the path, a fence, the text, a fence.
pub(super) fn file_contents(files: &str) -> Vec<(&str, String)> {
    let mut found = Vec::new();
    let mut lines = files.lines().peekable();
    while let Some(line) = lines.next() {
        let Some(fence) = lines.peek().and_then(|l| fence_of(l)) else { continue };
        let path = line.trim();
        if path.is_empty() {
            continue;
        }
        lines.next();
        let mut text = String::new();
        for line in lines.by_ref() {
            if line.trim_end() == fence {
                break;
            }
            text.push_str(line);
            text.push('\n');
        }
        found.push((path, text));
    }
    found
}

/// The closing fence to an opening one (Aider takes another where a file holds the usual one).
fn fence_of(line: &str) -> Option<&'static str> {
    match line.trim_end() {
        "```" => Some("```"),
        "````" => Some("````"),
        "<source>" => Some("</source>"),
        "<code>" => Some("</code>"),
        "<pre>" => Some("</pre>"),
        "<codeblock>" => Some("</codeblock>"),
        "<sourcecode>" => Some("</sourcecode>"),
        _ => None,
    }
}
