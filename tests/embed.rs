//! The local embedder against recorded vectors of the reference implementation, and its answers to broken folders.
//! Needs what `make setup` installs; says so and skips where it is absent.

mod process;
mod provider;

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use asktwice::{
    EmbedError, Embedder,
    embed::{OnnxEmbedder, OnnxOptions, Precision, Role},
};
use serde::Deserialize;

use crate::support::{self, cosine};

#[derive(Deserialize)]
struct Reference {
    texts: Vec<ReferenceText>,
}

#[derive(Deserialize)]
struct ReferenceText {
    text: String,
    vector: Vec<f32>,
}

fn reference() -> Reference {
    serde_json::from_str(include_str!("fixtures/reference_vectors.json")).unwrap()
}

fn options(precision: Precision) -> OnnxOptions {
    let mut options = OnnxOptions::default();
    options.library = support::library();
    options.precision = precision;
    options
}

fn open(precision: Precision) -> Option<OnnxEmbedder> {
    let folder = support::model_folder()?;
    Some(OnnxEmbedder::open_with(folder, &options(precision)).unwrap())
}

async fn vectors(embedder: &OnnxEmbedder, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    embedder.embed(Role::Query, texts).await.unwrap().into_iter().map(|embedding| embedding.vector).collect()
}

async fn cosines_to_reference(precision: Precision) -> Option<Vec<(String, f32)>> {
    let embedder = open(precision)?;
    let reference = reference();
    let texts: Vec<&str> = reference.texts.iter().map(|text| text.text.as_str()).collect();
    let ours = vectors(&embedder, &texts).await;
    let compared = reference.texts.iter().zip(&ours);
    Some(compared.map(|(theirs, ours)| (theirs.text.clone(), cosine(&theirs.vector, ours))).collect())
}

#[tokio::test]
async fn fp32_equals_the_reference() {
    let Some(cosines) = cosines_to_reference(Precision::Fp32).await else { return };
    assert!(cosines.len() > 30);
    for (text, cosine) in cosines {
        assert!(cosine >= 0.9999, "{cosine} for {text:?}");
    }
}

#[tokio::test]
async fn int8_is_near_the_reference() {
    let Some(cosines) = cosines_to_reference(Precision::Int8).await else { return };
    let mean = cosines.iter().map(|(_, cosine)| cosine).sum::<f32>() / cosines.len() as f32;
    assert!(mean >= 0.98, "{mean}");
    for (text, cosine) in cosines {
        assert!(cosine >= 0.93, "{cosine} for {text:?}");
    }
}

#[tokio::test]
async fn the_published_similarities_hold() {
    let Some(embedder) = open(Precision::Fp32) else { return };
    let texts = ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."];
    let v = vectors(&embedder, &texts).await;
    for (similarity, published) in
        [(cosine(&v[0], &v[1]), 0.6660), (cosine(&v[0], &v[2]), 0.1046), (cosine(&v[1], &v[2]), 0.1411)]
    {
        assert!((similarity - published).abs() < 0.0005, "{similarity} instead of {published}");
    }
}

#[tokio::test]
async fn a_vector_does_not_depend_on_its_neighbours() {
    for precision in [Precision::Int8, Precision::Fp32] {
        let Some(embedder) = open(precision) else { return };
        let alone = vectors(&embedder, &["where is my food"]).await;
        let long = "and much more of it ".repeat(200);
        let together = vectors(&embedder, &[&long, "where is my food", "", "where is my food"]).await;
        assert_eq!(alone[0], together[1]);
        assert_eq!(alone[0], together[3]);
    }
}

#[tokio::test]
async fn odd_texts_have_finite_vectors_of_length_one_and_long_ones_say_that_they_were_cut() {
    let Some(embedder) = open(Precision::Int8) else { return };
    let zalgo = format!("e{}", "\u{301}".repeat(10_000));
    let texts =
        ["", " ", "\0", "[CLS] [SEP] [MASK] </s>", "مرحبا 你好 👩‍👩‍👧", &"x".repeat(1 << 20), &zalgo, &"_".repeat(50_000)];
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    for (embedding, text) in embedder.embed(Role::Passage, texts.clone()).await.unwrap().iter().zip(&texts) {
        let length = embedding.vector.iter().map(|value| value * value).sum::<f32>().sqrt();
        assert!((length - 1.0).abs() < 1e-4, "{length}");
        assert!(embedding.tokens <= 256);
        assert_eq!(embedding.truncated, text.len() > 40_000, "{} bytes", text.len());
    }
}

