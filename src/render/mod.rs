//! How things look: the only place that knows colours, widths and glyphs. Views are written to strings; the command line
//! decides where they go.
//!
//! Invariant: recorded text reaches a string only through [`text`], which shows control characters instead of sending them.

pub mod cause;
pub mod detail;
pub mod diff;
pub mod label;
pub mod lanes;
pub mod story;
pub mod text;
pub mod tree;

use owo_colors::{OwoColorize, Style};

/// What the output can show.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Term {
    /// Columns.
    pub width: usize,
    /// Colours and weights.
    pub color: bool,
    /// Glyphs beyond ASCII.
    pub unicode: bool,
}

impl Default for Term {
    fn default() -> Self {
        Self { width: 80, color: false, unicode: true }
    }
}

/// What a piece of text is, to be shown in one look everywhere. The sixteen terminal colours only, so that dark and light
/// themes both decide.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    Plain,
    /// Of lesser interest.
    Dim,
    /// A heading or a name that stands out.
    Bold,
    /// The number of an event.
    Number,
    /// The user's words.
    Prompt,
    /// The agent's words.
    Words,
    /// A tool's name.
    Tool,
    /// A file or folder.
    Path,
    /// A proven or evidenced reason.
    Evidence,
    /// Success, or an added line.
    Good,
    /// Failure, or a removed line.
    Bad,
    /// Something to look at.
    Warn,
}

impl Term {
    /// `text` in the look of `tone`. The text must be clean already.
    pub fn paint(&self, tone: Tone, text: &str) -> String {
        if !self.color || text.is_empty() {
            return text.to_owned();
        }
        let style = match tone {
            Tone::Plain => return text.to_owned(),
            Tone::Dim => Style::new().dimmed(),
            Tone::Bold => Style::new().bold(),
            Tone::Number => Style::new().cyan(),
            Tone::Prompt => Style::new().bold().yellow(),
            Tone::Words => Style::new().italic(),
            Tone::Tool => Style::new().bold(),
            Tone::Path => Style::new().blue(),
            Tone::Evidence => Style::new().magenta(),
            Tone::Good => Style::new().green(),
            Tone::Bad => Style::new().red(),
            Tone::Warn => Style::new().yellow(),
        };
        text.style(style).to_string()
    }

    /// The output with glyphs that every terminal has, where this one is not UTF-8.
    pub fn fit(&self, text: String) -> String {
        if self.unicode || text.is_ascii() {
            return text;
        }
        let plain = |c: char| match c {
            '│' | '┆' | '╎' | '∥' => '|',
            '├' | '╰' | '╭' | '└' | '┌' | '┤' | '╮' | '╯' | '┬' | '┴' | '┼' => '+',
            '─' | '–' | '—' | '−' => '-',
            '●' | '◉' | '◆' => '*',
            '○' | '◇' => 'o',
            '←' | '◀' => '<',
            '→' | '▶' | '▸' => '>',
            '✓' => '+',
            '✗' => 'x',
            '…' => '~',
            '“' | '”' => '"',
            '‘' | '’' => '\'',
            '·' => '.',
            c if c.is_ascii() => c,
            _ => '?',
        };
        text.chars().map(plain).collect()
    }
}
