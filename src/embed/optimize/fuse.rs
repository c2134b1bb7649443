//! Fuses attention where ONNX Runtime itself does not, however an exporter spelt it out. Texts run one at a time and
//! unpadded, so the mask is all ones; a fused attention leaves it away.

use std::collections::HashSet;

use super::{
    index::{Index, sweep},
    onnx::{Attribute, Graph, MICROSOFT, Node, Tensor},
};
use crate::embed::import::Matrix;

/// Fuses every attention that is found, and says how many.
pub(super) fn fuse(graph: &mut Graph) -> usize {
    let mut fused = 0;
    while let Some(found) = Index::of(graph).attention() {
        found.apply(graph);
        sweep(graph);
        fused += 1;
    }
    fused
}

/// Multi-head self-attention as it stands in a graph.
struct Attention {
    /// Where its last node stands, whose place the fused one takes.
    place: usize,
    input: String,
    output: String,
    heads: i64,
    weight: Matrix,
    bias: Vec<f32>,
}

/// One of query, key and value: `input × weight + bias`, split into heads.
struct Projection<'a> {
    input: &'a str,
    weight: Matrix,
    bias: Vec<f32>,
    heads: i64,
}

impl<'a> Index<'a> {
    fn attention(&self) -> Option<Attention> {
        let softmaxes = self.graph.node.iter().filter(|node| node.is("Softmax"));
        softmaxes
            .filter(|node| matches!(node.whole("axis"), None | Some(-1 | 3)))
            .find_map(|node| self.attention_at(node))
    }

    /// `softmax(query × keyᵀ × scale + mask) × value`, heads put side by side again.
    fn attention_at(&self, softmax: &'a Node) -> Option<Attention> {
        let (scores, scale) = self.scores(softmax.input(0)?)?;
        let (query, query_scale) = self.scaled(scores.input(0)?);
        let query = self.projection(query, &[0, 2, 1, 3])?;
        let key = self.key(scores)?;
        let (_, product) = self.consumer_of_one(softmax.output(), "MatMul")?;
        let value =
            self.projection(product.input(1).filter(|_| product.input(0) == Some(softmax.output()))?, &[0, 2, 1, 3])?;
        let (_, merged) = self.consumer_of_one(product.output(), "Transpose")?;
        let (place, reshaped) =
            self.consumer_of_one(merged.output(), "Reshape").filter(|_| has_order(merged, &[0, 2, 1, 3]))?;

        let parts = [&query, &key, &value];
        let alike = parts.iter().all(|part| part.input == query.input && part.heads == query.heads);
        let weight = Matrix::side_by_side(&parts.map(|part| part.weight.clone())).filter(|_| alike)?;
        let bias = parts.iter().flat_map(|part| part.bias.iter().copied()).collect();
        let heads = u16::try_from(query.heads).ok().filter(|heads| *heads > 0)?;
        let width = u16::try_from(query.weight.columns).ok()?;
        // The operator scales by this itself, and cannot be told otherwise in int8.
        let expected = (f32::from(width) / f32::from(heads)).sqrt().recip();
        let is_usual = (scale * query_scale / expected - 1.0).abs() < 1e-3;
        is_usual.then(|| Attention {
            place,
            input: query.input.to_owned(),
            output: reshaped.output().to_owned(),
            heads: query.heads,
            weight,
            bias,
        })
    }

    /// From the softmax's input back to the product of query and key, over the mask and the scale.
    fn scores(&self, value: &'a str) -> Option<(&'a Node, f32)> {
        let unmasked = match self.producer(value)? {
            add if add.is("Add") => Self::pair(add, |side| self.is_mask(side).then_some(()))?.0,
            _ => value,
        };
        let (product, scale) = self.scaled(unmasked);
        let node = self.producer(product)?;
        if node.is("MatMul") {
            return Some((node, scale));
        }
        let plain = ["transA", "transBatchA", "transBatchB"].iter().all(|name| node.whole(name).unwrap_or(0) == 0);
        (node.is("FusedMatMul") && plain).then(|| (node, scale * node.float("alpha").unwrap_or(1.0)))
    }