#[tokio::test]
async fn many_callers_at_once_get_their_own_vectors() {
    let Some(embedder) = open(Precision::Int8) else { return };
    let texts: Vec<String> = (0..100).map(|n| format!("order number {n}")).collect();
    let together = embedder.embed(Role::Query, texts.clone()).await.unwrap();
    let tasks = texts.iter().map(|text| {
        let (embedder, text) = (embedder.clone(), text.clone());
        tokio::spawn(async move { embedder.embed(Role::Query, vec![text]).await.unwrap() })
    });
    for (task, expected) in futures::future::join_all(tasks).await.into_iter().zip(together) {
        assert_eq!(task.unwrap(), [expected]);
    }
}

#[tokio::test]
async fn questions_beyond_the_queue_are_refused_and_the_embedder_goes_on() {
    let Some(embedder) = open(Precision::Int8) else { return };
    let flood = vec!["why is my order late and cold ".repeat(30); 5_000];
    let refused = embedder.embed(Role::Query, flood).await.unwrap_err();
    assert!(matches!(refused, EmbedError::Overloaded { .. }), "{refused}");
    // The flood's remains are skipped, not embedded: nobody waits for them.
    let start = std::time::Instant::now();
    while embedder.embed(Role::Query, vec!["hello".to_owned()]).await.is_err() {
        assert!(start.elapsed().as_secs() < 10);
        tokio::task::yield_now().await;
    }
}

/// A copy of the model's folder that can be damaged; the fp32 model is left out.
fn copy_of(folder: &Path) -> (tempfile::TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let copy = directory.path().join("model");
    fs::create_dir_all(copy.join("1_Pooling")).unwrap();
    let files = [
        "asktwice.json",
        "config.json",
        "1_Pooling/config.json",
        "modules.json",
        "sentence_bert_config.json",
        "config_sentence_transformers.json",
        "tokenizer.json",
        "model_int8.onnx",
    ];
    for file in files {
        fs::copy(folder.join(file), copy.join(file)).unwrap();
    }
    (directory, copy)
}

