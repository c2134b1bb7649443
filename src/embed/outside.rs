//! Whether an ONNX file keeps numbers in a second file. ONNX Runtime would read that one by itself, so that nothing could
//! compare it with a hash before it is used.

use std::ops::Range;

use prost::{
    Message as _,
    encoding::{WireType, decode_varint},
};

use super::shared::{Entry, Field, fields};

/// The messages of ONNX's `onnx.proto` in which tensors can be.
#[derive(Debug, Clone, Copy)]
enum Kind {
    Model,
    Training,
    Function,
    Graph,
    Node,
    Attribute,
    Sparse,
    Tensor,
}

impl Kind {
    /// What a field holds, by its number; `None` if no tensor can be in it.
    fn of_field(self, number: u32) -> Option<Self> {
        match (self, number) {
            (Self::Model, 7) | (Self::Training, 1 | 2) | (Self::Attribute, 6 | 11) => Some(Self::Graph),
            (Self::Model, 20) => Some(Self::Training),
            (Self::Model, 25) => Some(Self::Function),
            (Self::Function, 7) | (Self::Graph, 1) => Some(Self::Node),
            (Self::Function, 11) | (Self::Node, 5) => Some(Self::Attribute),
            (Self::Graph, 15) | (Self::Attribute, 22 | 23) => Some(Self::Sparse),
            (Self::Graph, 5) | (Self::Attribute, 5 | 10) | (Self::Sparse, 1 | 2) => Some(Self::Tensor),
            _ => None,
        }
    }
}

/// How deep messages may lie in each other: as deep as the parser of ONNX Runtime goes.
const DEEPEST: usize = 100;
/// The numbers of a tensor's fields that say where its data is.
const EXTERNAL_DATA: u32 = 13;
const DATA_LOCATION: u32 = 14;
/// What the latter says of data outside of the file.
const EXTERNAL: u64 = 1;
/// What stands for the name of a file that has none.
const UNNAMED: &str = "without a name";

/// The name of a second file in which numbers of an ONNX file are; `None` if there is none, or if it is no ONNX file,
/// which ONNX Runtime will say.
pub(super) fn second_file(onnx: &[u8]) -> Option<String> {
    within(Kind::Model, onnx, 0..onnx.len(), DEEPEST)
}

fn within(kind: Kind, onnx: &[u8], place: Range<usize>, depth: usize) -> Option<String> {
    let mut fields = fields(onnx, place)?.into_iter();
    if matches!(kind, Kind::Tensor) {
        return fields.find_map(|field| of_field(&field, &onnx[field.content.clone()]));
    }
    let depth = depth.checked_sub(1)?;
    let messages = fields.filter(|field| field.wire == WireType::LengthDelimited);
    let mut parts = messages.filter_map(|field| Some((kind.of_field(field.number)?, field.content)));
    parts.find_map(|(kind, content)| within(kind, onnx, content, depth))
}

/// Which file a field of a tensor names, where it says that its data is in another one.
fn of_field(field: &Field, mut content: &[u8]) -> Option<String> {
    match (field.number, field.wire) {
        (EXTERNAL_DATA, WireType::LengthDelimited) => {
            let entry = Entry::decode(content).unwrap_or_default();
            let is_named = entry.key == "location";
            Some(if is_named { entry.value } else { UNNAMED.to_owned() })
        }
        (DATA_LOCATION, WireType::Varint) => {
            decode_varint(&mut content).is_ok_and(|place| place == EXTERNAL).then(|| UNNAMED.to_owned())
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use prost::encoding::{bytes, int64};

    use super::*;

    /// A message with one field, which holds another.
    fn holding(number: u32, content: Vec<u8>) -> Vec<u8> {
        let mut message = vec![];
        bytes::encode(number, &content, &mut message);
        message
    }

    fn tensor_outside() -> Vec<u8> {
        let entry = Entry { key: "location".to_owned(), value: "model.onnx_data".to_owned() };
        let mut tensor = holding(8, b"a name".to_vec());
        bytes::encode(EXTERNAL_DATA, &entry.encode_to_vec(), &mut tensor);
        int64::encode(DATA_LOCATION, &1, &mut tensor);
        tensor
    }

    #[test]
    fn a_second_file_is_found_wherever_a_tensor_can_be() {
        for path in [
            &[7, 5][..],
            &[7, 15, 1],
            &[7, 1, 5, 5],
            &[7, 1, 5, 10],
            &[7, 1, 5, 23, 2],
            &[7, 1, 5, 6, 5],
            &[7, 1, 5, 11, 1, 5, 5],
            &[20, 2, 5],
            &[25, 7, 5, 5],
        ] {
            let model = path.iter().rev().fold(tensor_outside(), |content, number| holding(*number, content));
            assert_eq!(second_file(&model).as_deref(), Some("model.onnx_data"), "{path:?}");
        }
        let mut unnamed = vec![];
        int64::encode(DATA_LOCATION, &1, &mut unnamed);
        assert!(second_file(&holding(7, holding(5, unnamed))).is_some());
    }

    #[test]
    fn numbers_in_the_file_itself_and_what_is_no_onnx_file_are_left_to_onnx_runtime() {
        let mut inside = holding(9, vec![0; 64]);
        int64::encode(DATA_LOCATION, &0, &mut inside);
        assert_eq!(second_file(&holding(7, holding(5, inside))), None);
        assert_eq!(second_file(&holding(7, holding(10, tensor_outside()))), None, "a note is no tensor");
        assert_eq!(second_file(b"not a model"), None);
        let deep = (0..300).fold(tensor_outside(), |content, _| holding(6, holding(5, holding(1, content))));
        assert_eq!(second_file(&holding(7, deep)), None);
    }
}
