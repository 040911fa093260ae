//! Where some documents of a ranking stand, by score descending and then by id descending.

/// With more documents than this, one sort is cheaper than a pass over all scores for each.
const COUNTED_MAX: usize = 16;

/// The ranks, from 1, of some documents in a ranking of all `scores`; `asked` are their own scores.
///
/// Equal scores go by id, the greater one first, as `trec_eval` has it. `ids` gives the ids of all documents and of those
/// asked for, in the orders of the scores; it is called only where a document that is asked for shares its score, for
/// reading ids takes longer than all else. No score may be NaN.
pub fn ranks<I, E>(
    scores: &[f32],
    asked: &[f32],
    ids: impl FnOnce() -> Result<(Vec<I>, Vec<I>), E>,
) -> Result<Vec<usize>, E>
where
    I: Ord,
{
    let mut tied = false;
    let mut rank = |above: usize, reaching: usize| {
        tied |= reaching - above > 1;
        above + 1
    };
    let ranks = if asked.len() <= COUNTED_MAX {
        // Sums of 32 bits, which become vectors of comparisons.
        let place = |own: &f32| {
            let above: u32 = scores.iter().map(|score| u32::from(score > own)).sum();
            let reaching: u32 = scores.iter().map(|score| u32::from(score >= own)).sum();
            rank(above as usize, reaching as usize)
        };
        asked.iter().map(place).collect()
    } else {
        let mut sorted = scores.to_vec();
        sorted.sort_unstable_by(|a, b| b.total_cmp(a));
        let place =
            |own: &f32| rank(sorted.partition_point(|score| score > own), sorted.partition_point(|score| score >= own));
        asked.iter().map(place).collect()
    };
    if !tied {
        return Ok(ranks);
    }
    let (all, own) = ids()?;
    let mut ordered: Vec<(f32, I)> = scores.iter().copied().zip(all).collect();
    let before = |a: &(f32, I), b: &(f32, I)| a.0 > b.0 || (a.0 >= b.0 && a.1 > b.1);
    ordered.sort_unstable_by(|a, b| before(b, a).cmp(&before(a, b)));
    let asked = asked.iter().copied().zip(own);
    Ok(asked.map(|one| ordered.partition_point(|other| before(other, &one)) + 1).collect())
}
