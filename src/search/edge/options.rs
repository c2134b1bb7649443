//! What an embedded store may choose.

use std::thread;

use crate::search::{Quantization, SearchParams};

/// What an [`EdgeStore`](super::EdgeStore) may choose.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct EdgeOptions {
    /// Bytes: once the engine's log is longer than this and than the data, the collection is compacted. 64 MiB.
    pub log_limit_bytes: u64,
    /// Bytes that writes leave free on the disk. 64 MiB.
    pub reserve_bytes: u64,
    /// KiB of vectors in a segment from which on [`optimize`](crate::VectorStoreWriter::optimize) builds the approximate
    /// index (HNSW), and scalar quantisation with it; below, every vector is compared with. 0: never. 10,000, as Qdrant
    /// has it.
    pub index_above_kib: usize,
    /// How the dense vectors of a collection that is made are compressed; one that is there stays as it is. Not at all.
    pub quantization: Quantization,
    /// How exact a search is that does not say so itself.
    pub params: SearchParams,
    /// How many searches and fetches run at once; the rest waits. The number of processors.
    pub concurrent_reads: usize,
}

impl Default for EdgeOptions {
    fn default() -> Self {
        let processors = thread::available_parallelism().map_or(2, usize::from);
        Self {
            log_limit_bytes: 64 << 20,
            reserve_bytes: 64 << 20,
            index_above_kib: 10_000,
            quantization: Quantization::None,
            params: SearchParams::default(),
            concurrent_reads: processors,
        }
    }
}

impl EdgeOptions {
    /// Sets the length of the engine's log, in bytes, beyond which the collection is compacted.
    #[must_use]
    pub fn with_log_limit(mut self, bytes: u64) -> Self {
        self.log_limit_bytes = bytes;
        self
    }

    /// Sets how many bytes writes leave free on the disk.
    #[must_use]
    pub fn with_reserve(mut self, bytes: u64) -> Self {
        self.reserve_bytes = bytes;
        self
    }

    /// Sets the KiB of vectors in a segment from which on the approximate index is built.
    #[must_use]
    pub fn with_index_above(mut self, kib: usize) -> Self {
        self.index_above_kib = kib;
        self
    }

    /// Sets how the dense vectors of a collection that is made are compressed.
    #[must_use]
    pub fn with_quantization(mut self, quantization: Quantization) -> Self {
        self.quantization = quantization;
        self
    }

    /// Sets how exact a search is that does not say so itself.
    #[must_use]
    pub fn with_search_params(mut self, params: SearchParams) -> Self {
        self.params = params;
        self
    }

    /// Sets how many searches and fetches run at once, at least 1.
    #[must_use]
    pub fn with_concurrent_reads(mut self, reads: usize) -> Self {
        self.concurrent_reads = reads;
        self
    }
}
