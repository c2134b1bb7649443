//! Reading what is stored other than by a search: vectors, and passages one after another.

use asktwice::search::{ScrollPage, ScrollRequest};

use super::*;

const MANY: usize = 600;

async fn filled(store: &dyn VectorStoreWriter) {
    store.prepare(&identity().with_bm25("words by their numbers")).await.unwrap();
    let passage = |n: usize| Passage::new(n.to_string(), "text").cut_from(format!("{}", n % 3), n as u32);
    let vectors = |n: usize| both(n as f32 / 10.0, words([(n as u32, 1.0), (1_000, 0.5)]));
    store.upsert((0..MANY).map(|n| (passage(n), vectors(n))).collect()).await.unwrap();
}

/// All pages from a request on.
async fn pages(store: &dyn VectorStoreWriter, mut request: ScrollRequest) -> Vec<ScrollPage> {
    let mut pages = vec![];
    loop {
        let page = store.scroll(request.clone()).await.unwrap();
        let Some(next) = page.next else {
            assert!(page.points.is_empty());
            return pages;
        };
        request = request.after(next);
        pages.push(page);
    }
}

fn ids(pages: &[ScrollPage]) -> Vec<PointId> {
    pages.iter().flat_map(|page| &page.points).map(|point| point.id).collect()
}

fn all() -> Vec<PointId> {
    let mut all: Vec<_> = (0..MANY).map(|n| PointId::of(&n.to_string())).collect();
    all.sort();
    all
}

pub async fn vectors_come_back_in_the_order_asked(store: &dyn VectorStoreWriter) {
    store.prepare(&identity()).await.unwrap();
    let long = at(30.0).into_iter().map(|x| x * 7.0).collect::<Vec<_>>();
    let passages = vec![(Passage::new("a", "one"), at(10.0).into()), (Passage::new("b", "two"), long.into())];
    store.upsert(passages).await.unwrap();
    let [a, b] = ["a", "b"].map(PointId::of);
    let found = store.vectors(&[b, PointId::of("gone"), a, b]).await.unwrap();
    assert_eq!(found.iter().map(|(id, _)| *id).collect::<Vec<_>>(), [b, a, b]);
    // As they are stored: at length 1.
    for ((_, vector), wanted) in found.iter().zip([at(30.0), at(10.0), at(30.0)]) {
        assert_eq!(vector.len(), DIMENSION);
        assert!(vector.iter().zip(&wanted).all(|(x, y)| (x - y).abs() < 1e-6), "{vector:?} {wanted:?}");
    }
    // Stored again, they stay what they are.
    let again = store.vectors(&[b]).await.unwrap().remove(0).1;
    store.upsert(vec![(Passage::new("b", "two"), again.clone().into())]).await.unwrap();
    assert_eq!(store.vectors(&[b]).await.unwrap(), [(b, again)]);
    assert!(store.vectors(&[]).await.unwrap().is_empty());
}

pub async fn a_scroll_sees_every_passage_once(store: &dyn VectorStoreWriter) {
    store.prepare(&identity().with_bm25("words by their numbers")).await.unwrap();
    assert_eq!(store.scroll(ScrollRequest::new(10)).await.unwrap(), ScrollPage::default());
    filled(store).await;
    for (limit, most) in [(100, 100), (7, 7), (usize::MAX, 256)] {
        let pages = pages(store, ScrollRequest::new(limit)).await;
        assert_eq!(ids(&pages), all(), "limit {limit}");
        assert!(pages.iter().all(|page| page.points.len() <= most), "limit {limit}");
        assert!(pages.len() >= MANY / most, "limit {limit}");
    }
    assert_eq!(store.scroll(ScrollRequest::new(0)).await.unwrap().points.len(), 1);
    let first = store.scroll(ScrollRequest::new(1)).await.unwrap().points.remove(0);
    assert_eq!((first.id, first.vectors), (first.passage.point_id(), None));
    assert_eq!(first.passage.text, "text");
}

pub async fn a_scroll_goes_on_behind_what_is_gone(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let page = store.scroll(ScrollRequest::new(50)).await.unwrap();
    store.delete(&[page.next.unwrap(), all()[51]]).await.unwrap();
    let rest = pages(store, ScrollRequest::new(50).after(page.next.unwrap())).await;
    let wanted: Vec<_> = all().into_iter().skip(50).filter(|id| *id != all()[51]).collect();
    assert_eq!(ids(&rest), wanted);
}

pub async fn a_scroll_is_filtered(store: &dyn VectorStoreWriter) {
    filled(store).await;
    let request = ScrollRequest::new(30).with_filter(Filter::equals("document_id", "1"));
    let pages = pages(store, request).await;
    assert_eq!(ids(&pages).len(), MANY / 3);
    assert!(pages.iter().flat_map(|page| &page.points).all(|point| point.passage.document_id == "1"));
    let incomparable = ScrollRequest::new(3).with_filter(Filter::equals("price", 1.5));
    assert!(matches!(store.scroll(incomparable).await, Err(StoreError::Request { .. })));
}

pub async fn a_scroll_brings_vectors(store: &dyn VectorStoreWriter) {
    filled(store).await;
    store.upsert(vec![(Passage::new("wordless", "the"), both(1.0, SparseVector::default()))]).await.unwrap();
    for point in pages(store, ScrollRequest::new(100).with_vectors()).await.into_iter().flat_map(|page| page.points) {
        let vectors = point.vectors.unwrap();
        let (angle, wanted) = match point.passage.id.parse::<u32>() {
            Ok(n) => (n as f32 / 10.0, words([(n, 1.0), (1_000, 0.5)])),
            Err(_) => (1.0, SparseVector::default()),
        };
        assert!(vectors.dense.iter().zip(at(angle)).all(|(x, y)| (x - y).abs() < 1e-6), "{}", point.passage.id);
        assert_eq!(vectors.bm25, Some(wanted), "{}", point.passage.id);
    }
}
