//! One model for several sessions: the weights are taken out of the ONNX file once, every session works on that one
//! copy, and what ONNX Runtime rearranges for the CPU at hand is shared too. A further session then costs a few
//! megabytes and milliseconds, where it would cost as much as the first.

use std::{ops::Range, path::Path, sync::Arc};

use ort::{
    session::{
        Session,
        builder::{PrepackedWeights, SessionBuilder},
    },
    value::{DynValue, Tensor},
};
use prost::{
    Message,
    encoding::{self, DecodeContext, WireType},
};

/// Smaller tensors stay in the file: sharing them saves nothing, and graph optimisations want to see them.
const SMALLEST: usize = 4_096;

/// The numbers of the fields of ONNX's own `onnx.proto` that are looked at.
const GRAPH: u32 = 7;
const INITIALIZER: u32 = 5;
const RAW_DATA: u32 = 9;
/// What a tensor says whose data is outside of the file.
const EXTERNAL: i32 = 1;
/// The session setting that says in which folder such data is.
const FOLDER: &str = "session.model_external_initializers_file_folder_path";

/// An ONNX file, ready to open sessions from.
#[derive(Debug)]
pub(super) struct SharedOnnx {
    /// The file without the weights, or the whole of it if they could not be taken out.
    graph: Vec<u8>,
    weights: Vec<(String, Arc<DynValue>)>,
    packed: PrepackedWeights,
    folder: Option<String>,
}

impl SharedOnnx {
    /// Takes the weights out of the content of the file at `path`. A file that is not understood stays whole: then
    /// ONNX Runtime says what is wrong with it, or each session has weights of its own.
    pub(super) fn new(mut onnx: Vec<u8>, path: &Path) -> ort::Result<Self> {
        let path = path.canonicalize().ok();
        let place = path.as_ref().and_then(|path| Some((path.parent()?.to_str()?, path.file_name()?.to_str()?)));
        let folder = place.map(|(folder, _)| folder.to_owned());
        let packed = PrepackedWeights::new();
        let Some((graph, found)) = place.and_then(|(_, file)| split(&onnx, file)) else {
            return Ok(Self { graph: onnx, weights: vec![], packed, folder: None });
        };
        let mut weights = vec![];
        // From the end, so that what was copied is given back at once: both copies together would be the peak.
        for weight in found.into_iter().rev() {
            weights
                .push((weight.head.name, Arc::new(weight.kind.tensor(&weight.head.dims, &onnx[weight.data.clone()])?)));
            onnx.truncate(weight.data.start);
            onnx.shrink_to_fit();
        }
        Ok(Self { graph, weights, packed, folder })
    }

    /// Opens a session with a builder's settings.
    pub(super) fn open(&self, mut builder: SessionBuilder) -> ort::Result<Session> {
        if let Some(folder) = &self.folder {
            builder = builder.with_config_entry(FOLDER, folder)?;
        }
        builder = builder.with_prepacked_weights(&self.packed)?;
        for (name, value) in &self.weights {
            builder = builder.with_initializer(name, Arc::clone(value))?;
        }
        builder.commit_from_memory(&self.graph)
    }
}

/// A tensor that is shared: what the file says of it, and where in the file its numbers are.
struct Weight {
    head: Head,
    kind: Kind,
    data: Range<usize>,
}

/// ONNX's `TensorProto` without its numbers.
#[derive(Clone, PartialEq, Message)]
struct Head {
    #[prost(int64, repeated, tag = "1")]
    dims: Vec<i64>,
    #[prost(int32, tag = "2")]
    data_type: i32,
    #[prost(string, tag = "8")]
    name: String,
    #[prost(message, repeated, tag = "13")]
    external_data: Vec<Entry>,
    #[prost(int32, tag = "14")]
    data_location: i32,
}

/// What says where data outside of the file is.
#[derive(Clone, PartialEq, Message)]
pub(super) struct Entry {
    #[prost(string, tag = "1")]
    pub key: String,
    #[prost(string, tag = "2")]
    pub value: String,
}

/// The types of numbers that are shared; others stay in the file.
#[derive(Clone, Copy)]
enum Kind {
    Float,
    Unsigned,
    Signed,
}

impl Kind {
    /// By ONNX's number for the type.
    fn of(data_type: i32) -> Option<Self> {
        match data_type {
            1 => Some(Self::Float),
            2 => Some(Self::Unsigned),
            3 => Some(Self::Signed),
            _ => None,
        }
    }

    fn bytes(self) -> usize {
        match self {
            Self::Float => size_of::<f32>(),
            Self::Unsigned | Self::Signed => 1,
        }
    }

    /// A tensor of ONNX's raw data, which is little-endian.
    fn tensor(self, dims: &[i64], raw: &[u8]) -> ort::Result<DynValue> {
        Ok(match self {
            Self::Float => {
                let numbers = raw.as_chunks().0.iter().map(|bytes| f32::from_le_bytes(*bytes));
                Tensor::from_array((dims, numbers.collect::<Vec<_>>()))?.into_dyn()
            }
            Self::Unsigned => Tensor::from_array((dims, raw.to_vec()))?.into_dyn(),
            Self::Signed => {
                let numbers = raw.iter().map(|byte| byte.cast_signed());
                Tensor::from_array((dims, numbers.collect::<Vec<_>>()))?.into_dyn()
            }
        })
    }
}

impl Weight {
    /// The tensor that stands in a place of the file, if it is to be shared.
    fn at(onnx: &[u8], place: Range<usize>) -> Option<Self> {
        let head = Head::decode(&onnx[place.clone()]).ok()?;
        let kind = Kind::of(head.data_type)?;
        let data = fields(onnx, place)?.into_iter().find(|field| field.number == RAW_DATA)?.content;
        let count = head.dims.iter().try_fold(1, |count: usize, size| count.checked_mul(usize::try_from(*size).ok()?));
        let is_whole = count.and_then(|count| count.checked_mul(kind.bytes())) == Some(data.len());
        let inside = head.data_location != EXTERNAL;
        (is_whole && inside && data.len() >= SMALLEST).then_some(Self { head, kind, data })
    }

