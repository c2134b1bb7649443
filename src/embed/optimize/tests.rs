//! Attention as different exporters spell it, fused and run beside the original. Needs ONNX Runtime as `make setup`
//! installs it; says so and skips where it is absent.

use std::path::Path;

use ort::{
    session::{Session, builder::GraphOptimizationLevel},
    value::TensorRef,
};
use prost::Message as _;

use super::{
    fuse::fuse,
    onnx::{Attribute, FLOAT, Graph, INT64, MICROSOFT, Model, Node, OperatorSet, Tensor, Value},
    quantise::quantise_from,
};
use crate::embed::library;

const TOKENS: usize = 5;
const WIDTH: usize = 8;
const HEADS: usize = 2;

/// How an exporter spells attention out.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Style {
    /// The product divided by the root of the width; the key turned at once.
    Divided,
    /// ONNX Runtime's own product that turns and scales.
    Fused,
    /// The query divided before the product; the key turned in two steps.
    QueryFirst,
    /// The shape of the heads put together at run time.
    ShapeAtRunTime,
    /// Scaled by something else.
    OtherScale,
    /// With a bias that depends on where a token stands.
    PositionBias,
}

/// Numbers that look random and are always the same.
fn numbers(seed: usize, count: usize) -> Vec<f32> {
    #[expect(clippy::cast_precision_loss, reason = "small numbers")]
    let number = |n: usize| ((n * 7919 + seed * 104_729) % 1009) as f32 / 1009.0 - 0.5;
    (0..count).map(number).collect()
}

