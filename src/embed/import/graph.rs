//! The graph of a BERT encoder in ONNX operators and ONNX Runtime's own fused ones, from token ids to one vector per
//! token. Texts run one at a time, unpadded, in a single segment: so there is no attention mask, and the embedding of
//! the first segment is folded into those of the positions. Sums and what is made of them stay apart: fused
//! (`SkipLayerNormalization`, `BiasGelu`), they are slower on a CPU.

use ort::{
    editor::{Graph, Model, Node, ONNX_DOMAIN, Opset},
    memory::Allocator,
    operator::Attribute,
    value::{Outlet, PrimitiveTensorElementType, Shape, SymbolicDimensions, Tensor, TensorElementType, ValueType},
};

use super::{
    LARGEST_EMBEDDING, LARGEST_WEIGHT,
    weights::{Architecture, Matrix, Weights},
};
use crate::embed::Precision;

const MICROSOFT: &str = "com.microsoft";
/// The ONNX opset that brought `LayerNormalization`.
const OPSET: u32 = 17;
/// ONNX's number for a 32-bit floating point tensor.
const FLOAT: i64 = 1;

type Result<T> = std::result::Result<T, String>;

/// Builds the graph of one checkpoint in one precision.
pub(super) struct BertGraph<'a> {
    architecture: &'a Architecture,
    weights: &'a Weights<'a>,
    precision: Precision,
    allocator: Allocator,
}

impl<'a> BertGraph<'a> {
    pub(super) fn new(architecture: &'a Architecture, weights: &'a Weights<'a>, precision: Precision) -> Self {
        Self { architecture, weights, precision, allocator: Allocator::default() }
    }

    pub(super) fn build(&self) -> Result<Model> {
        let mut graph = Graph::new().map_err(say)?;
        let hidden = i64::try_from(self.architecture.hidden_size).map_err(say)?;
        let input = outlet("input_ids", TensorElementType::Int64, &[-1, -1], &["batch", "tokens"]);
        let output =
            outlet("last_hidden_state", TensorElementType::Float32, &[-1, -1, hidden], &["batch", "tokens", ""]);
        graph.set_inputs([input]).map_err(say)?;
        graph.set_outputs([output]).map_err(say)?;

        let mut state = self.embeddings(&mut graph)?;
        for layer in 0..self.architecture.num_hidden_layers {
            state = self.layer(&mut graph, layer, &state)?;
        }
        node(&mut graph, "Identity", ONNX_DOMAIN, &[&state], &["last_hidden_state"], vec![])?;
        let opsets = [Opset::new(ONNX_DOMAIN, OPSET).map_err(say)?, Opset::new(MICROSOFT, 1).map_err(say)?];
        let mut model = Model::new(opsets).map_err(say)?;
        model.set_graph(graph).map_err(say)?;
        Ok(model)
    }

    /// Word, position and segment embeddings, added and normalised.
    fn embeddings(&self, graph: &mut Graph) -> Result<String> {
        self.word_embeddings(graph)?;
        let segments = self.weights.matrix("embeddings.token_type_embeddings.weight")?;
        let positions = self.weights.matrix("embeddings.position_embeddings.weight")?;
        let segment = segments.values.get(..positions.columns).ok_or("the segment embeddings are too small")?;
        let positions = positions.plus_row(segment);
        self.constant(graph, "positions", &[positions.rows, positions.columns], &positions.values)?;
        // The first rows of the position table, as many as there are tokens.
        self.constant(graph, "zero", &[1], &[0_i64])?;
        self.constant(graph, "axis_of_tokens", &[1], &[1_i64])?;
        node(graph, "Shape", ONNX_DOMAIN, &["input_ids"], &["shape"], vec![])?;
        node(graph, "Gather", ONNX_DOMAIN, &["shape", "axis_of_tokens"], &["length"], vec![])?;
        node(graph, "Slice", ONNX_DOMAIN, &["positions", "zero", "length"], &["places"], vec![])?;
        node(graph, "Add", ONNX_DOMAIN, &["words", "places"], &["embedded"], vec![])?;
        let [scale, bias] = self.layer_norm(graph, "embeddings.LayerNorm")?;
        let attributes = vec![self.epsilon()?];
        node(graph, "LayerNormalization", ONNX_DOMAIN, &["embedded", &scale, &bias], &["state"], attributes)?;
        Ok("state".to_owned())
    }

