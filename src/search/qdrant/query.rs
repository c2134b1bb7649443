//! Searching: one call for a search, and one for all of a question's.

use futures::future::join_all;
use qdrant_client::qdrant::{
    QuantizationSearchParams, Query, QueryBatchPoints, QueryPoints, ScoredPoint, SearchParams as SentParams,
    VectorInput, query::Variant,
};

use super::{QdrantStore, connection::Budget, convert, failure};
use crate::{
    ranking::Ranking,
    search::{Channels, Search, SearchParams, SearchVector, StoreError},
};

/// A search that has passed every check of ours.
struct Ready {
    query: QueryPoints,
    vector: SearchVector,
    depth: usize,
}

impl QdrantStore {
    pub(super) async fn search_one(&self, search: Search) -> Result<Ranking, StoreError> {
        let budget = self.budget(search.timeout);
        let channels = self.channels(budget).await?;
        match self.ready(search, channels, budget)? {
            Some(ready) => self.send(ready, budget).await,
            None => Ok(Ranking::default()),
        }
    }

    /// Runs searches in one call, on the budget of the most patient of them.
    pub(super) async fn search_together(&self, searches: Vec<Search>) -> Vec<Result<Ranking, StoreError>> {
        let Some(longest) = searches.iter().map(|search| search.timeout).max() else { return vec![] };
        let budget = self.budget(longest);
        let channels = match self.channels(budget).await {
            Ok(channels) => channels,
            Err(error) => return searches.iter().map(|_| Err(failure::again(&error))).collect(),
        };
        // Each with its place in the list, since some are answered without the server.
        let (mut answered, mut places, mut ready) = (vec![], vec![], vec![]);
        for (place, search) in searches.into_iter().enumerate() {
            match self.ready(search, channels, budget) {
                Ok(Some(one)) => {
                    places.push(place);
                    ready.push(one);
                }
                Ok(None) => answered.push((place, Ok(Ranking::default()))),
                Err(error) => answered.push((place, Err(error))),
            }
        }
        answered.extend(places.into_iter().zip(self.send_together(ready, budget).await));
        answered.sort_by_key(|(place, _)| *place);
        answered.into_iter().map(|(_, answer)| answer).collect()
    }

    /// Checks a search and puts it into Qdrant's words; `None` if nothing can be found.
    fn ready(&self, search: Search, channels: Channels, budget: Budget) -> Result<Option<Ready>, StoreError> {
        channels.check_search(&search.vector, &self.connection.place)?;
        let filter = search.filter.as_deref().map(|filter| self.convert(filter)).transpose()?;
        if search.is_vain() {
            // Qdrant refuses a limit of 0 and an empty vector.
            return Ok(None);
        }
        let Search { vector, depth, params, .. } = search;
        let name = match &vector {
            SearchVector::Dense(_) => self.vector(),
            SearchVector::Sparse(_) => self.bm25_vector(),
        };
        let query = QueryPoints {
            collection_name: self.collection.clone(),
            query: Some(nearest(&vector)),
            using: Some(name.to_owned()).filter(|name| !name.is_empty()),
            filter,
            limit: Some(depth as u64),
            params: matches!(vector, SearchVector::Dense(_)).then(|| sent(params.unwrap_or(self.params))),
            with_payload: Some(false.into()),
            timeout: Some(budget.seconds()),
            ..QueryPoints::default()
        };
        Ok(Some(Ready { query, vector, depth }))
    }

    async fn send(&self, Ready { query, vector, depth }: Ready, budget: Budget) -> Result<Ranking, StoreError> {
        match self.connection.call(budget, |client| async move { client.query(query).await }).await {
            Ok(answer) => self.ranking(answer.result, depth),
            Err(error) => {
                let check = |channels: Channels| channels.check_search(&vector, &self.connection.place);
                Err(self.explain(error, budget, check).await)
            }
        }
    }

    /// Sends searches in one call; as many answers come back, in the same order.
    async fn send_together(&self, ready: Vec<Ready>, budget: Budget) -> Vec<Result<Ranking, StoreError>> {
        if ready.len() < 2 {
            return self.send_each(ready, budget).await;
        }
        let batch = QueryBatchPoints {
            collection_name: self.collection.clone(),
            query_points: ready.iter().map(|one| one.query.clone()).collect(),
            timeout: Some(budget.seconds()),
            ..QueryBatchPoints::default()
        };
        let error = match self.connection.call(budget, |client| async move { client.query_batch(batch).await }).await {
            Ok(answer) if answer.result.len() == ready.len() => {
                let both = answer.result.into_iter().zip(ready);
                return both.map(|(found, one)| self.ranking(found.result, one.depth)).collect();
            }
            Ok(_) => self.connection.garbled("another number of rankings than it was asked for"),
            Err(error) => error,
        };
        match error {
            // The server refuses a batch as a whole and does not say for which search's sake: only each by itself shows
            // that, and saves the others.
            StoreError::Request { .. } => self.send_each(ready, budget).await,
            // Anything else holds for all of them, and a server in trouble is not asked again.
            error => ready.iter().map(|_| Err(failure::again(&error))).collect(),
        }
    }

    async fn send_each(&self, ready: Vec<Ready>, budget: Budget) -> Vec<Result<Ranking, StoreError>> {
        join_all(ready.into_iter().map(|one| self.send(one, budget))).await
    }

    fn ranking(&self, found: Vec<ScoredPoint>, depth: usize) -> Result<Ranking, StoreError> {
        let found = found.into_iter().map(convert::from_scored).collect::<Option<Vec<_>>>();
        let found = found.ok_or_else(|| self.connection.garbled("a point without a usable id"))?;
        Ok(Ranking::new(found).top(depth))
    }
}

/// Of no effect where nothing is quantised.
fn sent(SearchParams { exact, rescore, oversampling }: SearchParams) -> SentParams {
    let quantization =
        QuantizationSearchParams { ignore: None, rescore: Some(rescore), oversampling: Some(oversampling) };
    SentParams { exact: Some(exact), quantization: Some(quantization), ..SentParams::default() }
}

fn nearest(vector: &SearchVector) -> Query {
    let input = match vector {
        SearchVector::Dense(dense) => VectorInput::new_dense(dense.clone()),
        SearchVector::Sparse(words) => VectorInput::new_sparse(words.indices.clone(), words.values.clone()),
    };
    Query { variant: Some(Variant::Nearest(input)) }
}
