//! Qdrant's protocol to the embedded engine's types, and back. Filters go through their common JSON form.

use std::collections::HashMap;

use qdrant_client::qdrant::{
    Condition, CreateCollection, DenseVector, Distance, FieldCondition, FieldType, Filter, Modifier,
    NamedVectorsOutput, PayloadSchemaInfo, PayloadSchemaType, PointId, PointStruct, RetrievedPoint, SearchParams,
    SparseVector, Vector, VectorOutput, VectorsOutput, WithVectorsSelector, condition::ConditionOneOf,
    r#match::MatchValue, point_id::PointIdOptions, quantization_config::Quantization, vector, vector_output,
    vectors::VectorsOptions, vectors_config::Config, vectors_output, with_vectors_selector,
};
use qdrant_edge as edge;
use serde_json::{Value, json};
use tonic::Status;

pub fn failure(error: edge::OperationError) -> Status {
    match error {
        edge::OperationError::ServiceError { .. } => Status::internal(format!("Service internal error: {error}")),
        error => Status::invalid_argument(format!("Wrong input: {error}")),
    }
}

pub fn config(made: &CreateCollection) -> Result<edge::EdgeConfig, Status> {
    let wal = edge::WalOptions { segment_capacity: 4 << 20, ..edge::WalOptions::default() };
    let mut builder = edge::EdgeConfigBuilder::new().wal_options(wal);
    let declared = made.vectors_config.as_ref().and_then(|config| config.config.as_ref());
    let vectors = match declared {
        Some(Config::Params(unnamed)) => vec![(String::new(), unnamed)],
        Some(Config::ParamsMap(named)) => named.map.iter().map(|(name, params)| (name.clone(), params)).collect(),
        None => vec![],
    };
    for (name, params) in vectors {
        let distance = match Distance::try_from(params.distance) {
            Ok(Distance::Cosine) => edge::Distance::Cosine,
            Ok(Distance::Dot) => edge::Distance::Dot,
            Ok(Distance::Euclid) => edge::Distance::Euclid,
            _ => return Err(Status::invalid_argument("Wrong input: distance")),
        };
        let mut vector = edge::EdgeVectorParams::builder(params.size as usize, distance);
        match params.quantization_config.and_then(|config| config.quantization) {
            None => {}
            Some(Quantization::Scalar(_)) => {
                let int8 = edge::ScalarQuantizationConfig {
                    r#type: edge::ScalarType::Int8,
                    quantile: None,
                    always_ram: Some(true),
                };
                vector = vector.quantization_config(int8.into());
            }
            Some(Quantization::Binary(_)) => {
                let binary =
                    edge::BinaryQuantizationConfig { always_ram: Some(true), encoding: None, query_encoding: None };
                vector = vector.quantization_config(binary.into());
            }
            Some(_) => return Err(Status::unimplemented("this kind of quantisation")),
        }
        builder = builder.vector(name, vector.build());
    }
    for (name, params) in made.sparse_vectors_config.iter().flat_map(|config| &config.map) {
        let modifier = match params.modifier() {
            Modifier::Idf => edge::Modifier::Idf,
            Modifier::None => edge::Modifier::None,
        };
        builder = builder.sparse_vector(name, edge::EdgeSparseVectorParamsBuilder::new().modifier(modifier).build());
    }
    Ok(builder.build())
}

/// How a search is to be made.
pub fn params(sent: SearchParams) -> edge::SearchParams {
    let quantization = sent.quantization.map(|sent| edge::QuantizationSearchParams {
        ignore: sent.ignore.unwrap_or_default(),
        rescore: sent.rescore,
        oversampling: sent.oversampling,
    });
    edge::SearchParams { exact: sent.exact.unwrap_or_default(), quantization, ..edge::SearchParams::default() }
}

pub fn to_edge_id(id: Option<PointId>) -> Result<edge::PointId, Status> {
    match id.and_then(|id| id.point_id_options) {
        Some(PointIdOptions::Num(number)) => Ok(edge::PointId::NumId(number)),
        Some(PointIdOptions::Uuid(uuid)) => {
            let parsed = uuid.parse().map_err(|_| Status::invalid_argument(format!("Unable to parse UUID: {uuid}")))?;
            Ok(edge::PointId::Uuid(parsed))
        }
        None => Err(Status::invalid_argument("Empty ID is not allowed")),
    }
}

pub fn from_edge_id(id: edge::PointId) -> PointId {
    match id {
        edge::PointId::NumId(number) => number.into(),
        edge::PointId::Uuid(uuid) => uuid.to_string().into(),
    }
}