    /// A value without the constant that it is multiplied with or divided by, and that constant.
    fn scaled(&self, value: &'a str) -> (&'a str, f32) {
        let node = self.producer(value);
        let divided = node
            .filter(|node| node.is("Div"))
            .and_then(|node| Some((node.input(0)?, self.number(node.input(1)?)?.recip())));
        let multiplied = node.filter(|node| node.is("Mul")).and_then(|node| Self::pair(node, |side| self.number(side)));
        divided.or(multiplied).unwrap_or((value, 1.0))
    }

    /// Whether a value is nothing but the attention mask, put into another form. A bias that depends on where a token
    /// stands (as `ALiBi` has one) is not.
    fn is_mask(&self, value: &'a str) -> bool {
        let (mut open, mut seen, mut from_mask) = (vec![value], HashSet::new(), false);
        while let Some(value) = open.pop().filter(|_| seen.len() < 64) {
            if !seen.insert(value) {
                continue;
            }
            if let Some(tensor) = self.constant(value) {
                if tensor.floats().is_some_and(|values| values.len() > 1) {
                    return false;
                }
            } else if let Some(node) = self.producer(value) {
                if node.is("Range") {
                    return false;
                }
                // The shape of a value says nothing of what is in it.
                if !node.is("Shape") {
                    open.extend(node.input.iter().map(String::as_str).filter(|input| !input.is_empty()));
                }
            } else if value == "attention_mask" {
                from_mask = true;
            } else {
                return false;
            }
        }
        from_mask && open.is_empty()
    }

    /// The key: turned by its own node, by a second one, or by the product.
    fn key(&self, scores: &'a Node) -> Option<Projection<'a>> {
        let value = scores.input(1)?;
        if scores.whole("transB") == Some(1) {
            return self.projection(value, &[0, 2, 1, 3]);
        }
        self.projection(value, &[0, 2, 3, 1]).or_else(|| {
            let turned = self.producer(value).filter(|node| node.is("Transpose") && has_order(node, &[0, 1, 3, 2]))?;
            self.projection(turned.input(0)?, &[0, 2, 1, 3])
        })
    }

    fn projection(&self, value: &'a str, order: &[i64]) -> Option<Projection<'a>> {
        let transpose = self.producer(value).filter(|node| node.is("Transpose") && has_order(node, order))?;
        let reshape = self.producer(transpose.input(0)?).filter(|node| node.is("Reshape"))?;
        let heads = self.heads(reshape.input(1)?)?;
        let add = self.producer(reshape.input(0)?).filter(|node| node.is("Add"))?;
        let (product, (_, bias)) = Self::pair(add, |side| self.vector(side))?;
        let product = self.producer(product).filter(|node| node.is("MatMul"))?;
        let weight = matrix(self.constant(product.input(1)?)?)?;
        (bias.len() == weight.columns).then_some(Projection { input: product.input(0)?, weight, bias, heads })
    }

    /// The number of heads, from the shape that a projection is brought into: batch, tokens, heads, rest.
    fn heads(&self, shape: &str) -> Option<i64> {
        if let Some(sizes) = self.constant(shape).and_then(Tensor::whole_numbers) {
            return (sizes.len() == 4).then(|| sizes[2]);
        }
        // Batch and tokens are asked for at run time.
        let concat = self.producer(shape).filter(|node| node.is("Concat") && node.input.len() == 4)?;
        self.constant(concat.input(2)?)?.whole_numbers()?.first().copied()
    }
}

impl Attention {
    fn apply(self, graph: &mut Graph) {
        let [weight, bias] = ["weight", "bias"].map(|part| format!("{}.{part}", self.output));
        let shape = [self.weight.rows, self.weight.columns];
        graph.initializer.push(Tensor::of_floats(&weight, &shape, &self.weight.values));
        graph.initializer.push(Tensor::of_floats(&bias, &shape[1..], &self.bias));
        let node = Node::new("Attention", MICROSOFT, &[&self.input, &weight, &bias], &[&self.output]);
        graph.node[self.place] = node.with(Attribute::whole("num_heads", self.heads));
    }
}

fn has_order(node: &Node, order: &[i64]) -> bool {
    node.attribute("perm").is_some_and(|perm| perm.ints == order)
}

/// A constant of two dimensions.
pub(super) fn matrix(tensor: &Tensor) -> Option<Matrix> {
    match *tensor.shape() {
        [rows, columns] => Some(Matrix { rows, columns, values: tensor.floats()? }),
        _ => None,
    }
}
