//! JSON text with positions: parse, put in, take out.

use std::ops::Range;

use serde_json::Value;

/// A value and where it stands.
#[derive(Clone, Debug)]
pub struct Node {
    /// Its bytes in the text.
    pub span: Range<usize>,
    /// What it holds.
    pub kind: Kind,
}

/// What a [`Node`] holds.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Members in the order of the text.
    Object(Vec<Member>),
    /// Items.
    Array(Vec<Node>),
    /// Anything else.
    Plain,
}

/// A member of an object.
#[derive(Clone, Debug)]
pub struct Member {
    /// The key, unescaped.
    pub key: String,
    /// Where the key begins.
    pub start: usize,
    /// The value.
    pub value: Node,
}

impl Node {
    /// The member of that name; the last one, as every JSON reader takes it.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.members().iter().rev().find(|m| m.key == key).map(|m| &m.value)
    }

    /// The members; none where it is no object.
    pub fn members(&self) -> &[Member] {
        if let Kind::Object(m) = &self.kind { m } else { &[] }
    }

    /// The items; none where it is no array.
    pub fn items(&self) -> &[Node] {
        if let Kind::Array(a) = &self.kind { a } else { &[] }
    }

    /// Whether it is an object.
    pub fn is_object(&self) -> bool {
        matches!(self.kind, Kind::Object(_))
    }

    /// Whether it is an array.
    pub fn is_array(&self) -> bool {
        matches!(self.kind, Kind::Array(_))
    }

    /// The value itself.
    pub fn value(&self, text: &str) -> Value {
        text.get(self.span.clone()).and_then(|t| serde_json::from_str(t).ok()).unwrap_or_default()
    }

    /// Where each member or item stands.
    fn children(&self) -> Vec<Range<usize>> {
        match &self.kind {
            Kind::Object(m) => m.iter().map(|m| m.start..m.value.span.end).collect(),
            Kind::Array(a) => a.iter().map(|n| n.span.clone()).collect(),
            Kind::Plain => Vec::new(),
        }
    }
}

/// Parses strict JSON; a byte order mark is passed over.
///
/// # Errors
/// What is wrong, with line and column.
pub fn parse(text: &str) -> Result<Node, String> {
    let body = text.strip_prefix('\u{feff}').unwrap_or(text);
    // this also bounds the depth of nesting, and so the recursion below
    if let Err(e) = serde_json::from_str::<Value>(body) {
        let around = body.lines().nth(e.line().saturating_sub(1)).unwrap_or("").trim_start();
        let cause = if around.starts_with("//") || around.starts_with("/*") || around.contains(" //") {
            ": a comment?"
        } else if around.starts_with(['}', ']']) {
            ": a comma after the last entry?"
        } else {
            ""
        };
        return Err(format!("{e}{cause}"));
    }
    let mut scan = Scan { text, at: text.len() - body.len() };
    scan.value().ok_or_else(|| "not understood".to_owned())
}

/// Goes over text that is known to be valid.
struct Scan<'a> {
    text: &'a str,
    at: usize,
}

impl Scan<'_> {
    fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while bytes.get(self.at)?.is_ascii_whitespace() {
            self.at += 1;
        }
        bytes.get(self.at).copied()
    }

    fn value(&mut self) -> Option<Node> {
        let first = self.peek()?;
        let start = self.at;
        let kind = match first {
            b'{' => {
                let mut members = Vec::new();
                self.at += 1;
                while self.peek()? != b'}' {
                    let start = self.at;
                    let end = self.string()?;
                    let key = serde_json::from_str(self.text.get(start..end)?).ok()?;
                    self.peek()?;
                    self.at += 1;
                    members.push(Member { key, start, value: self.value()? });
                    if self.peek()? == b',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                Kind::Object(members)
            }
            b'[' => {
                let mut items = Vec::new();
                self.at += 1;
                while self.peek()? != b']' {
                    items.push(self.value()?);
                    if self.peek()? == b',' {
                        self.at += 1;
                    }
                }
                self.at += 1;
                Kind::Array(items)
            }
            b'"' => {
                self.string()?;
                Kind::Plain
            }
            _ => {
                let rest = self.text.get(start..)?;
                let length = rest.find(|c: char| c.is_ascii_whitespace() || ",]}".contains(c)).unwrap_or(rest.len());
                self.at += length;
                Kind::Plain
            }
        };
        Some(Node { span: start..self.at, kind })
    }

    /// Passes a string; where it ends.
    fn string(&mut self) -> Option<usize> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        while *bytes.get(self.at)? != b'"' {
            self.at += if bytes[self.at] == b'\\' { 2 } else { 1 };
        }
        self.at += 1;
        Some(self.at)
    }
}