/// A point, and the names and sizes of its dense vectors.
pub fn point(sent: PointStruct) -> Result<(edge::PointStructPersisted, Vec<(String, usize)>), Status> {
    let payload: serde_json::Map<String, Value> =
        sent.payload.into_iter().map(|(key, value)| (key, value.into())).collect();
    let named = match sent.vectors.and_then(|vectors| vectors.vectors_options) {
        Some(VectorsOptions::Vector(unnamed)) => vec![(String::new(), unnamed)],
        Some(VectorsOptions::Vectors(named)) => named.vectors.into_iter().collect(),
        None => return Err(Status::invalid_argument("Expected some vectors")),
    };
    let (mut vectors, mut sizes) = (HashMap::new(), vec![]);
    for (name, sent) in named {
        let vector = vector(sent)?;
        if let edge::VectorPersisted::Dense(dense) = &vector {
            sizes.push((name.clone(), dense.len()));
        }
        vectors.insert(name, vector);
    }
    let vector = edge::VectorStructPersisted::Named(vectors);
    let payload = Some(edge::Payload(payload));
    Ok((edge::PointStructPersisted { id: to_edge_id(sent.id)?, vector, payload }, sizes))
}

#[allow(deprecated, reason = "clients older than 1.16 send the flat field")]
fn vector(sent: Vector) -> Result<edge::VectorPersisted, Status> {
    match sent.vector {
        Some(vector::Vector::Dense(dense)) => Ok(edge::VectorPersisted::Dense(dense.data)),
        Some(vector::Vector::Sparse(words)) => sparse(words).map(edge::VectorPersisted::Sparse),
        None => Ok(edge::VectorPersisted::Dense(sent.data)),
        Some(_) => Err(Status::unimplemented("only dense and sparse vectors")),
    }
}

/// Checked as a real server does, which takes the words in any order.
pub fn sparse(sent: SparseVector) -> Result<edge::SparseVector, Status> {
    let words = edge::SparseVector::new(sent.indices, sent.values);
    let mut words = words.map_err(|error| Status::invalid_argument(format!("Validation error: {error}")))?;
    words.sort_by_indices();
    Ok(words)
}

/// A point that is read, with the vectors that it comes with.
pub fn retrieved(record: edge::Record) -> RetrievedPoint {
    RetrievedPoint {
        id: Some(from_edge_id(record.id)),
        payload: payload(record.payload),
        vectors: record.vector.map(vectors),
        ..RetrievedPoint::default()
    }
}

pub fn payload(payload: Option<edge::Payload>) -> HashMap<String, qdrant_client::qdrant::Value> {
    payload.into_iter().flat_map(|payload| payload.0).map(|(key, value)| (key, value.into())).collect()
}

fn vectors(stored: edge::VectorStructInternal) -> VectorsOutput {
    let output = |vector: vector_output::Vector| VectorOutput { vector: Some(vector), ..VectorOutput::default() };
    let dense = |data| output(vector_output::Vector::Dense(DenseVector { data }));
    let options = match stored {
        edge::VectorStructInternal::Single(vector) => vectors_output::VectorsOptions::Vector(dense(vector)),
        edge::VectorStructInternal::Named(named) => {
            let named = named.into_iter().filter_map(|(name, vector)| match vector {
                edge::VectorInternal::Dense(data) => Some((name, dense(data))),
                edge::VectorInternal::Sparse(words) => {
                    let words = SparseVector { values: words.values, indices: words.indices };
                    Some((name, output(vector_output::Vector::Sparse(words))))
                }
                edge::VectorInternal::MultiDense(_) => None,
            });
            vectors_output::VectorsOptions::Vectors(NamedVectorsOutput { vectors: named.collect() })
        }
        edge::VectorStructInternal::MultiDense(_) => return VectorsOutput::default(),
    };
    VectorsOutput { vectors_options: Some(options) }
}

/// Which vectors to read.
pub fn with_vectors(selector: Option<WithVectorsSelector>) -> edge::WithVector {
    match selector.and_then(|selector| selector.selector_options) {
        Some(with_vectors_selector::SelectorOptions::Enable(all)) => edge::WithVector::Bool(all),
        Some(with_vectors_selector::SelectorOptions::Include(chosen)) => edge::WithVector::Selector(chosen.names),
        None => edge::WithVector::Bool(false),
    }
}

pub fn filter(sent: &Filter) -> Result<edge::Filter, Status> {
    let json = filter_json(sent)?;
    serde_json::from_value(json).map_err(|error| Status::invalid_argument(format!("Wrong input: filter: {error}")))
}

