//! The codes of unit vectors, 8-bit integers and single bits, and queries prepared to meet them.
//!
//! With x a row, c the centre of the vectors, R a fixed rotation and y = R(x − c), the cosine of x with a query q is
//! <y, Rq> + <c, q>. Rounding y to 8-bit integers loses a remainder whose length is kept, so by Cauchy and Schwarz the
//! cosine lies within a bound of what the integers say: nothing outside it is ever excluded. Of the signs of y alone,
//! <x, q> ≈ factor · <sign y, R(q − c)> + <x − c, c> + <c, q>, with factor = |y|² / Σ|yᵢ|; that estimate is off by about
//! 0.6 · factor · |q − c|, at random (Gao and Long 2024; centring as there). [`TRUST`] times that is a row's reach.

use ragstone_kernels::codes::{self, CodeQuery};
use ragstone_kernels::dispatch::Kernels;
use ragstone_kernels::quantize::Rotation;

/// Dimensions that get codes: with fewer, codes save nothing; with more, sums of levels would not fit.
const DIMENSIONS: std::ops::RangeInclusive<usize> = 16..=codes::DIMENSION_MAX;
/// Most rows that the centre is computed of.
const SAMPLE: usize = 1 << 14;
/// Standard deviation of an estimate in units of factor · |q − c|: √(1 − 2/π) for the signs of normal values, and a
/// percent for the query's levels.
const DEVIATION: f64 = 0.61;
/// What rounding factor and offset to eight bits adds to it, in units of √dimension.
const ROUNDING: f64 = 0.0012;
/// Standard deviations by which an estimate may be wrong before a hit is lost.
const TRUST: f64 = 2.6;
/// Standard deviations by which the worst of the best estimates is usually too high at most, because the best estimates
/// are the lucky ones.
const LUCK: f64 = 1.4;
/// Length of the longest y, with room for its rounding: two unit vectors apart.
const LONGEST: f64 = 2.05;
/// What single roundings to f32 add up to on the way from integers to a bound, at most.
const SLACK: f64 = 1e-6;

/// The numbers that go with a row of 8-bit integers.
#[derive(Clone, Copy, Debug, Default, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C)]
pub(super) struct Int8Factors {
    /// Value of one step.
    pub(super) scale: f32,
    /// Length of what the integers do not say, or a little more.
    pub(super) residual: f32,
}

/// Whether vectors of a dimension have codes.
pub(super) fn has_codes(dimension: usize) -> bool {
    DIMENSIONS.contains(&dimension)
}

/// 8-bit integers of a stored row: whole cache lines.
pub(super) fn int8_stride(dimension: usize) -> usize {
    dimension.next_multiple_of(64)
}

/// Makes codes of rows, and queries for them.
#[derive(Clone, Debug)]
pub(super) struct Codec {
    kernels: &'static Kernels,
    rotation: Rotation,
    center: Vec<f32>,
}

impl Codec {
    /// A codec around a centre; `None` if vectors of this dimension have no codes.
    pub(super) fn new(kernels: &'static Kernels, center: Vec<f32>) -> Option<Self> {
        has_codes(center.len()).then(|| Self { kernels, rotation: Rotation::new(center.len()), center })
    }

