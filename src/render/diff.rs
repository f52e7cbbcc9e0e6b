//! The change of a text file, as a diff with a little context.

use imara_diff::{Algorithm, Diff, InternedInput};

use super::text::clean;
use super::{Term, Tone};

/// Unchanged lines shown around a change.
const CONTEXT: usize = 3;

/// The lines of a diff.
pub fn diff(term: &Term, before: &str, after: &str) -> Vec<String> {
    let input = InternedInput::new(before, after);
    let mut diff = Diff::compute(Algorithm::Histogram, &input);
    diff.postprocess_lines(&input);
    let mut rows = Vec::new();
    let mut shown = 0usize;
    let line = |t: &imara_diff::Token| clean(input.interner[*t].trim_end_matches(['\n', '\r'])).into_owned();
    let mut tail = 0..0;
    for h in diff.hunks() {
        let (b, a) = (h.before.start as usize..h.before.end as usize, h.after.start as usize..h.after.end as usize);
        let from = b.start.saturating_sub(CONTEXT).max(shown);
        tail.end = tail.end.min(from);
        rows.extend(input.before[tail.clone()].iter().map(|t| (Tone::Dim, format!("  {}", line(t)))));
        if from > tail.end.max(shown) || rows.is_empty() {
            rows.push((Tone::Dim, format!("@@ line {}", from + 1)));
        }
        rows.extend(input.before[from..b.start].iter().map(|t| (Tone::Dim, format!("  {}", line(t)))));
        rows.extend(input.before[b.clone()].iter().map(|t| (Tone::Bad, format!("- {}", line(t)))));
        rows.extend(input.after[a].iter().map(|t| (Tone::Good, format!("+ {}", line(t)))));
        shown = b.end;
        tail = b.end..(b.end + CONTEXT).min(input.before.len());
    }
    rows.extend(input.before[tail].iter().map(|t| (Tone::Dim, format!("  {}", line(t)))));
    rows.into_iter().map(|(tone, text)| term.paint(tone, &text)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn changes_stand_with_their_context() {
        let before: String = (1..=20).map(|n| format!("{n}\n")).collect();
        let after = before.replace("\n2\n", "\nzwei\n").replace("15\n", "").replace("\n6\n", "\nsechs\n");
        let lines = diff(&Term::default(), &before, &after).join("|");
        assert_eq!(
            lines,
            "@@ line 1|  1|- 2|+ zwei|  3|  4|  5|- 6|+ sechs|  7|  8|  9|@@ line 12|  12|  13|  14|- 15|  16|  17|  18"
        );
    }
}
