//! From a published BERT checkpoint (safetensors) to a model folder: ONNX files in fp32 and int8, beside the settings
//! of the model, with a manifest of hashes. No Python and no ONNX file are needed: the graph is built with ONNX
//! Runtime's model editor and saved by it.

mod graph;
mod weights;

use std::{collections::BTreeMap, fs, path::Path};

use ort::{
    environment::Environment,
    session::{Session, builder::GraphOptimizationLevel},
};

use super::{
    EmbedError,
    agreement::agreement,
    manifest::{Manifest, Traits, put_in_place, sha256, unfinished},
    model::{ModelFolder, SETTINGS, TOKENIZER, parse, unusable},
    precision::Precision,
};
use graph::BertGraph;
pub(super) use weights::Matrix;
use weights::{Architecture, Weights};

/// How near an int8 vector has to be to its fp32 one.
const LEAST_COSINE: f32 = 0.9;
/// Without VNNI, the CPU adds pairs of products in 16 bits: weights of 7 bits cannot overflow them.
pub(super) const LARGEST_WEIGHT: f32 = 64.0;
/// Embeddings are only looked up, never multiplied in 8 bits.
pub(super) const LARGEST_EMBEDDING: f32 = 127.0;

/// Imports the checkpoint in `source` (`model.safetensors`, `config.json`, `tokenizer.json`, the settings files of
/// sentence-transformers) into a new folder `target`, which appears only when it is complete. Takes seconds, and about
/// four times the size of the weights in memory.
///
/// # Errors
/// [`EmbedError::Model`] names the file that is missing or not of a kind that can be imported.
pub fn import_bert(source: &Path, target: &Path, library: &Path) -> Result<(), EmbedError> {
    let environment = super::library::load(library)?;
    let bytes = read(source, "model.safetensors")?;
    let architecture: Architecture = parse(source, "config.json", &read(source, "config.json")?)?;
    architecture.check().map_err(|problem| unusable(source, &problem))?;
    let weights = Weights::parse(&bytes).map_err(|problem| unusable(source, &problem))?;

    let unfinished = unfinished(target, "");
    let failed = |error: std::io::Error| unusable(target, &format!("it cannot be written: {error}"));
    if unfinished.exists() {
        fs::remove_dir_all(&unfinished).map_err(failed)?;
    }
    fs::create_dir_all(&unfinished).map_err(failed)?;
    for precision in [Precision::Fp32, Precision::Int8] {
        let graph = BertGraph::new(&architecture, &weights, precision);
        let model = graph.build().map_err(|problem| unusable(source, &problem))?;
        save(&environment, model, &unfinished.join(precision.file()))
            .map_err(|error| unusable(target, &format!("the {precision} model cannot be saved: {error}")))?;
    }
    for file in SETTINGS.iter().chain([&TOKENIZER]).filter(|file| source.join(file).exists()) {
        let copy = unfinished.join(file);
        copy.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
        fs::copy(source.join(file), copy).map_err(failed)?;
    }
    write_manifest(&unfinished, target, &bytes).map_err(failed)?;
    try_out(&unfinished, &environment)?;
    put_in_place(&unfinished, target).map_err(failed)
}

/// Opens the new folder and embeds texts with both models: what cannot be used must not look finished, and int8 must
/// mean what fp32 means.
fn try_out(folder: &Path, environment: &Environment) -> Result<(), EmbedError> {
    let folder = ModelFolder::open(folder)?;
    let least =
        agreement(&folder, environment, [&folder.onnx(Precision::Fp32)?, &folder.onnx(Precision::Int8)?])?.least;
    if least >= LEAST_COSINE {
        return Ok(());
    }
    let problem = format!("its int8 model strays from fp32 (cosine {least:.3}, at least {LEAST_COSINE} is wanted)");
    Err(unusable(folder.path(), &problem))
}

fn read(folder: &Path, file: &str) -> Result<Vec<u8>, EmbedError> {
    fs::read(folder.join(file)).map_err(|error| unusable(folder, &format!("{file} cannot be read: {error}")))
}

/// Writes a graph to a file as it is: what is fused or reordered for one CPU stays a matter of loading it.
fn save(environment: &Environment, model: ort::editor::Model, path: &Path) -> ort::Result<()> {
    let builder = Session::builder(environment)?
        .with_optimization_level(GraphOptimizationLevel::Disable)?
        .with_optimized_model_path(path)?;
    model.into_session(&builder).map(drop)
}

fn write_manifest(folder: &Path, target: &Path, weights: &[u8]) -> std::io::Result<()> {
    let mut files = BTreeMap::new();
    let onnx = [Precision::Fp32.file(), Precision::Int8.file()];
    for file in SETTINGS.iter().chain([&TOKENIZER]).chain(&onnx).filter(|file| folder.join(file).exists()) {
        files.insert((*file).to_owned(), sha256(&fs::read(folder.join(file))?));
    }
    let name = target.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = Manifest {
        name,
        weights: sha256(weights),
        source: None,
        onnx: BTreeMap::new(),
        model: Traits::default(),
        files,
    };
    manifest.write(folder)
}
