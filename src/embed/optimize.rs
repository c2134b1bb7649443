//! Makes a model fast: operators fused, weights in int8. From the fp32 ONNX file of any BERT in a folder comes an int8
//! file beside it, and it is kept only if its vectors are near enough to those it was made from.
//!
//! ONNX Runtime fuses first and saves the graph; what it leaves is fused and brought to int8 by editing that file.

mod fuse;
mod index;
mod onnx;
mod quantise;
#[cfg(test)]
mod tests;

use std::{fs, path::Path};

use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
};
use prost::Message as _;

use self::quantise::Quantised;
use super::{
    EmbedError, Int8Kernel, ModelFolder, Precision, agreement::agreement, import::LARGEST_WEIGHT, manifest::sha256,
    model::unusable, precision::FULL_RANGE_FILE,
};

/// How a model is made fast.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct OptimizeOptions {
    /// The smallest cosine between a sample text's fp32 and int8 vectors that is accepted.
    pub least_cosine: f32,
    /// For which CPU: with VNNI or ARM's dot product, weights use all 8 bits, and the file is for such CPUs only.
    pub kernel: Int8Kernel,
}

impl Default for OptimizeOptions {
    /// At least 0.9, for the CPU at hand.
    fn default() -> Self {
        Self { least_cosine: 0.9, kernel: Int8Kernel::detect() }
    }
}

/// What came of it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Optimized {
    /// The int8 file, within the folder.
    pub file: String,
    /// Its size, in bytes.
    pub bytes: usize,
    /// The fp32 file's size, in bytes.
    pub bytes_before: usize,
    /// How many matrix products, attentions and tables are in int8.
    pub quantised: [usize; 3],
    /// The smallest and the mean cosine between the sample texts' fp32 and int8 vectors.
    pub cosines: [f32; 2],
}

/// Makes an int8 file of the folder's fp32 one, and enters it into the manifest if there is one. Takes seconds, and
/// about five times the fp32 file's size in memory. An int8 file that was made before is replaced.
///
/// # Errors
/// [`EmbedError::Model`] if the fp32 model is missing, not of a kind that can be made fast, or if the int8 vectors
/// stray too far; then the folder is as it was.
pub fn optimize(folder: &Path, library: &Path, options: &OptimizeOptions) -> Result<Optimized, EmbedError> {
    let environment = super::library::load(library)?;
    let model = ModelFolder::open(folder)?;
    let fp32 = model.onnx(Precision::Fp32)?;
    let refuse = |problem: String| unusable(folder, &problem);

    let work = tempfile_in(folder)?;
    let fused = fused_by_library(&environment, &fp32, &work);
    let read = fused.and_then(|()| fs::read(&work).map_err(|error| error.to_string()));
    let _ = fs::remove_file(&work);
    let fused = read.map_err(|error| refuse(format!("ONNX Runtime cannot fuse the fp32 model: {error}")))?;

    let full = options.kernel.adds_in_32_bits();
    let (int8, attentions, quantised) =
        to_int8(&fused, if full { LARGEST_BYTE } else { LARGEST_WEIGHT }).map_err(refuse)?;
    tracing::debug!(attentions, ?quantised, "edited the graph");
    let near = agreement(&model, &environment, [&fp32, &int8])?;
    // Also refuses what is no number.
    if near.least.is_nan() || near.least < options.least_cosine {
        return Err(refuse(format!(
            "its int8 model strays from fp32: the smallest cosine over the sample texts is {:.4} (mean {:.4}), at least \
             {} is wanted; use fp32, or accept a smaller one",
            near.least, near.mean, options.least_cosine
        )));
    }
    let file = if full { FULL_RANGE_FILE } else { Precision::Int8.file() };
    keep(&model, file, &int8).map_err(|error| refuse(format!("{file} cannot be written: {error}")))?;
    Ok(Optimized {
        file: file.to_owned(),
        bytes: int8.len(),
        bytes_before: fp32.len(),
        quantised: [quantised.products, quantised.attentions, quantised.tables],
        cosines: [near.least, near.mean],
    })
}

/// Where products are added in 32 bits, weights may use all 8.
const LARGEST_BYTE: f32 = 127.0;

/// A file in the folder that nobody takes for a model.
fn tempfile_in(folder: &Path) -> Result<std::path::PathBuf, EmbedError> {
    let path = folder.join("fused.unfinished");
    match fs::remove_file(&path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(unusable(folder, &format!("{} cannot be replaced: {error}", path.display())))
        }
        _ => Ok(path),
    }
}

/// What ONNX Runtime shall not fuse: with the embeddings, their table could not be brought to int8; the other two are
/// slower on a CPU than their parts.
const NOT_FUSED: &str = "EmbedLayerNormFusion;SkipLayerNormFusion;BiasGeluFusion";

/// Lets ONNX Runtime fuse what else it can, and save the graph.
fn fused_by_library(environment: &Environment, onnx: &[u8], to: &Path) -> Result<(), String> {
    let save = || -> ort::Result<()> {
        let mut builder = Session::builder(environment)?
            .with_optimization_level(GraphOptimizationLevel::Level2)?
            .with_disabled_optimizers(NOT_FUSED)?
            .with_optimized_model_path(to)?;
        builder.commit_from_memory(onnx).map(drop)
    };
    save().map_err(|error| error.to_string())
}

/// Edits an ONNX file: fuses what is left to fuse, and brings it to int8.
fn to_int8(onnx: &[u8], largest: f32) -> Result<(Vec<u8>, usize, Quantised), String> {
    let mut model = onnx::Model::decode(onnx).map_err(|error| format!("the fused model is not understood: {error}"))?;
    let graph = model.graph.as_mut().ok_or("the fused model has no graph")?;
    let branches = |node: &onnx::Node| node.attribute.iter().any(|a| a.g.is_some() || !a.graphs.is_empty());
    if graph.node.iter().any(branches) {
        return Err("it has parts that run on a condition; such a model is not made fast".to_owned());
    }
    let fused = fuse::fuse(graph);
    let quantised = quantise::quantise(graph, largest);
    if quantised.products + quantised.attentions == 0 {
        return Err("it has no products with constant fp32 weights; is it in int8 or fp16 already?".to_owned());
    }
    let has = |domain: &str| model.opset_import.iter().any(|set| set.domain.as_deref() == Some(domain));
    if !has(onnx::MICROSOFT) {
        let set = onnx::OperatorSet { domain: Some(onnx::MICROSOFT.to_owned()), version: Some(1) };
        model.opset_import.push(set);
    }
    Ok((model.encode_to_vec(), fused, quantised))
}

/// Writes the file, whole or not at all, then its hash into the manifest.
fn keep(model: &ModelFolder, file: &str, onnx: &[u8]) -> std::io::Result<()> {
    let folder = model.path();
    let unfinished = folder.join(format!("{file}.unfinished"));
    fs::write(&unfinished, onnx)?;
    let manifest = model.manifest().cloned().map(|mut manifest| {
        manifest.files.insert(file.to_owned(), sha256(onnx));
        manifest
    });
    fs::rename(unfinished, folder.join(file))?;
    manifest.map_or(Ok(()), |manifest| manifest.write(folder))
}
