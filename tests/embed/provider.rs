//! An accelerator that is not there.

use std::process::Output;

use asktwice::embed::Provider;

use super::*;

#[tokio::test]
async fn a_provider_that_is_not_there_leaves_the_work_to_the_cpu() {
    let Some(on_cpu) = open(Precision::Int8) else { return };
    let mut options = options(Precision::Int8);
    options.provider = Provider::CoreMl;
    let fallen_back = OnnxEmbedder::open_with(support::model_folder().unwrap(), &options).unwrap();
    assert_eq!(fallen_back.provider(), Provider::Cpu);
    let text = || vec!["half my food is missing".to_owned()];
    let [a, b] = [&on_cpu, &fallen_back].map(|embedder| embedder.embed(Role::Query, text()));
    assert_eq!(a.await.unwrap(), b.await.unwrap());
}

#[test]
fn the_program_says_that_it_fell_back() {
    let Some(model) = support::model_folder() else { return };
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("a.txt"), "Your order is late: follow the courier on the map.").unwrap();
    let index = |provider: &str| -> Output {
        support::asktwice()
            .current_dir(folder.path())
            .args(["index", "a.txt", "--collection", provider])
            .env("ASKTWICE__EMBED__MODEL", &model)
            .env("ASKTWICE__EMBED__LIBRARY", support::library())
            .env("ASKTWICE__EMBED__PROVIDER", provider)
            .output()
            .unwrap()
    };
    for (provider, warns) in [("cpu", false), ("cuda", true), ("coreml", true)] {
        let output = index(provider);
        let said = String::from_utf8_lossy(&output.stderr);
        let warning = format!("there is no {provider} here; the CPU does the work");
        assert!(output.status.success() && said.contains("1 passages indexed"), "{provider}: {said}");
        assert_eq!(said.contains(&warning), warns, "{provider}: {said}");
    }
}
