//! Collections made anew, written to a file, and restored.

use super::*;

const FEWER: &str = r#"{"_id": "late", "title": "Your order is late", "text": "Follow the courier on the map."}
"#;

fn indexed(home: &Home, arguments: &[&str]) -> Value {
    let said = home.run(&[&["index", "articles.jsonl", "--json"], arguments].concat());
    assert_eq!(said.code, Some(0), "{}", said.err);
    said.json()
}

fn hits(home: &Home, arguments: &[&str]) -> Vec<String> {
    let said = home.run(&[&["ask", "where is my order", "--json"], arguments].concat()).json();
    ids(&said).into_iter().map(str::to_owned).collect()
}

#[test]
fn a_collection_is_made_the_mirror_of_its_sources() {
    let Some(home) = Home::with_articles() else { return };
    home.write("articles.jsonl", FEWER);
    assert_eq!(indexed(&home, &[])["removed"], 0);
    assert_eq!(hits(&home, &[]).len(), 3);
    assert_eq!(indexed(&home, &["--sync"])["removed"], 2);
    assert_eq!(hits(&home, &[]), ["late"]);
    home.write("articles.jsonl", "{broken\n");
    let said = home.run(&["index", "articles.jsonl", "--sync"]);
    said.failed(1, &["articles.jsonl:1: is not JSON", "nothing was removed"]);
    assert_eq!(hits(&home, &[]), ["late"]);
    home.run(&["index", "x", "--sync", "--server", "http://127.0.0.1:1"]).failed(2, &["--sync", "--server"]);
}

#[test]
fn a_collection_is_rebuilt_and_only_replaced_when_the_new_one_is_whole() {
    let Some(home) = Home::with_articles() else { return };
    home.write("articles.jsonl", FEWER.to_owned() + "{broken\n");
    let said = home.run(&["index", "articles.jsonl", "--rebuild"]);
    said.failed(1, &["the old collection stays", "articles.jsonl:2: is not JSON"]);
    assert_eq!(hits(&home, &[]).len(), 3);
    home.write("articles.jsonl", FEWER);
    let said = home.run(&["index", "articles.jsonl", "--rebuild"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("0 passages indexed, 1 unchanged"), "what was embedded before is kept: {}", said.err);
    assert!(said.err.contains("the new collection has taken over"), "{}", said.err);
    assert_eq!(hits(&home, &[]), ["late"]);
    // In a language that the old one could not be searched by.
    let german = ["--set", "bm25.language=german"];
    home.run(&[&["index", "articles.jsonl"], &german[..]].concat()).failed(3, &["german"]);
    assert_eq!(indexed(&home, &[&["--rebuild"], &german[..]].concat())["indexed"], 1);
    assert_eq!(hits(&home, &german), ["late"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_collection_moves_from_the_embedded_engine_to_a_server_by_a_file() {
    let Some(home) = Home::with_articles() else { return };
    let front = Front::start().await;
    let served = ["--store", front.url.as_str()];
    let said = home.run(&["export", "backup.jsonl"]);
    assert_eq!(said.code, Some(0), "{}", said.err);
    assert!(said.err.contains("3 passages in backup.jsonl"), "{}", said.err);
    home.run(&["export", "backup.jsonl"]).failed(2, &["backup.jsonl exists already"]);
    let said = home.run(&[&["import", "backup.jsonl"], &served[..]].concat());
    assert!(said.code == Some(0) && !said.err.contains("quantization"), "{}", said.err);
    assert_eq!(hits(&home, &served), hits(&home, &[]));
    let scalar = ["--collection", "smaller", "--set", "store.quantization=scalar"];
    let said = home.run(&[&["import", "backup.jsonl"], &scalar[..]].concat());
    assert!(
        said.code == Some(0) && said.err.contains("store.quantization = none, and here it is scalar"),
        "{}",
        said.err
    );

    // A name that is a collection cannot be switched; a new one can.
    home.run(&[&["import", "backup.jsonl", "--rebuild"], &served[..]].concat()).failed(2, &["passages-live"]);
    let live = [&served[..], &["--collection", "passages-live"]].concat();
    for _ in 0..2 {
        let said = home.run(&[&["import", "backup.jsonl", "--rebuild"], &live[..]].concat());
        assert_eq!(said.code, Some(0), "{}", said.err);
    }
    assert_eq!(hits(&home, &live), hits(&home, &[]));

    let file = fs::read_to_string(home.path().join("backup.jsonl")).unwrap();
    home.write("altered.jsonl", file.replace("courier", "carrier"));
    home.run(&["import", "altered.jsonl", "--rebuild"]).failed(2, &["altered.jsonl:5", "it was altered"]);
    home.write("cut.jsonl", &file[..file.len() / 2]);
    home.run(&["import", "cut.jsonl"]).failed(2, &["cut.jsonl:", "the file is cut off here"]);
    home.run(&["import", "none.jsonl"]).failed(2, &["none.jsonl cannot be read"]);
    home.run(&["export", "x.jsonl", "--collection", "none"]).failed(2, &["no collection to export"]);
    assert_eq!(hits(&home, &[]).len(), 3);
}
