//! A made-up project: files of code whose lines hold words, symbols, quotes and, rarely, other scripts.

use super::Random;

const WORDS: &[&str] = &[
    "account", "balance", "batch", "buffer", "cache", "channel", "client", "cluster", "column", "commit", "config",
    "counter", "cursor", "decode", "delta", "digest", "driver", "encode", "entry", "error", "event", "export", "field",
    "filter", "flush", "format", "frame", "graph", "handle", "header", "index", "input", "invoice", "kernel", "label",
    "ledger", "limit", "linker", "loader", "locale", "lookup", "marker", "matrix", "merge", "metric", "module",
    "mutex", "native", "number", "object", "offset", "option", "order", "output", "packet", "parser", "payload",
    "policy", "prefix", "price", "query", "queue", "quota", "random", "range", "reader", "record", "region", "report",
    "result", "retry", "router", "sample", "schema", "scope", "search", "sector", "server", "session", "signal",
    "socket", "source", "stream", "string", "symbol", "syntax", "table", "target", "thread", "ticket", "token",
    "trace", "update", "vector", "version", "volume", "widget", "window", "worker", "writer",
];

/// One file.
pub struct File {
    pub path: String,
    pub lines: Vec<String>,
}

/// The files that a session works on. New ones come as the session goes on.
pub struct Project {
    pub cwd: String,
    pub files: Vec<File>,
    random: Random,
}

impl Project {
    /// The same files for every session of a directory.
    pub fn new(cwd: &str, files: usize) -> Self {
        let mut project = Self { cwd: cwd.to_owned(), files: Vec::new(), random: Random::new(super::SEED ^ 0x5eed) };
        (0..files).for_each(|_| project.add());
        project
    }

    /// Adds a file whose size is that of what agents read.
    pub fn add(&mut self) {
        let n = self.files.len();
        let folder = self.word();
        let name = format!("{}_{}", self.word(), self.word());
        let mut lines = Vec::new();
        let mut bytes = self.random.size([2258.0, 8522.0, 46_029.0, 86_970.0]);
        while bytes > 0 {
            let line = self.line(n);
            bytes = bytes.saturating_sub(line.len() + 1);
            lines.push(line);
        }
        self.files.push(File { path: format!("{}/src/{folder}/{name}_{n}.rs", self.cwd), lines });
    }

    pub fn word(&mut self) -> &'static str {
        self.random.pick(WORDS)
    }

    /// A name that stands in one file mostly.
    pub fn symbol(&mut self, file: usize) -> String {
        format!("{}_{}{}", self.word(), self.word(), file * 7 + self.random.below(7))
    }

    fn line(&mut self, file: usize) -> String {
        let indent = " ".repeat(4 * self.random.below(4));
        match self.random.below(12) {
            0 => String::new(),
            1 => format!("pub fn {}({}: &str) -> usize {{", self.symbol(file), self.word()),
            2 => format!("{indent}}}"),
            3 => format!("{indent}println!(\"{} {{}} of {{}}\", {}, {});", self.word(), self.word(), self.symbol(file)),
            4 => format!("{indent}// {}", self.words(9)),
            5 => format!("{indent}let label = \"größe – {}\";", self.word()),
            6 | 7 => format!("{indent}let {} = {}.{}()?;", self.symbol(file), self.word(), self.word()),
            8 => format!("{indent}if {} > {} {{", self.symbol(file), self.random.below(1000)),
            _ => format!("{indent}{}.{}({}, {});", self.word(), self.word(), self.symbol(file), self.word()),
        }
    }

    /// Some words in a row.
    pub fn words(&mut self, n: usize) -> String {
        let mut out = String::new();
        for i in 0..n {
            if i > 0 {
                out.push(' ');
            }
            out.push_str(self.word());
        }
        out
    }

    /// Prose of about this many bytes, with lines and a name in quotes here and there.
    pub fn prose(&mut self, bytes: usize) -> String {
        let mut out = String::new();
        while out.len() < bytes {
            let n = 4 + self.random.below(12);
            out.push_str(&self.words(n));
            if self.random.chance(0.2) {
                let file = self.random.below(self.files.len());
                out.push_str(&format!(" in `{}`", self.files[file].path));
            }
            out.push_str(if self.random.chance(0.3) { ".\n\n" } else { ". " });
        }
        out
    }

    /// Lines of the project of about this many bytes, as a search or a build prints them: path, number, line.
    pub fn lines(&mut self, file: usize, bytes: usize) -> String {
        let mut out = String::new();
        let mut at = file;
        while out.len() < bytes {
            let f = &self.files[at % self.files.len()];
            let i = self.random.below(f.lines.len());
            out.push_str(&format!("{}:{}:{}\n", f.path, i + 1, f.lines[i]));
            at += usize::from(self.random.chance(0.3));
        }
        out
    }
}
