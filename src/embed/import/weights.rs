//! The numbers of a BERT checkpoint: its sizes from `config.json`, its tensors from `model.safetensors`, and their
//! 8-bit forms.

use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

/// The sizes of a BERT, from `config.json`.
#[derive(Debug, Deserialize)]
pub(super) struct Architecture {
    model_type: String,
    pub hidden_size: usize,
    pub num_hidden_layers: usize,
    pub num_attention_heads: usize,
    pub layer_norm_eps: f32,
    hidden_act: String,
    #[serde(default)]
    position_embedding_type: Option<String>,
}

impl Architecture {
    /// Refuses what the graph would calculate wrongly.
    pub(super) fn check(&self) -> Result<(), String> {
        let refuse = |what: &str, found: &str, wanted: &str| {
            Err(format!("config.json says {what} is {found:?}; only {wanted:?} can be imported"))
        };
        if self.model_type != "bert" {
            return refuse("model_type", &self.model_type, "bert");
        }
        if self.hidden_act != "gelu" {
            return refuse("hidden_act", &self.hidden_act, "gelu");
        }
        match self.position_embedding_type.as_deref() {
            None | Some("absolute") => Ok(()),
            Some(other) => refuse("position_embedding_type", other, "absolute"),
        }
    }
}

/// A matrix or vector, row-major.
#[derive(Debug, Clone)]
pub(in crate::embed) struct Matrix {
    pub rows: usize,
    pub columns: usize,
    pub values: Vec<f32>,
}

/// The tensors of a checkpoint.
pub(super) struct Weights<'a> {
    tensors: SafeTensors<'a>,
    /// Some checkpoints put the name of the model before each tensor's.
    prefix: &'static str,
}

impl<'a> Weights<'a> {
    pub(super) fn parse(bytes: &'a [u8]) -> Result<Self, String> {
        let tensors =
            SafeTensors::deserialize(bytes).map_err(|error| format!("model.safetensors is not understood: {error}"))?;
        let prefixed = tensors.tensor("bert.embeddings.word_embeddings.weight").is_ok();
        Ok(Self { tensors, prefix: if prefixed { "bert." } else { "" } })
    }

    /// A tensor of one or two dimensions.
    pub(super) fn matrix(&self, name: &str) -> Result<Matrix, String> {
        let name = format!("{}{name}", self.prefix);
        let tensor = self.tensors.tensor(&name).map_err(|error| format!("model.safetensors, {name}: {error}"))?;
        if tensor.dtype() != Dtype::F32 {
            return Err(format!("model.safetensors, {name}: it is {:?}; only F32 can be imported", tensor.dtype()));
        }
        let (rows, columns) = match *tensor.shape() {
            [columns] => (1, columns),
            [rows, columns] => (rows, columns),
            ref shape => return Err(format!("model.safetensors, {name}: it has the shape {shape:?}")),
        };
        let bytes = tensor.data().as_chunks::<4>().0;
        Ok(Matrix { rows, columns, values: bytes.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect() })
    }
}

impl Matrix {
    pub(in crate::embed) fn transposed(&self) -> Self {
        let values = (0..self.columns).flat_map(|column| self.column(column)).collect();
        Self { rows: self.columns, columns: self.rows, values }
    }

    fn column(&self, column: usize) -> impl Iterator<Item = f32> {
        self.values.iter().skip(column).step_by(self.columns).copied()
    }

    /// Puts matrices side by side; `None` if they have not as many rows.
    pub(in crate::embed) fn side_by_side(matrices: &[Self]) -> Option<Self> {
        let rows = matrices.first().map_or(0, |matrix| matrix.rows);
        if matrices.iter().any(|matrix| matrix.rows != rows) {
            return None;
        }
        let row = |row: usize| matrices.iter().flat_map(move |m| &m.values[row * m.columns..(row + 1) * m.columns]);
        let values = (0..rows).flat_map(row).copied().collect();
        Some(Self { rows, columns: matrices.iter().map(|matrix| matrix.columns).sum(), values })
    }

    /// Adds a row to every row.
    pub(super) fn plus_row(mut self, row: &[f32]) -> Self {
        for (index, value) in self.values.iter_mut().enumerate() {
            *value += row[index % self.columns];
        }
        self
    }

    /// One scale per column, so that every value becomes a whole number of at most `largest`.
    pub(in crate::embed) fn quantised_by_column(&self, largest: f32) -> (Vec<i8>, Vec<f32>) {
        let scales: Vec<f32> = (0..self.columns).map(|column| scale(self.column(column), largest)).collect();
        let values = self.values.iter().enumerate();
        (values.map(|(index, value)| whole(*value, scales[index % self.columns])).collect(), scales)
    }

    /// One scale per row, so that every value becomes a whole number of at most `largest`.
    pub(in crate::embed) fn quantised_by_row(&self, largest: f32) -> (Vec<i8>, Vec<f32>) {
        let rows = self.values.chunks_exact(self.columns);
        let scales: Vec<f32> = rows.map(|row| scale(row.iter().copied(), largest)).collect();
        let values = self.values.iter().enumerate();
        (values.map(|(index, value)| whole(*value, scales[index / self.columns])).collect(), scales)
    }
}

/// The step that maps the largest of the values to `largest`.
fn scale(values: impl Iterator<Item = f32>, largest: f32) -> f32 {
    let peak = values.fold(0.0, |peak: f32, value| peak.max(value.abs()));
    if peak == 0.0 { 1.0 } else { peak / largest }
}

/// The nearest whole number of steps.
#[expect(clippy::cast_possible_truncation, reason = "at most 127 steps by the choice of the scale")]
fn whole(value: f32, scale: f32) -> i8 {
    (value / scale).round() as i8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Matrix {
        Matrix { rows: 2, columns: 3, values: vec![1.0, -2.0, 0.0, 4.0, 1.0, 0.0] }
    }

    #[test]
    fn transposes_and_joins() {
        assert_eq!(matrix().transposed().values, [1.0, 4.0, -2.0, 1.0, 0.0, 0.0]);
        assert!(Matrix::side_by_side(&[matrix(), matrix().transposed()]).is_none());
        let joined = Matrix::side_by_side(&[matrix(), matrix()]).unwrap();
        assert_eq!((joined.rows, joined.columns), (2, 6));
        assert_eq!(joined.values[..6], [1.0, -2.0, 0.0, 1.0, -2.0, 0.0]);
        assert_eq!(matrix().plus_row(&[1.0, 1.0, 1.0]).values, [2.0, -1.0, 1.0, 5.0, 2.0, 1.0]);
    }

    #[test]
    fn quantises_to_the_largest_of_each_column_or_row() {
        let (values, scales) = matrix().quantised_by_column(64.0);
        assert_eq!(values, [16, -64, 0, 64, 32, 0]);
        assert_eq!(scales, [4.0 / 64.0, 2.0 / 64.0, 1.0]);
        let (values, scales) = matrix().quantised_by_row(127.0);
        assert_eq!(values, [64, -127, 0, 127, 32, 0]);
        assert_eq!(scales, [2.0 / 127.0, 4.0 / 127.0]);
    }
}
