//! What the sources hold no more: after a run that has read all of them, whatever else the store holds goes.

use std::collections::HashSet;

use crate::{
    ranking::PointId,
    search::{MAX_PAGE, ScrollRequest, StoreError, VectorStoreWriter},
};

/// Removes every passage but those that were read; tells how many, page by page.
pub(crate) async fn remove_others(
    store: &dyn VectorStoreWriter,
    read: &HashSet<PointId>,
    mut removed: impl FnMut(u64),
) -> Result<(), StoreError> {
    let mut request = ScrollRequest::new(MAX_PAGE);
    loop {
        let page = store.scroll(request.clone()).await?;
        let gone: Vec<PointId> = page.points.iter().map(|point| point.id).filter(|id| !read.contains(id)).collect();
        if !gone.is_empty() {
            store.delete(&gone).await?;
            removed(gone.len() as u64);
        }
        let Some(last) = page.next else { return Ok(()) };
        request = request.after(last);
    }
}
