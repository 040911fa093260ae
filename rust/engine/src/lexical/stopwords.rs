//! English words too common to tell documents apart, with what contractions leave behind when cut at the apostrophe.

/// Lower-case and sorted, for binary search.
pub(super) const ENGLISH: &[&str] = &[
    "a", "about", "above", "after", "again", "ain", "all", "also", "am", "an", "and", "any", "are", "aren", "as", "at",
    "be", "because", "been", "before", "being", "between", "both", "but", "by", "can", "couldn", "did", "didn", "do",
    "does", "doesn", "doing", "during", "e.g", "each", "for", "from", "further", "had", "hadn", "has", "hasn", "have",
    "haven", "having", "he", "her", "here", "hers", "him", "his", "how", "i", "i.e", "if", "in", "into", "is", "isn",
    "it", "its", "just", "ll", "me", "more", "most", "my", "no", "nor", "not", "of", "on", "once", "only", "or",
    "other", "our", "ours", "out", "over", "own", "re", "same", "she", "should", "shouldn", "so", "some", "such",
    "than", "that", "the", "their", "theirs", "them", "then", "there", "these", "they", "this", "those", "through",
    "to", "too", "under", "until", "up", "ve", "very", "was", "wasn", "we", "were", "weren", "what", "when", "where",
    "which", "while", "who", "whom", "why", "will", "with", "wouldn", "you", "your", "yours",
];

#[cfg(test)]
mod tests {
    #[test]
    fn the_list_can_be_searched_by_halves() {
        // Catches a word added out of order, which binary search would then miss.
        assert!(super::ENGLISH.is_sorted() && super::ENGLISH.len() > 100);
    }
}