    /// What stands for the tensor in the file: the numbers are in `file`, should an optimisation ask for them.
    fn reference(&self, file: &str) -> Head {
        let entry = |key: &str, value: &str| Entry { key: key.to_owned(), value: value.to_owned() };
        let (offset, length) = (self.data.start.to_string(), self.data.len().to_string());
        let external_data = vec![entry("location", file), entry("offset", &offset), entry("length", &length)];
        Head { external_data, data_location: EXTERNAL, ..self.head.clone() }
    }
}

/// Takes the weights out of an ONNX file; `None` if it is not one.
fn split(onnx: &[u8], file: &str) -> Option<(Vec<u8>, Vec<Weight>)> {
    let (mut model, mut weights) = (vec![], vec![]);
    for part in fields(onnx, 0..onnx.len())? {
        if part.number != GRAPH {
            model.extend_from_slice(&onnx[part.whole]);
            continue;
        }
        let mut graph = vec![];
        for part in fields(onnx, part.content)? {
            let weight = Some(part.content).filter(|_| part.number == INITIALIZER);
            match weight.and_then(|place| Weight::at(onnx, place)) {
                Some(weight) => {
                    encoding::message::encode(INITIALIZER, &weight.reference(file), &mut graph);
                    weights.push(weight);
                }
                None => graph.extend_from_slice(&onnx[part.whole]),
            }
        }
        encoding::bytes::encode(GRAPH, &graph, &mut model);
    }
    Some((model, weights))
}

/// One field of a message: its number and form, where it stands, and where its content does.
pub(super) struct Field {
    pub number: u32,
    pub wire: WireType,
    whole: Range<usize>,
    pub content: Range<usize>,
}

/// The fields of the message that stands in a place of the file.
pub(super) fn fields(onnx: &[u8], place: Range<usize>) -> Option<Vec<Field>> {
    let mut rest = onnx.get(place.clone())?;
    let mut fields = vec![];
    while !rest.is_empty() {
        let start = place.end - rest.len();
        let (number, kind) = encoding::decode_key(&mut rest).ok()?;
        let content = if kind == WireType::LengthDelimited {
            let length = usize::try_from(encoding::decode_varint(&mut rest).ok()?).ok()?;
            let content = place.end - rest.len();
            rest = rest.get(length..)?;
            content
        } else {
            let content = place.end - rest.len();
            encoding::skip_field(kind, number, &mut rest, DecodeContext::default()).ok()?;
            content
        };
        let end = place.end - rest.len();
        fields.push(Field { number, wire: kind, whole: start..end, content: content..end });
    }
    Some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A file with one node's worth of bytes, a weight that is large enough to be shared, and one that is not.
    fn file() -> Vec<u8> {
        let tensor = |name: &str, count: i64| {
            let head = Head { dims: vec![count], data_type: 1, name: name.to_owned(), ..Head::default() };
            let mut bytes = head.encode_to_vec();
            let numbers: Vec<u8> = (0..count).flat_map(|n| f32::from(n as u16).to_le_bytes()).collect();
            encoding::bytes::encode(RAW_DATA, &numbers, &mut bytes);
            bytes
        };
        let mut graph = vec![];
        encoding::bytes::encode(1, &b"a node".to_vec(), &mut graph);
        for (name, count) in [("large", 2_000), ("small", 10)] {
            encoding::bytes::encode(INITIALIZER, &tensor(name, count), &mut graph);
        }
        let mut model = vec![];
        encoding::int64::encode(1, &8, &mut model);
        encoding::bytes::encode(GRAPH, &graph, &mut model);
        model
    }

    #[test]
    fn large_weights_are_taken_out_and_everything_else_stays() {
        let onnx = file();
        let (graph, weights) = split(&onnx, "model.onnx").unwrap();
        let [weight] = weights.as_slice() else { panic!("{} weights", weights.len()) };
        assert_eq!((weight.head.name.as_str(), weight.data.len()), ("large", 8_000));
        assert_eq!(onnx[weight.data.start + 4..][..4], 1_f32.to_le_bytes());
        assert!(graph.len() < 200, "{} bytes", graph.len());
        let inside = fields(&graph, fields(&graph, 0..graph.len()).unwrap().remove(1).content).unwrap();
        let numbers: Vec<u32> = inside.iter().map(|field| field.number).collect();
        assert_eq!(numbers, [1, INITIALIZER, INITIALIZER]);
        let left = Head::decode(&graph[inside[1].content.clone()]).unwrap();
        assert_eq!(left, weight.reference("model.onnx"));
        assert!(graph[inside[2].content.clone()].ends_with(&9_f32.to_le_bytes()));
    }

    #[test]
    fn what_is_no_onnx_file_stays_whole() {
        let onnx = file();
        for cut in [onnx.len() - 1, onnx.len() / 2, 3] {
            assert!(split(&onnx[..cut], "model.onnx").is_none(), "cut at {cut}");
        }
        assert!(split(b"not a model", "model.onnx").is_none());
    }

    #[test]
    fn a_weight_whose_size_is_not_what_it_says_stays_in_the_file() {
        let head = Head { dims: vec![i64::MAX, 2], data_type: 1, ..Head::default() };
        let mut tensor = head.encode_to_vec();
        encoding::bytes::encode(RAW_DATA, &vec![0_u8; 8_000], &mut tensor);
        assert!(Weight::at(&tensor, 0..tensor.len()).is_none());
    }
}
