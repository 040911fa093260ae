//! Compiles the structured form of a query: which rows fit the tree, and what its leaves add to scores.
//!
//! All statistics are taken over the live rows of all segments, so nothing depends on how rows are spread over them.

use std::collections::BTreeMap;

use super::compile::{Compiled, List, Listed, queried, surfaces, wordless};
use super::rows::{Fields, ROWS_AT_A_TIME, at_least, common_rows, intersect, rows_with};
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::lexical::query::{Field, Kind, Node, Place};
use crate::lexical::{Analyzer, EXPANSIONS_MAX, Phrase, WeightedTerm, idf, prefixed, similar};
use crate::segment::LiveSegment;
use crate::snapshot::Snapshot;

/// Characters of a query's part that a warning repeats.
const SHOWN_MAX: usize = 60;

/// Which rows fit a node.
#[derive(Clone, Debug)]
enum Test {
    Anything,
    Term(String),
    List(usize),
    AtLeast(usize, Vec<Test>),
    Not(Box<Test>),
}

/// What a leaf adds: nothing below `none`.
#[derive(Clone, Copy)]
struct Context {
    boost: f64,
    scores: bool,
    /// Whether nothing is found that does not fit this node.
    required: bool,
}

impl Compiled {
    /// A tree. `base`: by segment, the rows of which texts may have to be read; `None` for all. `vectors` if the rows
    /// that vectors may find are wanted.
    pub(super) fn of_tree(
        snapshot: &Snapshot,
        node: &Node,
        base: Vec<Option<Bitmap>>,
        vectors: bool,
        interrupt: &dyn Interrupt,
    ) -> Result<Self> {
        let mut compiler =
            Compiler { snapshot, interrupt, base, positive: false, loose: false, compiled: Self::default() };
        let test = compiler.node(node, Context { boost: 1.0, scores: true, required: true })?;
        let optional = matches!(&node.kind, Kind::Text { minimum: Some(0 | 1), .. } | Kind::Any { minimum: 0 | 1, .. });
        // What is optional scores without being part of the test.
        let implied = matches!(test, Test::Anything) || test.is_implied() && !compiler.loose;
        let fitting = if implied && (optional || !vectors) { Vec::new() } else { compiler.fitting(&test)? };
        let positive = compiler.positive;
        let mut ready = compiler.compiled;
        if !implied {
            ready.words.clone_from(&fitting);
        }
        if vectors && !optional {
            ready.demanded = fitting;
        }
        let known = ready.asked.iter().filter(|(_, asked)| asked.frequency > 0);
        ready.terms = known.map(|(term, asked)| WeightedTerm { term: term.clone(), weight: asked.weight }).collect();
        ready.highlights.terms.sort_unstable();
        ready.highlights.terms.dedup();
        if !positive {
            ready.warnings.push("query only excludes: it has no word to search for".to_owned());
        }
        Ok(ready)
    }
}

impl Test {
    /// `minimum` of the parts have to fit; parts that say nothing do not count.
    fn at_least(minimum: usize, mut parts: Vec<Self>) -> Self {
        parts.retain(|part| !matches!(part, Self::Anything));
        if minimum == 0 || parts.is_empty() {
            return Self::Anything;
        }
        Self::AtLeast(minimum.min(parts.len()), parts)
    }

    /// No row fits.
    fn nothing() -> Self {
        Self::AtLeast(1, Vec::new())
    }

    /// Whether every row fits that one of its terms or lists lets score.
    fn is_implied(&self) -> bool {
        match self {
            Self::Anything | Self::Term(_) | Self::List(_) => true,
            Self::AtLeast(minimum, parts) => *minimum <= 1 && parts.iter().all(Self::is_implied),
            Self::Not(_) => false,
        }
    }
}

struct Compiler<'a> {
    snapshot: &'a Snapshot,
    interrupt: &'a dyn Interrupt,
    base: Vec<Option<Bitmap>>,
    /// Whether anything is looked for that is not excluded.
    positive: bool,
    /// Whether something may score that need not fit.
    loose: bool,
    compiled: Compiled,
}

