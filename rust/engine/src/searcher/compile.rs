//! What the words of a query come to: weighted terms, lists of rows for what no single term stands for (phrases,
//! fields), the rows that may be found, and what to tell the asker.

use std::collections::{BTreeMap, BTreeSet};

use super::highlights::Highlights;
use crate::bitmap::Bitmap;
use crate::error::Result;
use crate::lexical::query::Node;
use crate::lexical::{Analyzer, QueryTerm, WeightedTerm, idf};
use crate::snapshot::Snapshot;

/// Words of a query.
#[derive(Clone, Copy, Debug)]
pub enum Words<'a> {
    /// A bag of words: no character has a meaning.
    Text(&'a str),
    /// The structured form.
    Structured(&'a Node),
}

/// A query ready to be run on every segment of its snapshot.
#[derive(Debug, Default)]
pub(super) struct Compiled {
    /// Every term that is asked for, known or not.
    pub asked: BTreeMap<String, Asked>,
    /// Those that occur, sorted: what BM25 sums up.
    pub terms: Vec<WeightedTerm>,
    /// What adds to the sums of some rows.
    pub lists: Vec<List>,
    /// By segment, the rows that may be found by words; empty, or `None`, where every row that scores may.
    pub words: Vec<Option<Bitmap>>,
    /// By segment, the rows that may be found at all, by vectors too; empty, or `None`, where all may.
    pub demanded: Vec<Option<Bitmap>>,
    /// What to mark in the texts of hits.
    pub highlights: Highlights,
    /// What the asker should know.
    pub warnings: Vec<String>,
}

/// A term that is asked for.
#[derive(Debug, Default)]
pub(super) struct Asked {
    /// Factor on its saturation: occurrences in the query times idf times boosts.
    pub weight: f64,
    /// Live rows that have it.
    pub frequency: u64,
    /// How a reader knows it.
    pub names: BTreeSet<String>,
}

/// What a leaf adds to the scores of single rows.
#[derive(Debug)]
pub(super) struct List {
    /// How a reader knows it.
    pub name: String,
    /// Factor on its saturation.
    pub weight: f64,
    /// Whether it is something asked for, and no correction of a term's count.
    pub whole: bool,
    /// By segment, ascending by row.
    pub rows: Vec<Vec<Listed>>,
}

/// A row in a list.
#[derive(Clone, Copy, Debug)]
pub(super) struct Listed {
    pub row: u32,
    pub count: f64,
    pub contribution: f64,
}

impl Compiled {
    /// A bag of words; `named` if its terms have to be told in the words of the asker.
    pub(super) fn of_text(snapshot: &Snapshot, text: &str, named: bool) -> Result<Self> {
        let mut compiled = Self::default();
        let surfaces = if named { surfaces(&snapshot.analyzer, text) } else { BTreeMap::new() };
        for term in queried(snapshot, text) {
            let frequency = snapshot.document_frequency(&term.term)?;
            let weight = f64::from(term.count) * idf(snapshot.rows, frequency);
            if frequency > 0 {
                compiled.highlights.terms.push(term.term.clone());
                compiled.terms.push(WeightedTerm { term: term.term.clone(), weight });
            }
            let written = surfaces.get(&term.term).cloned();
            let asked = Asked { weight, frequency, names: written.into_iter().collect() };
            compiled.asked.insert(term.term, asked);
        }
        if compiled.asked.is_empty() {
            compiled.warnings.push(wordless("query"));
        }
        Ok(compiled)
    }

    /// What the lists add in a segment, by row.
    pub(super) fn additions(&self, segment: usize) -> BTreeMap<u32, f64> {
        let mut sums = BTreeMap::new();
        let scoring = self.lists.iter().filter(|list| list.weight > 0.0);
        for listed in scoring.flat_map(|list| &list.rows[segment]) {
            *sums.entry(listed.row).or_insert(0.0) += listed.contribution;
        }
        sums
    }
}

impl List {
    /// The list's entry for a row of a segment.
    pub(super) fn at(&self, segment: usize, row: u32) -> Option<&Listed> {
        let rows = &self.rows[segment];
        rows.binary_search_by_key(&row, |listed| listed.row).ok().map(|at| &rows[at])
    }

    /// Number of rows over all segments.
    pub(super) fn len(&self) -> usize {
        self.rows.iter().map(Vec::len).sum()
    }
}

/// What is said about text without a term.
pub(super) fn wordless(what: &str) -> String {
    format!("{what} has no word to search for: only stop words, single letters or punctuation")
}

/// The terms of a text as a query.
pub(super) fn queried(snapshot: &Snapshot, text: &str) -> Vec<QueryTerm> {
    // Damage met here is met again, and reported, when the joined words' own terms are looked up.
    let exists = |term: &str| snapshot.document_frequency(term).is_ok_and(|frequency| frequency > 0);
    snapshot.analyzer.query(text, &exists)
}

/// Terms of a text, each as it is first written there.
pub(super) fn surfaces(analyzer: &Analyzer, text: &str) -> BTreeMap<String, String> {
    let mut surfaces = BTreeMap::new();
    analyzer.analyze(text, &mut |token| {
        surfaces.entry(token.term.to_owned()).or_insert_with(|| text[token.start..token.end].to_owned());
    });
    surfaces
}
