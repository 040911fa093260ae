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
        let bases: Vec<Vec<i64>> = lists.iter().map(|list| list.iter().map(|one| one.base).collect()).collect();
        self.bases(&bases, |chosen| {
            let words = || chosen.iter().zip(&lists).map(|(&at, list)| list[at]);
            let start = words().map(|word| word.start).min();
            visit(start.unwrap_or(0), words().map(|word| word.end).max().unwrap_or(0));
        });
    }

    /// How often the phrase occurs in a row, given for each term of [`Self::terms`] where it stands there, ascending.
    pub fn count_places(&self, places: &[Vec<u32>]) -> u32 {
        let base = |(places, (_, own)): (&Vec<u32>, &(String, u32))| {
            places.iter().map(|&place| i64::from(place) - i64::from(*own)).collect()
        };
        let lists: Vec<Vec<i64>> = places.iter().zip(&self.tokens).map(base).collect();
        let mut count = 0;
        self.bases(&lists, |_| count += 1);
        count
    }

    /// Visits each place where the phrase occurs, with the number of the chosen occurrence in each list.
    fn bases(&self, lists: &[Vec<i64>], mut visit: impl FnMut(&[usize])) {
        let mut all: Vec<i64> = lists.iter().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        let mut chosen = vec![0; lists.len()];
        for base in all {
            let fits = lists.iter().zip(&mut chosen).all(|(list, at)| {
                *at = list.partition_point(|&other| other < base);
                list.get(*at).is_some_and(|&other| other <= base + i64::from(self.slop))
            });
            if fits {
                visit(&chosen);
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

    #[test]
    fn stored_places_count_as_texts_do() {
        // Catches two readings of one definition.
        let analyzer = Analyzer::new("english").unwrap();
        let text = "new york, york new; new new york of new york";
        for (words, slop) in
            [("new york", 0), ("york new", 0), ("new york", 2), ("new new york", 1), ("york of york", 3)]
        {
            let phrase = Phrase::new(&analyzer, words, slop).unwrap();
            let mut places: Vec<Vec<u32>> = vec![Vec::new(); phrase.terms().count()];
            analyzer.analyze(text, &mut |token| {
                for (list, term) in places.iter_mut().zip(phrase.terms()) {
                    if term == token.term {
                        list.push(token.position);
                    }
                }
            });
            assert!(phrase.count(&analyzer, text) > 0, "{words}");
            assert_eq!(phrase.count_places(&places), phrase.count(&analyzer, text), "{words}");
        }
    }
}
