//! A fusion as one word.

use super::*;

#[test]
fn names_are_read_and_refused() {
    assert_eq!("rrf".parse(), Ok(Fusion::Rrf { k: 60.0 }));
    assert_eq!("rrf:10".parse(), Ok(Fusion::Rrf { k: 10.0 }));
    assert_eq!("intersection".parse(), Ok(FILLED));
    assert_eq!("intersection:strict".parse(), Ok(STRICT));
    assert_eq!("quorum:2:strict".parse(), Ok(Fusion::Intersection { quorum: 2, strict: true }));
    assert_eq!("combsum".parse(), Ok(Fusion::min_max()));
    assert_eq!("combsum:distribution".parse(), Ok(Fusion::dbsf()));
    assert_eq!("convex:0.25".parse(), Ok(Fusion::Convex { alpha: 0.25 }));
    assert_eq!("parity:qdrant-rrf".parse(), Ok(Fusion::Parity(Parity::QdrantRrf { k: 2 })));
    assert_eq!("parity:qdrant-rrf:60".parse(), Ok(Fusion::Parity(Parity::QdrantRrf { k: 60 })));
    for name in [
        "",
        "RRF",
        "rrf:",
        "rrf:-1",
        "rrf:inf",
        "rrf:NaN",
        "rrf:1:2",
        "intersection:lax",
        "quorum",
        "quorum:0",
        "quorum:-1",
        "quorum:2:lax",
        "min-max:1",
        "dbsf:1",
        "convex:1.1",
        "rbc:0",
        "rbc:1",
        "borda:1",
        "combsum:",
        "comb",
        "combsum:min-max:1",
        "parity",
        "parity:",
        "parity:rrf",
        "parity:qdrant-rrf:0",
        "parity:qdrant-dbsf:2",
        "parity:langchain:1.5",
    ] {
        assert!(name.parse::<Fusion>().is_err(), "{name}");
    }
}

#[test]
fn the_error_lists_the_names() {
    let error = "rrrf".parse::<Fusion>().unwrap_err().to_string();
    assert!(error.starts_with("\"rrrf\" is not a fusion; use rrf, "), "{error}");
    for fusion in Fusion::all() {
        let name = fusion.to_string();
        let name = name.split(':').next().unwrap();
        assert!(error.contains(name), "{name}: {error}");
    }
}

#[test]
fn every_fusion_is_one_word_that_can_be_read_back() {
    let scores = COMBINATIONS
        .into_iter()
        .flat_map(|combination| NORMALISATIONS.map(|normalisation| Fusion::Scores { combination, normalisation }));
    let others = [7, 2, 60].into_iter().flat_map(|k| {
        [Parity::QdrantRrf { k }, Parity::LangChain { c: k }, Parity::ElasticRrf { k }].map(Fusion::Parity)
    });
    let all = Fusion::all().into_iter().chain(scores).chain(PARITIES.map(Fusion::Parity)).chain(others);
    let mut names = std::collections::HashMap::new();
    for fusion in all {
        let name = fusion.to_string();
        assert_eq!(name.parse(), Ok(fusion), "{name}");
        assert_eq!(serde_json::to_value(fusion).unwrap(), name);
        assert_eq!(serde_json::from_value::<Fusion>(name.clone().into()).unwrap(), fusion);
        assert_eq!(*names.entry(name.clone()).or_insert(fusion), fusion, "{name} stands for two");
    }
    assert_eq!(Fusion::dbsf().to_string(), "dbsf");
    assert_eq!(Fusion::min_max().to_string(), "min-max");
    assert!(serde_json::from_value::<Fusion>("lottery".into()).unwrap_err().to_string().contains("is not a fusion"));
}

proptest! {
    #[test]
    fn constants_are_read_back(fusion in any_own_fusion(5)) {
        prop_assert_eq!(fusion.to_string().parse(), Ok(fusion));
    }
}
