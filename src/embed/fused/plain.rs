//! Tests of the kernels against the same functions in 64 bits, as a textbook writes them.

use std::io::{Seek as _, Write as _};
use std::sync::Arc;

use proptest::prelude::{ProptestConfig, any, prop_assert, proptest};
use safetensors::{Dtype, tensor::TensorView};

use super::arena::Arena;
use super::attention::{Attend, room_for_scores};
use super::curves::{Normalisation, Normalise};
use super::loading::Shape;
use super::memory::Memory;
use super::multiply::{Multiply, Then};
use super::square::{Form, Left, Precision, Square};
use super::whole::{MakeWhole, WholeRow};
use super::{Encoder, HEAD, HEADS, Row, SIDE, Solo, Team, TensorFile, Width};

/// Numbers that a seed determines, in [-size, size].
fn numbers(seed: u64, size: f32) -> impl FnMut() -> f32 {
    let mut random = fastrand::Rng::with_seed(seed);
    move || (random.f32() * 2.0 - 1.0) * size
}

fn rows(seed: u64, count: usize, size: f32) -> Vec<Row> {
    let mut next = numbers(seed, size);
    (0..count).map(|_| std::array::from_fn(|_| next())).collect()
}

fn plain_gelu(x: f64) -> f64 {
    0.5 * x * (1.0 + statrs::function::erf::erf(x / 2.0_f64.sqrt()))
}

fn plain_product(left: &Row, column: &Row, bias: f32) -> f64 {
    left.iter().zip(column).map(|(left, right)| f64::from(*left) * f64::from(*right)).sum::<f64>()
        + f64::from(bias)
}

fn plain_normalisation(row: &[f64], to: &Normalisation) -> Vec<f64> {
    let mean = row.iter().sum::<f64>() / SIDE as f64;
    let variance = row.iter().map(|number| (number - mean).powi(2)).sum::<f64>() / SIDE as f64;
    let scale = 1.0 / (variance + f64::from(to.epsilon)).sqrt();
    (0..SIDE).map(|at| (row[at] - mean) * scale * f64::from(to.gain[at]) + f64::from(to.bias[at])).collect()
}

fn plain_attention(queries: &[Row], keys: &[Row], values: &[Row]) -> Vec<Vec<f64>> {
    let mut out = vec![vec![0.0; SIDE]; queries.len()];
    for (query, out) in queries.iter().zip(&mut out) {
        for head in (0..HEADS).map(|head| head * HEAD..(head + 1) * HEAD) {
            let dot =
                |key: &Row| -> f64 { head.clone().map(|at| f64::from(query[at]) * f64::from(key[at])).sum() };
            let scores: Vec<f64> = keys.iter().map(dot).collect();
            let greatest = scores.iter().copied().fold(f64::MIN, f64::max);
            let weights: Vec<f64> = scores.iter().map(|score| (score - greatest).exp2()).collect();
            let sum: f64 = weights.iter().sum();
            for (weight, value) in weights.iter().zip(values) {
                head.clone().for_each(|at| out[at] += weight / sum * f64::from(value[at]));
            }
        }
    }
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn a_product_is_the_plain_one(seed in any::<u64>(), count in 1_usize..40, size in 0.01_f32..8.0) {
        let left = rows(seed, count, size);
        let columns = rows(!seed, SIDE, 0.2);
        let bias = rows(seed ^ 7, 1, 1.0)[0];
        let before = rows(seed ^ 9, count, 1.0);
        for width in Width::available() {
            for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
                let mut arena = Arena::new(precision.bytes()).unwrap();
                let weight = |column: usize, depth: usize| columns[column][depth];
                let square = Square::pack(&mut arena, (width, precision), weight, bias);
                let mut whole = vec![WholeRow::ZERO; count];
                let form = Form::new(width, precision);
                width.run(MakeWhole { form, rows: &left, whole: &mut whole });
                for then in [Then::Store, Then::StoreGelu, Then::Add] {
                    let mut out = before.clone();
                    let left_forms = Left { rows: &left, whole: &whole };
                    width.run(Multiply { left: left_forms, right: square.matrix(&arena), out: &mut out, then });
                    for row in 0..count {
                        for column in 0..SIDE {
                            let sum = plain_product(&left[row], &columns[column], bias[column]);
                            let expected = match then {
                                Then::Store => sum,
                                Then::StoreGelu => plain_gelu(sum),
                                Then::Add => sum + f64::from(before[row][column]),
                            };
                            // Rounded numbers err by half a step each; with many of them a tenth of the worst is a lot.
                            let step = match precision {
                                Precision::F32 => 1e-6,
                                Precision::Bf16 => 0.2 / 256.0,
                                Precision::Int8 => 0.4 / 127.0,
                            };
                            let allowed = 0.1 * 384.0 * f64::from(size) * step + 1e-5;
                            let found = f64::from(out[row][column]);
                            prop_assert!((found - expected).abs() <= allowed, "{width} {precision}: {found} {expected}");
                        }
                    }
                }
            }
        }
    }

    #[test]
    fn attention_and_normalisation_are_the_plain_ones(seed in any::<u64>(), count in 1_usize..50, cut in 0_usize..50) {
        let (queries, keys, values) = (rows(seed, count, 1.0), rows(seed ^ 1, count, 1.0), rows(seed ^ 2, count, 2.0));
        let cut = cut.min(count - 1);
        let to = Normalisation { gain: rows(seed, 1, 2.0)[0], bias: rows(seed ^ 3, 1, 1.0)[0], epsilon: 1e-12 };
        for width in Width::available() {
            for (precision, allowed) in [(Precision::F32, 1e-5), (Precision::Bf16, 0.04)] {
                let memory = || Memory::new((width, precision), count);
                let mut memories = [memory(), memory()];
                memories[0].pack(&keys[..cut], &values[..cut]);
                memories[1].pack(&keys[cut..], &values[cut..]);
                let mut out = vec![[f32::NAN; SIDE]; count];
                let mut scores = vec![f32::NAN; room_for_scores(count)];
                let memories = if cut == 0 { vec![&memories[1]] } else { vec![&memories[0], &memories[1]] };
                width.run(Attend { queries: &queries, memories: &memories, scores: &mut scores, out: &mut out });
                for (found, expected) in out.iter().zip(plain_attention(&queries, &keys, &values)) {
                    for (found, expected) in found.iter().zip(expected) {
                        let difference = (f64::from(*found) - expected).abs();
                        prop_assert!(difference < allowed, "{width} {precision}: {found} {expected}");
                    }
                }
            }
            let mut normalised = queries.clone();
            width.run(Normalise { rows: &mut normalised, to: &to });
            for (found, row) in normalised.iter().zip(&queries) {
                let row: Vec<f64> = row.iter().map(|number| f64::from(*number)).collect();
                for (found, expected) in found.iter().zip(plain_normalisation(&row, &to)) {
                    prop_assert!((f64::from(*found) - expected).abs() < 4e-6, "{width}: {found} {expected}");
                }
            }
        }
    }
}