    /// Looks up the word embeddings as `words`; in int8, each row has a scale of its own.
    fn word_embeddings(&self, graph: &mut Graph) -> Result<()> {
        let table = self.weights.matrix("embeddings.word_embeddings.weight")?;
        let shape = [table.rows, table.columns];
        if self.precision == Precision::Fp32 {
            self.constant(graph, "word_table", &shape, &table.values)?;
            return node(graph, "Gather", ONNX_DOMAIN, &["word_table", "input_ids"], &["words"], vec![]);
        }
        let (values, scales) = table.quantised_by_row(LARGEST_EMBEDDING);
        self.constant(graph, "word_table", &shape, &values)?;
        self.constant(graph, "word_scales", &[table.rows, 1], &scales)?;
        node(graph, "Gather", ONNX_DOMAIN, &["word_table", "input_ids"], &["word_steps"], vec![])?;
        node(graph, "Gather", ONNX_DOMAIN, &["word_scales", "input_ids"], &["word_scale"], vec![])?;
        node(graph, "Cast", ONNX_DOMAIN, &["word_steps"], &["word_numbers"], vec![attribute("to", FLOAT)?])?;
        node(graph, "Mul", ONNX_DOMAIN, &["word_numbers", "word_scale"], &["words"], vec![])
    }

    /// One transformer layer: attention and feed-forward, each added to its input and normalised.
    fn layer(&self, graph: &mut Graph, layer: usize, state: &str) -> Result<String> {
        let name = |part: &str| format!("encoder.layer.{layer}.{part}");
        let attended = self.attention(graph, &name("attention.self"), state)?;
        let middle = self.add_and_normalise(graph, &name("attention.output"), &attended, state)?;

        let widened = self.linear(graph, &name("intermediate.dense"), &middle)?;
        let activated = name("intermediate.activated");
        node(graph, "Gelu", MICROSOFT, &[&widened], &[&activated], vec![])?;
        self.add_and_normalise(graph, &name("output"), &activated, &middle)
    }

    /// Multi-head self-attention over query, key and value projections side by side.
    fn attention(&self, graph: &mut Graph, name: &str, state: &str) -> Result<String> {
        let parts = ["query", "key", "value"];
        let matrices: Vec<Matrix> = parts
            .iter()
            .map(|part| Ok(self.weights.matrix(&format!("{name}.{part}.weight"))?.transposed()))
            .collect::<Result<_>>()?;
        let biases: Vec<Matrix> =
            parts.iter().map(|part| self.weights.matrix(&format!("{name}.{part}.bias"))).collect::<Result<_>>()?;
        let projection =
            Matrix::side_by_side(&matrices).ok_or_else(|| format!("{name}: query, key and value differ"))?;
        let bias_values = Matrix::side_by_side(&biases).ok_or_else(|| format!("{name}: the biases differ"))?.values;
        let (weight, bias, output) = (format!("{name}.weight"), format!("{name}.bias"), format!("{name}.output"));
        let shape = [projection.rows, projection.columns];
        self.constant(graph, &bias, &[projection.columns], &bias_values)?;
        let heads = attribute("num_heads", i64::try_from(self.architecture.num_attention_heads).map_err(say)?)?;
        if self.precision == Precision::Fp32 {
            self.constant(graph, &weight, &shape, &projection.values)?;
            node(graph, "Attention", MICROSOFT, &[state, &weight, &bias], &[&output], vec![heads])?;
            return Ok(output);
        }
        let (values, scales) = projection.quantised_by_column(LARGEST_WEIGHT);
        let [weight_scale, steps, step, zero] =
            ["weight_scale", "steps", "step", "zero"].map(|part| format!("{name}.{part}"));
        self.constant(graph, &weight, &shape, &values)?;
        self.constant(graph, &weight_scale, &[projection.columns], &scales)?;
        node(graph, "DynamicQuantizeLinear", ONNX_DOMAIN, &[state], &[&steps, &step, &zero], vec![])?;
        let inputs = [steps.as_str(), &weight, &bias, &step, &weight_scale, "", &zero];
        node(graph, "QAttention", MICROSOFT, &inputs, &[&output], vec![heads])?;
        Ok(output)
    }

