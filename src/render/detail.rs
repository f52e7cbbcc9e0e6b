//! One event in full, or its head: input, change, output, reasons.

use imara_diff::{Algorithm, Diff, InternedInput};

use super::cause::because;
use super::label::{ending, mark, relative};
use super::text::{clean, cut, one_line, wrap};
use super::{Term, Tone};
use crate::action::{Action, Change, FileEdit};
use crate::event::EventType;
use crate::graph::{Graph, Whole};

/// How much of an event is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Extent {
    /// This many lines of each text.
    Head(usize),
    /// Everything.
    Full,
}

impl Extent {
    fn lines(self) -> usize {
        match self {
            Self::Head(n) => n,
            Self::Full => usize::MAX,
        }
    }
}

/// The reasons of an event, one a line with confidence and evidence: proven parents first.
pub fn reasons(term: &Term, graph: &Graph, i: usize) -> Vec<String> {
    let cwd = graph.cwd();
    let mut lines = Vec::new();
    for p in &graph.parents[i] {
        let what = super::label::plain(&graph.events[*p], &graph.actions[*p], cwd, term.width.saturating_sub(24));
        lines.push(format!(
            "{} {} {}",
            term.paint(Tone::Good, "proven  "),
            term.paint(Tone::Number, &format!("#{}", p + 1)),
            what
        ));
    }
    for id in &graph.missing[i] {
        lines.push(format!(
            "{} {}",
            term.paint(Tone::Warn, "proven  "),
            one_line(&format!("{id} (not in this session's files)"), term.width.saturating_sub(9).max(40))
        ));
    }
    for c in &graph.causes[i] {
        let share = format!("{:>3}%    ", (c.confidence * 100.0).round());
        let what = because(c);
        let tone = if c.kind == crate::causality::Kind::Order { Tone::Dim } else { Tone::Evidence };
        lines.push(format!(
            "{} {}",
            term.paint(Tone::Dim, &share),
            term.paint(tone, &cut(&what, term.width.saturating_sub(9)))
        ));
        let label =
            super::label::plain(&graph.events[c.event], &graph.actions[c.event], cwd, term.width.saturating_sub(12));
        lines.push(format!("          {}", term.paint(Tone::Dim, &label)));
    }
    lines
}

/// What an event did: the change of an edit as a diff, the command, the text; then its output. A head leaves out what the
/// [`title`] says already.
pub fn body(term: &Term, graph: &Whole, i: usize, extent: Extent) -> Vec<String> {
    let event = &graph.events[i];
    let mut lines = Vec::new();
    match (&event.event_type, &graph.actions[i]) {
        (EventType::ToolCall, Action::Edit(files)) => {
            for f in files {
                lines.extend(change(term, f, graph.cwd(), extent));
            }
        }
        _ if extent != Extent::Full && title_says_all(term, graph, i) => {}
        (EventType::ToolCall, Action::Run { command, .. }) => {
            lines.extend(words(term, command, extent, Tone::Plain, "$ "));
        }
        (EventType::ToolCall, _) => {
            let text = match &event.tool_input {
                Some(serde_json::Value::String(s)) => s.clone(),
                Some(v) => serde_json::to_string_pretty(v).unwrap_or_default(),
                None => String::new(),
            };
            lines.extend(words(term, &text, extent, Tone::Plain, ""));
        }
        _ => lines.extend(words(term, &event.input_text(), extent, Tone::Plain, "")),
    }
    if event.is_call() {
        let text = if extent == Extent::Full { event.output_text() } else { event.output_body() };
        let diff_says_it = extent != Extent::Full
            && matches!(graph.actions[i], Action::Edit(_))
            && ending(event).is_none()
            && text.trim().lines().count() == 1;
        if !text.trim().is_empty() && !diff_says_it {
            let text = if matches!(event.tool_output, Some(serde_json::Value::String(_))) {
                text.into_owned()
            } else {
                event.tool_output.as_ref().and_then(|v| serde_json::to_string_pretty(v).ok()).unwrap_or_default()
            };
            let tone = match (extent, ending(event)) {
                (Extent::Full, _) => Tone::Plain,
                (_, Some(_)) => Tone::Bad,
                (_, None) => Tone::Dim,
            };
            lines.extend(output(term, &text, extent, tone));
        }
    }
    lines
}