fn filter_json(sent: &Filter) -> Result<Value, Status> {
    let list = |conditions: &[Condition]| conditions.iter().map(condition_json).collect::<Result<Vec<_>, _>>();
    let mut json = serde_json::Map::new();
    for (name, conditions) in [("must", &sent.must), ("should", &sent.should), ("must_not", &sent.must_not)] {
        // A real server takes an empty list for no list.
        if !conditions.is_empty() {
            json.insert(name.into(), list(conditions)?.into());
        }
    }
    Ok(json.into())
}

fn condition_json(sent: &Condition) -> Result<Value, Status> {
    match sent.condition_one_of.as_ref() {
        Some(ConditionOneOf::Field(field)) => field_json(field),
        Some(ConditionOneOf::IsEmpty(field)) => Ok(json!({"is_empty": {"key": field.key}})),
        Some(ConditionOneOf::IsNull(field)) => Ok(json!({"is_null": {"key": field.key}})),
        Some(ConditionOneOf::Filter(filter)) => filter_json(filter),
        Some(ConditionOneOf::HasId(ids)) => {
            let ids = ids.has_id.iter().map(|id| match to_edge_id(Some(id.clone()))? {
                edge::PointId::NumId(number) => Ok(Value::from(number)),
                edge::PointId::Uuid(uuid) => Ok(Value::from(uuid.to_string())),
            });
            Ok(json!({"has_id": ids.collect::<Result<Vec<_>, Status>>()?}))
        }
        _ => Err(Status::unimplemented("this kind of condition")),
    }
}

fn field_json(field: &FieldCondition) -> Result<Value, Status> {
    if let Some(range) = field.range {
        return Ok(
            json!({"key": field.key, "range": {"lt": range.lt, "lte": range.lte, "gt": range.gt, "gte": range.gte}}),
        );
    }
    let wanted = field.r#match.as_ref().and_then(|wanted| wanted.match_value.as_ref());
    let wanted = match wanted {
        Some(MatchValue::Keyword(text)) => json!({ "value": text }),
        Some(MatchValue::Integer(number)) => json!({ "value": number }),
        Some(MatchValue::Boolean(truth)) => json!({ "value": truth }),
        Some(MatchValue::Keywords(list)) => json!({"any": list.strings}),
        Some(MatchValue::Integers(list)) => json!({"any": list.integers}),
        Some(MatchValue::ExceptKeywords(list)) => json!({"except": list.strings}),
        Some(MatchValue::ExceptIntegers(list)) => json!({"except": list.integers}),
        _ => return Err(Status::unimplemented("this kind of match")),
    };
    Ok(json!({"key": field.key, "match": wanted}))
}

pub fn index(field: &str, kind: FieldType) -> Result<edge::UpdateOperation, Status> {
    let kind = match kind {
        FieldType::Keyword => edge::PayloadSchemaType::Keyword,
        FieldType::Integer => edge::PayloadSchemaType::Integer,
        FieldType::Float => edge::PayloadSchemaType::Float,
        FieldType::Geo => edge::PayloadSchemaType::Geo,
        FieldType::Text => edge::PayloadSchemaType::Text,
        FieldType::Bool => edge::PayloadSchemaType::Bool,
        FieldType::Datetime => edge::PayloadSchemaType::Datetime,
        FieldType::Uuid => edge::PayloadSchemaType::Uuid,
    };
    let create = edge::CreateIndex {
        field_name: field.parse().map_err(|()| Status::invalid_argument(format!("Wrong input: path {field}")))?,
        field_schema: Some(edge::PayloadFieldSchema::FieldType(kind)),
    };
    Ok(edge::UpdateOperation::FieldIndexOperation(edge::FieldIndexOperations::CreateIndex(create)))
}

/// Which fields are indexed; their kinds are nobody's concern here.
pub fn schema(shard: &edge::EdgeShard) -> HashMap<String, PayloadSchemaInfo> {
    let kind = |schema: edge::PayloadSchemaType| match schema {
        edge::PayloadSchemaType::Keyword => PayloadSchemaType::Keyword,
        edge::PayloadSchemaType::Integer => PayloadSchemaType::Integer,
        edge::PayloadSchemaType::Float => PayloadSchemaType::Float,
        edge::PayloadSchemaType::Bool => PayloadSchemaType::Bool,
        edge::PayloadSchemaType::Datetime => PayloadSchemaType::Datetime,
        edge::PayloadSchemaType::Text => PayloadSchemaType::Text,
        _ => PayloadSchemaType::UnknownType,
    };
    let described = |index: edge::PayloadIndexInfo| PayloadSchemaInfo {
        data_type: kind(index.data_type).into(),
        ..PayloadSchemaInfo::default()
    };
    shard.info().payload_schema.into_iter().map(|(key, index)| (key.to_string(), described(index))).collect()
}
