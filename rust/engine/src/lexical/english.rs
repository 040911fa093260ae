//! The Snowball stemmer for English, as `rust-stemmers` has it but some ten times faster: it works in place and
//! compares endings as numbers. English is what most texts are, and their rare words are not remembered.
//!
//! Source: the Porter2 algorithm, <https://snowballstem.org/algorithms/english/stemmer.html>.

/// An ending with what takes its place.
struct Rule {
    mask: u64,
    ending: u64,
    length: usize,
    put: &'static str,
}

const fn rule(ending: &str, put: &'static str) -> Rule {
    let bytes = ending.as_bytes();
    let (mut at, mut value, mut mask) = (0, 0, 0);
    while at < bytes.len() {
        value = value << 8 | bytes[at] as u64;
        mask = mask << 8 | 0xff;
        at += 1;
    }
    Rule { mask, ending: value, length: bytes.len(), put }
}

/// Endings of each step, a longer one before its own endings.
static PLURALS: [Rule; 6] =
    [rule("sses", "ss"), rule("ied", "i"), rule("ies", "i"), rule("us", "us"), rule("ss", "ss"), rule("s", "")];
static PASTS: [Rule; 6] =
    [rule("eedly", "ee"), rule("ingly", ""), rule("edly", ""), rule("eed", "ee"), rule("ing", ""), rule("ed", "")];
static SECOND: [Rule; 24] = [
    rule("ational", "ate"),
    rule("tional", "tion"),
    rule("ization", "ize"),
    rule("ation", "ate"),
    rule("iveness", "ive"),
    rule("fulness", "ful"),
    rule("ousness", "ous"),
    rule("biliti", "ble"),
    rule("lessli", "less"),
    rule("entli", "ent"),
    rule("aliti", "al"),
    rule("alism", "al"),
    rule("iviti", "ive"),
    rule("ousli", "ous"),
    rule("fulli", "ful"),
    rule("enci", "ence"),
    rule("anci", "ance"),
    rule("abli", "able"),
    rule("izer", "ize"),
    rule("ator", "ate"),
    rule("alli", "al"),
    rule("bli", "ble"),
    rule("ogi", "og"),
    rule("li", ""),
];
static THIRD: [Rule; 9] = [
    rule("ational", "ate"),
    rule("tional", "tion"),
    rule("alize", "al"),
    rule("icate", "ic"),
    rule("iciti", "ic"),
    rule("ative", ""),
    rule("ical", "ic"),
    rule("ness", ""),
    rule("ful", ""),
];
static FOURTH: [Rule; 18] = [
    rule("ement", ""),
    rule("ance", ""),
    rule("ence", ""),
    rule("able", ""),
    rule("ible", ""),
    rule("ment", ""),
    rule("ant", ""),
    rule("ent", ""),
    rule("ism", ""),
    rule("ate", ""),
    rule("iti", ""),
    rule("ous", ""),
    rule("ive", ""),
    rule("ize", ""),
    rule("ion", ""),
    rule("al", ""),
    rule("er", ""),
    rule("ic", ""),
];

/// Words that the rules would get wrong.
fn exception(word: &str) -> Option<&'static str> {
    Some(match word {
        "skis" => "ski",
        "skies" | "sky" => "sky",
        "dying" => "die",
        "lying" => "lie",
        "tying" => "tie",
        "idly" => "idl",
        "gently" => "gentl",
        "ugly" => "ugli",
        "early" => "earli",
        "only" => "onli",
        "singly" => "singl",
        "news" => "news",
        "howe" => "howe",
        "atlas" => "atlas",
        "cosmos" => "cosmos",
        "bias" => "bias",
        "andes" => "andes",
        _ => return None,
    })
}

/// Whether a word is done once its plural is off.
fn is_whole(word: &[u8]) -> bool {
    matches!(word, b"inning" | b"outing" | b"canning" | b"herring" | b"earring" | b"proceed" | b"exceed" | b"succeed")
}

