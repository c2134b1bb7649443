//! What a collection is: the vectors that it declares, and the identity that it remembers in its metadata.

use std::collections::{BTreeMap, HashMap};

use qdrant_client::qdrant::{
    BinaryQuantization, CollectionConfig, CollectionInfo as Described, Distance, GetCollectionInfoRequest, Modifier,
    PayloadSchemaType, QuantizationConfig, QuantizationType, QueryPoints, ScalarQuantization, SparseVectorConfig,
    SparseVectorParams, Value as Sent, VectorParams, VectorParamsMap, VectorsConfig,
    quantization_config::Quantization as Declared, vectors_config::Config,
};
use serde::{Deserialize, Serialize};

use super::{Adopted, QdrantStore, connection::Budget, convert};
use crate::{
    embed::Identity,
    search::{Channel, CollectionInfo, PayloadKind, Quantization, StoreError, layout},
};

/// The one key of the collection's metadata that is ours.
const METADATA: &str = "asktwice";
/// How many points of an adopted collection are looked at for a text.
const SAMPLE: u64 = 16;

/// What a collection of ours remembers.
#[derive(Serialize, Deserialize)]
struct Record {
    layout: u32,
    identity: Identity,
}

/// The metadata of a new collection.
pub(super) fn metadata(identity: &Identity) -> HashMap<String, Sent> {
    let record = Record { layout: layout::VERSION, identity: identity.clone() };
    // Numbers, texts and objects: this cannot fail, and were it to, the missing record would be noticed at once.
    let record = serde_json::to_value(record).unwrap_or_default();
    HashMap::from([(METADATA.to_owned(), record.into())])
}

impl QdrantStore {
    /// Describes the collection and checks that it is one that can be used; `None` if there is none.
    pub(super) async fn describe(&self, budget: Budget) -> Result<Option<CollectionInfo>, StoreError> {
        let request = GetCollectionInfoRequest { collection_name: self.collection.clone() };
        let asked = self.connection.call(budget, |client| async move { client.collection_info(request).await }).await;
        let described = match asked {
            Err(StoreError::Missing { .. }) => return Ok(None),
            other => other?.result.unwrap_or_default(),
        };
        let config =
            described.config.as_ref().ok_or_else(|| self.connection.garbled("a collection without settings"))?;
        let (dimension, quantization) = self.dense(config)?;
        let identity = match &self.adopted {
            Some(adopted) => {
                self.check_adopted(adopted, &described, budget).await?;
                None
            }
            None => Some(self.identity(config)?),
        };
        let passages = described.points_count.unwrap_or_default();
        let vectors = described.indexed_vectors_count.unwrap_or_default();
        let mut info = CollectionInfo::new(&self.connection.place, passages, dimension, identity)
            .with_payload_indexes(indexed(&described))
            .with_index(quantization, vectors);
        if let Some(name) = self.adopted.as_ref().and_then(|adopted| adopted.bm25.as_deref()) {
            info.bm25 = Some(format!("an encoder that it does not name, in its sparse vector `{name}`"));
        }
        if info.bm25.is_some() {
            self.check_bm25(config)?;
        }
        Ok(Some(info))
    }

    /// Without the modifier every word would count the same, and rankings would be of little use.
    fn check_bm25(&self, config: &CollectionConfig) -> Result<(), StoreError> {
        let declared = config.params.as_ref().and_then(|params| params.sparse_vectors_config.as_ref());
        let declared = declared.map(|sparse| &sparse.map);
        let name = self.bm25_vector();
        let problem = match declared.and_then(|declared| declared.get(name)) {
            Some(params) if params.modifier() == Modifier::Idf => return Ok(()),
            Some(_) => {
                format!("its sparse vector `{name}` lacks the modifier `idf`; set it, or search by dense legs alone")
            }
            None => {
                let mut names: Vec<_> =
                    declared.into_iter().flat_map(HashMap::keys).map(|name| format!("`{name}`")).collect();
                names.sort_unstable();
                let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
                format!("it has no sparse vector `{name}`; its sparse vectors: {names}")
            }
        };
        Err(self.connection.unusable(problem))
    }

