//! Words one after another: where a text has them, by the positions that the analyzer gives.

use super::analyzer::Analyzer;

/// A phrase as terms with their places; stop words leave gaps that any word fills.
///
/// It occurs at a place p of a text if each of its terms stands `slop` words or less behind p plus its own place, and
/// one of them nowhere behind. Whole and parts of a compound word all have to stand there: it is taken as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Phrase {
    /// Terms with their places, in the order of the phrase.
    tokens: Vec<(String, u32)>,
    slop: u32,
}

/// Bytes of a term's word, and its position in the text less its place in the phrase.
#[derive(Clone, Copy)]
struct Occurrence {
    base: i64,
    start: usize,
    end: usize,
}

impl Phrase {
    /// `None` if the text has no term.
    pub fn new(analyzer: &Analyzer, text: &str, slop: u32) -> Option<Self> {
        let mut tokens = Vec::new();
        analyzer.analyze(text, &mut |token| tokens.push((token.term.to_owned(), token.position)));
        (!tokens.is_empty()).then_some(Self { tokens, slop })
    }

    /// The terms, in the order of the phrase; repeated ones as often as they stand.
    pub fn terms(&self) -> impl Iterator<Item = &str> {
        self.tokens.iter().map(|(term, _)| term.as_str())
    }

    /// How often the phrase occurs in a text.
    pub fn count(&self, analyzer: &Analyzer, text: &str) -> u32 {
        let mut count = 0;
        self.each(analyzer, text, |_, _| count += 1);
        count
    }

    /// Visits the bytes of each occurrence in a text, from its first to its last word.
    pub fn each(&self, analyzer: &Analyzer, text: &str, mut visit: impl FnMut(usize, usize)) {
        let mut lists: Vec<Vec<Occurrence>> = vec![Vec::new(); self.tokens.len()];
        analyzer.analyze(text, &mut |token| {
            for (list, (term, place)) in lists.iter_mut().zip(&self.tokens) {
                if term == token.term {
                    let base = i64::from(token.position) - i64::from(*place);
                    list.push(Occurrence { base, start: token.start, end: token.end });
                }
            }
        });
        if lists.iter().any(Vec::is_empty) {
            return;
        }
        // Positions never fall along a text, so each list is sorted.
        let mut bases: Vec<i64> = lists.iter().flatten().map(|one| one.base).collect();
        bases.sort_unstable();
        bases.dedup();
        let slop = i64::from(self.slop);
        for base in bases {
            let (mut start, mut end) = (usize::MAX, 0);
            let fits = lists.iter().all(|list| {
                let first = list.partition_point(|one| one.base < base);
                let found = list.get(first).filter(|one| one.base <= base + slop);
                if let Some(one) = found {
                    (start, end) = (start.min(one.start), end.max(one.end));
                }
                found.is_some()
            });
            if fits {
                visit(start, end);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans<'a>(phrase: &str, slop: u32, text: &'a str) -> Vec<&'a str> {
        let analyzer = Analyzer::new("english").unwrap();
        let mut all = Vec::new();
        Phrase::new(&analyzer, phrase, slop).unwrap().each(&analyzer, text, |start, end| all.push(&text[start..end]));
        all
    }

    #[test]
    fn words_stand_in_their_order() {
        // Catches order or distance ignored, stop words that close a gap, and spans of single words.
        assert_eq!(
            spans("refund policy", 0, "Our refund policies: policy refund, refund. Policy"),
            ["refund policies", "refund. Policy"]
        );
        assert_eq!(spans("refund policy", 0, "refund the policy"), Vec::<&str>::new());
        assert_eq!(spans("refund the policy", 0, "refund a policy, refund policy"), ["refund a policy"]);
        assert_eq!(spans("refund policy", 1, "refund the policy"), ["refund the policy"]);
        assert_eq!(spans("refund policy", 2, "policy refund"), ["policy refund"]);
        assert_eq!(spans("new new york", 0, "new york, new new york"), ["new new york"]);
        assert_eq!(spans("ERR_CONN_RESET code", 0, "the ERR_CONN_RESET code"), ["ERR_CONN_RESET code"]);
        assert_eq!(spans("東京都", 0, "東京都に"), ["東京都"]);
        assert!(Phrase::new(&Analyzer::new("english").unwrap(), "of the, -", 0).is_none());
    }
}