/// Whether the title, which stands four columns to the left, holds the whole input: nothing of it is cut, and it has one line.
fn title_says_all(term: &Term, graph: &Graph, i: usize) -> bool {
    let event = &graph.events[i];
    match &graph.actions[i] {
        Action::Read { .. } | Action::Search { .. } | Action::List { .. } | Action::Poll { .. } => true,
        Action::Run { command, .. } => fits(command, term.width.saturating_sub(20)),
        _ if event.is_call() => false,
        _ => fits(&event.input_text(), term.width.saturating_sub(4)),
    }
}

fn fits(text: &str, width: usize) -> bool {
    let text = text.trim();
    text.len() <= 4 * width && !text.contains('\n') && super::text::columns(text) <= width
}

/// The facts about an event, one a line.
pub fn facts(term: &Term, graph: &Whole, i: usize) -> Vec<String> {
    let event = &graph.events[i];
    let mut all: Vec<(&str, String)> = vec![("id", event.event_id.clone())];
    let mut add = |name, value: Option<String>| {
        if let Some(v) = value.filter(|v| !v.is_empty()) {
            all.push((name, v));
        }
    };
    add("type", Some(event.event_type.as_str().to_owned()));
    add("session", Some(event.session_id.clone()));
    add("agent", Some(event.agent.clone()));
    add("sub-agent", event.agent_id.clone());
    add("time", event.timestamp.map(|t| t.to_rfc3339_opts(chrono::SecondsFormat::Millis, true)));
    add("took", event.duration_ms.map(|ms| format!("{ms} ms")));
    add("status", event.status.map(|s| s.as_str().to_owned()));
    add("exit code", event.exit_code.map(|c| c.to_string()));
    add("call", event.call_id.clone());
    add("response", event.turn_id.clone());
    add("record", event.native_id.clone());
    add("model", event.model.clone());
    add("tokens", event.usage.map(|u| tokens(&u)));
    add("directory", event.cwd.clone());
    let place = |f: &String| event.source.line.map_or_else(|| f.clone(), |n| format!("{f}:{n}"));
    add("read from", event.source.file.as_ref().map(place));
    add("told by hook", event.source.hook.clone());
    let width = 14;
    all.into_iter()
        .map(|(name, v)| {
            let room = term.width.saturating_sub(width);
            format!("{}{}", term.paint(Tone::Dim, &format!("{name:width$}")), one_line(&v, room.max(40)))
        })
        .collect()
}

fn tokens(u: &crate::event::Usage) -> String {
    let all = [
        ("in", u.input),
        ("out", u.output),
        ("cache read", u.cache_read),
        ("cache written", u.cache_write),
        ("thinking", u.reasoning),
    ];
    let parts: Vec<_> =
        all.iter().filter_map(|(name, n)| n.map(|n| format!("{} {name}", super::text::grouped(n)))).collect();
    parts.join(", ")
}

/// The heading of an event: number, sign, label.
pub fn title(term: &Term, graph: &Graph, i: usize) -> String {
    let event = &graph.events[i];
    let (sign, tone) = mark(event);
    let number = format!("{}", i + 1);
    let end = ending(event).map(|e| term.paint(Tone::Bad, &format!("  {e}"))).unwrap_or_default();
    let room = term.width.saturating_sub(number.len() + 3 + super::text::columns(&super::tree::strip(&end)));
    let label = super::label::label(term, event, &graph.actions[i], graph.cwd(), room);
    format!("{} {} {label}{end}", term.paint(Tone::Number, &number), term.paint(tone, &sign.to_string()))
}