    /// A matrix product, plus a bias.
    fn linear(&self, graph: &mut Graph, name: &str, input: &str) -> Result<String> {
        let matrix = self.weights.matrix(&format!("{name}.weight"))?.transposed();
        let bias = self.bias(graph, name)?;
        let (weight, output) = (format!("{name}.weight"), format!("{name}.output"));
        let shape = [matrix.rows, matrix.columns];
        if self.precision == Precision::Fp32 {
            let product = format!("{name}.product");
            self.constant(graph, &weight, &shape, &matrix.values)?;
            node(graph, "MatMul", ONNX_DOMAIN, &[input, &weight], &[&product], vec![])?;
            node(graph, "Add", ONNX_DOMAIN, &[&product, &bias], &[&output], vec![])?;
            return Ok(output);
        }
        let (values, scales) = matrix.quantised_by_column(LARGEST_WEIGHT);
        let weight_scale = format!("{name}.weight_scale");
        self.constant(graph, &weight, &shape, &values)?;
        self.constant(graph, &weight_scale, &[matrix.columns], &scales)?;
        let inputs = [input, &weight, &weight_scale, "", &bias];
        node(graph, "DynamicQuantizeMatMul", MICROSOFT, &inputs, &[&output], vec![])?;
        Ok(output)
    }

    /// Multiplies, adds the input that it all was made from, then normalises.
    fn add_and_normalise(&self, graph: &mut Graph, name: &str, input: &str, skipped: &str) -> Result<String> {
        let projected = self.linear(graph, &format!("{name}.dense"), input)?;
        let [scale, shift] = self.layer_norm(graph, &format!("{name}.LayerNorm"))?;
        let (sum, output) = (format!("{name}.sum"), format!("{name}.state"));
        node(graph, "Add", ONNX_DOMAIN, &[&projected, skipped], &[&sum], vec![])?;
        let attributes = vec![self.epsilon()?];
        node(graph, "LayerNormalization", ONNX_DOMAIN, &[&sum, &scale, &shift], &[&output], attributes)?;
        Ok(output)
    }

    fn layer_norm(&self, graph: &mut Graph, name: &str) -> Result<[String; 2]> {
        let names = [format!("{name}.weight"), format!("{name}.bias")];
        for name in &names {
            self.copied(graph, name)?;
        }
        Ok(names)
    }

    fn bias(&self, graph: &mut Graph, name: &str) -> Result<String> {
        let name = format!("{name}.bias");
        self.copied(graph, &name)?;
        Ok(name)
    }

    /// A vector of the checkpoint, under its own name.
    fn copied(&self, graph: &mut Graph, name: &str) -> Result<()> {
        let vector = self.weights.matrix(name)?;
        self.constant(graph, name, &[vector.columns], &vector.values)
    }

    fn epsilon(&self) -> Result<Attribute> {
        attribute("epsilon", self.architecture.layer_norm_eps)
    }

    /// Adds a constant; the editor takes only tensors that ONNX Runtime itself allocated.
    fn constant<T>(&self, graph: &mut Graph, name: &str, shape: &[usize], values: &[T]) -> Result<()>
    where
        T: PrimitiveTensorElementType + Copy + std::fmt::Debug,
    {
        let dimensions = shape.iter().map(|size| i64::try_from(*size)).collect::<std::result::Result<Vec<_>, _>>();
        let mut tensor = Tensor::<T>::new(&self.allocator, Shape::new(dimensions.map_err(say)?)).map_err(say)?;
        let place = tensor.extract_tensor_mut().1;
        if place.len() != values.len() {
            return Err(format!("{name} has {} numbers, the architecture wants {}", values.len(), place.len()));
        }
        place.copy_from_slice(values);
        graph.add_initializer(name, tensor, false).map_err(say)
    }
}

fn outlet(name: &str, ty: TensorElementType, shape: &[i64], symbols: &[&str]) -> Outlet {
    let dimension_symbols = SymbolicDimensions::new(symbols.iter().map(|symbol| (*symbol).to_owned()));
    Outlet::new(name, ValueType::Tensor { ty, shape: Shape::new(shape.iter().copied()), dimension_symbols })
}

/// Adds a node, named after its first output.
fn node(
    graph: &mut Graph,
    operator: &str,
    domain: &str,
    inputs: &[&str],
    outputs: &[&str],
    attributes: Vec<Attribute>,
) -> Result<()> {
    let node = Node::new(operator, domain, outputs[0], inputs, outputs, attributes).map_err(say)?;
    graph.add_node(node).map_err(say)
}

fn attribute(name: &str, value: impl ort::operator::ToAttribute) -> Result<Attribute> {
    Attribute::new(name, value).map_err(say)
}

fn say(error: impl std::fmt::Display) -> String {
    format!("the graph cannot be built: {error}")
}
