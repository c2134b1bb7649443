//! From a graph in fp32 to one in int8: weights of one scale per output column, multiplied with inputs that are
//! quantised as they come, and word embeddings of one scale per row. The same operators and ranges as `import` uses: the
//! bias is part of the product, and what comes after it (an activation, a sum, a normalisation) stays apart.

use std::collections::HashMap;

use super::{
    fuse::matrix,
    index::{Index, sweep},
    onnx::{Attribute, FLOAT, Graph, MICROSOFT, Node, Tensor},
};
use crate::embed::import::{LARGEST_EMBEDDING, Matrix};

/// Smaller tables are not worth two more look-ups: the positions of most models.
const SMALLEST_TABLE: usize = 1 << 20;

/// What was brought to int8.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Quantised {
    pub products: usize,
    pub attentions: usize,
    pub tables: usize,
}

/// Quantises all that can be; `largest` is the largest whole number that a weight may become.
pub(super) fn quantise(graph: &mut Graph, largest: f32) -> Quantised {
    quantise_from(graph, largest, SMALLEST_TABLE)
}

pub(super) fn quantise_from(graph: &mut Graph, largest: f32, smallest_table: usize) -> Quantised {
    let mut quantised = Quantised::default();
    let index = Index::of(graph);
    let mut constants = vec![];
    // What becomes of nodes whose bias moved into the product before them.
    let mut after = HashMap::new();
    let mut nodes = Vec::with_capacity(graph.node.len());
    for (place, node) in graph.node.iter().enumerate() {
        let made = if let Some(rest) = after.remove(&place) {
            Some((rest, vec![]))
        } else if node.is("Attention") {
            index.attention_in_int8(node, largest).inspect(|_| quantised.attentions += 1)
        } else if node.is("Gather") {
            index.table_in_int8(node, smallest_table).inspect(|_| quantised.tables += 1)
        } else {
            index.product_in_int8(node, largest, &mut after).inspect(|_| quantised.products += 1)
        };
        match made {
            Some((new, tensors)) => {
                nodes.extend(new);
                constants.extend(tensors);
            }
            None => nodes.push(node.clone()),
        }
    }
    graph.node = nodes;
    graph.initializer.extend(constants);
    sweep(graph);
    quantised
}

type Made = (Vec<Node>, Vec<Tensor>);

/// A bias that is added to a product.
struct AddedBias<'a> {
    /// Where the node that adds it stands.
    place: usize,
    bias: &'a str,
    /// What is left of that node.
    rest: Vec<Node>,
}

