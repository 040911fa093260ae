//! An answer's sentences, the citation marks in them, and which of them can be checked.

/// A mark such as `[1]` or `[1, 3]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// Byte of the opening bracket.
    pub start: usize,
    /// Byte after the closing bracket.
    pub end: usize,
    /// Numbers inside, counted from 1.
    pub numbers: Vec<u32>,
}

/// A sentence or an item of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Sentence {
    /// First byte, behind bullets and numbering.
    pub(super) start: usize,
    /// Byte after the last, marks behind the full stop included.
    pub(super) end: usize,
    pub(super) marks: Vec<Mark>,
}

/// Longest mark in bytes, and the most numbers in one.
const MARK_MAX: usize = 64;

/// The mark that begins at byte `at`.
pub(super) fn mark(text: &str, at: usize) -> Option<Mark> {
    let (open, close) = match text[at..].chars().next()? {
        '[' => ('[', ']'),
        '【' => ('【', '】'),
        _ => return None,
    };
    let inner = at + open.len_utf8();
    let mut numbers = Vec::new();
    let (mut number, mut from) = (None::<u32>, None);
    for (offset, c) in text[inner..].char_indices().take(MARK_MAX) {
        if let Some(digit) = c.to_digit(10) {
            number = Some(number.unwrap_or(0) * 10 + digit).filter(|&number| number < 1000);
            number?;
            continue;
        }
        match (number.take(), c) {
            (Some(last), '-' | '–') if from.is_none() => from = Some(last),
            (Some(last), c) if c == ',' || c == ';' || c == close => {
                let first = from.take().unwrap_or(last);
                if first > last || last - first >= 20 || first == 0 {
                    return None;
                }
                numbers.extend(first..=last);
                if c == close {
                    return Some(Mark { start: at, end: inner + offset + c.len_utf8(), numbers });
                }
            }
            (None, ' ') => {}
            (None, '^') if offset == 0 => {}
            _ => return None,
        }
    }
    None
}

fn is_terminator(c: char) -> bool {
    matches!(c, '.' | '!' | '?' | '…' | '。' | '！' | '？' | '।' | '؟' | '۔')
}

fn is_closer(c: char) -> bool {
    matches!(c, '"' | '\'' | '”' | '’' | ')' | ']' | '»' | '*' | '_' | '」' | '』')
}

/// Whether the full stop at byte `at` ends a shortened word, not a sentence.
fn is_short_form(text: &str, at: usize) -> bool {
    let mut start = at;
    for c in text[..at].chars().rev().take_while(|&c| c.is_alphanumeric() || c == '.') {
        start -= c.len_utf8();
        if at - start > 8 {
            return false;
        }
    }
    // "AT&T." ends a sentence, "J. R." does not.
    let apart =
        text[..start].chars().next_back().is_none_or(|c| c.is_whitespace() || matches!(c, '(' | '"' | '“' | '['));
    let word = &text[start..at];
    let single = apart && word.chars().count() == 1 && word.chars().all(|c| c.is_uppercase() && c != 'I');
    single
        || word.contains('.')
            && word.split('.').all(|part| part.chars().count() == 1 && part.chars().all(char::is_alphabetic))
        || matches!(
            word,
            "Mr" | "Mrs"
                | "Ms"
                | "Dr"
                | "Prof"
                | "St"
                | "Jr"
                | "Sr"
                | "vs"
                | "v"
                | "Gen"
                | "Col"
                | "Lt"
                | "Capt"
                | "Sgt"
                | "Sen"
                | "Rep"
                | "Gov"
                | "Rev"
                | "Hon"
                | "Mt"
                | "Ft"
                | "eg"
                | "ie"
                | "cf"
                | "approx"
                | "ca"
                | "Fig"
                | "fig"
                | "Jan"
                | "Feb"
                | "Mar"
                | "Apr"
                | "Jun"
                | "Jul"
                | "Aug"
                | "Sep"
                | "Sept"
                | "Oct"
                | "Nov"
                | "Dec"
                | "Inc"
                | "Ltd"
                | "Corp"
                | "Co"
                | "Bros"
                | "p"
                | "pp"
                | "Vol"
        )
}

