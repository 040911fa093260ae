//! The operations on registers, written once: an instruction set brings only its loads, steps and sums.

/// Defines `KERNELS` and its functions from an instruction set's `load`, `zero`, `step` (multiply, then add) and
/// `sum` (of the lanes of a row).
///
/// A macro, because a function can have a target feature but not take one as a parameter.
/// `rows` is the number of rows scored at once: as many as their sums fit in registers, so that the additions of one
/// row do not wait for each other and cache misses of several rows overlap.
#[cfg_attr(not(any(target_arch = "x86_64", target_arch = "aarch64")), allow(unused_macros))]
macro_rules! kernels {
    (
        name: $name:literal,
        feature: $feature:literal,
        available: $available:expr,
        register: $register:ty,
        width: $width:literal,
        rows: $rows:literal $(,)?
    ) => {
        type Register = $register;
        const REGISTERS: usize = crate::scalar::LANES / $width;

        pub(crate) const KERNELS: crate::dispatch::Kernels =
            crate::dispatch::Kernels { name: $name, is_available: || $available, dot, dot_rows, dot_gather };

        #[target_feature(enable = $feature)]
        fn dot(a: &[f32], b: &[f32]) -> f32 {
            dot_many(a, [b])[0]
        }

        #[target_feature(enable = $feature)]
        fn dot_rows(query: &[f32], rows: &[f32], stride: usize, out: &mut [f32]) {
            let (groups, rest) = out.as_chunks_mut::<$rows>();
            let mut start = 0;
            for out in groups {
                let mut group = [query; $rows];
                for row in &mut group {
                    *row = &rows[start..][..query.len()];
                    start += stride;
                }
                *out = dot_many(query, group);
            }
            for out in rest {
                *out = dot(query, &rows[start..][..query.len()]);
                start += stride;
            }
        }

        #[target_feature(enable = $feature)]
        fn dot_gather(query: &[f32], column: &[f32], stride: usize, wanted: &[u32], out: &mut [f32]) {
            let (groups, rest) = out.as_chunks_mut::<$rows>();
            let (wanted, wanted_rest) = wanted.as_chunks::<$rows>();
            for (out, wanted) in groups.iter_mut().zip(wanted) {
                let mut group = [query; $rows];
                for row in 0..$rows {
                    group[row] = &column[wanted[row] as usize * stride..][..query.len()];
                }
                *out = dot_many(query, group);
            }
            for (out, &wanted) in rest.iter_mut().zip(wanted_rest) {
                *out = dot(query, &column[wanted as usize * stride..][..query.len()]);
            }
        }

        // Plain loops over arrays: the sums stay in registers only while nothing takes their address.
        #[inline]
        #[target_feature(enable = $feature)]
        fn dot_many<const N: usize>(query: &[f32], rows: [&[f32]; N]) -> [f32; N] {
            let (query, query_tail) = query.as_chunks::<{ crate::scalar::LANES }>();
            let (mut steps, mut tails) = ([query; N], [query_tail; N]);
            for row in 0..N {
                let (all, tail) = rows[row].as_chunks();
                // Tells the compiler that all rows have as many steps, so that the loop needs no checks.
                (steps[row], tails[row]) = (&all[..query.len()], tail);
            }
            let mut lanes = [[zero(); REGISTERS]; N];
            for index in 0..query.len() {
                let query = query[index].as_chunks().0;
                for register in 0..REGISTERS {
                    let query = load(&query[register]);
                    for row in 0..N {
                        let values = load(&steps[row][index].as_chunks().0[register]);
                        lanes[row][register] = step(lanes[row][register], values, query);
                    }
                }
            }
            let mut sums = [0.0; N];
            for row in 0..N {
                sums[row] =
                    if query_tail.is_empty() { sum(lanes[row]) } else { end(lanes[row], query_tail, tails[row]) };
            }
            sums
        }

        /// The sum after a last, incomplete step.
        #[target_feature(enable = $feature)]
        fn end(mut lanes: [Register; REGISTERS], mut query: &[f32], mut row: &[f32]) -> f32 {
            for register in 0..REGISTERS {
                let taken = query.len().min($width);
                lanes[register] = step(lanes[register], padded(&row[..taken]), padded(&query[..taken]));
                (query, row) = (&query[taken..], &row[taken..]);
            }
            sum(lanes)
        }

        /// At most a register of values, followed by zeros.
        #[inline]
        #[target_feature(enable = $feature)]
        fn padded(values: &[f32]) -> Register {
            if let Some(values) = values.first_chunk() {
                return load(values);
            }
            let mut all = [0.0; $width];
            all[..values.len()].copy_from_slice(values);
            load(&all)
        }
    };
}
