//! Making a model fast, on the model of the set-up. Needs what `make setup` installs; says so and skips where it is
//! absent.

use std::{fs, path::Path};

use asktwice::{
    Embedder,
    embed::{Int8Kernel, ModelFolder, OnnxEmbedder, OnnxOptions, OptimizeOptions, Precision, Role, optimize, verify},
};

use crate::support::{self, cosine};

/// A copy of the set-up's model with its fp32 file only.
fn fp32_only(folder: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    fs::create_dir(copy.path().join("1_Pooling")).unwrap();
    let files = ["config.json", "1_Pooling/config.json", "modules.json", "sentence_bert_config.json", "tokenizer.json"];
    for file in files.into_iter().chain(["model.onnx", "config_sentence_transformers.json"]) {
        fs::copy(folder.join(file), copy.path().join(file)).unwrap();
    }
    let manifest = fs::read_to_string(folder.join("asktwice.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_str(&manifest).unwrap();
    manifest["files"].as_object_mut().unwrap().remove("model_int8.onnx");
    fs::write(copy.path().join("asktwice.json"), manifest.to_string()).unwrap();
    copy
}

async fn vectors(folder: &Path, precision: Precision) -> Vec<Vec<f32>> {
    let mut options = OnnxOptions::default();
    options.library = support::library();
    options.precision = precision;
    options.workers = 1;
    let embedder = OnnxEmbedder::open_with(folder, &options).unwrap();
    let texts = ["where is my food", "Mitochondria are the powerhouse of the cell.", "你好", ""];
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    embedder.embed(Role::Query, texts).await.unwrap().into_iter().map(|embedding| embedding.vector).collect()
}

#[tokio::test]
async fn an_int8_model_is_made_of_fp32_and_means_the_same() {
    let Some(folder) = support::model_folder() else { return };
    let copy = fp32_only(&folder);
    let identity = ModelFolder::open(copy.path()).unwrap().identity().clone();
    let kernels = [Int8Kernel::Avx2, Int8Kernel::detect()];
    for kernel in kernels {
        let mut options = OptimizeOptions::default();
        options.kernel = kernel;
        let made = optimize(copy.path(), &support::library(), &options).unwrap();
        println!("{kernel}: {made:?}");
        // Six layers: each attention, and three products beside it; the table of words.
        assert_eq!(made.quantised, [18, 6, 1]);
        assert!(made.bytes * 10 < made.bytes_before * 3, "{} of {}", made.bytes, made.bytes_before);
        assert!(made.cosines[0] >= 0.97 && made.cosines[1] >= 0.985, "{:?}", made.cosines);
        assert_eq!(made.file == "model_int8_full.onnx", kernel.adds_in_32_bits());
        assert!(verify(copy.path()).unwrap().is_intact());
        let (fp32, int8) = (vectors(copy.path(), Precision::Fp32).await, vectors(copy.path(), Precision::Int8).await);
        for (a, b) in fp32.iter().zip(&int8) {
            assert!(cosine(a, b) > 0.97, "{}", cosine(a, b));
        }
        assert_ne!(fp32, int8);
    }
    // Whoever stored vectors with fp32 may search them in int8.
    assert_eq!(ModelFolder::open(copy.path()).unwrap().identity().difference(&identity), None);
    let left = fs::read_dir(copy.path())
        .unwrap()
        .filter(|entry| entry.as_ref().unwrap().file_name().to_string_lossy().contains("unfinished"));
    assert_eq!(left.count(), 0);
}

#[test]
fn what_strays_too_far_is_refused_with_its_figure_and_nothing_is_left() {
    let Some(folder) = support::model_folder() else { return };
    let copy = fp32_only(&folder);
    let files = || {
        let mut files: Vec<_> = fs::read_dir(copy.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        files.sort();
        files
    };
    let before = files();
    let mut options = OptimizeOptions::default();
    options.least_cosine = 0.9999;
    let error = optimize(copy.path(), &support::library(), &options).unwrap_err().to_string();
    assert!(
        error.contains("smallest cosine over the sample texts is 0.9") && error.contains("0.9999 is wanted"),
        "{error}"
    );
    assert_eq!(files(), before);

    // Without an fp32 model there is nothing to make it of; what is in int8 already is not made so again.
    fs::remove_file(copy.path().join("asktwice.json")).unwrap();
    fs::copy(folder.join("model_int8.onnx"), copy.path().join("model.onnx")).unwrap();
    let error = optimize(copy.path(), &support::library(), &OptimizeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("in int8 or fp16 already"), "{error}");
    fs::remove_file(copy.path().join("model.onnx")).unwrap();
    let error = optimize(copy.path(), &support::library(), &OptimizeOptions::default()).unwrap_err().to_string();
    assert!(error.contains("model.onnx"), "{error}");
}
