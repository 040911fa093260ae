//! Where some documents of a ranking stand, by score descending and then by id descending.

/// With more documents than this, one sort is cheaper than a pass over all scores for each.
const COUNTED_MAX: usize = 16;

/// The ranks, from 1, of the documents in `asked`, each given by its score and id, in a ranking of all `scores`.
///
/// Equal scores go by id, the greater one first, as `trec_eval` has it; `ids` gives the ids of all documents, in the
/// order of `scores`, and is only called where a document that is asked for shares its score. No score may be NaN.
pub fn ranks<I, E>(scores: &[f32], asked: &[(f32, I)], ids: impl FnOnce() -> Result<Vec<I>, E>) -> Result<Vec<usize>, E>
where
    I: Ord,
{
    let bounds = |own: &f32| {
        let above = scores.iter().filter(|score| *score > own).count();
        (above, scores.iter().filter(|score| *score >= own).count() - above)
    };
    let found: Vec<(usize, usize)> = if asked.len() <= COUNTED_MAX {
        asked.iter().map(|(own, _)| bounds(own)).collect()
    } else {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let place = |own: &f32| {
            let above = sorted.partition_point(|score| score > own);
            (above, sorted.partition_point(|score| score >= own) - above)
        };
        asked.iter().map(|(own, _)| place(own)).collect()
    };
    if found.iter().all(|(_, equal)| *equal <= 1) {
        return Ok(found.into_iter().map(|(above, _)| above + 1).collect());
    }
    let mut ordered: Vec<(f32, I)> = scores.iter().copied().zip(ids()?).collect();
    let before = |a: &(f32, I), b: &(f32, I)| a.0 > b.0 || (a.0 >= b.0 && a.1 > b.1);
    ordered.sort_unstable_by(|a, b| before(b, a).cmp(&before(a, b)));
    Ok(asked.iter().map(|one| ordered.partition_point(|other| before(other, one)) + 1).collect())
}