impl Compiler<'_> {
    fn node(&mut self, node: &Node, above: Context) -> Result<Test> {
        let context = Context { boost: above.boost * node.boost, ..above };
        let optional = matches!(&node.kind, Kind::Text { minimum: Some(0), .. } | Kind::Any { minimum: 0, .. });
        self.loose |= context.scores && optional;
        self.positive |= context.scores && !matches!(node.kind, Kind::All(_) | Kind::Any { .. } | Kind::None(_));
        match &node.kind {
            Kind::Text { text, minimum } => self.text(text, *minimum, node.place, context),
            Kind::Phrase { text, slop } => self.phrase(text, *slop, node.place, context),
            Kind::Prefix(prefix) => self.prefix(prefix, node.place, context),
            Kind::Fuzzy { word, distance } => self.fuzzy(word, *distance, node.place, context),
            Kind::Term(term) => {
                let frequency = self.snapshot.document_frequency(term)?;
                let name = named(term, node.place);
                self.term(&name, term, frequency, idf(self.snapshot.rows, frequency), node.place, context)
            }
            Kind::All(parts) => self.all(parts, context),
            Kind::Any { parts, minimum } => {
                let context = Context { required: false, ..context };
                let tests = parts.iter().map(|part| self.node(part, context)).collect::<Result<Vec<_>>>()?;
                Ok(Test::at_least(*minimum as usize, tests))
            }
            Kind::None(parts) => {
                let context = Context { scores: false, required: false, ..context };
                let tests = parts.iter().map(|part| self.node(part, context)).collect::<Result<Vec<_>>>()?;
                Ok(match Test::at_least(1, tests) {
                    Test::Anything => Test::Anything,
                    test => Test::Not(Box::new(test)),
                })
            }
        }
    }

    /// Parts that read no text come first: they leave fewer rows to read.
    fn all(&mut self, parts: &[Node], context: Context) -> Result<Test> {
        let (quick, slow): (Vec<&Node>, Vec<&Node>) = parts.iter().partition(|part| !reads_text(part));
        let mut tests = Vec::with_capacity(parts.len());
        for (number, part) in quick.iter().chain(&slow).enumerate() {
            let test = self.node(part, context)?;
            if context.required && number + 1 >= quick.len() && number + 1 < parts.len() {
                // The rows that fit all that was compiled so far.
                let so_far = Test::at_least(tests.len() + 1, tests.iter().chain([&test]).cloned().collect());
                for (base, fitting) in self.fitting(&so_far)?.into_iter().enumerate() {
                    intersect(&mut self.base[base], fitting);
                }
            }
            tests.push(test);
        }
        Ok(Test::at_least(tests.len(), tests))
    }

    fn text(&mut self, text: &str, minimum: Option<u32>, place: Place, context: Context) -> Result<Test> {
        let snapshot = self.snapshot;
        let queried = queried(snapshot, text);
        if queried.is_empty() {
            self.warn_wordless(text);
            return Ok(Test::Anything);
        }
        let surfaces = surfaces(&snapshot.analyzer, text);
        let mut tests = BTreeMap::new();
        for found in queried {
            let frequency = snapshot.document_frequency(&found.term)?;
            let weight = f64::from(found.count) * idf(snapshot.rows, frequency);
            let name = named(surfaces.get(&found.term).unwrap_or(&found.term), place);
            let one = self.term(&name, &found.term, frequency, weight, place, context)?;
            tests.insert(found.term, one);
        }
        if let Some(minimum @ (0 | 1)) = minimum {
            return Ok(Test::at_least(minimum as usize, tests.into_values().collect()));
        }
        let words: Vec<Test> = wholes(&snapshot.analyzer, text).iter().map(|whole| tests[whole].clone()).collect();
        Ok(Test::at_least(minimum.map_or(words.len(), |minimum| minimum as usize), words))
    }

    fn phrase(&mut self, text: &str, slop: u32, place: Place, context: Context) -> Result<Test> {
        let snapshot = self.snapshot;
        let Some(phrase) = Phrase::new(&snapshot.analyzer, text, slop) else {
            self.warn_wordless(text);
            return Ok(Test::Anything);
        };
        let name = named(&format!("{text:?}"), place);
        let mut frequencies = BTreeMap::new();
        for term in phrase.terms() {
            frequencies.insert(term.to_owned(), snapshot.document_frequency(term)?);
        }
        let weight = phrase.terms().map(|term| idf(snapshot.rows, frequencies[term])).sum();
        if let [(term, &frequency)] = frequencies.iter().collect::<Vec<_>>()[..]
            && phrase.terms().count() == 1
        {
            return self.term(&name, term, frequency, weight, place, context);
        }
        let terms: Vec<&str> = frequencies.keys().map(String::as_str).collect();
        let analyzer = &snapshot.analyzer;
        let interrupt = self.interrupt;
        let count = |text: &str| phrase.count(analyzer, text);
        let list = self.list(name, weight, true, context, |segment, base, fields| {
            let mut listed = Vec::new();
            for (number, row) in common_rows(segment, &terms, base)?.into_iter().enumerate() {
                if number % ROWS_AT_A_TIME == 0 {
                    interrupt.check()?;
                }
                let chunk = segment.chunk(row);
                let found = match place {
                    Place::In(field) => fields.count(&chunk, field, &count)?,
                    _ => count(chunk.context()?) + count(chunk.text()?),
                };
                if found > 0 {
                    let factors = if let Place::Weighted(factors) = place { factors } else { [1.0; 3] };
                    listed.push((row, 0.0, fields.weighted(&chunk, factors, f64::from(found), &count)?));
                }
            }
            Ok(listed)
        })?;
        if context.scores && is_shown(place) {
            self.compiled.highlights.phrases.push(phrase);
        }
        Ok(Test::List(list))
    }

    fn prefix(&mut self, prefix: &str, place: Place, context: Context) -> Result<Test> {
        let normal = self.snapshot.analyzer.normal(prefix);
        let name = named(&format!("{prefix}*"), place);
        if !normal.contains(char::is_alphanumeric) {
            self.warn_wordless(prefix);
            return Ok(Test::Anything);
        }
        let mut found: BTreeMap<String, (u64, u8)> = BTreeMap::new();
        for segment in &self.snapshot.segments {
            prefixed(&segment.segment.lexical, &normal, |id, term| {
                let live = segment.tombstones.corrections.document_frequency_live(&segment.segment.lexical, id);
                add(&mut found, term, live, 0);
            })?;
        }
        self.expanded(&name, found, |_, _| 1.0, place, context)
    }

    fn fuzzy(&mut self, word: &str, distance: u8, place: Place, context: Context) -> Result<Test> {
        let analyzer = &self.snapshot.analyzer;
        let normal = match wholes(analyzer, word).as_slice() {
            [term] => term.clone(),
            _ => analyzer.normal(word),
        };
        let name = named(&format!("{word}~{distance}"), place);
        let length = normal.chars().count();
        if !normal.contains(char::is_alphanumeric) {
            self.warn_wordless(word);
            return Ok(Test::Anything);
        }
        let mut found: BTreeMap<String, (u64, u8)> = BTreeMap::new();
        for segment in &self.snapshot.segments {
            self.interrupt.check()?;
            similar(&segment.segment.lexical, &normal, distance, |id, term, edits| {
                // A term of which nothing is left was not meant.
                if usize::from(edits) < length.min(term.chars().count()) {
                    let live = segment.tombstones.corrections.document_frequency_live(&segment.segment.lexical, id);
                    add(&mut found, term, live, edits);
                }
            })?;
        }
        let closeness = |term: &str, edits: u8| 1.0 - f64::from(edits) / length.min(term.chars().count()) as f64;
        self.expanded(&name, found, closeness, place, context)
    }

    /// Terms that stand for one word: all weigh as the commonest of them does, so that none is favoured for being
    /// rare, less what they differ.
    fn expanded(
        &mut self,
        name: &str,
        found: BTreeMap<String, (u64, u8)>,
        closeness: impl Fn(&str, u8) -> f64,
        place: Place,
        context: Context,
    ) -> Result<Test> {
        let mut terms: Vec<(String, u64, u8)> = found
            .into_iter()
            .filter(|(_, (live, _))| *live > 0)
            .map(|(term, (live, edits))| (term, live, edits))
            .collect();
        if terms.is_empty() {
            return Ok(Test::nothing());
        }
        if terms.len() > EXPANSIONS_MAX {
            let message = format!(
                "{name} stands for {} terms: the {EXPANSIONS_MAX} {} were taken",
                terms.len(),
                if terms.iter().any(|term| term.2 > 0) {
                    "nearest, and of those as near the most frequent,"
                } else {
                    "most frequent"
                }
            );
            self.compiled.warnings.push(message);
            terms.sort_by(|a, b| a.2.cmp(&b.2).then(b.1.cmp(&a.1)).then_with(|| a.0.cmp(&b.0)));
            terms.truncate(EXPANSIONS_MAX);
        }
        let most = terms.iter().map(|term| term.1).max().unwrap_or(0);
        let shared = idf(self.snapshot.rows, most);
        let mut tests = Vec::with_capacity(terms.len());
        for (term, live, edits) in &terms {
            tests.push(self.term(name, term, *live, shared * closeness(term, *edits), place, context)?);
        }
        Ok(Test::at_least(1, tests))
    }

    fn term(
        &mut self,
        name: &str,
        term: &str,
        frequency: u64,
        weight: f64,
        place: Place,
        context: Context,
    ) -> Result<Test> {
        if context.scores && is_shown(place) {
            self.compiled.highlights.terms.push(term.to_owned());
        }
        let in_text = |text: &str| {
            let mut count = 0u32;
            self.snapshot.analyzer.analyze(text, &mut |token| count += u32::from(token.term == term));
            count
        };
        if let Place::In(field) = place {
            let list = self.list(name.to_owned(), weight, true, context, |segment, base, fields| {
                let mut listed = Vec::new();
                for (row, count) in rows_with(segment, term, base)? {
                    let chunk = segment.chunk(row);
                    // The context is short: what is not in it is in the body.
                    let here = match field {
                        Field::Body => count.saturating_sub(in_text(chunk.context()?)),
                        _ => fields.count(&chunk, field, &in_text)?,
                    };
                    if here > 0 {
                        listed.push((row, 0.0, f64::from(here)));
                    }
                }
                Ok(listed)
            })?;
            return Ok(Test::List(list));
        }
        if !context.scores {
            return Ok(Test::Term(term.to_owned()));
        }
        if let Place::Weighted(factors) = place {
            self.list(name.to_owned(), weight, false, context, |segment, base, fields| {
                let mut listed = Vec::new();
                for (row, count) in rows_with(segment, term, base)? {
                    let chunk = segment.chunk(row);
                    let count = f64::from(count);
                    let weighted = fields.weighted(&chunk, factors, count, &in_text)?;
                    #[allow(clippy::float_cmp, reason = "equal counts were not touched")]
                    if weighted != count {
                        listed.push((row, count, weighted));
                    }
                }
                Ok(listed)
            })?;
        }
        let asked = self.compiled.asked.entry(term.to_owned()).or_default();
        asked.weight += weight * context.boost;
        asked.frequency = frequency;
        asked.names.insert(name.to_owned());
        Ok(Test::Term(term.to_owned()))
    }

    /// Adds a list of what `read` gives for each segment: row, count that is scored anyway, count that should be.
    fn list(
        &mut self,
        name: String,
        weight: f64,
        whole: bool,
        context: Context,
        mut read: impl FnMut(&LiveSegment, Option<&Bitmap>, &mut Fields) -> Result<Vec<(u32, f64, f64)>>,
    ) -> Result<usize> {
        let (snapshot, weight) = (self.snapshot, if context.scores { weight * context.boost } else { 0.0 });
        let bm25 = snapshot.bm25();
        let average = snapshot.average_length();
        let mut rows = Vec::with_capacity(snapshot.segments.len());
        for (segment, base) in snapshot.segments.iter().zip(&self.base) {
            let mut fields = Fields::new(self.interrupt);
            let saturation = |row: u32, count: f64| {
                let length = f64::from(segment.segment.lexical.length(row));
                let norm = bm25.k1 * (1.0 - bm25.b) + bm25.k1 * bm25.b / average * length;
                if count > 0.0 { count / (count + norm) } else { 0.0 }
            };
            let mut listed = Vec::new();
            for (row, scored, count) in read(segment, base.as_ref(), &mut fields)? {
                let contribution = weight * (saturation(row, count) - saturation(row, scored));
                listed.push(Listed { row, count, contribution });
            }
            rows.push(listed);
        }
        let whole = whole && context.scores;
        self.compiled.lists.push(List { name, weight, whole, rows });
        Ok(self.compiled.lists.len() - 1)
    }

    /// By segment, the rows that fit; `None` where all do.
    fn fitting(&self, test: &Test) -> Result<Vec<Option<Bitmap>>> {
        (0..self.snapshot.segments.len()).map(|segment| self.rows(test, segment)).collect()
    }

    fn rows(&self, test: &Test, number: usize) -> Result<Option<Bitmap>> {
        let segment = &self.snapshot.segments[number];
        let mut rows = Bitmap::empty(segment.entry.rows);
        match test {
            Test::Anything => return Ok(None),
            Test::Term(term) => {
                for (row, _) in rows_with(segment, term, None)? {
                    rows.insert(row);
                }
            }
            Test::List(list) => {
                for listed in &self.compiled.lists[*list].rows[number] {
                    rows.insert(listed.row);
                }
            }
            Test::Not(test) => match self.rows(test, number)? {
                None => {}
                Some(excluded) => {
                    rows = excluded;
                    rows.invert();
                }
            },
            Test::AtLeast(minimum, parts) => {
                let sets = parts.iter().map(|part| self.rows(part, number)).collect::<Result<Vec<_>>>()?;
                return Ok(at_least(*minimum, sets, segment.entry.rows));
            }
        }
        Ok(Some(rows))
    }

    fn warn_wordless(&mut self, text: &str) {
        let shown: String = text.chars().take(SHOWN_MAX).collect();
        self.compiled.warnings.push(wordless(&format!("{shown:?}")));
    }
}

