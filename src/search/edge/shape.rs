//! How a generation is laid out, in the engine's words.

use qdrant_edge::{
    BinaryQuantizationConfig, Distance, EdgeConfig, EdgeSparseVectorParamsBuilder, EdgeVectorParamsBuilder,
    HnswIndexConfig, Modifier, QuantizationConfig, ScalarQuantizationConfig, ScalarType, WalOptions,
    config::optimizers::EdgeOptimizersConfig,
};

use crate::search::{Channel, Quantization};

/// The engine's log grows in files of this many bytes. Nothing is ever read from it, so they are small.
const LOG_FILE_BYTES: usize = 1 << 20;

/// How a generation is laid out.
#[derive(Debug, Clone, Copy)]
pub(super) struct Shape {
    pub(super) dimension: usize,
    /// KiB of vectors from which on optimizing builds the approximate index; 0: never.
    pub(super) index_above_kib: usize,
    pub(super) quantization: Quantization,
}

impl Shape {
    pub(super) fn config(self) -> EdgeConfig {
        let log = WalOptions { segment_capacity: LOG_FILE_BYTES, ..WalOptions::default() };
        let optimizers = EdgeOptimizersConfig { indexing_threshold: Some(self.index_above_kib), ..Default::default() };
        // Below this the engine would not use the index that it has.
        let graph = HnswIndexConfig { full_scan_threshold: self.index_above_kib, ..HnswIndexConfig::default() };
        let mut dense = EdgeVectorParamsBuilder::new(self.dimension, Distance::Cosine);
        if let Some(quantization) = self.quantization() {
            // Only then is memory saved: the compressed vectors stay in it, the system drops the others when it is short.
            dense = dense.on_disk(true).quantization_config(quantization);
        }
        EdgeConfig::builder()
            .vector(Channel::Dense.name(), dense.build())
            .sparse_vector(Channel::Bm25.name(), EdgeSparseVectorParamsBuilder::new().modifier(Modifier::Idf).build())
            .hnsw_config(graph)
            .wal_options(log)
            .optimizers(optimizers)
            .build()
    }

    fn quantization(self) -> Option<QuantizationConfig> {
        match self.quantization {
            Quantization::Scalar => {
                let int8 =
                    ScalarQuantizationConfig { r#type: ScalarType::Int8, quantile: None, always_ram: Some(true) };
                Some(int8.into())
            }
            Quantization::Binary => {
                Some(BinaryQuantizationConfig { always_ram: Some(true), encoding: None, query_encoding: None }.into())
            }
            Quantization::None | Quantization::Other => None,
        }
    }
}
