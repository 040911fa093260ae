//! A text as paragraphs, items, table rows and headings, each with what stands above it.

use std::ops::Range;

/// Longest heading that no sign marks as one, in bytes.
const HEADING_BYTES_MAX: usize = 80;

/// Lines that belong together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Block {
    /// Bytes of the text.
    pub(super) span: Range<usize>,
    /// The heading above it; empty if there is none.
    pub(super) heading: Range<usize>,
    /// The first row of its table; empty outside tables and for that row.
    pub(super) header: Range<usize>,
}

/// Cuts a text into blocks, in order; blank lines and rules are in none.
pub(super) fn blocks(text: &str) -> Vec<Block> {
    let mut cutter = Cutter { text, blocks: Vec::new(), open: None, lines: 0, heading: 0..0, header: None };
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        cutter.line(at, line);
        at += line.len();
    }
    cutter.close(true);
    cutter.blocks
}

struct Cutter<'t> {
    text: &'t str,
    blocks: Vec<Block>,
    /// The block that may go on.
    open: Option<Range<usize>>,
    lines: usize,
    heading: Range<usize>,
    /// First row of the table that the last line belongs to.
    header: Option<Range<usize>>,
}

impl Cutter<'_> {
    fn line(&mut self, at: usize, line: &str) {
        let trimmed = line.trim();
        let start = at + (line.len() - line.trim_start().len());
        let span = start..start + trimmed.len();
        if trimmed.is_empty() {
            self.close(true);
            self.header = None;
        } else if is_rule(trimmed) {
            // Underlined: a heading. Within a table the row above stays its header.
            self.close(true);
        } else if trimmed.contains('|') {
            self.close(false);
            let header = self.header.clone().unwrap_or(0..0);
            self.header.get_or_insert_with(|| span.clone());
            self.blocks.push(Block { span, heading: self.heading.clone(), header });
        } else if trimmed.starts_with('#') {
            self.close(false);
            self.open = Some(span);
            self.lines = 1;
            self.close(true);
        } else {
            self.header = None;
            if begins_item(trimmed) {
                self.close(false);
            }
            let first = self.open.as_ref().map_or(span.start, |open| open.start);
            self.lines = if self.open.is_some() { self.lines + 1 } else { 1 };
            self.open = Some(first..span.end);
        }
    }

    /// Ends the open block; one short line that stands alone is a heading.
    fn close(&mut self, apart: bool) {
        let Some(span) = self.open.take() else { return };
        let raw = &self.text[span.clone()];
        let alone = apart && self.lines == 1 && !begins_item(raw);
        let short = raw.len() <= HEADING_BYTES_MAX && !raw.ends_with(['.', '!', '?', ':', ';', ',']);
        self.blocks.push(Block { span: span.clone(), heading: self.heading.clone(), header: 0..0 });
        if alone && short || raw.starts_with('#') {
            self.heading = span;
        }
    }
}

/// Whether a line is nothing but signs: under a heading, between a table's head and body.
fn is_rule(line: &str) -> bool {
    line.chars().all(|c| matches!(c, '=' | '-' | '~' | '^' | '*' | '+' | '|' | ':' | '_' | ' '))
}

fn begins_item(line: &str) -> bool {
    let rest = line.trim_start_matches(|c: char| c.is_ascii_digit());
    let digits = line.len() - rest.len();
    let sign =
        if (1..=3).contains(&digits) { rest.starts_with(['.', ')']) } else { line.starts_with(['-', '*', '•', '+']) };
    sign && rest.chars().nth(1).is_none_or(char::is_whitespace)
}

/// The cell of a header row above byte `at` of a row; the whole of a text that is no row.
pub(super) fn cell<'t>(header: &'t str, row: &str, at: usize) -> &'t str {
    let column = row[..at].matches('|').count();
    // A row may begin with a stroke that its header lacks.
    let strokes = |text: &str| usize::from(text.starts_with('|'));
    let column = (column + strokes(header)).saturating_sub(strokes(row));
    header.split('|').nth(column).unwrap_or("")
}