#[test]
fn one_byte_weights_give_the_same_bits_at_every_width() {
    let (left, columns) = (rows(1, 17, 3.0), rows(2, SIDE, 0.2));
    let product = |width: Width| {
        let mut arena = Arena::new(Precision::Int8.bytes()).unwrap();
        let weight = |column: usize, depth: usize| columns[column][depth];
        let square = Square::pack(&mut arena, (width, Precision::Int8), weight, [0.5; SIDE]);
        let mut whole = vec![WholeRow::ZERO; 17];
        let form = Form::new(width, Precision::Int8);
        width.run(MakeWhole { form, rows: &left, whole: &mut whole });
        let mut out = left.clone();
        let left = Left { rows: &left, whole: &whole };
        width.run(Multiply { left, right: square.matrix(&arena), out: &mut out, then: Then::Store });
        out
    };
    for width in Width::available() {
        assert_eq!(product(width), product(Width::Portable), "{width}");
    }
}

/// A model of two layers and 40 words, as a file of tensors.
fn small_model(width: Width, precision: Precision, longest: usize) -> Arc<Encoder> {
    let middle = 2 * SIDE;
    let mut tensors: Vec<(String, Vec<usize>)> = vec![
        ("embeddings.word_embeddings.weight".to_owned(), vec![40, SIDE]),
        ("embeddings.position_embeddings.weight".to_owned(), vec![longest, SIDE]),
        ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, SIDE]),
        ("embeddings.LayerNorm.weight".to_owned(), vec![SIDE]),
        ("embeddings.LayerNorm.bias".to_owned(), vec![SIDE]),
    ];
    for layer in 0..2 {
        for (part, columns, inputs) in [
            ("attention.self.query", SIDE, SIDE),
            ("attention.self.key", SIDE, SIDE),
            ("attention.self.value", SIDE, SIDE),
            ("attention.output.dense", SIDE, SIDE),
            ("intermediate.dense", middle, SIDE),
            ("output.dense", SIDE, middle),
        ] {
            tensors.push((format!("encoder.layer.{layer}.{part}.weight"), vec![columns, inputs]));
            tensors.push((format!("encoder.layer.{layer}.{part}.bias"), vec![columns]));
        }
        for part in ["attention.output.LayerNorm", "output.LayerNorm"] {
            tensors.push((format!("encoder.layer.{layer}.{part}.weight"), vec![SIDE]));
            tensors.push((format!("encoder.layer.{layer}.{part}.bias"), vec![SIDE]));
        }
    }
    let mut next = numbers(5, 0.15);
    let data: Vec<Vec<u8>> = tensors
        .iter()
        .map(|(_, shape)| (0..shape.iter().product()).flat_map(|_| next().to_le_bytes()).collect())
        .collect();
    let views = tensors.iter().zip(&data).map(|((name, shape), data)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), data).unwrap())
    });
    let bytes = safetensors::serialize(views, None).unwrap();
    let mut file = tempfile::tempfile().unwrap();
    file.write_all(&bytes).unwrap();
    file.rewind().unwrap();
    let file = TensorFile::checked(file, |_| {}).unwrap();
    let shape = Shape { layers: 2, heads: HEADS, middle, epsilon: 1e-12, longest };
    Arc::new(Encoder::load(file, &shape, (width, precision)).unwrap())
}

