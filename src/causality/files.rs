//! Paths as agents write them: absolute, relative, of another checkout, a bare name.

/// The last component.
pub(super) fn base(path: &str) -> &str {
    let path = path.trim_end_matches('/');
    let from = path.bytes().rposition(|b| matches!(b, b'/' | b'\\')).map_or(0, |at| at + 1);
    path.get(from..).unwrap_or(path)
}

/// A path without what stands around it in a text: quotes, brackets, punctuation, `./`, the `a/` and `b/` of a diff.
pub(super) fn clean(path: &str) -> &str {
    let path = path.trim_matches(is_around).trim_end_matches('.');
    let path = path.strip_prefix("./").unwrap_or(path);
    match path.as_bytes() {
        [b'a' | b'b', b'/', _, ..] => &path[2..],
        _ => path,
    }
}

fn is_around(c: char) -> bool {
    matches!(c, '\'' | '"' | '`' | ',' | ';' | ':' | '(' | ')' | '[' | ']' | '{' | '}' | '<' | '>')
}

/// How many trailing components two paths share, where one ends with the other; else 0. So a bare name matches every file of
/// that name, and `src/a.rs` not `tests/a.rs`.
pub(super) fn compat(p: &str, q: &str) -> usize {
    if base(p) != base(q) {
        return 0;
    }
    fn parts(path: &str) -> impl Iterator<Item = &[u8]> {
        path.as_bytes().rsplit(|b| matches!(b, b'/' | b'\\')).filter(|x| !matches!(*x, b"" | b"." | b".."))
    }
    let (mut a, mut b) = (parts(p), parts(q));
    let mut shared = 0;
    loop {
        match (a.next(), b.next()) {
            (Some(x), Some(y)) if x == y => shared += 1,
            (Some(_), Some(_)) => return 0,
            _ => return shared,
        }
    }
}

/// Whether a name has a file's ending.
pub(super) fn is_file(path: &str) -> bool {
    let Some((stem, ending)) = base(path).rsplit_once('.') else { return false };
    let mut letters = ending.bytes();
    !stem.is_empty()
        && ending.len() <= 8
        && letters.next().is_some_and(|b| b.is_ascii_alphabetic())
        && letters.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// Whether a file lies at, or below, a target that a command names.
pub(super) fn within(target: &str, file: &str) -> bool {
    let inner = format!(
        "/{}/",
        target.trim_start_matches("./").trim_start_matches("../").trim_start_matches('/').trim_end_matches(['/', '.'])
    );
    compat(target, file) > 0 || format!("/{file}").contains(&inner)
}

/// Whether a file is thrown away: below a temporary folder, or relative with the command running in one.
pub(super) fn is_scratch(file: &str, cwd: &str) -> bool {
    const DIRS: &[&str] = &["/tmp", "/private/tmp", "/var/tmp", "/dev"];
    let temporary =
        |p: &str| DIRS.iter().any(|d| p.strip_prefix(d).is_some_and(|r| r.is_empty() || r.starts_with('/')));
    temporary(file) || !file.starts_with('/') && temporary(cwd)
}

/// Whether a file holds tests, by its name.
pub(super) fn is_test_file(path: &str) -> bool {
    let name = base(path).to_ascii_lowercase();
    name.split(|c: char| "/_.-".contains(c)).any(|part| matches!(part, "test" | "tests" | "spec" | "specs" | "e2e"))
}

/// The name of the file whose tests a file holds, by the customs of naming: `a_test.go`, `test_a.py`, `a.test.ts`,
/// `a_spec.rb`, `ATest.java`.
pub(super) fn subject(path: &str) -> Option<String> {
    let (stem, ending) = base(path).rsplit_once('.')?;
    let bare = ["_test", ".test", "-test", "_spec", ".spec", "Test", "Tests"]
        .iter()
        .find_map(|e| stem.strip_suffix(e))
        .or_else(|| stem.strip_prefix("test_"))?;
    (!bare.is_empty()).then(|| format!("{bare}.{ending}"))
}

/// The ending of a file's name.
pub(super) fn ending(path: &str) -> &str {
    base(path).rsplit_once('.').map_or("", |(_, e)| e)
}

/// What a path or an address lies below, the nearest first, as long as that names a place of its own.
pub(super) fn folders_above(path: &str) -> impl Iterator<Item = &str> {
    fn above(path: &str) -> Option<&str> {
        path.rsplit_once('/').map(|(upper, _)| upper).filter(|u| u.matches('/').count() >= 2)
    }
    std::iter::successors(above(path), |p| above(p))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_told_apart() {
        assert_eq!(compat("/w/src/utils.py", "src/utils.py"), 2);
        assert_eq!(compat("utils.py", "tests/utils.py"), 1);
        assert_eq!(compat("src/utils.py", "tests/utils.py"), 0);
        assert_eq!(clean("`./src/a.rs`,"), "src/a.rs");
        assert_eq!(clean("b/src/a.rs"), "src/a.rs");
        assert!(is_file("a/b.tsx") && !is_file("a/b") && !is_file(".git") && !is_file("v1.23"));
        assert!(is_scratch("/tmp/x", "") && is_scratch("x", "/tmp") && !is_scratch("/tmpx/y", ""));
        assert!(is_test_file("src/foo_test.go") && !is_test_file("src/contest.rs"));
    }
}