impl Index<'_> {
    /// `MatMul` with a constant on its right, or `Gemm` with one and a bias; and in `after`, what is left of the node
    /// that added a bias to the product.
    fn product_in_int8(&self, node: &Node, largest: f32, after: &mut HashMap<usize, Vec<Node>>) -> Option<Made> {
        let right = matrix(self.constant(node.input(1)?)?)?;
        let (weight, bias) = if node.is("MatMul") {
            (right, None)
        } else if node.is("Gemm") && is_plain(node) {
            let turned = node.whole("transB").unwrap_or(0) == 1;
            (if turned { right.transposed() } else { right }, node.input(2))
        } else {
            return None;
        };
        let fits = |bias: &str| self.constant(bias).is_some_and(|bias| bias.shape() == [weight.columns]);
        if bias.is_some_and(|bias| !fits(bias)) {
            return None;
        }
        let [name, scale, sum] = names(node, ["weight", "weight_scale", "sum"]);
        let (mut bias, mut output) = (bias, node.output());
        if let (None, Some(added)) = (bias, self.added_bias(node.output(), &sum).filter(|added| fits(added.bias))) {
            bias = Some(added.bias);
            output = if added.rest.is_empty() { self.graph.node[added.place].output() } else { &sum };
            after.insert(added.place, added.rest);
        }
        let inputs = [node.input(0)?, &name, &scale].into_iter().chain(bias.into_iter().flat_map(|bias| ["", bias]));
        let product = Node::new("DynamicQuantizeMatMul", MICROSOFT, &inputs.collect::<Vec<_>>(), &[output]);
        Some((vec![product], by_column(&weight, largest, &name, &scale)))
    }

    /// The bias that the only user of a product adds to it, and what that node does with the sum, which will be called
    /// `sum`.
    fn added_bias(&self, product: &str, sum: &str) -> Option<AddedBias<'_>> {
        let place = self.only_consumer(product)?;
        let node = &self.graph.node[place];
        if node.is("Add") {
            let (_, (bias, _)) = Index::pair(node, |side| self.vector(side)).filter(|(other, _)| *other == product)?;
            return Some(AddedBias { place, bias, rest: vec![] });
        }
        let is_first = node.input(0) == Some(product);
        if node.is("BiasGelu") && is_first {
            let rest = vec![Node::new("Gelu", MICROSOFT, &[sum], &[node.output()])];
            return Some(AddedBias { place, bias: node.input(1)?, rest });
        }
        // Its further outputs are for training.
        let is_alone = node.output.iter().skip(1).all(String::is_empty);
        if node.is("SkipLayerNormalization") && is_first && is_alone {
            let around = format!("{sum}.around");
            let normalised =
                Node::new("LayerNormalization", "", &[&around, node.input(2)?, node.input(3)?], &[node.output()]);
            let epsilon = Attribute::float("epsilon", node.float("epsilon").unwrap_or(1e-12));
            let rest = vec![Node::new("Add", "", &[sum, node.input(1)?], &[&around]), normalised.with(epsilon)];
            return Some(AddedBias { place, bias: node.input(4)?, rest });
        }
        None
    }

    /// ONNX Runtime's fused attention over a constant weight.
    fn attention_in_int8(&self, node: &Node, largest: f32) -> Option<Made> {
        // What the int8 operator cannot be told: other sizes for the value, a scale of one's own, a bias of positions.
        let told = ["num_heads", "unidirectional", "mask_filter_value"];
        let known = |attribute: &&Attribute| !told.contains(&attribute.name.as_deref().unwrap_or_default());
        let unknown = node.attribute.iter().filter(known);
        let is_set = |attribute: &Attribute| {
            attribute.f.unwrap_or(0.0) != 0.0 || attribute.i.unwrap_or(0) != 0 || !attribute.ints.is_empty()
        };
        if unknown.into_iter().any(is_set) || (4..node.input.len()).any(|place| node.input(place).is_some()) {
            return None;
        }
        let weight = matrix(self.constant(node.input(1)?)?)?;
        let [name, scale, steps, step, zero] = names(node, ["weight", "weight_scale", "steps", "step", "zero"]);
        let quantise = Node::new("DynamicQuantizeLinear", "", &[node.input(0)?], &[&steps, &step, &zero]);
        let mask = node.input(3).unwrap_or_default();
        let inputs = [&steps, &name, node.input(2)?, &step, &scale, mask, &zero];
        let mut attention = Node::new("QAttention", MICROSOFT, &inputs, &[node.output()]);
        attention.attribute = node.attribute.iter().filter(|attribute| !known(attribute)).cloned().collect();
        Some((vec![quantise, attention], by_column(&weight, largest, &name, &scale)))
    }

    /// A look-up in a large constant table: of the row's numbers, and of its scale.
    fn table_in_int8(&self, node: &Node, smallest: usize) -> Option<Made> {
        let table = matrix(self.constant(node.input(0)?)?)?;
        if node.whole("axis").unwrap_or(0) != 0 || table.values.len() < smallest {
            return None;
        }
        let ids = node.input(1)?;
        let [name, scales, steps, scale, numbers] = names(node, ["table", "scales", "steps", "scale", "numbers"]);
        let nodes = vec![
            Node::new("Gather", "", &[&name, ids], &[&steps]),
            Node::new("Gather", "", &[&scales, ids], &[&scale]),
            Node::new("Cast", "", &[&steps], &[&numbers]).with(Attribute::whole("to", i64::from(FLOAT))),
            Node::new("Mul", "", &[&numbers, &scale], &[node.output()]),
        ];
        let (values, row_scales) = table.quantised_by_row(LARGEST_EMBEDDING);
        let tensors = vec![
            Tensor::of_bytes(&name, &[table.rows, table.columns], &values),
            Tensor::of_floats(&scales, &[table.rows, 1], &row_scales),
        ];
        Some((nodes, tensors))
    }
}

/// Whether a `Gemm` is a product plus a bias and nothing else.
fn is_plain(node: &Node) -> bool {
    let is_one = |name: &&str| (node.float(name).unwrap_or(1.0) - 1.0).abs() < f32::EPSILON;
    node.whole("transA").unwrap_or(0) == 0 && ["alpha", "beta"].iter().all(is_one)
}

/// Names for what a node is replaced by.
fn names<const N: usize>(node: &Node, parts: [&str; N]) -> [String; N] {
    parts.map(|part| format!("{}.int8.{part}", node.output()))
}

/// A matrix in int8 and its scales.
fn by_column(matrix: &Matrix, largest: f32, name: &str, scale: &str) -> Vec<Tensor> {
    let (values, scales) = matrix.quantised_by_column(largest);
    vec![
        Tensor::of_bytes(name, &[matrix.rows, matrix.columns], &values),
        Tensor::of_floats(scale, &[matrix.columns], &scales),
    ]
}