    /// A codec around the mean of about [`SAMPLE`] of `count` unit vectors, evenly chosen; `None` as above.
    pub(super) fn of_rows<'a>(
        kernels: &'static Kernels,
        dimension: usize,
        count: usize,
        row: impl Fn(usize) -> Option<&'a [f32]>,
    ) -> Option<Self> {
        let mut sums = vec![0.0f64; dimension];
        let mut taken = 0;
        for vector in (0..count).step_by(count.div_ceil(SAMPLE).max(1)).filter_map(row) {
            taken += 1;
            for (sum, &value) in sums.iter_mut().zip(vector) {
                *sum += f64::from(value);
            }
        }
        let mean = |sum: f64| (sum / f64::from(taken.max(1))) as f32;
        Self::new(kernels, sums.into_iter().map(mean).collect())
    }

    pub(super) fn with_kernels(self, kernels: &'static Kernels) -> Self {
        Self { kernels, ..self }
    }

    pub(super) fn center(&self) -> &[f32] {
        &self.center
    }

    /// Writes the codes of a unit vector: its bits as row `row` of `block`, its integers to `int8`. `work` is of any
    /// content and length.
    pub(super) fn encode(
        &self,
        vector: &[f32],
        block: &mut [u8],
        row: usize,
        int8: &mut [i8],
        work: &mut Vec<f32>,
    ) -> Int8Factors {
        work.clear();
        work.extend(vector.iter().zip(&self.center).map(|(value, center)| value - center));
        let offset = self.kernels.dot(work, &self.center);
        self.kernels.rotate(&self.rotation, work);
        let rounded = self.kernels.round(work, int8);
        let factor = if rounded.sum_of_sizes > 0.0 { rounded.square / rounded.sum_of_sizes } else { 0.0 };
        codes::put(block, row, work, factor, offset);
        // Sums of squares lose less than 1e-4 of themselves; subtracting the centre, rotating and computing the
        // remainder round each value, by at most 2⁻²⁴ of it each but for the rotation.
        let length = f64::from(rounded.square).sqrt() * (self.rotation.error() + 2f64.powi(-22));
        let residual = f64::from(rounded.residual_square).sqrt() * 1.0001 + length * 1.0001;
        Int8Factors { scale: rounded.scale, residual: (residual * 1.000_001) as f32 }
    }

    /// Prepares a unit query for 8-bit integers.
    pub(super) fn int8_query(&self, query: &[f32]) -> Int8Query {
        let kernels = self.kernels;
        let mut rotated = query.to_vec();
        kernels.rotate(&self.rotation, &mut rotated);
        let stride = int8_stride(query.len());
        let largest = rotated.iter().fold(0.0f32, |all, value| all.max(value.abs()));
        // So small that sums of products with 8-bit integers stay within 32 bits.
        let limit = (f64::from(i32::MAX) / (127.0 * stride as f64)).floor().min(f64::from(i16::MAX));
        let scale = f64::from(largest) / limit;
        let inverse = if scale > 0.0 { 1.0 / scale } else { 0.0 };
        let mut values = vec![0; stride];
        let mut lost = 0.0;
        for (to, &value) in values.iter_mut().zip(&rotated) {
            *to = nearest(f64::from(value) * inverse);
            let remainder = f64::from(value) - f64::from(*to) * scale;
            lost += remainder * remainder;
        }
        let length = kernels.dot_wide(query, query).sqrt() * (1.0 + self.rotation.error());
        Int8Query {
            values,
            offset: kernels.dot_wide(&self.center, query),
            scale,
            length,
            error: (lost.sqrt() * 1.0001 + length * self.rotation.error()) * LONGEST + SLACK,
        }
    }

    /// Prepares a unit query for bits: estimates are what the score of a row can be at best, as far as they can be
    /// trusted, but for the offset of [`Int8Query`]. Also tells how far the estimate of one of the best rows usually
    /// stays below the best estimates, at most.
    pub(super) fn code_query(&self, query: &[f32]) -> (CodeQuery, f32) {
        let kernels = self.kernels;
        let mut centred: Vec<f32> = query.iter().zip(&self.center).map(|(value, center)| value - center).collect();
        let distance = kernels.dot_wide(&centred, &centred).sqrt();
        let spread = (1.0 - kernels.dot_wide(&self.center, &self.center)).max(0.0).sqrt();
        let dimensions = (query.len() as f64).sqrt();
        let deviation = (DEVIATION * distance).hypot(ROUNDING * dimensions);
        // A row's factor is usually about √(π/2) times its distance from the centre over √dimension.
        let usual = deviation * 1.2533 * spread / dimensions;
        kernels.rotate(&self.rotation, &mut centred);
        (kernels.code_query(&centred, (TRUST * deviation) as f32), (usual * (TRUST + LUCK)) as f32)
    }
}

/// The nearest integer, ties to even, of a value within 16 bits: by an addition, which is quick everywhere.
#[inline]
fn nearest(value: f64) -> i16 {
    const ROUND: f64 = 6_755_399_441_055_744.0;
    (value + ROUND - ROUND) as i16
}

/// A query against the 8-bit integers of one codec.
#[derive(Debug)]
pub(super) struct Int8Query {
    pub(super) values: Vec<i16>,
    /// Cosine of the query with the centre: to be added to estimates.
    pub(super) offset: f64,
    scale: f64,
    length: f64,
    error: f64,
}

impl Int8Query {
    /// The cosine that a sum of products with a row's 8-bit integers stands for, and how far it can be from the truth.
    #[inline]
    pub(super) fn cosine(&self, sum: i32, factors: Int8Factors) -> (f64, f64) {
        let cosine = f64::from(sum) * (f64::from(factors.scale) * self.scale) + self.offset;
        (cosine, f64::from(factors.residual) * self.length + self.error)
    }

    /// Whether that cosine, as high as it can be, reaches a floor: quick, and yes rather once too often.
    #[inline]
    pub(super) fn may_reach(&self, floor: f32) -> impl Fn(i32, Int8Factors) -> bool {
        let (scale, length) = (self.scale as f32, self.length as f32);
        let floor = floor - (self.offset + self.error + 4.0 * SLACK) as f32;
        move |sum, factors| {
            let upper = sum as f32 * (factors.scale * scale) + factors.residual * length;
            upper >= floor || upper.is_nan()
        }
    }
}