#[test]
fn a_sequence_gets_the_same_bits_alone_and_among_others() {
    let sequences: Vec<Vec<u32>> =
        [1, 2, 9, 40, 7, 23].map(|len| (0..len).map(|at| at * 7 % 40).collect()).into();
    for width in Width::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let mut solo = Solo::new(small_model(width, precision, 100));
            let together: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
            let (mut all, mut one) = (Vec::new(), Vec::new());
            solo.encode(&together, &mut all).unwrap();
            for (sequence, vector) in together.iter().zip(&all) {
                solo.encode(&[sequence], &mut one).unwrap();
                assert_eq!(&one[0], vector, "{width} {precision} {}", sequence.len());
            }
        }
    }
}

#[test]
fn two_threads_give_what_one_gives_whenever_the_second_comes() {
    for width in Width::available() {
        for precision in [Precision::F32, Precision::Bf16, Precision::Int8] {
            let encoder = small_model(width, precision, 100);
            let (mut solo, mut team) = (Solo::new(Arc::clone(&encoder)), Team::new(encoder).unwrap());
            let mut one = Vec::new();
            for len in [2, 3, 24, 31, 32, 33, 64, 77, 100] {
                let sequence: Vec<u32> = (0..len).map(|at| at * 11 % 40).collect();
                solo.encode(&[&sequence], &mut one).unwrap();
                // It has two layers: the second comes before either, never, or when it comes.
                for first in [0, 1, 2, usize::MAX] {
                    let is_wanted =
                        |layer: usize, is_here: bool| layer == first || (first == usize::MAX && is_here);
                    let two = team.encode_if(&mut solo, &sequence, is_wanted).unwrap();
                    // Shorter ones cannot be cut where a vector ends.
                    if len >= 24 {
                        assert_eq!(one[0], two, "{width} {precision} {len} {first}");
                    }
                    let difference =
                        one[0].iter().zip(two).map(|(one, two)| (one - two).abs()).fold(0.0, f32::max);
                    assert!(difference < 2e-3, "{width} {precision} {len} {first}: {difference}");
                }
            }
        }
    }
}

#[test]
fn all_widths_give_the_same_vectors_and_an_unknown_word_is_an_error() {
    let sequence: Vec<u32> = (0..37).collect();
    let vector = |width: Width, precision: Precision| {
        let mut vectors = Vec::new();
        Solo::new(small_model(width, precision, 64)).encode(&[&sequence], &mut vectors).unwrap();
        vectors[0]
    };
    for width in Width::available() {
        for precision in [Precision::F32, Precision::Bf16] {
            let (found, expected) = (vector(width, precision), vector(Width::Portable, precision));
            let difference =
                found.iter().zip(expected).map(|(one, two)| (one - two).abs()).fold(0.0, f32::max);
            // Only some machines round rows to 16 bits too.
            let allowed = if precision == Precision::F32 { 1e-6 } else { 2e-3 };
            assert!(difference < allowed, "{width} {precision}: {difference}");
        }
    }
    let encoder = small_model(Width::Portable, Precision::F32, 64);
    let mut solo = Solo::new(Arc::clone(&encoder));
    assert!(solo.encode(&[&[3, 40]], &mut Vec::new()).is_err());
    let mut team = Team::new(encoder).unwrap();
    assert!(team.encode(&mut solo, &[3, 4, 5, 40]).is_err());
    team.encode(&mut solo, &[3, 4, 5, 39]).unwrap();
}