/// Whether finding out about a node means reading texts.
fn reads_text(node: &Node) -> bool {
    match &node.kind {
        Kind::All(parts) | Kind::Any { parts, .. } | Kind::None(parts) => parts.iter().any(reads_text),
        Kind::Phrase { .. } => true,
        _ => node.place != Place::Anywhere,
    }
}

/// Whether what is found at a place can stand in the text of a hit.
fn is_shown(place: Place) -> bool {
    !matches!(place, Place::In(Field::Title | Field::Headings))
}

fn add(found: &mut BTreeMap<String, (u64, u8)>, term: &str, live: u32, edits: u8) {
    match found.get_mut(term) {
        Some(known) => known.0 += u64::from(live),
        None => {
            found.insert(term.to_owned(), (u64::from(live), edits));
        }
    }
}

/// The name of a leaf as a reader knows it.
fn named(words: &str, place: Place) -> String {
    match place {
        Place::In(Field::Title) => format!("title:{words}"),
        Place::In(Field::Headings) => format!("headings:{words}"),
        Place::In(Field::Body) => format!("body:{words}"),
        Place::Anywhere | Place::Weighted(_) => words.to_owned(),
    }
}

/// Terms of a text that are no part of another, each once.
fn wholes(analyzer: &Analyzer, text: &str) -> Vec<String> {
    let mut wholes: Vec<String> = Vec::new();
    let mut end = 0;
    analyzer.analyze(text, &mut |token| {
        if token.end > end {
            end = token.end;
            if !wholes.iter().any(|whole| whole == token.term) {
                wholes.push(token.term.to_owned());
            }
        }
    });
    wholes
}
