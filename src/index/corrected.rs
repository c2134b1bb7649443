//! From one collection to another whose passages' vectors a head corrects: from the stored vectors, so that no text is
//! embedded again.

use crate::{
    embed::Head,
    search::{MAX_PAGE, ScrollRequest, StoreError, VectorStore, VectorStoreWriter},
};

/// Writes every passage of a collection into another one, its embedding corrected by a head on both sides. The other
/// collection remembers the head; it is made if it is not there. Indexes over payload fields are not copied. Returns how
/// many passages were written; `progress` is told how many are.
///
/// # Errors
/// [`StoreError`] if either store cannot answer, if the first does not say which model filled it, or if the other was made
/// otherwise. What was written stays, and doing it again is safe.
pub async fn correct(
    from: &dyn VectorStore,
    head: &Head,
    into: &dyn VectorStoreWriter,
    progress: impl Fn(u64),
) -> Result<u64, StoreError> {
    let info = from.info().await?;
    let place = || info.as_ref().map_or_else(|| "the collection".to_owned(), |info| info.place.clone());
    let refuse = |problem: &str| StoreError::Request { place: place(), problem: problem.to_owned() };
    let missing = || StoreError::Missing { place: "the collection to correct".to_owned() };
    let Some(identity) = &info.as_ref().ok_or_else(missing)?.identity else {
        return Err(refuse("it does not say which model filled it, so that no head can be known to fit it"));
    };
    if identity.head.is_some() {
        return Err(refuse(
            "its passages are corrected by a head already; correct the collection that it was made from",
        ));
    }
    let corrected = head.identity(identity);
    if corrected.head.is_none() {
        return Err(refuse(
            "the head is for questions alone, so that passages stay as they are; train one with --both",
        ));
    }
    into.prepare(&corrected).await?;
    let (mut written, mut request) = (0, ScrollRequest::new(MAX_PAGE).with_vectors());
    loop {
        let page = from.scroll(request.clone()).await?;
        let points = page.points.into_iter().filter_map(|point| {
            let mut vectors = point.vectors?;
            vectors.dense = head.apply(&vectors.dense);
            Some((point.passage, vectors))
        });
        let points: Vec<_> = points.collect();
        written += points.len() as u64;
        into.upsert(points).await?;
        progress(written);
        let Some(last) = page.next else { break };
        request = request.after(last);
    }
    into.optimize().await?;
    Ok(written)
}
