//! Names: capitalised words in a row, and what else they are called: acronyms, peoples of places, numbered kings.

use super::keys::{Tag, key, text_key};
use super::tokens::{Kind, Token, plain};

/// Neighbouring capitalised words that are looked at together, at most.
const RUN_MAX: usize = 8;

/// Whether a lower-case word can stand inside a name.
fn is_particle(raw: &str) -> bool {
    matches!(
        raw,
        "of" | "the"
            | "and"
            | "for"
            | "de"
            | "la"
            | "le"
            | "du"
            | "des"
            | "da"
            | "di"
            | "del"
            | "van"
            | "von"
            | "der"
            | "den"
            | "al"
            | "bin"
            | "ibn"
            | "el"
            | "y"
            | "&"
    )
}

/// The tokens of the capitalised run that begins at `at`, particles between them left out; empty if none begins.
pub(super) fn run(text: &str, tokens: &[Token], at: usize, places: &mut Vec<usize>) {
    places.clear();
    let mut place = at;
    while let Some(token) = tokens.get(place).filter(|_| places.len() < RUN_MAX) {
        if token.kind == Kind::Word && token.is_capital(text) {
            places.push(place);
            place += 1;
            // "J. R. R. Tolkien", "Anglo-Saxon"
            let initial =
                token.end - token.start == 1 && token.spaced && tokens.get(place).is_some_and(|dot| dot.is(text, '.'));
            let hyphen = tokens.get(place).is_some_and(|dash| dash.is_dash(text) && !dash.spaced);
            place += usize::from(initial || hyphen);
            continue;
        }
        let mut after = place;
        while after < place + 3 && tokens.get(after).is_some_and(|token| is_particle(token.raw(text))) {
            after += 1;
        }
        let goes_on =
            after > place && tokens.get(after).is_some_and(|next| next.kind == Kind::Word && next.is_capital(text));
        if places.is_empty() || !goes_on {
            break;
        }
        place = after;
    }
}

/// Whether a word that often begins a sentence is hardly ever a name.
pub(super) fn is_opener(word: &str) -> bool {
    let ending = ["ly", "ing", "ed", "ment", "tion", "sion", "ness", "ity", "ance", "ence", "ship", "ism"];
    let ending = word.len() > 5 && ending.iter().any(|ending| word.ends_with(ending));
    ending
        || matches!(
            word,
            "yes"
                | "no"
                | "none"
                | "true"
                | "false"
                | "correct"
                | "incorrect"
                | "right"
                | "wrong"
                | "sure"
                | "overall"
                | "however"
                | "also"
                | "although"
                | "though"
                | "despite"
                | "unlike"
                | "like"
                | "since"
                | "because"
                | "therefore"
                | "thus"
                | "hence"
                | "instead"
                | "moreover"
                | "furthermore"
                | "meanwhile"
                | "otherwise"
                | "nevertheless"
                | "besides"
                | "additional"
                | "another"
                | "many"
                | "most"
                | "much"
                | "some"
                | "several"
                | "various"
                | "multiple"
                | "other"
                | "others"
                | "every"
                | "everyone"
                | "everything"
                | "anyone"
                | "someone"
                | "nobody"
                | "nothing"
                | "either"
                | "neither"
                | "each"
                | "both"
                | "first"
                | "second"
                | "third"
                | "last"
                | "next"
                | "then"
                | "today"
                | "later"
                | "now"
                | "here"
                | "there"
                | "people"
                | "one"
                | "two"
                | "three"
                | "four"
                | "five"
                | "six"
                | "former"
                | "famous"
                | "early"
                | "late"
                | "modern"
                | "new"
                | "old"
                | "young"
                | "good"
                | "great"
                | "based"
                | "given"
                | "due"
                | "per"
                | "via"
                | "within"
                | "without"
                | "upon"
                | "throughout"
                | "across"
                | "among"
                | "around"
                | "along"
                | "beyond"
                | "until"
                | "while"
                | "whereas"
                | "whether"
                | "once"
                | "even"
                | "still"
                | "yet"
                | "just"
                | "only"
                | "often"
                | "sometimes"
                | "never"
                | "always"
                | "perhaps"
                | "maybe"
                | "please"
                | "note"
                | "see"
                | "use"
                | "make"
                | "take"
                | "keep"
                | "let"
                | "example"
                | "examples"
                | "question"
                | "answer"
                | "summary"
                | "step"
                | "steps"
                | "total"
                | "name"
                | "names"
                | "year"
                | "years"
                | "date"
                | "time"
                | "number"
                | "type"
                | "types"
                | "list"
                | "key"
                | "main"
                | "part"
                | "parts"
                | "point"
                | "points"
                | "reason"
                | "reasons"
                | "result"
                | "results"
                | "such"
                | "these"
                | "those"
                | "this"
                | "that"
                | "what"
                | "when"
                | "where"
                | "which"
                | "who"
                | "why"
                | "how"
                | "from"
                | "with"
                | "after"
                | "before"
                | "during"
                | "under"
                | "over"
                | "about"
                | "into"
                | "between"
                | "against"
                | "for"
                | "and"
                | "but"
                | "not"
                | "all"
                | "any"
                | "the"
                | "its"
                | "it"
                | "they"
                | "their"
                | "his"
                | "her"
                | "she"
                | "our"
                | "your"
                | "you"
                | "support"
                | "music"
                | "access"
                | "work"
                | "staff"
                | "food"
                | "money"
                | "human"
                | "humans"
                | "water"
        )
}

