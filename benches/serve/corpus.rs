//! What the peers search: the very passages and vectors that asktwice has indexed, so that nobody embeds them again.

use std::io::Write as _;

use asktwice::search::{EdgeStore, MAX_PAGE, ScrollRequest, VectorStore as _};
use serde_json::json;

use super::Settings;

/// `store=FOLDER` of a collection; writes `passages=FILE`, a JSON object a line, and `vectors=FILE`, as many rows of
/// 32-bit floats in little-endian order.
pub(super) async fn write(settings: &Settings) {
    let store = EdgeStore::open(settings.text("store")).unwrap();
    let create = |key| std::io::BufWriter::new(std::fs::File::create(settings.text(key)).expect(key));
    let (mut passages, mut vectors) = (create("passages"), create("vectors"));
    let mut request = ScrollRequest::new(MAX_PAGE).with_vectors();
    let mut count = 0;
    loop {
        let page = store.scroll(request.clone()).await.unwrap();
        for point in &page.points {
            let passage = &point.passage;
            writeln!(passages, "{}", json!({"id": passage.id, "title": passage.title, "text": passage.text})).unwrap();
            let vector = point.vectors.as_ref().expect("a point with its vectors");
            for number in &vector.dense {
                vectors.write_all(&number.to_le_bytes()).unwrap();
            }
            count += 1;
        }
        let Some(last) = page.next else { break };
        request = request.after(last);
    }
    println!("{count}");
}
