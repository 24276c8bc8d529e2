//! Unit vectors in a quarter of the memory: a byte a number and one scale.
//!
//! A product of two such vectors is off by about 0.002 in 384 dimensions, good enough to say which few are worth
//! an exact look, and for nothing else. The sum of products is an integer, so every way to compute it gives
//! the same bits.

use crate::domain::embedding::DIMENSIONS;

/// The largest magnitude of a number in a byte; -128 is left out, so that both signs reach equally far.
const LARGEST: f32 = 127.0;

/// One vector's numbers as bytes.
pub(super) type Bytes = [i8; DIMENSIONS];

/// Turns 384 numbers into bytes and the scale that turns them back; `None` for another count, and for numbers
/// without a direction.
pub(super) fn quantise(numbers: &[f32]) -> Option<(Bytes, f32)> {
    let numbers: &[f32; DIMENSIONS] = numbers.try_into().ok()?;
    let largest = numbers.iter().fold(0.0_f32, |largest, number| largest.max(number.abs()));
    if largest == 0.0 || !numbers.iter().all(|number| number.is_finite()) {
        return None;
    }
    let scale = largest / LARGEST;
    // Half a step up and cut off: `round` is a call per number where the processor's own rounding may be missing.
    let rounded = |number: f32| (number + 0.5_f32.copysign(number)) as i8;
    Some((numbers.map(|number| rounded(number / scale)), scale))
}

/// What is sought, as wide as the products need it.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    numbers: [i16; DIMENSIONS],
    scale: f32,
}

impl Wanted {
    /// Takes 384 numbers; `None` for another count, and for numbers without a direction.
    pub(super) fn new(numbers: &[f32]) -> Option<Self> {
        let (bytes, scale) = quantise(numbers)?;
        Some(Self { numbers: bytes.map(i16::from), scale })
    }

    /// Gives the scale that products carry besides the row's own.
    pub(super) const fn scale(&self) -> f32 {
        self.scale
    }

    /// Writes the product with each row into its place; places without a row are left alone.
    pub(super) fn products(&self, rows: &[Bytes], products: &mut [i32]) {
        #[cfg(target_arch = "x86_64")]
        if std::arch::is_x86_feature_detected!("avx2") {
            #[expect(unsafe_code, reason = "a function for AVX2 may run where AVX2 was just found")]
            // SAFETY: the one condition of `products_with_avx2` is that the processor has AVX2.
            unsafe {
                products_with_avx2(&self.numbers, rows, products);
            }
            return;
        }
        products_anywhere(&self.numbers, rows, products);
    }
}

/// Does the same as [`products_anywhere`], compiled for registers of 32 bytes: three times as fast.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2")]
fn products_with_avx2(wanted: &[i16; DIMENSIONS], rows: &[Bytes], products: &mut [i32]) {
    products_anywhere(wanted, rows, products);
}

/// Multiplies in plain Rust; it is inlined into its caller, and compiled for what that may use.
#[inline(always)]
fn products_anywhere(wanted: &[i16; DIMENSIONS], rows: &[Bytes], products: &mut [i32]) {
    for (row, product) in rows.iter().zip(products) {
        // 384 products of at most 128² stay far below 2³¹; checks for more would stop the compiler from using
        // wide registers.
        *product = row.iter().zip(wanted).fold(0, |sum: i32, (byte, number)| {
            sum.wrapping_add(i32::from(*byte).wrapping_mul(i32::from(*number)))
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn unit(numbers: &[f32]) -> Vec<f32> {
        let norm = numbers.iter().map(|number| number * number).sum::<f32>().sqrt();
        numbers.iter().map(|number| number / norm).collect()
    }

    fn any_numbers() -> impl Strategy<Value = Vec<f32>> {
        prop::collection::vec(-1.0_f32..1.0, DIMENSIONS)
    }

    proptest! {
        #[test]
        fn every_way_to_multiply_gives_the_same_bits(
            wanted in any_numbers(),
            rows in prop::collection::vec(prop::collection::vec(any::<i8>(), DIMENSIONS), 0..9),
        ) {
            let wanted = Wanted::new(&wanted).expect("random numbers have a direction");
            let rows: Vec<Bytes> =
                rows.into_iter().map(|row| row.try_into().expect("384 bytes were drawn")).collect();
            let (mut chosen, mut plain) = (vec![0; rows.len()], vec![0; rows.len()]);
            wanted.products(&rows, &mut chosen);
            products_anywhere(&wanted.numbers, &rows, &mut plain);
            prop_assert_eq!(chosen, plain);
        }

        #[test]
        fn a_product_of_bytes_is_near_the_cosine(left in any_numbers(), right in any_numbers()) {
            let (left, right) = (unit(&left), unit(&right));
            let exact = crate::domain::embedding::dot(&left, &right);
            let wanted = Wanted::new(&left).expect("a unit vector has a direction");
            let (row, scale) = quantise(&right).expect("a unit vector has a direction");
            let mut products = [0];
            wanted.products(&[row], &mut products);
            let near = products[0] as f32 * scale * wanted.scale();
            prop_assert!((near - exact).abs() < 0.01, "{} for {}", near, exact);
        }
    }

    #[test]
    fn what_has_no_direction_is_no_vector() {
        assert!(quantise(&[0.0; DIMENSIONS]).is_none());
        assert!(quantise(&[f32::NAN; DIMENSIONS]).is_none());
        assert!(quantise(&[1.0; 3]).is_none());
    }
}