    /// The dimension of the dense vector, and how it is compressed.
    fn dense(&self, config: &CollectionConfig) -> Result<(usize, Quantization), StoreError> {
        let declared = declared(config);
        let Some((_, params)) = declared.iter().find(|(name, _)| *name == self.vector()) else {
            return Err(self.no_such_vector(&declared));
        };
        // For the other distances, less is nearer, and a ranking would be upside down.
        if ![Distance::Cosine, Distance::Dot].contains(&params.distance()) {
            let problem = format!("its vector is compared by {:?}; asktwice needs Cosine or Dot", params.distance());
            return Err(self.connection.unusable(problem));
        }
        let impossible = |_| self.connection.garbled("a vector of impossible dimension");
        let dimension = usize::try_from(params.size).map_err(impossible)?;
        // What the vector says goes before what the collection says.
        let quantization = params.quantization_config.or(config.quantization_config);
        Ok((dimension, quantization.map_or(Quantization::None, read)))
    }

    fn no_such_vector(&self, declared: &[(&str, &VectorParams)]) -> StoreError {
        let names: Vec<_> = declared
            .iter()
            .map(|(name, _)| if name.is_empty() { "the unnamed one".to_owned() } else { format!("`{name}`") })
            .collect();
        let names = if names.is_empty() { "none".to_owned() } else { names.join(", ") };
        let problem = match self.vector() {
            "" => format!("it has no unnamed dense vector; its dense vectors: {names}; name one of them to adopt it"),
            name if self.adopted.is_some() => format!("it has no dense vector `{name}`; its dense vectors: {names}"),
            name => format!(
                "it has no dense vector `{name}`, so asktwice did not make it; its dense vectors: {names}; to search it, \
                 adopt it: say which vector and which payload field holds the text"
            ),
        };
        self.connection.unusable(problem)
    }

    /// The identity that a collection of ours remembers.
    fn identity(&self, config: &CollectionConfig) -> Result<Identity, StoreError> {
        let Some(record) = config.metadata.get(METADATA) else {
            let problem = "it does not say which model filled it, so either asktwice did not make it (adopt it to search \
                           it), or the server is older than Qdrant 1.16 and forgets it (update it, index again)";
            return Err(self.connection.unusable(problem));
        };
        let record = serde_json::Value::from(record.clone());
        let version = record.get("layout").and_then(serde_json::Value::as_u64);
        if version != Some(u64::from(layout::VERSION)) {
            let version = version.map_or("unknown".to_owned(), |version| version.to_string());
            let problem = format!(
                "its layout is of version {version}, this asktwice reads version {}; index into a new collection",
                layout::VERSION
            );
            return Err(self.connection.unusable(problem));
        }
        let damaged = |error| self.connection.unusable(format!("its record of the model is damaged: {error}"));
        serde_json::from_value::<Record>(record).map(|record| record.identity).map_err(damaged)
    }

    /// A mistaken text field would make every passage silently empty; a few points tell.
    async fn check_adopted(&self, adopted: &Adopted, is: &Described, budget: Budget) -> Result<(), StoreError> {
        if let Some(key) = adopted.bad_key() {
            return Err(self.connection.unusable(format!("`{key}` is not the path of a payload field")));
        }
        if is.points_count == Some(0) {
            return Ok(());
        }
        let request = QueryPoints {
            collection_name: self.collection.clone(),
            limit: Some(SAMPLE),
            with_payload: Some(true.into()),
            timeout: Some(budget.seconds()),
            ..QueryPoints::default()
        };
        let sample = self.connection.call(budget, |client| async move { client.query(request).await }).await?.result;
        let payloads: Vec<_> = sample.into_iter().map(|point| convert::from_payload(point.payload)).collect();
        if payloads.is_empty() || payloads.iter().any(|payload| adopted.has_text(payload)) {
            return Ok(());
        }
        let mut keys: Vec<_> = payloads.iter().flat_map(serde_json::Map::keys).map(String::as_str).collect();
        keys.sort_unstable();
        keys.dedup();
        let keys = self.connection.shown(&keys.join(", "));
        let problem = format!("none of its first points has a text at `{}`; their fields: {keys}", adopted.text);
        Err(self.connection.unusable(problem))
    }
}

