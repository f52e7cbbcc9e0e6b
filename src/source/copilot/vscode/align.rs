//! Puts together two records of the same calls: the rounds of the model, and what VS Code shows of them.
//!
//! Since 2026 both have the id of the model's stream. Before, the shown parts had ids of their own: then only the order and the
//! tool tell. What could be put together in more than one way is not put together at all.

use std::collections::{HashMap, HashSet};

/// One call in one of the two records.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark<'a> {
    /// Id, without what the client adds to it.
    pub(super) id: &'a str,
    /// Tool, by the name that the model knows.
    pub(super) name: &'a str,
}

/// For each of `calls` the one of `others` that is the same call, where that is sure.
pub(super) fn align(calls: &[Mark<'_>], others: &[Mark<'_>]) -> Vec<Option<usize>> {
    let ids: HashMap<&str, usize> =
        others.iter().enumerate().filter(|(_, o)| !o.id.is_empty()).map(|(i, o)| (o.id, i)).collect();
    let by_id: Vec<Option<usize>> = calls.iter().map(|c| ids.get(c.id).copied()).collect();
    if by_id.iter().any(Option::is_some) {
        return by_id;
    }
    let names = |marks: &[Mark<'_>]| marks.iter().map(|m| m.name.to_owned()).collect::<HashSet<_>>();
    let (left, right) = (names(calls), names(others));
    let common = |marks: &[Mark<'_>]| -> Vec<usize> {
        let known = |m: &Mark<'_>| left.contains(m.name) && right.contains(m.name);
        marks.iter().enumerate().filter(|(_, m)| known(m)).map(|(i, _)| i).collect()
    };
    let (a, b) = (common(calls), common(others));
    let name_a = |i: usize| a.get(i).and_then(|n| calls.get(*n)).map(|m| m.name);
    let name_b = |i: usize| b.get(i).and_then(|n| others.get(*n)).map(|m| m.name);
    let mut found = vec![None; calls.len()];
    let pairs = if a.len() <= b.len() {
        embed(a.len(), b.len(), |i, j| name_a(i) == name_b(j))
    } else {
        let turned = embed(b.len(), a.len(), |i, j| name_b(i) == name_a(j));
        turned.into_iter().map(|(i, j)| (j, i)).collect()
    };
    for (i, j) in pairs {
        if let (Some(call), Some(other)) = (a.get(i).and_then(|i| found.get_mut(*i)), b.get(j)) {
            *call = Some(*other);
        }
    }
    found
}

/// The places of a shorter row in a longer one: those that are the same in the first and in the last way to place it. None where it
/// cannot be placed.
fn embed(short: usize, long: usize, same: impl Fn(usize, usize) -> bool) -> Vec<(usize, usize)> {
    let mut first = Vec::with_capacity(short);
    let mut j = 0;
    for i in 0..short {
        while j < long && !same(i, j) {
            j += 1;
        }
        if j == long {
            return Vec::new();
        }
        first.push(j);
        j += 1;
    }
    let mut sure = Vec::new();
    let mut j = long;
    for (i, first) in first.into_iter().enumerate().rev() {
        // the row can be placed, so this ends
        while j > 0 && !same(i, j - 1) {
            j -= 1;
        }
        if j == 0 {
            return Vec::new();
        }
        j -= 1;
        if j == first {
            sure.push((i, j));
        }
    }
    sure.reverse();
    sure
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(calls: &[(&str, &str)], others: &[(&str, &str)]) -> Vec<Option<usize>> {
        let marks = |all: &[(&'static str, &'static str)]| -> Vec<Mark<'static>> {
            all.iter().map(|(id, name)| Mark { id, name }).collect()
        };
        let leak = |all: &[(&str, &str)]| -> Vec<(&'static str, &'static str)> {
            all.iter().map(|(a, b)| (&*a.to_string().leak(), &*b.to_string().leak())).collect()
        };
        align(&marks(&leak(calls)), &marks(&leak(others)))
    }

    #[test]
    fn equal_ids_decide() {
        let got = of(&[("a", "read"), ("b", "read"), ("c", "edit")], &[("b", "read"), ("x", "read"), ("c", "edit")]);
        assert_eq!(got, [None, Some(0), Some(2)]);
    }

    #[test]
    fn else_order_and_tool_where_there_is_one_way_only() {
        let row = |names: &[&'static str]| names.iter().map(|n| ("", *n)).collect::<Vec<_>>();
        let all = of(&row(&["read", "read", "edit"]), &row(&["read", "read", "edit"]));
        assert_eq!(all, [Some(0), Some(1), Some(2)]);
        let inner = of(&row(&["read", "fetch"]), &row(&["read", "fetch", "inner"]));
        assert_eq!(inner, [Some(0), Some(1)]);
        let lost = of(&row(&["read", "edit", "read", "run"]), &row(&["edit", "read", "run"]));
        assert_eq!(lost, [None, Some(0), Some(1), Some(2)]);
        let twice = of(&row(&["read", "read", "run"]), &row(&["read", "run"]));
        assert_eq!(twice, [None, None, Some(1)], "which of two reads is shown is not told");
        let crossed = of(&row(&["read", "edit"]), &row(&["edit", "read"]));
        assert_eq!(crossed, [None, None]);
        assert_eq!(of(&[], &[]), []);
    }
}
