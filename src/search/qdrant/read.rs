//! Reading points: by id, and one after another.

use std::collections::HashMap;

use qdrant_client::qdrant::{GetPoints, RetrievedPoint, ScrollPoints, Value as Sent, WithVectorsSelector};

use super::{QdrantStore, convert};
use crate::{
    ranking::{Passage, PointId},
    search::{Channels, ScrollPage, ScrollRequest, Scrolled, StoreError, Vectors, layout},
};

/// How many points one reply may hold: a question's hits are far fewer, and a reply's size stays bounded.
const FETCHED_AT_ONCE: usize = 256;

impl QdrantStore {
    pub(super) async fn passages(&self, ids: &[PointId]) -> Result<Vec<(PointId, Passage)>, StoreError> {
        self.get(ids, true, false.into(), |id, point| self.passage(id, point.payload)).await
    }

    pub(super) async fn dense_vectors(&self, ids: &[PointId]) -> Result<Vec<(PointId, Vec<f32>)>, StoreError> {
        let dense = |_, point: RetrievedPoint| convert::dense(point.vectors.as_ref(), self.vector());
        let mut found = self.get(ids, false, selected(&[self.vector()]), dense).await?;
        // An adopted collection may have points without this vector.
        found.retain(|(_, vector)| !vector.is_empty());
        Ok(found)
    }

    /// Reads points by id, in the order asked.
    async fn get<T: Clone>(
        &self,
        ids: &[PointId],
        payload: bool,
        vectors: WithVectorsSelector,
        read: impl Fn(PointId, RetrievedPoint) -> T,
    ) -> Result<Vec<(PointId, T)>, StoreError> {
        let budget = self.budget(self.timeout);
        let mut found = HashMap::with_capacity(ids.len());
        for ids in ids.chunks(FETCHED_AT_ONCE) {
            let request = GetPoints {
                collection_name: self.collection.clone(),
                ids: ids.iter().map(|id| convert::to_id(*id)).collect(),
                with_payload: Some(payload.into()),
                with_vectors: Some(vectors.clone()),
                timeout: Some(budget.seconds()),
                ..GetPoints::default()
            };
            let answer = self.connection.call(budget, |client| async move { client.get_points(request).await }).await?;
            for point in answer.result {
                let id = self.id(&point)?;
                found.insert(id, read(id, point));
            }
        }
        // A server answers in an order of its own.
        Ok(ids.iter().filter_map(|id| Some((*id, found.get(id)?.clone()))).collect())
    }

    pub(super) async fn page(&self, request: &ScrollRequest) -> Result<ScrollPage, StoreError> {
        let page = ScrollPage::of(request, self.following(request).await?);
        if page.points.is_empty() {
            // Deleted between the server's two steps, a whole page would look like the end.
            return Ok(ScrollPage::of(request, self.following(request).await?));
        }
        Ok(page)
    }

    async fn following(&self, request: &ScrollRequest) -> Result<Vec<Scrolled>, StoreError> {
        let budget = self.budget(self.timeout);
        let channels = self.channels(budget).await?;
        let wanted: &[&str] = match (request.vectors, channels.bm25) {
            (false, _) => &[],
            (true, false) => &[self.vector()],
            (true, true) => &[self.vector(), self.bm25_vector()],
        };
        let sent = ScrollPoints {
            collection_name: self.collection.clone(),
            filter: request.filter.as_ref().map(|filter| self.convert(filter)).transpose()?,
            offset: request.after.map(convert::to_id),
            limit: u32::try_from(request.size_with_first()).ok(),
            with_payload: Some(true.into()),
            with_vectors: Some(selected(wanted)),
            timeout: Some(budget.seconds()),
            ..ScrollPoints::default()
        };
        let answer = self.connection.call(budget, |client| async move { client.scroll(sent).await }).await?;
        answer.result.into_iter().map(|point| self.scrolled(point, request.vectors, channels)).collect()
    }

    fn scrolled(&self, point: RetrievedPoint, vectors: bool, channels: Channels) -> Result<Scrolled, StoreError> {
        let (id, stored) = (self.id(&point)?, point.vectors.as_ref());
        let bm25 = || convert::bm25(stored, self.bm25_vector());
        let vectors =
            vectors.then(|| Vectors { dense: convert::dense(stored, self.vector()), bm25: channels.bm25.then(bm25) });
        Ok(Scrolled { id, passage: self.passage(id, point.payload), vectors })
    }

    fn id(&self, point: &RetrievedPoint) -> Result<PointId, StoreError> {
        convert::from_id(point.id.clone()).ok_or_else(|| self.connection.garbled("a point without a usable id"))
    }

    fn passage(&self, id: PointId, payload: HashMap<String, Sent>) -> Passage {
        let payload = convert::from_payload(payload);
        match &self.adopted {
            Some(adopted) => adopted.passage(id, payload),
            None => layout::from_payload(payload),
        }
    }
}

/// Which vectors to send; the unnamed one cannot be named, so that with it all come.
fn selected(names: &[&str]) -> WithVectorsSelector {
    match names {
        [] => false.into(),
        names if names.contains(&"") => true.into(),
        names => names.to_vec().into(),
    }
}
