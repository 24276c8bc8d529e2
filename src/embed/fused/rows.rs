//! The rows of one thread on their way through the layers, and the room they need, which is kept.

use super::arena::Arena;
use super::attention::{Attend, room_for_scores};
use super::curves::{Normalisation, Normalise};
use super::lanes::Width;
use super::memory::Memory;
use super::multiply::{Multiply, Then};
use super::square::{Form, Left, Precision, Square};
use super::whole::{MakeWhole, WholeRow};
use super::{Row, SIDE};

/// One layer of the encoder.
pub(super) struct Layer {
    pub(super) query: Square,
    pub(super) key: Square,
    pub(super) value: Square,
    pub(super) attended: Square,
    pub(super) after_attention: Normalisation,
    /// The wide middle of the layer, cut into squares: up to it and down from it.
    pub(super) middle: Vec<(Square, Square)>,
    pub(super) after_middle: Normalisation,
}

/// Rows, and everything that is computed beside them.
pub(super) struct Rows {
    width: Width,
    form: Form,
    pub(super) at: Vec<Row>,
    queries: Vec<Row>,
    pub(super) keys: Vec<Row>,
    pub(super) values: Vec<Row>,
    /// What attention brings, then a part of the middle.
    beside: Vec<Row>,
    /// The rows that are multiplied, in the form that the weights want, and those of the middle.
    whole: [Vec<WholeRow>; 2],
    scores: Vec<f32>,
}

impl Rows {
    /// Makes room for so many rows, whose sequences have at most `longest`.
    pub(super) fn new(width: Width, precision: Precision, rows: usize, longest: usize) -> Self {
        let room = || Vec::with_capacity(rows);
        let form = Form::new(width, precision);
        let whole = if form.is_of_rows() { rows } else { 0 };
        Self {
            width,
            form,
            at: room(),
            queries: room(),
            keys: room(),
            values: room(),
            beside: room(),
            whole: [vec![WholeRow::ZERO; whole], vec![WholeRow::ZERO; whole]],
            scores: vec![0.0; room_for_scores(longest)],
        }
    }

    /// Takes so many rows; those that are there stay, others hold nothing of use yet.
    pub(super) fn resize(&mut self, rows: usize) {
        for part in [&mut self.at, &mut self.queries, &mut self.keys, &mut self.values, &mut self.beside] {
            part.resize(rows, [0.0; SIDE]);
        }
        if self.form.is_of_rows() {
            for whole in &mut self.whole {
                whole.resize(rows, WholeRow::ZERO);
            }
        }
    }

    pub(super) fn normalise(&mut self, to: &Normalisation) {
        self.width.run(Normalise { rows: &mut self.at, to });
    }

    /// Computes queries, keys and values.
    pub(super) fn project(&mut self, arena: &Arena, layer: &Layer) {
        let Self { width, form, at, queries, keys, values, whole: [whole, _], .. } = self;
        let left = prepare((*width, *form), at, whole);
        for (right, out) in [(&layer.query, queries), (&layer.key, keys), (&layer.value, values)] {
            width.run(Multiply { left, right: right.matrix(arena), out, then: Then::Store });
        }
    }

    /// Attends with the rows of one sequence to what is remembered of it.
    pub(super) fn attend(&mut self, start: usize, end: usize, memories: &[&Memory]) {
        let queries = self.queries.get(start..end).unwrap_or_default();
        let out = self.beside.get_mut(start..end).unwrap_or_default();
        self.width.run(Attend { queries, memories, scores: &mut self.scores, out });
    }

    /// Does the rest of a layer, from what attention brought.
    pub(super) fn finish(&mut self, arena: &Arena, layer: &Layer) {
        let Self { width, form, at, beside, whole: [whole, inner_whole], keys: inner, .. } = self;
        let kernels = (*width, *form);
        let left = prepare(kernels, beside, whole);
        width.run(Multiply { left, right: layer.attended.matrix(arena), out: at, then: Then::Add });
        width.run(Normalise { rows: at, to: &layer.after_attention });
        // The middle is added to the rows part by part, so it starts from a copy of them.
        beside.copy_from_slice(at);
        let left = prepare(kernels, beside, whole);
        for (up, down) in &layer.middle {
            width.run(Multiply { left, right: up.matrix(arena), out: inner, then: Then::StoreGelu });
            let left = prepare(kernels, inner, inner_whole);
            width.run(Multiply { left, right: down.matrix(arena), out: at, then: Then::Add });
        }
        width.run(Normalise { rows: at, to: &layer.after_middle });
    }
}

/// Brings rows into the form that weights want.
fn prepare<'a>((width, form): (Width, Form), rows: &'a [Row], whole: &'a mut [WholeRow]) -> Left<'a> {
    if form.is_of_rows() {
        width.run(MakeWhole { form, rows, whole });
    }
    Left { rows, whole }
}
