//! All rows of a query with their exact scores, window by window: for queries of thousands of terms or results, where
//! bounds save nothing, and what the search by bounds is held against.

use ragstone_kernels::postings::WINDOW_ROWS;
use ragstone_kernels::top::Top;

use super::encode::WINDOW;
use super::postings::Damaged;
use super::score::Plan;
use crate::bitmap::Bitmap;
use crate::error::{Error, Result};
use crate::interrupt::Interrupt;

/// Offers `top` each allowed row that has a term of the query.
pub(super) fn search(
    plan: &Plan<'_>,
    allowed: Option<&Bitmap>,
    first_row: u32,
    top: &mut Top,
    interrupt: &dyn Interrupt,
) -> Result<()> {
    let rows = plan.lexical.rows();
    let mut sums = vec![0.0f64; WINDOW_ROWS];
    for window in 0..rows.div_ceil(WINDOW) {
        for term in &plan.terms {
            interrupt.check()?;
            let Some(piece) = plan.piece(term, window)? else { continue };
            let outcome = piece.each(window, |row, stored| {
                if row >= rows || row / WINDOW != window {
                    return Err(Stop(None));
                }
                let (_, contribution) = plan.contribution(term, row, stored).map_err(|error| Stop(Some(error)))?;
                sums[(row % WINDOW) as usize] += contribution;
                Ok(())
            });
            outcome.map_err(|Stop(error)| error.unwrap_or_else(|| plan.corrupt(Damaged)))?;
        }
        for (row, sum) in (window * WINDOW..).zip(&mut sums) {
            let score = std::mem::take(sum);
            if score > 0.0 && allowed.is_none_or(|allowed| allowed.contains(row)) {
                top.push(score as f32, first_row + row);
            }
        }
    }
    Ok(())
}

/// The rows that have a term of the query, ascending.
pub(super) fn rows(plan: &Plan<'_>) -> Result<impl Iterator<Item = u32> + use<>> {
    let mut rows = Vec::new();
    for term in &plan.terms {
        plan.lexical.each(term.id, |row, _| {
            rows.push(row);
            Ok(())
        })?;
    }
    rows.sort_unstable();
    rows.dedup();
    Ok(rows.into_iter())
}

/// Why a window is left: an error, or damage.
struct Stop(Option<Error>);

impl From<Damaged> for Stop {
    fn from(_: Damaged) -> Self {
        Self(None)
    }
}
