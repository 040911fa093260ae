//! The operations on registers, written once: an instruction set brings only its loads, steps and sums.

/// Defines `KERNELS` and its functions from an instruction set's operations on registers.
///
/// Of f32: `load`, `zero`, `step` (multiply, then add) and `sum` (of the lanes of a row). Of 8-bit rows: `int8_zero`,
/// `int8_step` (widen to 16 bits, multiply, add neighbours to 32-bit sums) and `int8_sum`. `prefetch` asks for a line
/// of memory, so many bytes on. `estimate` and `fill` are the scan of 1-bit codes and its tables, `table_bytes` for each
/// group. `add_word` adds the impacts of 64 rows.
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
        rows: $rows:literal,
        int8_register: $int8_register:ty,
        int8_width: $int8_width:literal,
        table_bytes: $table_bytes:literal $(,)?
    ) => {
        type Register = $register;
        const REGISTERS: usize = crate::scalar::LANES / $width;

        pub(crate) const KERNELS: crate::dispatch::Kernels = crate::dispatch::Kernels {
            name: $name,
            is_available: || $available,
            dot,
            dot_rows,
            dot_gather,
            dot_wide,
            int8_rows,
            int8_gather,
            rotate,
            round,
            add_rows,
            add_blocks,
            add_bits,
            add_bounds,
            take_bounds,
            reaching,
            estimate,
            fill,
            table_bytes: $table_bytes,
        };

        #[target_feature(enable = $feature)]
        fn dot_wide(a: &[f32], b: &[f32]) -> f64 {
            crate::scalar::dot_wide(a, b)
        }

        #[target_feature(enable = $feature)]
        fn rotate(rotation: &crate::quantize::Rotation, values: &mut [f32]) {
            crate::quantize::rotate(rotation, values);
        }

        #[target_feature(enable = $feature)]
        fn round(values: &[f32], codes: &mut [i8]) -> crate::quantize::Rounded {
            crate::quantize::round(values, codes)
        }

        #[target_feature(enable = $feature)]
        fn add_rows(
            sums: &mut crate::postings::Sums,
            maxima: &mut crate::postings::Maxima,
            rows: &[u16],
            impacts: &[u8],
            weight: u16,
            blocks: u64,
        ) {
            crate::postings::add_rows(sums, maxima, rows, impacts, weight, blocks);
        }

        #[target_feature(enable = $feature)]
        fn add_blocks(
            sums: &mut crate::postings::Sums,
            maxima: &mut crate::postings::Maxima,
            starts: &[u16; crate::postings::BLOCKS],
            rows: &[u8],
            impacts: &[u8],
            weight: u16,
            blocks: u64,
        ) -> bool {
            crate::postings::add_blocks(sums, maxima, starts, rows, impacts, weight, blocks)
        }

        #[target_feature(enable = $feature)]
        fn add_bits(
            sums: &mut crate::postings::Sums,
            maxima: &mut crate::postings::Maxima,
            starts: &[u16; crate::postings::BLOCKS],
            bits: &crate::postings::Bits,
            impacts: &[u8],
            weight: u16,
            blocks: u64,
        ) -> bool {
            crate::postings::add_bits!(sums, maxima, starts, bits, impacts, weight, blocks)
        }

        #[target_feature(enable = $feature)]
        fn add_bounds(bounds: &mut crate::postings::Maxima, greatest: &[u8; crate::postings::BLOCKS], weight: u16) {
            crate::postings::add_bounds(bounds, greatest, weight);
        }

        #[target_feature(enable = $feature)]
        fn take_bounds(bounds: &mut crate::postings::Maxima, greatest: &[u8; crate::postings::BLOCKS], weight: u16) {
            crate::postings::take_bounds(bounds, greatest, weight);
        }

        #[target_feature(enable = $feature)]
        fn reaching(maxima: &crate::postings::Maxima, bounds: &crate::postings::Maxima, least: u16) -> u64 {
            crate::postings::reaching(maxima, bounds, least)
        }

        #[target_feature(enable = $feature)]
        fn int8_rows(query: &[i16], rows: &[i8], stride: usize, out: &mut [i32]) {
            let (groups, rest) = out.as_chunks_mut::<4>();
            let mut start = 0;
            for out in groups {
                let group = std::array::from_fn(|row| &rows[start + row * stride..][..query.len()]);
                *out = int8_many(query, group, group, crate::codes::AHEAD);
                start += 4 * stride;
            }
            for out in rest {
                let row = [&rows[start..][..query.len()]];
                [*out] = int8_many(query, row, row, 0);
                start += stride;
            }
        }

        #[target_feature(enable = $feature)]
        fn int8_gather(query: &[i16], column: &[i8], stride: usize, wanted: &[u32], out: &mut [i32]) {
            let row = |row: u32| &column[row as usize * stride..][..query.len()];
            let (groups, rest) = out.as_chunks_mut::<4>();
            let (wanted, wanted_rest) = wanted.as_chunks::<4>();
            for (index, (out, group)) in groups.iter_mut().zip(wanted).enumerate() {
                let ahead = wanted.get(index + 3).unwrap_or(group);
                *out = int8_many(query, group.map(row), ahead.map(row), 0);
            }
            for (out, &wanted) in rest.iter_mut().zip(wanted_rest) {
                [*out] = int8_many(query, [row(wanted)], [row(wanted)], 0);
            }
        }

        /// Sums of several rows; meanwhile the lines of as many others are fetched, so many bytes on, one by one, for the
        /// processor can wait for a few only.
        #[inline]
        #[target_feature(enable = $feature)]
        fn int8_many<const N: usize>(query: &[i16], rows: [&[i8]; N], ahead: [&[i8]; N], bytes: usize) -> [i32; N] {
            let query = query.as_chunks::<$int8_width>().0;
            let (mut steps, mut lines) = ([&[][..]; N], [&[][..]; N]);
            for row in 0..N {
                steps[row] = &rows[row].as_chunks::<$int8_width>().0[..query.len()];
                lines[row] = &ahead[row].as_chunks::<$int8_width>().0[..query.len()];
            }
            let mut lanes = [int8_zero(); N];
            for index in 0..query.len() {
                for row in 0..N {
                    if index.is_multiple_of(64 / $int8_width) {
                        prefetch(&lines[row][index], bytes);
                    }
                    lanes[row] = int8_step(lanes[row], &steps[row][index], &query[index]);
                }
            }
            let mut sums = [0; N];
            for row in 0..N {
                sums[row] = int8_sum(lanes[row]);
            }
            sums
        }

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
            for (index, (out, group_wanted)) in groups.iter_mut().zip(wanted).enumerate() {
                for &ahead in wanted.get(index + 2).into_iter().flatten() {
                    for line in column[ahead as usize * stride..][..query.len()].chunks(16) {
                        prefetch(line, 0);
                    }
                }
                let mut group = [query; $rows];
                for row in 0..$rows {
                    group[row] = &column[group_wanted[row] as usize * stride..][..query.len()];
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