/// Replaces a word of lower-case ASCII letters by its stem.
pub(super) fn stem(word: &mut String) {
    if word.len() < 3 {
        return;
    }
    if let Some(stem) = exception(word) {
        word.clear();
        word.push_str(stem);
        return;
    }
    let mut stemmer = Stemmer::new(std::mem::take(word).into_bytes());
    stemmer.stem();
    stemmer.word.make_ascii_lowercase();
    *word = String::from_utf8(stemmer.word).expect("ASCII letters stay so");
}

/// A `y` that is a consonant is written `Y` meanwhile.
fn is_vowel(letter: u8) -> bool {
    matches!(letter, b'a' | b'e' | b'i' | b'o' | b'u' | b'y')
}

struct Stemmer {
    word: Vec<u8>,
    /// Where the regions begin that an ending must lie in to be taken off.
    first: usize,
    second: usize,
}

impl Stemmer {
    fn new(mut word: Vec<u8>) -> Self {
        for at in 0..word.len() {
            if word[at] == b'y' && (at == 0 || is_vowel(word[at - 1])) {
                word[at] = b'Y';
            }
        }
        let prefix = [&b"gener"[..], b"commun", b"arsen"].into_iter().find(|prefix| word.starts_with(prefix));
        let first = prefix.map_or_else(|| region(&word, 0), <[u8]>::len);
        let second = region(&word, first);
        Self { word, first, second }
    }

    fn stem(&mut self) {
        self.plural();
        if is_whole(&self.word) {
            return;
        }
        self.past();
        self.final_y();
        self.second();
        self.third();
        self.fourth();
        self.last();
    }

