//! Recorded text made safe and fitted: control characters, escapes, direction overrides and invisible characters are shown,
//! never sent, so that nothing recorded can move the cursor, set a title, change colours or reorder what is read.

use std::borrow::Cow;

use unicode_width::UnicodeWidthChar;

/// Spaces that a tab becomes.
const TAB: &str = "    ";

/// The text with every harmful character replaced by a visible one. Newlines stay, tabs become spaces.
pub fn clean(text: &str) -> Cow<'_, str> {
    if text.bytes().all(|b| is_plain(b) || b == b'\n') {
        return Cow::Borrowed(text);
    }
    let text = match text.contains("\r\n") {
        true => Cow::Owned(text.replace("\r\n", "\n")),
        false => Cow::Borrowed(text),
    };
    if !text.chars().any(|c| c != '\n' && is_harmful(c)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        match c {
            '\n' => out.push(c),
            '\t' => out.push_str(TAB),
            // control pictures: U+2400 + code
            c if (c as u32) < 0x20 => out.push(char::from_u32(0x2400 + c as u32).unwrap_or('\u{fffd}')),
            '\u{7f}' => out.push('\u{2421}'),
            c if is_harmful(c) => out.push_str(&format!("<{:04X}>", c as u32)),
            c => out.push(c),
        }
    }
    Cow::Owned(out)
}

/// A name, an id or a path: clean, and on one line whatever stands in it.
pub fn name(text: &str) -> Cow<'_, str> {
    let text = clean(text);
    if text.contains('\n') { Cow::Owned(text.replace('\n', "\u{240a}")) } else { text }
}

/// JSON in which every harmful character is an escape: the same to a parser, and only text to a terminal.
pub fn json(text: String) -> String {
    // what is below a blank is escaped by whoever wrote it
    if text.bytes().all(|b| b < 0x7f) || !text.chars().any(|c| c != '\n' && is_harmful(c)) {
        return text;
    }
    let mut out = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if c == '\n' || !is_harmful(c) {
            out.push(c);
        } else {
            out.extend(c.encode_utf16(&mut [0; 2]).iter().map(|unit| format!("\\u{unit:04x}")));
        }
    }
    out
}

/// Whether a byte is a character that needs no look: harmless, one column wide.
fn is_plain(byte: u8) -> bool {
    matches!(byte, b' '..=b'~')
}

fn is_harmful(c: char) -> bool {
    matches!(c,
        '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}'
        // direction marks, embeddings and overrides
        | '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}'
        // zero width, isolates, line and paragraph separators, byte order mark, soft hyphen, tags
        | '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{ad}' | '\u{e0000}'..='\u{e007f}')
}

/// The text on one line: clean, every run of white space one blank, cut to `width` columns with `…`.
pub fn one_line(text: &str, width: usize) -> String {
    // a cut before cleaning keeps a text of megabytes cheap: no column is less than a byte
    let head = head(text, width.saturating_mul(16).saturating_add(256));
    let mut out = String::with_capacity(head.len().min(width * 4));
    let mut used = 0;
    for word in clean(head).split_whitespace() {
        if !out.is_empty() {
            out.push(' ');
            used += 1;
        }
        out.push_str(word);
        used += columns(word);
        // what comes behind is cut off
        if used > width {
            return cut(&out, width);
        }
    }
    if head.len() < text.len() && columns(&out) <= width { cut(&(out + "…"), width) } else { cut(&out, width) }
}

/// The beginning of a text, at most `bytes` long, on a character's boundary.
pub fn head(text: &str, bytes: usize) -> &str {
    &text[..text.floor_char_boundary(bytes)]
}

/// Columns that a clean text takes on a terminal.
pub fn columns(text: &str) -> usize {
    if text.bytes().all(is_plain) {
        return text.len();
    }
    text.chars().map(|c| c.width().unwrap_or(0)).sum()
}

/// A clean text cut to `width` columns, with `…` where something was cut.
pub fn cut(text: &str, width: usize) -> String {
    if text.len() <= width || columns(text) <= width {
        return text.to_owned();
    }
    let mut out = String::new();
    let mut used = 0;
    for c in text.chars() {
        let w = c.width().unwrap_or(0);
        if used + w + 1 > width {
            break;
        }
        used += w;
        out.push(c);
    }
    if width > 0 {
        out.push('…');
    }
    out
}

/// The middle of a path left out so that it fits: its beginning says little, its end most.
pub fn cut_path(path: &str, width: usize) -> String {
    if columns(path) <= width {
        return path.to_owned();
    }
    let mut tail = String::new();
    let mut used = 1;
    for c in path.chars().rev() {
        let w = c.width().unwrap_or(0);
        if used + w > width {
            break;
        }
        used += w;
        tail.insert(0, c);
    }
    format!("…{tail}")
}

/// A clean text in lines of at most `width` columns, broken at blanks where there are some.
pub fn wrap(text: &str, width: usize) -> Vec<String> {
    let width = width.max(8);
    let mut lines = Vec::new();
    for line in text.lines() {
        let mut rest = line.trim_end();
        loop {
            let mut used = 0;
            let (mut end, mut blank) = (rest.len(), None);
            for (i, c) in rest.char_indices() {
                used += c.width().unwrap_or(0);
                if used > width {
                    end = i;
                    break;
                }
                if c == ' ' {
                    blank = Some(i);
                }
            }
            if end == rest.len() {
                lines.push(rest.to_owned());
                break;
            }
            let at = blank.filter(|b| *b > width / 3).unwrap_or(end);
            lines.push(rest[..at].trim_end().to_owned());
            rest = rest[at..].trim_start();
        }
    }
    lines
}

/// A number with a comma at every thousand.
pub fn grouped(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() + digits.len() / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A text padded with blanks to `width` columns.
pub fn pad(text: &str, width: usize) -> String {
    let mut out = text.to_owned();
    out.extend(std::iter::repeat_n(' ', width.saturating_sub(columns(text))));
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn escapes_are_shown() {
        assert_eq!(clean("\u{1b}[31mred\u{1b}]8;;x\u{7}"), "␛[31mred␛]8;;x␇");
        assert_eq!(clean("a\u{202e}b\u{9b}c\td"), "a<202E>b<009B>c    d");
        assert_eq!(one_line("  a\n\n b\r\nc  ", 10), "a b c");
        assert_eq!(one_line("abcdefghij", 5), "abcd…");
        assert_eq!(cut("日本語テキスト", 7), "日本語…");
        assert_eq!(cut_path("/a/long/way/to/file.rs", 10), "…o/file.rs");
        assert_eq!([999, 1000, 1_234_567].map(grouped), ["999", "1,000", "1,234,567"]);
        assert_eq!(wrap("one two three", 8), ["one two", "three"]);
        assert_eq!(one_line(&"x".repeat(1_000_000), 20).chars().count(), 20);
    }

    proptest! {
        #[test]
        fn nothing_harmful_passes_and_widths_hold(text in "\\PC{0,40}|[\\x00-\\xff]{0,40}", width in 1usize..60) {
            prop_assert!(!clean(&text).chars().any(|c| c != '\n' && is_harmful(c)));
            prop_assert!(columns(&one_line(&text, width)) <= width);
            prop_assert!(columns(&cut(&clean(&text), width)) <= width);
        }
    }
}