/// One changed file as a diff.
fn change(term: &Term, file: &FileEdit, cwd: Option<&str>, extent: Extent) -> Vec<String> {
    let mut lines = Vec::new();
    let name = relative(&file.path, cwd);
    let what = match (file.change, &file.moved_to) {
        (Change::Delete, _) => " deleted".to_owned(),
        (Change::Write, _) => " written".to_owned(),
        (Change::Edit, Some(to)) => format!(" → {}", relative(to, cwd)),
        (Change::Edit, None) => String::new(),
    };
    lines.push(term.paint(Tone::Path, &format!("{name}{what}")));
    for hunk in &file.hunks {
        let mut rows = Vec::new();
        if let Some(n) = hunk.line {
            rows.push((Tone::Dim, format!("@@ line {n}")));
        }
        let input = InternedInput::new(hunk.before.as_str(), hunk.after.as_str());
        let mut diff = Diff::compute(Algorithm::Histogram, &input);
        diff.postprocess_lines(&input);
        let mut next = 0usize;
        let line = |t: &imara_diff::Token| input.interner[*t].trim_end_matches('\n');
        for h in diff.hunks() {
            let (b, a) = (h.before.start as usize..h.before.end as usize, h.after.start as usize..h.after.end as usize);
            rows.extend(input.before[next..b.start].iter().map(|t| (Tone::Dim, format!("  {}", line(t)))));
            next = b.end;
            rows.extend(input.before[b].iter().map(|t| (Tone::Bad, format!("- {}", line(t)))));
            rows.extend(input.after[a].iter().map(|t| (Tone::Good, format!("+ {}", line(t)))));
        }
        rows.extend(input.before[next..].iter().map(|t| (Tone::Dim, format!("  {}", line(t)))));
        let hidden = rows.len().saturating_sub(extent.lines());
        for (tone, text) in rows.into_iter().take(extent.lines()) {
            let text = clean(&text);
            let text = if extent == Extent::Full { text.into_owned() } else { cut(&text, term.width) };
            lines.push(term.paint(tone, &text));
        }
        if hidden > 0 {
            lines.push(term.paint(Tone::Dim, &format!("  … {hidden} more lines")));
        }
    }
    lines
}

/// The first lines of an output, cut to the width, each behind `indent`, and how many more there are; all of it, wrapped,
/// where it is shown in full.
fn output(term: &Term, text: &str, extent: Extent, tone: Tone) -> Vec<String> {
    const INDENT: &str = "  ";
    let Extent::Head(most) = extent else { return words(term, text, extent, tone, INDENT) };
    let width = term.width.saturating_sub(INDENT.len()).max(20);
    let mut all = text.trim_end().lines();
    let shown = all.by_ref().take(most).map(|line| cut(&clean(super::text::head(line, 8 * width)), width));
    let mut lines: Vec<_> = shown.map(|l| format!("{INDENT}{}", term.paint(tone, &l))).collect();
    lines.extend(more(term, all.count(), INDENT));
    lines
}

/// The first lines of what somebody wrote, wrapped, the first behind `sign`, the others as far in, and how many more there are.
fn words(term: &Term, text: &str, extent: Extent, tone: Tone, sign: &str) -> Vec<String> {
    let most = extent.lines();
    let width = term.width.saturating_sub(sign.len()).max(20);
    let indent = " ".repeat(sign.len());
    // what cannot be shown need not be wrapped
    let reach = most.saturating_add(1).saturating_mul(8 * width);
    let mut lines = Vec::new();
    let mut all = text.trim_end().lines();
    for line in all.by_ref() {
        let mut rows = wrap(&clean(super::text::head(line, reach)), width);
        if rows.is_empty() {
            rows.push(String::new());
        }
        for row in rows {
            let before = if lines.is_empty() { sign } else { &indent };
            lines.push(format!("{before}{}", term.paint(tone, &row)));
        }
        if lines.len() >= most {
            break;
        }
    }
    let hidden = lines.len().saturating_sub(most) + all.count();
    lines.truncate(most);
    lines.extend(more(term, hidden, &indent));
    lines
}

fn more(term: &Term, hidden: usize, indent: &str) -> Option<String> {
    let text = format!("{indent}… {hidden} more line{}", if hidden == 1 { "" } else { "s" });
    (hidden > 0).then(|| term.paint(Tone::Dim, &text))
}