/// Byte behind bullets, numbering and heading signs at the beginning of a line.
fn behind_bullet(text: &str, at: usize, end: usize) -> usize {
    let line = &text[at..end];
    let signs = line.trim_start_matches(|c: char| {
        c.is_whitespace() || matches!(c, '-' | '*' | '•' | '#' | '>' | '–' | '—' | '·' | '▪' | '◦' | '|' | '+')
    });
    let skipped = line.len() - signs.len();
    // "- 5 °C" is a bullet, "-5 °C" a number.
    let skipped = if line[..skipped].ends_with(['-', '–', '+']) && signs.starts_with(|c: char| c.is_ascii_digit()) {
        skipped - line[..skipped].chars().next_back().map_or(0, char::len_utf8)
    } else {
        skipped
    };
    let rest = &line[skipped..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let letter = usize::from(digits == 0 && rest.starts_with(|c: char| c.is_ascii_lowercase()));
    let number = digits + letter;
    let numbered = (1..=3).contains(&number) && {
        let behind = &rest[number..];
        behind.starts_with(')')
            || (digits > 0
                && behind.starts_with([':', '-', '–'])
                && behind[behind.chars().next().map_or(0, char::len_utf8)..].starts_with(' '))
            || (digits > 0
                && behind.starts_with('.')
                && behind[1..].starts_with(|c: char| c.is_whitespace() || c.is_alphabetic()))
    };
    let sign = rest[number..].chars().next().map_or(0, char::len_utf8);
    let skipped = if numbered { skipped + number + sign } else { skipped };
    let rest = &line[skipped..];
    at + skipped + (rest.len() - rest.trim_start_matches(|c: char| c.is_whitespace() || c == '*').len())
}

/// Whether a line up to a full stop is nothing but an item's number.
fn is_numbering(line: &str) -> bool {
    let number = line.trim_start_matches(|c: char| c.is_whitespace() || matches!(c, '-' | '*' | '•' | '#' | '>'));
    (1..=3).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

/// Where sentences end, found in one pass.
struct Splitter<'s> {
    text: &'s str,
    sentences: Vec<Sentence>,
    marks: Vec<Mark>,
    start: usize,
}

impl Splitter<'_> {
    fn cut(&mut self, end: usize) {
        let start = behind_bullet(self.text, self.start, end);
        let trimmed = start + self.text[start..end].trim_end().len();
        let marks = std::mem::take(&mut self.marks);
        if trimmed > start {
            let start = marks.first().map_or(start, |mark| start.min(mark.start));
            self.sentences.push(Sentence { start, end: trimmed, marks });
        }
        self.start = end;
    }

    /// Byte behind closing signs and marks that follow a terminator, and whether there were marks.
    fn behind(&mut self, mut at: usize) -> (usize, bool) {
        let mut marked = false;
        loop {
            let rest = &self.text[at..];
            let Some(c) = rest.chars().next() else { return (at, marked) };
            let spaces = rest.len() - rest.trim_start_matches([' ', '\t', '\u{a0}']).len();
            if spaces <= 2
                && let Some(mark) = (at + spaces < self.text.len()).then(|| mark(self.text, at + spaces)).flatten()
            {
                // A mark that begins a new line of thought has a word behind it: "[1] says".
                at = mark.end;
                self.marks.push(mark);
                marked = true;
            } else if is_terminator(c) || is_closer(c) {
                at += c.len_utf8();
            } else {
                return (at, marked);
            }
        }
    }

    fn terminator(&mut self, at: usize, c: char) -> usize {
        let next = at + c.len_utf8();
        let digits = c == '.' && self.text[next..].starts_with(|c: char| c.is_ascii_digit());
        if digits || c == '.' && is_short_form(self.text, at) {
            return next;
        }
        // "2." numbers an item.
        if c == '.' && is_numbering(&self.text[self.start..at]) {
            return next;
        }
        let (end, marked) = self.behind(next);
        let rest = &self.text[end..];
        let wide = !matches!(c, '.' | '!' | '?' | '…');
        let spaced = rest.is_empty() || rest.starts_with(char::is_whitespace);
        let before = self.text[..at].chars().next_back();
        // "end.Next": a space was forgotten.
        let forgotten = end == next
            && before.is_some_and(char::is_lowercase)
            && rest.starts_with(char::is_uppercase)
            && rest.chars().nth(1).is_some_and(|c| c.is_lowercase() || c == ' ');
        if !(spaced || wide || marked || forgotten) {
            return end;
        }
        let follows = rest.trim_start().chars().next();
        if c == '.' && !marked && follows.is_some_and(char::is_lowercase) && !rest.starts_with('\n') {
            return end;
        }
        self.cut(end);
        end
    }

    fn line(&mut self, at: usize) -> usize {
        let next = at + 1;
        let follows = self.text[next..].trim_start_matches([' ', '\t', '\r']).chars().next();
        if !follows.is_some_and(char::is_lowercase) {
            self.cut(next);
        }
        next
    }
}