/// Whether a word often follows the subject of a sentence.
pub(super) fn is_verb(word: &str) -> bool {
    let past = word.len() > 4 && word.ends_with("ed") && word.starts_with(char::is_lowercase);
    past || matches!(
        word,
        "is" | "was"
            | "has"
            | "had"
            | "were"
            | "are"
            | "became"
            | "becomes"
            | "can"
            | "could"
            | "will"
            | "would"
            | "did"
            | "does"
            | "may"
            | "might"
            | "must"
            | "won"
            | "wrote"
            | "made"
            | "began"
            | "went"
            | "took"
            | "got"
            | "gave"
            | "said"
            | "says"
            | "came"
            | "led"
            | "left"
            | "grew"
            | "met"
            | "ran"
            | "held"
            | "lies"
            | "stands"
            | "costs"
            | "weighs"
            | "measures"
            | "takes"
            | "gives"
            | "sells"
            | "makes"
            | "plays"
            | "lives"
            | "works"
            | "owns"
    )
}

/// Whether a word is written as an acronym: two to six capitals, perhaps a plural's `s`.
pub(super) fn is_acronym(raw: &str) -> bool {
    let letters = raw.strip_suffix('s').unwrap_or(raw);
    let count = letters.chars().filter(|&c| c != '.').count();
    (2..=6).contains(&count) && letters.chars().all(|c| c == '.' || c.is_uppercase())
}

/// The letters of an acronym, lower-case.
pub(super) fn acronym_key(tag: Tag, raw: &str, word: &mut String) -> u64 {
    plain(raw, word);
    if raw.ends_with('s') && word.ends_with('s') {
        word.pop();
    }
    text_key(tag, word)
}

/// The key of the letters that begin these tokens.
pub(super) fn initials_key(tag: Tag, text: &str, tokens: &[Token], places: &[usize], word: &mut String) -> u64 {
    word.clear();
    let firsts = places.iter().filter_map(|&place| text[tokens[place].start..].chars().next());
    word.extend(firsts.flat_map(char::to_lowercase));
    text_key(tag, word)
}

/// Value of a Roman number of two letters or more, or of one after a name.
pub(super) fn roman(raw: &str) -> Option<f64> {
    if raw.is_empty() || raw.len() > 8 {
        return None;
    }
    let mut total = 0;
    let mut last = 0;
    for letter in raw.bytes().rev() {
        let value = match letter {
            b'I' => 1,
            b'V' => 5,
            b'X' => 10,
            b'L' => 50,
            b'C' => 100,
            b'D' => 500,
            b'M' => 1000,
            _ => return None,
        };
        total += if value < last { -value } else { value };
        last = last.max(value);
    }
    Some(f64::from(total))
}

/// Places whose people are not called by adding an ending.
fn irregular(word: &str) -> Option<u64> {
    Some(match word {
        "france" | "french" => 1,
        "netherlands" | "dutch" | "holland" => 2,
        "greece" | "greek" | "greeks" => 3,
        "spain" | "spanish" | "spaniard" | "spaniards" => 4,
        "denmark" | "danish" | "dane" | "danes" => 5,
        "switzerland" | "swiss" => 6,
        "england" | "english" => 7,
        "britain" | "british" | "briton" | "britons" => 8,
        "wales" | "welsh" => 9,
        "scotland" | "scottish" | "scots" => 10,
        "ireland" | "irish" => 11,
        "poland" | "polish" | "poles" => 12,
        "sweden" | "swedish" | "swede" | "swedes" => 13,
        "finland" | "finnish" | "finn" | "finns" => 14,
        "turkey" | "turkish" | "turks" => 15,
        "norway" | "norwegian" | "norwegians" => 16,
        "portugal" | "portuguese" => 17,
        "germany" | "german" | "germans" => 18,
        "usa" | "us" | "america" | "american" | "americans" => 19,
        "unitedstates" => 19,
        "unitedkingdom" | "uk" => 8,
        "peru" | "peruvian" => 21,
        "cyprus" | "cypriot" => 22,
        "philippines" | "filipino" | "philippine" => 23,
        "argentina" | "argentine" | "argentinian" => 24,
        "naples" | "neapolitan" => 25,
        "venice" | "venetian" => 26,
        "jew" | "jews" | "jewish" | "judaism" => 27,
        "christ" | "christian" | "christians" | "christianity" => 28,
        "islam" | "islamic" | "muslim" | "muslims" => 29,
        _ => return None,
    })
}

/// Visits the keys under which a place and its people meet: `Italy` and `Italian`, `France` and `French`.
///
/// A place is looked up among peoples and a people among places, or Maria would be Mario: a claim exchanges them.
pub(super) fn places(word: &str, claim: bool, emit: &mut impl FnMut(u64)) {
    if let Some(number) = irregular(word) {
        emit(key(Tag::Place, &[number]));
    }
    if !word.is_ascii() || word.len() < 4 {
        return;
    }
    let mut cut = |people: bool, endings: &[&str]| {
        let tag = if people == claim { Tag::Place } else { Tag::People };
        for ending in endings {
            if let Some(root) = word.strip_suffix(ending)
                && root.len() >= 4
            {
                emit(text_key(tag, root));
            }
        }
    };
    cut(false, &["", "a", "ia", "y", "e", "land", "o", "um"]);
    cut(true, &["n", "an", "ian", "ean", "ese", "ish", "i", "ic", "ans", "ians", "is", "ns", "er", "ers"]);
}
