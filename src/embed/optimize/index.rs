//! Finding one's way in a graph, and clearing away what nothing leads to any more.

use std::collections::{HashMap, HashSet};

use super::onnx::{Graph, Node, Tensor};

/// Who makes which value, who uses it, and which values are constant.
pub(super) struct Index<'a> {
    pub graph: &'a Graph,
    producers: HashMap<&'a str, usize>,
    consumers: HashMap<&'a str, Vec<usize>>,
    constants: HashMap<&'a str, &'a Tensor>,
}

impl<'a> Index<'a> {
    pub(super) fn of(graph: &'a Graph) -> Self {
        let mut index = Self { graph, producers: HashMap::new(), consumers: HashMap::new(), constants: HashMap::new() };
        for (place, node) in graph.node.iter().enumerate() {
            for output in &node.output {
                index.producers.insert(output, place);
            }
            for input in node.input.iter().filter(|input| !input.is_empty()) {
                index.consumers.entry(input).or_default().push(place);
            }
            if let Some(tensor) =
                node.attribute("value").and_then(|value| value.t.as_ref()).filter(|_| node.is("Constant"))
            {
                index.constants.insert(node.output(), tensor);
            }
        }
        let named = graph.initializer.iter().filter_map(|tensor| Some((tensor.name.as_deref()?, tensor)));
        index.constants.extend(named);
        index
    }

    /// The node that makes a value.
    pub(super) fn producer(&self, value: &str) -> Option<&'a Node> {
        self.producers.get(value).map(|place| &self.graph.node[*place])
    }

    /// The place of the only node that uses a value, which is no output of the graph either.
    pub(super) fn only_consumer(&self, value: &str) -> Option<usize> {
        let is_output = self.graph.output.iter().any(|output| output.name.as_deref() == Some(value));
        match self.consumers.get(value)?.as_slice() {
            [only] if !is_output => Some(*only),
            _ => None,
        }
    }

    /// The only node that uses a value, if it is this operator, and its place.
    pub(super) fn consumer_of_one(&self, value: &str, operator: &str) -> Option<(usize, &'a Node)> {
        let place = self.only_consumer(value)?;
        let node = &self.graph.node[place];
        node.is(operator).then_some((place, node))
    }

    pub(super) fn constant(&self, value: &str) -> Option<&'a Tensor> {
        self.constants.get(value).copied()
    }

    /// The name and the values of a constant vector.
    pub(super) fn vector(&self, value: &'a str) -> Option<(&'a str, Vec<f32>)> {
        let tensor = self.constant(value).filter(|tensor| tensor.dims.len() == 1)?;
        Some((value, tensor.floats()?))
    }

    /// A constant of one number.
    pub(super) fn number(&self, value: &str) -> Option<f32> {
        match self.constant(value)?.floats()?.as_slice() {
            [number] => Some(*number),
            _ => None,
        }
    }

    /// Both inputs of a node of two, in either order, of which the second satisfies a condition.
    pub(super) fn pair<T>(node: &'a Node, condition: impl Fn(&'a str) -> Option<T>) -> Option<(&'a str, T)> {
        let (a, b) = (node.input(0)?, node.input(1)?);
        condition(b).map(|found| (a, found)).or_else(|| condition(a).map(|found| (b, found)))
    }
}

/// Takes away nodes, constants and inputs that lead to no output.
pub(super) fn sweep(graph: &mut Graph) {
    let mut used: HashSet<String> = graph.output.iter().filter_map(|output| output.name.clone()).collect();
    // Nodes stand in an order in which each comes after what it needs.
    let mut kept: Vec<Node> = vec![];
    for node in std::mem::take(&mut graph.node).into_iter().rev() {
        if node.output.iter().any(|output| used.contains(output)) {
            used.extend(node.input.iter().filter(|input| !input.is_empty()).cloned());
            kept.push(node);
        }
    }
    kept.reverse();
    graph.node = kept;
    let is_used = |name: &Option<String>| name.as_ref().is_some_and(|name| used.contains(name));
    graph.initializer.retain(|tensor| is_used(&tensor.name));
    graph.input.retain(|input| is_used(&input.name));
    // What is said about values in between may not be true any more, and nobody needs it.
    graph.value_info.clear();
}