/// A value's type, as ONNX writes it: a tensor of an element type and a shape of sizes.
fn tensor_type(element: i32, shape: &[usize]) -> Vec<u8> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct Size {
        #[prost(int64, optional, tag = "1")]
        size: Option<i64>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Shape {
        #[prost(message, repeated, tag = "1")]
        dim: Vec<Size>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct OfTensor {
        #[prost(int32, optional, tag = "1")]
        element: Option<i32>,
        #[prost(message, optional, tag = "2")]
        shape: Option<Shape>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct Type {
        #[prost(message, optional, tag = "1")]
        tensor: Option<OfTensor>,
    }
    let dim = shape.iter().map(|size| Size { size: Some(i64::try_from(*size).unwrap()) }).collect();
    let tensor = OfTensor { element: Some(element), shape: Some(Shape { dim }) };
    Type { tensor: Some(tensor) }.encode_to_vec()
}

fn value(name: &str, element: i32, shape: &[usize]) -> Value {
    Value { name: Some(name.to_owned()), r#type: Some(tensor_type(element, shape)), ..Value::default() }
}

fn whole_numbers(name: &str, values: &[i64]) -> Tensor {
    Tensor {
        name: Some(name.to_owned()),
        data_type: Some(INT64),
        dims: vec![i64::try_from(values.len()).unwrap()],
        int64_data: values.to_vec(),
        ..Tensor::default()
    }
}

fn transpose(from: &str, to: &str, order: &[i64]) -> Node {
    let order = Attribute { name: Some("perm".into()), ints: order.to_vec(), r#type: Some(7), ..Attribute::default() };
    Node::new("Transpose", "", &[from], &[to]).with(order)
}

/// One layer: attention with a mask, a product with a bias, what goes around it, normalised.
struct Layer {
    style: Style,
    graph: Graph,
}

impl Layer {
    fn new(style: Style) -> Self {
        let graph = Graph {
            name: Some("layer".to_owned()),
            input: vec![value("x", FLOAT, &[1, TOKENS, WIDTH]), value("attention_mask", INT64, &[1, TOKENS])],
            output: vec![value("y", FLOAT, &[1, TOKENS, WIDTH])],
            ..Graph::default()
        };
        let mut layer = Self { style, graph };
        layer.add_mask();
        layer.add_attention();
        layer.add_end();
        layer
    }

    fn node(&mut self, operator: &str, input: &[&str], output: &str) {
        self.graph.node.push(Node::new(operator, "", input, &[output]));
    }

    fn floats(&mut self, name: &str, dims: &[usize], values: &[f32]) {
        self.graph.initializer.push(Tensor::of_floats(name, dims, values));
    }

    /// `(1 − mask) × −10,000`, for every head and token.
    fn add_mask(&mut self) {
        self.graph.initializer.push(whole_numbers("axes", &[1, 2]));
        self.floats("one", &[], &[1.0]);
        self.floats("much", &[], &[-1e4]);
        self.node("Unsqueeze", &["attention_mask", "axes"], "mask4");
        self.graph.node.push(Node::new("Cast", "", &["mask4"], &["maskf"]).with(Attribute::whole("to", FLOAT.into())));
        self.node("Sub", &["one", "maskf"], "hidden");
        self.node("Mul", &["hidden", "much"], "mask");
    }

    /// `x × weight + bias`, split into heads and turned.
    fn add_projection(&mut self, part: &str, seed: usize, order: &[i64]) {
        let [w, b, product, sum, split] = ["w", "b", "product", "sum", "split"].map(|name| format!("{part}.{name}"));
        self.floats(&w, &[WIDTH, WIDTH], &numbers(seed, WIDTH * WIDTH));
        self.floats(&b, &[WIDTH], &numbers(seed + 1, WIDTH));
        self.node("MatMul", &["x", &w], &product);
        // Exporters write the bias on either side.
        self.node("Add", &[&b, &product], &sum);
        self.node("Reshape", &[&sum, "heads"], &split);
        self.graph.node.push(transpose(&split, part, order));
    }

    fn add_heads(&mut self) {
        let (heads, rest) = (i64::try_from(HEADS).unwrap(), i64::try_from(WIDTH / HEADS).unwrap());
        if self.style == Style::ShapeAtRunTime {
            self.graph.initializer.extend([whole_numbers("h", &[heads]), whole_numbers("r", &[rest])]);
            self.graph.initializer.extend([whole_numbers("at0", &[0]), whole_numbers("at1", &[1])]);
            self.node("Shape", &["x"], "shape");
            self.node("Gather", &["shape", "at0"], "batch");
            self.node("Gather", &["shape", "at1"], "tokens");
            let concat = Node::new("Concat", "", &["batch", "tokens", "h", "r"], &["heads"]);
            self.graph.node.push(concat.with(Attribute::whole("axis", 0)));
        } else {
            self.graph.initializer.push(whole_numbers("heads", &[0, 0, heads, rest]));
        }
        self.graph.initializer.push(whole_numbers("together", &[0, 0, i64::try_from(WIDTH).unwrap()]));
    }

    fn add_attention(&mut self) {
        self.add_heads();
        self.add_projection("q", 1, &[0, 2, 1, 3]);
        self.add_projection("v", 3, &[0, 2, 1, 3]);
        let root = if self.style == Style::OtherScale { 3.0 } else { 2.0 };
        self.floats("root", &[], &[root]);
        match self.style {
            Style::Fused => {
                self.add_projection("k", 5, &[0, 2, 1, 3]);
                let product = Node::new("FusedMatMul", MICROSOFT, &["q", "k"], &["scores"]);
                let product = product.with(Attribute::whole("transB", 1)).with(Attribute::float("alpha", 0.5));
                self.graph.node.push(product);
            }
            Style::QueryFirst => {
                self.add_projection("k", 5, &[0, 2, 1, 3]);
                self.graph.node.push(transpose("k", "kt", &[0, 1, 3, 2]));
                self.node("Div", &["q", "root"], "scaled");
                self.node("MatMul", &["scaled", "kt"], "scores");
            }
            _ => {
                self.add_projection("kt", 5, &[0, 2, 3, 1]);
                self.node("MatMul", &["q", "kt"], "unscaled");
                self.node("Div", &["unscaled", "root"], "scores");
            }
        }
        let mask = if self.style == Style::PositionBias {
            self.floats("slopes", &[1, HEADS, TOKENS, TOKENS], &numbers(11, HEADS * TOKENS * TOKENS));
            self.node("Add", &["mask", "slopes"], "biased");
            "biased"
        } else {
            "mask"
        };
        self.node("Add", &["scores", mask], "masked");
        self.graph.node.push(Node::new("Softmax", "", &["masked"], &["weights"]).with(Attribute::whole("axis", -1)));
        self.node("MatMul", &["weights", "v"], "attended");
        self.graph.node.push(transpose("attended", "turned", &[0, 2, 1, 3]));
        self.node("Reshape", &["turned", "together"], "context");
    }

    fn add_end(&mut self) {
        self.floats("o.w", &[WIDTH, WIDTH], &numbers(7, WIDTH * WIDTH));
        self.floats("o.b", &[WIDTH], &numbers(8, WIDTH));
        self.floats("gain", &[WIDTH], &numbers(9, WIDTH));
        self.floats("shift", &[WIDTH], &numbers(10, WIDTH));
        self.node("MatMul", &["context", "o.w"], "o.product");
        self.node("Add", &["o.product", "o.b"], "o.sum");
        self.node("Add", &["x", "o.sum"], "around");
        let normalised = Node::new("LayerNormalization", "", &["around", "gain", "shift"], &["y"]);
        self.graph.node.push(normalised.with(Attribute::whole("axis", -1)).with(Attribute::float("epsilon", 1e-5)));
    }
}

fn encode(graph: Graph) -> Vec<u8> {
    let set = |domain: &str, version| OperatorSet { domain: Some(domain.to_owned()), version: Some(version) };
    let opset_import = vec![set("", 17), set(MICROSOFT, 1)];
    Model { ir_version: Some(8), graph: Some(graph), opset_import, ..Model::default() }.encode_to_vec()
}

/// Runs a graph on a mask of ones; `None` where the library is not set up.
fn run(graph: &Graph) -> Option<Vec<f32>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(".asktwice/lib").join(library::FILE_NAME);
    let environment = path.exists().then(|| library::load(&path).unwrap())?;
    let builder = Session::builder(&environment).unwrap();
    let mut builder = builder.with_optimization_level(GraphOptimizationLevel::Disable).unwrap();
    let mut session = builder.commit_from_memory(&encode(graph.clone())).unwrap();
    let (x, mask) = (numbers(0, TOKENS * WIDTH), vec![1_i64; TOKENS]);
    let mut inputs =
        vec![("x".to_owned(), TensorRef::from_array_view(([1, TOKENS, WIDTH], x.as_slice())).unwrap().into())];
    if graph.input.len() > 1 {
        let mask = TensorRef::from_array_view(([1, TOKENS], mask.as_slice())).unwrap();
        inputs.push(("attention_mask".to_owned(), ort::session::SessionInputValue::from(mask)));
    }
    let outputs = session.run(inputs).unwrap();
    Some(outputs[0].try_extract_tensor::<f32>().unwrap().1.to_vec())
}

fn furthest(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

fn operators(graph: &Graph) -> Vec<&str> {
    graph.node.iter().filter_map(|node| node.op_type.as_deref()).collect()
}

#[test]
fn attention_is_fused_however_it_is_spelt_and_gives_the_same() {
    for style in [Style::Divided, Style::Fused, Style::QueryFirst, Style::ShapeAtRunTime] {
        let original = Layer::new(style).graph;
        let mut graph = original.clone();
        assert_eq!(fuse(&mut graph), 1, "{style:?}");
        // The mask is gone.
        assert_eq!(operators(&graph), ["Attention", "MatMul", "Add", "Add", "LayerNormalization"]);
        assert_eq!((graph.input.len(), graph.initializer.len()), (1, 6), "{style:?}");
        let Some(expected) = run(&original) else { return eprintln!("skipped: ONNX Runtime is not set up") };
        let found = run(&graph).unwrap();
        assert!(furthest(&expected, &found) < 1e-4, "{style:?}: {expected:?} {found:?}");
    }
}

#[test]
fn what_would_not_give_the_same_is_not_fused() {
    for style in [Style::OtherScale, Style::PositionBias] {
        let original = Layer::new(style).graph;
        let mut graph = original.clone();
        assert_eq!(fuse(&mut graph), 0, "{style:?}");
        assert_eq!(graph, original);
    }
}

#[test]
fn int8_is_near_fp32_fused_or_not() {
    for style in [Style::Divided, Style::OtherScale] {
        let original = Layer::new(style).graph;
        let mut graph = original.clone();
        fuse(&mut graph);
        let quantised = quantise_from(&mut graph, 64.0, 1);
        let expected = if style == Style::Divided { (1, 1) } else { (4, 0) };
        assert_eq!((quantised.products, quantised.attentions), expected, "{style:?}");
        if style == Style::Divided {
            // The bias is part of the product.
            let expected =
                ["DynamicQuantizeLinear", "QAttention", "DynamicQuantizeMatMul", "Add", "LayerNormalization"];
            assert_eq!(operators(&graph), expected);
        }
        let Some(expected) = run(&original) else { return eprintln!("skipped: ONNX Runtime is not set up") };
        let far = furthest(&expected, &run(&graph).unwrap());
        assert!(far > 0.0 && far < 0.05, "{style:?}: {far}");
    }
}

/// As ONNX Runtime's own tools write a model: sum and normalisation, bias and activation in one.
#[test]
fn what_others_fused_with_the_bias_is_taken_apart_again() {
    let mut layer = Layer::new(Style::Divided);
    layer.graph.node.truncate(layer.graph.node.len() - 3);
    let skip = Node::new("SkipLayerNormalization", MICROSOFT, &["o.product", "x", "gain", "shift", "o.b"], &["middle"]);
    layer.graph.node.push(skip.with(Attribute::float("epsilon", 1e-5)));
    layer.floats("wide.w", &[WIDTH, WIDTH], &numbers(30, WIDTH * WIDTH));
    layer.floats("wide.b", &[WIDTH], &numbers(31, WIDTH));
    layer.node("MatMul", &["middle", "wide.w"], "wide");
    layer.graph.node.push(Node::new("BiasGelu", MICROSOFT, &["wide", "wide.b"], &["y"]));
    let original = layer.graph;
    let mut graph = original.clone();
    fuse(&mut graph);
    assert_eq!(quantise_from(&mut graph, 64.0, 1).products, 2);
    let expected = ["DynamicQuantizeMatMul", "Add", "LayerNormalization", "DynamicQuantizeMatMul", "Gelu"];
    assert_eq!(operators(&graph)[2..], expected);
    let Some(expected) = run(&original) else { return eprintln!("skipped: ONNX Runtime is not set up") };
    let far = furthest(&expected, &run(&graph).unwrap());
    assert!(far > 0.0 && far < 0.05, "{far}");
}

#[test]
fn tables_and_gemms_are_brought_to_int8_as_well() {
    let mut layer = Layer::new(Style::Divided);
    layer.floats("table", &[3, WIDTH], &numbers(20, 3 * WIDTH));
    layer.floats("turned.w", &[4, WIDTH], &numbers(21, 4 * WIDTH));
    layer.floats("turned.b", &[4], &numbers(22, 4));
    layer.graph.initializer.push(whole_numbers("row", &[2]));
    layer.node("Gather", &["table", "row"], "rows");
    let gemm = Node::new("Gemm", "", &["rows", "turned.w", "turned.b"], &["z"]);
    layer.graph.node.push(gemm.with(Attribute::whole("transB", 1)));
    layer.graph.output = vec![value("z", FLOAT, &[1, 4])];
    let original = layer.graph;
    let mut graph = original.clone();
    let quantised = quantise_from(&mut graph, 64.0, 1);
    assert_eq!((quantised.products, quantised.tables), (5, 1));
    // Only what leads to the output is left.
    assert_eq!(graph.node.len(), 5);
    let Some(expected) = run_without_inputs(&original) else { return eprintln!("skipped: ONNX Runtime is not set up") };
    let found = run_without_inputs(&graph).unwrap();
    assert!(furthest(&expected, &found) < 0.05, "{expected:?} {found:?}");
}

/// Runs a graph whose output needs none of its inputs.
fn run_without_inputs(graph: &Graph) -> Option<Vec<f32>> {
    run(&Graph {
        input: vec![value("x", FLOAT, &[1, TOKENS, WIDTH]), value("attention_mask", INT64, &[1, TOKENS])],
        ..graph.clone()
    })
}
