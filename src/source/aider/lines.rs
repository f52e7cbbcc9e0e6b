//! Lines of a text file with a look ahead: Aider's files are read as text, not as records.

use std::collections::VecDeque;
use std::io::{self, BufRead, Read as _};

/// Longest line that is read as one, in bytes; a longer one comes in pieces.
const MAX_LINE: u64 = 16 << 20;

/// One line.
pub(super) struct Line {
    /// Number, from 1.
    pub number: u64,
    /// Byte offset of its beginning.
    pub offset: u64,
    /// Its text without the line ending; what is no UTF-8 is replaced.
    pub text: String,
}

/// The lines of a file.
pub(super) struct Lines<R> {
    reader: R,
    ahead: VecDeque<Line>,
    number: u64,
    offset: u64,
    problem: Option<io::Error>,
}

impl<R: BufRead> Lines<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, ahead: VecDeque::new(), number: 0, offset: 0, problem: None }
    }

    /// The line `n` lines on (0: the next one), which stays to be read.
    pub(super) fn peek(&mut self, n: usize) -> Option<&str> {
        while self.ahead.len() <= n {
            let line = self.fetch()?;
            self.ahead.push_back(line);
        }
        self.ahead.get(n).map(|l| l.text.as_str())
    }

    /// The next line.
    pub(super) fn next(&mut self) -> Option<Line> {
        self.ahead.pop_front().or_else(|| self.fetch())
    }

    /// Why reading ended early; asked once.
    pub(super) fn problem(&mut self) -> Option<io::Error> {
        self.problem.take()
    }

    fn fetch(&mut self) -> Option<Line> {
        let mut bytes = Vec::new();
        match (&mut self.reader).take(MAX_LINE).read_until(b'\n', &mut bytes) {
            Ok(0) => return None,
            Ok(_) => {}
            Err(e) => {
                self.problem = Some(e);
                return None;
            }
        }
        let offset = self.offset;
        self.offset += bytes.len() as u64;
        self.number += 1;
        let text = bytes.strip_suffix(b"\n").unwrap_or(&bytes);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        Some(Line { number: self.number, offset, text: String::from_utf8_lossy(text).into_owned() })
    }
}