/// Cuts a text into sentences and items of lists, in order; every one has a character that is no space.
pub(super) fn split(text: &str) -> Vec<Sentence> {
    let mut splitter = Splitter { text, sentences: Vec::new(), marks: Vec::new(), start: 0 };
    let mut at = 0;
    while let Some(c) = text[at..].chars().next() {
        at = if c == '\n' {
            splitter.line(at)
        } else if is_terminator(c) {
            splitter.terminator(at, c)
        } else if let Some(mark) = mark(text, at) {
            let end = mark.end;
            splitter.marks.push(mark);
            end
        } else {
            at + c.len_utf8()
        };
    }
    splitter.cut(text.len());
    splitter.sentences
}

const GREETINGS: &[&str] = &[
    "hello",
    "hi",
    "hey",
    "dear",
    "thanks",
    "thank you",
    "sure",
    "certainly",
    "of course",
    "you're welcome",
    "you are welcome",
    "great question",
    "good question",
    "i hope",
    "hope this helps",
    "let me know",
    "feel free",
    "please let me know",
    "best regards",
    "kind regards",
    "sincerely",
    "goodbye",
    "happy to help",
    "glad to",
    "absolutely",
];

const META: &[&str] = &[
    "could not find",
    "couldn't find",
    "cannot find",
    "can't find",
    "did not find",
    "didn't find",
    "don't know",
    "do not know",
    "cannot answer",
    "can't answer",
    "unable to answer",
    "unable to find",
    "no information",
    "not enough information",
    "does not mention",
    "do not mention",
    "doesn't mention",
    "don't mention",
    "not mentioned in the",
    "is not specified",
    "does not specify",
    "do not specify",
    "does not say",
    "do not say",
    "does not contain",
    "do not contain",
    "does not provide",
    "do not provide",
    "not stated in",
    "i'm sorry",
    "i am sorry",
    "i apologise",
    "i apologize",
    "as an ai",
];

const OPENERS: &[&str] =
    &["here is", "here are", "here's", "below is", "below are", "the following", "in summary:", "summary:"];

fn is_beginning(head: &str, phrase: &str) -> bool {
    head.strip_prefix(phrase).is_some_and(|rest| !rest.starts_with(char::is_alphanumeric))
}

/// Why a sentence cannot be checked against sources, if so; `sentence` without its marks.
pub(super) fn uncheckable(sentence: &str) -> Option<&'static str> {
    let trimmed = sentence.trim_end_matches(|c: char| c.is_whitespace() || is_closer(c));
    if trimmed.ends_with(['?', '？', '؟']) {
        return Some("question");
    }
    let head: String =
        sentence.chars().take(240).flat_map(char::to_lowercase).map(|c| if c == '’' { '\'' } else { c }).collect();
    let head = head.trim_start_matches(|c: char| !c.is_alphanumeric());
    // Without its question, a bare "yes" says nothing.
    if matches!(head.trim_end_matches(|c: char| !c.is_alphanumeric()), "yes" | "no" | "true" | "false" | "correct") {
        return Some("empty");
    }
    if META.iter().any(|phrase| head.contains(phrase)) {
        return Some("meta");
    }
    if head.len() <= 80 && GREETINGS.iter().any(|phrase| is_beginning(head, phrase)) {
        return Some("greeting");
    }
    if trimmed.ends_with(':') && OPENERS.iter().any(|phrase| head.starts_with(phrase)) {
        return Some("meta");
    }
    None
}