/// How a text is laid out.
struct Layout<'a> {
    newline: &'a str,
    unit: &'a str,
    /// All on one line.
    compact: bool,
}

impl<'a> Layout<'a> {
    fn of(text: &'a str, root: &Node) -> Self {
        let newline = if text.contains("\r\n") { "\r\n" } else { "\n" };
        let first = root.children().first().map(|c| indent(text, c.start));
        let lines = text.get(root.span.clone()).is_some_and(|t| t.contains('\n'));
        let unit = first.filter(|i| lines && !i.is_empty()).unwrap_or("  ");
        Self { newline, unit, compact: first.is_some() && !lines }
    }

    /// The value as text whose further lines begin with `base`.
    fn render(&self, value: &Value, base: &str) -> String {
        use serde::Serialize;
        if self.compact {
            return value.to_string();
        }
        let mut out = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(self.unit.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut out, formatter);
        // writing JSON to memory does not fail
        value.serialize(&mut serializer).ok();
        String::from_utf8_lossy(&out).replace('\n', &format!("{}{base}", self.newline))
    }
}

/// The white space at the beginning of the line of `at`.
fn indent(text: &str, at: usize) -> &str {
    let line = text.get(..at).and_then(|t| t.rfind('\n')).map_or(0, |n| n + 1);
    let rest = text.get(line..).unwrap_or("");
    let end = rest.find(|c: char| c != ' ' && c != '\t').unwrap_or(rest.len());
    &rest[..end]
}

/// The text with a member (`key`) or an item (no key) added at the end of a container.
pub fn append(text: &str, root: &Node, container: &Node, key: Option<&str>, value: &Value) -> String {
    let layout = Layout::of(text, root);
    let children = container.children();
    let entry = |base: &str| {
        let value = layout.render(value, base);
        let gap = if layout.compact { "" } else { " " };
        key.map_or_else(|| value.clone(), |k| format!("{}:{gap}{value}", Value::from(k)))
    };
    let inner = container.span.start + 1..container.span.end - 1;
    let (range, new) = match (children.first(), children.last()) {
        (Some(first), Some(last)) => {
            let before = text.get(inner.start..first.start).unwrap_or("");
            let own_lines = before.contains('\n');
            let base = indent(text, first.start);
            let separator = match (own_lines, layout.compact) {
                (true, _) => format!(",{}{base}", layout.newline),
                (false, true) => ",".to_owned(),
                (false, false) => ", ".to_owned(),
            };
            (last.end..last.end, separator + &entry(base))
        }
        _ if layout.compact => (inner, entry("")),
        _ => {
            let outer = indent(text, container.span.start);
            let base = format!("{outer}{}", layout.unit);
            (inner, format!("{nl}{base}{}{nl}{outer}", entry(&base), nl = layout.newline))
        }
    };
    splice(text, range, &new)
}

/// The text without the child of that number.
pub fn remove(text: &str, container: &Node, child: usize) -> String {
    let children = container.children();
    let Some(own) = children.get(child) else { return text.to_owned() };
    let range = match (child.checked_sub(1).and_then(|i| children.get(i)), children.get(child + 1)) {
        (Some(before), _) => before.end..own.end,
        (None, Some(after)) => own.start..after.start,
        (None, None) => container.span.start + 1..container.span.end - 1,
    };
    splice(text, range, "")
}

fn splice(text: &str, range: Range<usize>, new: &str) -> String {
    let (before, after) = (text.get(..range.start).unwrap_or(""), text.get(range.end..).unwrap_or(""));
    [before, new, after].concat()
}
