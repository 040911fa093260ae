//! Words to rows: BM25 over an inverted index whose results do not depend on how rows are spread over segments.
//!
//! Text → [`Analyzer`] → [`RowTerms`] → [`LexicalWriter`] → sections `lex.*` of a file → [`Lexical`] → search.
//! [`Corrections`] take deleted rows out of the statistics, [`merge`] joins inverted indexes, and [`LexicalIndex`] is
//! the whole of it without documents. `storage/FORMAT.md` has the sections byte by byte.

mod analyzer;
mod corrections;
mod dictionary;
mod encode;
mod english;
mod exhaustive;
mod expand;
mod feed;
mod fold;
mod impact;
mod index;
mod interner;
mod languages;
mod lists;
mod memo;
mod merge;
mod phrase;
pub mod positions;
mod postings;
pub mod query;
mod reader;
mod removed;
mod score;
mod search;
mod split;
mod stem;
mod stopwords;
mod terms;
mod writer;

#[cfg(test)]
mod building_tests;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tests;

pub use analyzer::{Analyzer, QueryTerm, Token};
pub use corrections::Corrections;
pub use dictionary::{TermId, Terms};
pub use encode::WINDOW;
pub use expand::{EXPANSIONS_MAX, prefixed, similar};
pub(crate) use fold::{fold, is_attached};
pub use index::LexicalIndex;
pub use languages::detect;
pub use merge::{DROPPED, merge};
pub use phrase::Phrase;
pub use reader::Lexical;
pub use score::{Bm25, TermScore, WeightedTerm, average_length, idf};
pub use terms::{RowTerms, analyze_row};
pub use writer::LexicalWriter;