/// The payload fields that are indexed, and as what; one of a kind that asktwice does not build is left out.
fn indexed(described: &Described) -> BTreeMap<String, PayloadKind> {
    let kind = |schema: PayloadSchemaType| {
        Some(match schema {
            PayloadSchemaType::Keyword => PayloadKind::Keyword,
            PayloadSchemaType::Integer => PayloadKind::Integer,
            PayloadSchemaType::Float => PayloadKind::Float,
            PayloadSchemaType::Bool => PayloadKind::Bool,
            PayloadSchemaType::Datetime => PayloadKind::Datetime,
            PayloadSchemaType::Text => PayloadKind::Text,
            _ => return None,
        })
    };
    let indexes = described.payload_schema.iter();
    indexes.filter_map(|(field, index)| Some((field.clone(), kind(index.data_type())?))).collect()
}

/// The dense vectors that a collection declares, by name.
fn declared(config: &CollectionConfig) -> Vec<(&str, &VectorParams)> {
    let vectors = config.params.as_ref().and_then(|params| params.vectors_config.as_ref()?.config.as_ref());
    let mut declared = match vectors {
        Some(Config::Params(unnamed)) => vec![("", unnamed)],
        Some(Config::ParamsMap(named)) => named.map.iter().map(|(name, params)| (name.as_str(), params)).collect(),
        None => vec![],
    };
    declared.sort_unstable_by_key(|(name, _)| *name);
    declared
}

/// How a server's collection says that its vectors are compressed.
fn read(declared: QuantizationConfig) -> Quantization {
    match declared.quantization {
        None => Quantization::None,
        Some(Declared::Scalar(_)) => Quantization::Scalar,
        Some(Declared::Binary(_)) => Quantization::Binary,
        Some(_) => Quantization::Other,
    }
}

/// The vectors that a collection of ours declares.
pub(super) fn vectors(dimension: usize, quantization: Quantization) -> (VectorsConfig, SparseVectorConfig) {
    let mut dense =
        VectorParams { size: dimension as u64, distance: Distance::Cosine.into(), ..VectorParams::default() };
    declare(quantization, &mut dense);
    let named = VectorParamsMap { map: HashMap::from([(Channel::Dense.name().to_owned(), dense)]) };
    // The server weighs a word by its rarity only if it was told so from the first day.
    let sparse = SparseVectorParams { modifier: Some(Modifier::Idf.into()), ..SparseVectorParams::default() };
    (
        VectorsConfig { config: Some(Config::ParamsMap(named)) },
        SparseVectorConfig { map: HashMap::from([(Channel::Bm25.name().to_owned(), sparse)]) },
    )
}

/// Says how vectors are compressed. Memory is saved only if the others are not in it, too.
#[expect(deprecated, reason = "servers older than what replaced these must understand them")]
fn declare(quantization: Quantization, dense: &mut VectorParams) {
    let quantization = match quantization {
        Quantization::None | Quantization::Other => return,
        Quantization::Scalar => {
            let int8 = QuantizationType::Int8.into();
            Declared::Scalar(ScalarQuantization { r#type: int8, always_ram: Some(true), ..Default::default() })
        }
        Quantization::Binary => Declared::Binary(BinaryQuantization { always_ram: Some(true), ..Default::default() }),
    };
    dense.on_disk = Some(true);
    dense.quantization_config = Some(QuantizationConfig { quantization: Some(quantization) });
}
