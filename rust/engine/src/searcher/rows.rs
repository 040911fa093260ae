//! Sets of rows for the compiler: by terms, by what texts hold, by how many of several sets agree.

use crate::bitmap::Bitmap;
use crate::chunks::ChunkView;
use crate::error::Result;
use crate::interrupt::Interrupt;
use crate::lexical::query::Field;
use crate::segment::LiveSegment;

/// Rows read from texts between two looks at the interrupt.
pub(super) const ROWS_AT_A_TIME: usize = 256;

/// Reads the fields of chunks; the title once for all chunks of a document.
pub(super) struct Fields<'a> {
    /// First row of the document read last, and the count in its title.
    title: Option<(u32, u32)>,
    read: usize,
    interrupt: &'a dyn Interrupt,
}

impl<'a> Fields<'a> {
    pub(super) fn new(interrupt: &'a dyn Interrupt) -> Self {
        Self { title: None, read: 0, interrupt }
    }

    /// Occurrences in a field.
    pub(super) fn count(&mut self, chunk: &ChunkView<'_>, field: Field, in_text: &dyn Fn(&str) -> u32) -> Result<u32> {
        self.read += 1;
        if self.read.is_multiple_of(ROWS_AT_A_TIME) {
            self.interrupt.check()?;
        }
        match field {
            Field::Title => {
                let document = chunk.document();
                let first = document.rows().0;
                match self.title {
                    Some((known, count)) if known == first => Ok(count),
                    _ => {
                        let count = in_text(document.title()?);
                        self.title = Some((first, count));
                        Ok(count)
                    }
                }
            }
            Field::Headings => Ok(chunk.headings()?.iter().map(|heading| in_text(heading)).sum()),
            Field::Body => Ok(in_text(chunk.text()?)),
        }
    }

    /// A count in which an occurrence in a field counts as often as its factor says.
    pub(super) fn weighted(
        &mut self,
        chunk: &ChunkView<'_>,
        factors: [f64; 3],
        mut count: f64,
        in_text: &dyn Fn(&str) -> u32,
    ) -> Result<f64> {
        for (field, factor) in [Field::Title, Field::Headings, Field::Body].into_iter().zip(factors) {
            #[allow(clippy::float_cmp, reason = "the default is exactly 1")]
            if factor != 1.0 {
                count += (factor - 1.0) * f64::from(self.count(chunk, field, in_text)?);
            }
        }
        Ok(count.max(0.0))
    }
}

/// Rows of a segment that have a term, within `base`, each with its count.
pub(super) fn rows_with(segment: &LiveSegment, term: &str, base: Option<&Bitmap>) -> Result<Vec<(u32, u32)>> {
    let lexical = &segment.segment.lexical;
    let mut postings = Vec::new();
    if let Some(id) = lexical.term(term)? {
        lexical.postings(id, &mut postings)?;
    }
    if let Some(base) = base {
        postings.retain(|&(row, _)| base.contains(row));
    }
    Ok(postings)
}

/// Rows within `base` that have all the terms, ascending.
pub(super) fn common_rows(segment: &LiveSegment, terms: &[&str], base: Option<&Bitmap>) -> Result<Vec<u32>> {
    let lexical = &segment.segment.lexical;
    let mut ids = Vec::with_capacity(terms.len());
    for term in terms {
        let Some(id) = lexical.term(term)? else { return Ok(Vec::new()) };
        ids.push((lexical.document_frequency(id), id));
    }
    ids.sort_unstable();
    let (mut common, mut postings): (Vec<u32>, _) = (Vec::new(), Vec::new());
    for (number, &(_, id)) in ids.iter().enumerate() {
        lexical.postings(id, &mut postings)?;
        if number == 0 {
            let within = |row: &u32| base.is_none_or(|base| base.contains(*row));
            common = postings.iter().map(|&(row, _)| row).filter(within).collect();
        } else {
            let mut others = postings.iter().map(|&(row, _)| row).peekable();
            common.retain(|&row| {
                while others.next_if(|&other| other < row).is_some() {}
                others.peek() == Some(&row)
            });
        }
    }
    Ok(common)
}

/// Rows in at least `minimum` of the sets; `None` is a set of all rows, and all rows as a result.
pub(super) fn at_least(minimum: usize, sets: Vec<Option<Bitmap>>, len: u32) -> Option<Bitmap> {
    let everywhere = sets.iter().filter(|set| set.is_none()).count();
    let minimum = minimum.saturating_sub(everywhere);
    let sets: Vec<Bitmap> = sets.into_iter().flatten().collect();
    if minimum == 0 {
        return None;
    }
    if minimum == sets.len() {
        return sets.into_iter().reduce(|mut all, set| {
            all.intersect(&set);
            all
        });
    }
    // Row by row: how many more are needed, in layers of bitmaps, the last of which are the rows with enough.
    let mut layers = vec![Bitmap::empty(len); minimum];
    for set in &sets {
        for number in (0..minimum).rev() {
            let mut reached = set.clone();
            if number > 0 {
                reached.intersect(&layers[number - 1]);
            }
            layers[number].unite(&reached);
        }
    }
    layers.pop()
}

pub(super) fn intersect(rows: &mut Option<Bitmap>, others: Option<Bitmap>) {
    match (rows.as_mut(), others) {
        (Some(rows), Some(others)) => rows.intersect(&others),
        (None, others) => *rows = others,
        (Some(_), None) => {}
    }
}