    fn find(&self, rules: &'static [Rule]) -> Option<&'static Rule> {
        let last = match self.word.last_chunk::<8>() {
            Some(last) => u64::from_be_bytes(*last),
            None => self.word.iter().fold(0, |value, &letter| value << 8 | u64::from(letter)),
        };
        rules.iter().find(|rule| last & rule.mask == rule.ending)
    }

    fn replace(&mut self, rule: &Rule) {
        self.word.truncate(self.word.len() - rule.length);
        self.word.extend_from_slice(rule.put.as_bytes());
    }

    /// Whether the word's last bytes, so many, lie behind a region's begin.
    fn lies_in(&self, region: usize, ending: usize) -> bool {
        region + ending <= self.word.len()
    }

    /// The letter before the last ones, so many.
    fn before(&self, ending: usize) -> u8 {
        self.word.len().checked_sub(ending + 1).map_or(0, |at| self.word[at])
    }

    /// Whether the first bytes, so many, end in a short syllable.
    fn is_short(&self, length: usize) -> bool {
        match self.word[..length] {
            [vowel, last] => is_vowel(vowel) && !is_vowel(last),
            [.., before, vowel, last] => {
                !is_vowel(before) && is_vowel(vowel) && !is_vowel(last) && !matches!(last, b'w' | b'x' | b'Y')
            }
            _ => false,
        }
    }

    fn plural(&mut self) {
        let Some(rule) = self.find(&PLURALS) else { return };
        let rest = self.word.len() - rule.length;
        match rule.length {
            1 if !self.word[..rest.saturating_sub(1)].iter().copied().any(is_vowel) => {}
            3 if rest < 2 => self.word.truncate(rest + 2),
            _ => self.replace(rule),
        }
    }

    fn past(&mut self) {
        let Some(rule) = self.find(&PASTS) else { return };
        if !rule.put.is_empty() {
            if self.lies_in(self.first, rule.length) {
                self.replace(rule);
            }
            return;
        }
        if !self.word[..self.word.len() - rule.length].iter().copied().any(is_vowel) {
            return;
        }
        self.replace(rule);
        match self.word[..] {
            [.., b'a', b't'] | [.., b'b', b'l'] | [.., b'i', b'z'] => self.word.push(b'e'),
            [.., a, b] if a == b && matches!(a, b'b' | b'd' | b'f' | b'g' | b'm' | b'n' | b'p' | b'r' | b't') => {
                self.word.pop();
            }
            _ if self.first == self.word.len() && self.is_short(self.word.len()) => self.word.push(b'e'),
            _ => {}
        }
    }

    fn final_y(&mut self) {
        if let [_, .., before, y @ (b'y' | b'Y')] = &mut self.word[..]
            && !is_vowel(*before)
        {
            *y = b'i';
        }
    }

    fn second(&mut self) {
        let Some(rule) = self.find(&SECOND) else { return };
        let fits = match rule.put {
            "og" => self.before(rule.length) == b'l',
            "" => {
                matches!(self.before(2), b'c' | b'd' | b'e' | b'g' | b'h' | b'k' | b'm' | b'n' | b'r' | b't')
            }
            _ => true,
        };
        if fits && self.lies_in(self.first, rule.length) {
            self.replace(rule);
        }
    }

    fn third(&mut self) {
        let Some(rule) = self.find(&THIRD) else { return };
        let region = if rule.length == 5 && rule.put.is_empty() { self.second } else { self.first };
        if self.lies_in(region.max(self.first), rule.length) {
            self.replace(rule);
        }
    }

    fn fourth(&mut self) {
        let Some(rule) = self.find(&FOURTH) else { return };
        let fits = !self.word.ends_with(b"ion") || matches!(self.before(3), b's' | b't');
        if fits && self.lies_in(self.second, rule.length) {
            self.replace(rule);
        }
    }

    fn last(&mut self) {
        let gone = match self.word.last() {
            Some(b'e') => {
                self.lies_in(self.second, 1) || self.lies_in(self.first, 1) && !self.is_short(self.word.len() - 1)
            }
            Some(b'l') => self.lies_in(self.second, 1) && self.before(1) == b'l',
            _ => false,
        };
        if gone {
            self.word.pop();
        }
    }
}

/// Where the region after the first consonant that follows a vowel begins.
fn region(word: &[u8], from: usize) -> usize {
    let after = |from: usize, is: fn(u8) -> bool| {
        word[from..].iter().position(|&letter| is(letter)).map_or(word.len(), |at| from + at + 1)
    };
    after(after(from, is_vowel), |letter| !is_vowel(letter))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rust_stemmers::{Algorithm, Stemmer};

    /// Words of letters and of the endings that the rules are about.
    fn words() -> impl Strategy<Value = String> {
        let endings = "ational|tional|ization|ation|iveness|fulness|ousness|biliti|lessly|ently|ality|alism|ivity|ously|fully|ency|\
                       ancy|ably|izer|ator|ally|bly|ogy|ly|alize|icate|icity|ative|ical|ness|ful|ement|ance|ence|able|ible|ment|\
                       ant|ent|ism|ate|ous|ive|ize|sion|tion|al|er|ic|sses|ies|ied|us|ss|s|eedly|ingly|edly|eed|ing|ed|y|ll|e|at|bl|iz|\
                       tt|gener|commun|arsen|succ|proc|exc|inn|out|cann|herr|earr|ski|sky|dy";
        let endings: Vec<String> = endings.split('|').map(str::to_owned).collect();
        let part = prop_oneof![proptest::sample::select(endings), "[a-z]{1,3}", "[aeiouy]"];
        let parts = proptest::collection::vec(part, 1..5);
        parts.prop_map(|parts| parts.concat())
    }

    fn check(word: &str) {
        let mut ours = word.to_owned();
        super::stem(&mut ours);
        assert_eq!(ours, Stemmer::create(Algorithm::English).stem(word), "{word}");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(20_000))]
        // Catches a rule that differs from the library's in its ending, its region, its order or its exceptions.
        #[test]
        fn words_are_stemmed_as_the_library_does(word in words()) {
            check(&word);
        }
    }

    #[test]
    fn exceptions_are_those_of_the_library() {
        // Catches one forgotten or misspelt, and the shortest words.
        for word in
            "skis skies sky dying lying tying idly gently ugly early only singly news howe atlas cosmos bias andes \
                     inning innings outing outings canning herring herrings earring earrings proceed proceeds exceed \
                     succeeds a ab as is ies ied ties tied cries yes say syzygy yyy bed hoped falling used general \
                     generously communism arsenal"
                .split_whitespace()
        {
            check(word);
        }
    }
}