#[test]
fn a_damaged_folder_is_refused_and_the_file_named() {
    let Some(folder) = support::model_folder() else { return };
    type Damage = (&'static str, fn(&Path));
    let cases: [Damage; 8] = [
        ("tokenizer.json is missing", |folder| fs::remove_file(folder.join("tokenizer.json")).unwrap()),
        ("model_int8.onnx", |folder| fs::remove_file(folder.join("model_int8.onnx")).unwrap()),
        ("1_Pooling/config.json is missing", |folder| fs::remove_file(folder.join("1_Pooling/config.json")).unwrap()),
        ("tokenizer.json was changed", |folder| fs::write(folder.join("tokenizer.json"), "{}").unwrap()),
        ("modules.json is missing", |folder| fs::remove_file(folder.join("modules.json")).unwrap()),
        ("config.json was changed", |folder| fs::write(folder.join("config.json"), "{}").unwrap()),
        ("model_int8.onnx was changed", |folder| {
            let file = folder.join("model_int8.onnx");
            let mut bytes = fs::read(&file).unwrap();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(file, bytes).unwrap();
        }),
        ("asktwice.json is not understood", |folder| fs::write(folder.join("asktwice.json"), "nonsense").unwrap()),
    ];
    for (named, damage) in cases {
        let (_directory, copy) = copy_of(&folder);
        damage(&copy);
        let error = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap_err();
        assert!(matches!(error, EmbedError::Model { .. }) && error.to_string().contains(named), "{named}: {error}");
    }
}

#[test]
fn a_folder_without_a_manifest_is_taken_as_it_is() {
    let Some(folder) = support::model_folder() else { return };
    let (_directory, copy) = copy_of(&folder);
    fs::remove_file(copy.join("asktwice.json")).unwrap();
    let embedder = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap();
    assert_eq!(embedder.identity().dimension, 384);
    let modules = copy.join("modules.json");
    let known = fs::read(&modules).unwrap();
    fs::write(&modules, r#"[{"type": "sentence_transformers.models.Dense"}]"#).unwrap();
    let error = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap_err();
    assert!(error.to_string().contains("models.Dense"), "{error}");
    fs::write(&modules, known).unwrap();
    fs::write(copy.join("model_int8.onnx"), "not a model").unwrap();
    let error = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap_err();
    assert!(error.to_string().contains("refuses the model"), "{error}");
}

#[tokio::test]
async fn prefixes_pooling_and_the_token_limit_come_from_the_folder() {
    let Some(folder) = support::model_folder() else { return };
    let plain = OnnxEmbedder::open_with(&folder, &options(Precision::Int8)).unwrap();
    let (_directory, copy) = copy_of(&folder);
    fs::remove_file(copy.join("asktwice.json")).unwrap();
    let prompts = r#"{"prompts": {"query": "query: ", "passage": "passage: "}}"#;
    fs::write(copy.join("config_sentence_transformers.json"), prompts).unwrap();
    fs::write(copy.join("sentence_bert_config.json"), r#"{"max_seq_length": 8}"#).unwrap();
    let prefixed = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap();
    assert_ne!(prefixed.identity().difference(plain.identity()), None);
    assert_eq!(prefixed.identity().max_tokens, 8);

    let with = prefixed.embed(Role::Query, vec!["cold food".to_owned()]).await.unwrap();
    let spelt_out = plain.embed(Role::Query, vec!["query: cold food".to_owned()]).await.unwrap();
    assert_eq!(with[0].vector, spelt_out[0].vector);
    let passage = prefixed.embed(Role::Passage, vec!["cold food".to_owned()]).await.unwrap();
    let spelt_out = plain.embed(Role::Passage, vec!["passage: cold food".to_owned()]).await.unwrap();
    assert_eq!(passage[0].vector, spelt_out[0].vector);
    let long = prefixed.embed(Role::Query, vec!["one two three four five six seven".to_owned()]).await.unwrap();
    assert!(long[0].truncated && long[0].tokens == 8);

    let cls = r#"{"word_embedding_dimension": 384, "pooling_mode_cls_token": true}"#;
    fs::write(copy.join("1_Pooling/config.json"), cls).unwrap();
    let cls = OnnxEmbedder::open_with(&copy, &options(Precision::Int8)).unwrap();
    let pooled = cls.embed(Role::Query, vec!["cold food".to_owned()]).await.unwrap();
    assert_ne!(pooled[0].vector, with[0].vector);
    assert_ne!(cls.identity().difference(prefixed.identity()), None);
}

/// A library that names itself ONNX Runtime 1.10.
fn too_old(folder: &Path) -> Option<PathBuf> {
    let (source, library) = (folder.join("old.c"), folder.join("old.so"));
    let code = r#"
        static const void *api(unsigned version) { return 0; }
        static const char *version(void) { return "1.10.0"; }
        struct base { const void *(*api)(unsigned); const char *(*version)(void); };
        const struct base *OrtGetApiBase(void) { static struct base base = {api, version}; return &base; }
    "#;
    fs::write(&source, code).unwrap();
    let built = Command::new("cc").args(["-shared", "-fPIC", "-o"]).args([&library, &source]).status();
    if built.is_ok_and(|status| status.success()) {
        return Some(library);
    }
    eprintln!("skipped: no C compiler to make an old library with");
    None
}

/// In a process of its own: a process loads the library once.
#[test]
fn a_library_that_is_missing_or_none_is_an_error() {
    let Some(folder) = support::model_folder() else { return };
    let folder = folder.display();
    let directory = tempfile::tempdir().unwrap();
    let text = directory.path().join("text.so");
    fs::write(&text, "not a library").unwrap();
    // A real library that is not ONNX Runtime's.
    let foreign = ["/lib/x86_64-linux-gnu/libc.so.6", "/lib/aarch64-linux-gnu/libc.so.6", "/lib64/libc.so.6"];
    let foreign = foreign.map(Path::new).into_iter().find(|path| path.exists()).map(Path::to_path_buf);
    let missing = directory.path().join("missing.so");
    for library in [Some(missing), Some(text), foreign, too_old(directory.path())].into_iter().flatten() {
        let output = support::asktwice()
            .args(["ask", "anything", "--set", &format!("embed.model={folder}")])
            .arg("--set")
            .arg(format!("embed.library={}", library.display()))
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(3), "{said}");
        assert!(said.contains(&library.display().to_string()) && said.contains("make setup"), "{said}");
    }
}
