//! The methods that our adapter calls; all others answer `unimplemented`.

use ::qdrant_client::qdrant::*;
use async_trait::async_trait;
use qdrant_edge as edge;
use tonic::{Request, Response, Status};

use super::{Collection, State, convert};

type Answer<T> = Result<Response<T>, Status>;

/// Completes a service by methods that answer `unimplemented`.
macro_rules! service {
    ($service:path { $($ours:tt)* } $($method:ident($request:ty) -> $reply:ty,)*) => {
        #[async_trait]
        impl $service for State {
            $($ours)*
            $(async fn $method(&self, _: Request<$request>) -> Answer<$reply> {
                Err(Status::unimplemented(concat!("the front has no ", stringify!($method))))
            })*
        }
    };
}

#[async_trait]
impl qdrant_server::Qdrant for State {
    async fn health_check(&self, request: Request<HealthCheckRequest>) -> Answer<HealthCheckReply> {
        self.gate("health_check", &request).await?;
        let reply = HealthCheckReply { title: "a front for tests".into(), version: "1.16.0".into(), commit: None };
        Ok(Response::new(reply))
    }
}

service! {
    collections_server::Collections {
        async fn get(&self, request: Request<GetCollectionInfoRequest>) -> Answer<GetCollectionInfoResponse> {
            self.gate("info", &request).await?;
            let collection = self.collection(&request.get_ref().collection_name)?;
            let made = &collection.made;
            let params = CollectionParams {
                shard_number: 1,
                vectors_config: made.vectors_config.clone(),
                sparse_vectors_config: made.sparse_vectors_config.clone(),
                ..CollectionParams::default()
            };
            let config =
                CollectionConfig { params: Some(params), metadata: made.metadata.clone(), ..CollectionConfig::default() };
            let result = CollectionInfo {
                status: CollectionStatus::Green.into(),
                points_count: Some(collection.shard.info().points_count as u64),
                config: Some(config),
                payload_schema: convert::schema(&collection.shard),
                ..CollectionInfo::default()
            };
            Ok(Response::new(GetCollectionInfoResponse { result: Some(result), time: 0.0 }))
        }

        async fn create(&self, request: Request<CreateCollection>) -> Answer<CollectionOperationResponse> {
            self.gate("create", &request).await?;
            self.create(request.into_inner())?;
            Ok(Response::new(CollectionOperationResponse { result: true, time: 0.0 }))
        }

        async fn delete(&self, request: Request<DeleteCollection>) -> Answer<CollectionOperationResponse> {
            self.gate("drop", &request).await?;
            let result = self.drop_collection(&request.get_ref().collection_name);
            Ok(Response::new(CollectionOperationResponse { result, time: 0.0 }))
        }

        async fn collection_exists(&self, request: Request<CollectionExistsRequest>) -> Answer<CollectionExistsResponse> {
            self.gate("exists", &request).await?;
            let exists = self.collection(&request.get_ref().collection_name).is_ok();
            Ok(Response::new(CollectionExistsResponse { result: Some(CollectionExists { exists }), time: 0.0 }))
        }

        async fn update_aliases(&self, request: Request<ChangeAliases>) -> Answer<CollectionOperationResponse> {
            self.gate("alias", &request).await?;
            for operation in request.into_inner().actions {
                match operation.action {
                    Some(alias_operations::Action::CreateAlias(alias)) => self.create_alias(&alias)?,
                    _ => return Err(Status::unimplemented("this change of an alias")),
                }
            }
            Ok(Response::new(CollectionOperationResponse { result: true, time: 0.0 }))
        }

        async fn list_aliases(&self, request: Request<ListAliasesRequest>) -> Answer<ListAliasesResponse> {
            self.gate("aliases", &request).await?;
            let described = |(alias, collection): (&String, &String)| AliasDescription {
                alias_name: alias.clone(),
                collection_name: collection.clone(),
            };
            let aliases = self.aliases.lock().unwrap().iter().map(described).collect();
            Ok(Response::new(ListAliasesResponse { aliases, time: 0.0 }))
        }
    }
    list(ListCollectionsRequest) -> ListCollectionsResponse,
    update(UpdateCollection) -> CollectionOperationResponse,
    list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse,
    collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse,
    update_collection_cluster_setup(UpdateCollectionClusterSetupRequest) -> UpdateCollectionClusterSetupResponse,
    create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse,
    delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse,
    list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse,
}

fn done() -> Response<PointsOperationResponse> {
    let result = UpdateResult { operation_id: None, status: UpdateStatus::Completed.into() };
    Response::new(PointsOperationResponse { result: Some(result), time: 0.0, usage: None })
}

service! {
    points_server::Points {
        async fn upsert(&self, request: Request<UpsertPoints>) -> Answer<PointsOperationResponse> {
            self.gate("upsert", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            let mut points = vec![];
            for sent in request.points {
                let (point, sizes) = convert::point(sent)?;
                sizes.iter().try_for_each(|(vector, size)| collection.check_size(vector, *size))?;
                points.push(point);
            }
            let insert = edge::PointInsertOperations::PointsList(points);
            let update = edge::UpdateOperation::PointOperation(edge::PointOperations::UpsertPoints(insert));
            collection.shard.update(update).map_err(convert::failure)?;
            Ok(done())
        }

        async fn delete(&self, request: Request<DeletePoints>) -> Answer<PointsOperationResponse> {
            self.gate("delete", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            let which = match request.points.and_then(|points| points.points_selector_one_of) {
                Some(points_selector::PointsSelectorOneOf::Points(list)) => edge::PointOperations::DeletePoints {
                    ids: list.ids.into_iter().map(|id| convert::to_edge_id(Some(id))).collect::<Result<_, _>>()?,
                },
                Some(points_selector::PointsSelectorOneOf::Filter(filter)) => {
                    edge::PointOperations::DeletePointsByFilter(convert::filter(&filter)?)
                }
                None => return Err(Status::invalid_argument("PointSelector is missing")),
            };
            collection.shard.update(edge::UpdateOperation::PointOperation(which)).map_err(convert::failure)?;
            Ok(done())
        }

        async fn get(&self, request: Request<GetPoints>) -> Answer<GetResponse> {
            self.gate("get", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            let ids = request.ids.into_iter().map(|id| convert::to_edge_id(Some(id))).collect::<Result<Vec<_>, _>>()?;
            let (payload, vectors) = (true.into(), convert::with_vectors(request.with_vectors));
            let found = collection.shard.retrieve(&ids, Some(payload), Some(vectors)).map_err(convert::failure)?;
            // No order is promised, so the adapter had better not trust in one.
            let result = found.into_iter().rev().map(convert::retrieved).collect();
            Ok(Response::new(GetResponse { result, time: 0.0, usage: None }))
        }

        async fn scroll(&self, request: Request<ScrollPoints>) -> Answer<ScrollResponse> {
            self.gate("scroll", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            let scroll = edge::ScrollRequest {
                offset: request.offset.map(|id| convert::to_edge_id(Some(id))).transpose()?,
                limit: request.limit.map(|limit| limit as usize),
                filter: request.filter.as_ref().map(convert::filter).transpose()?,
                with_payload: Some(true.into()),
                with_vector: convert::with_vectors(request.with_vectors),
                ..edge::ScrollRequest::default()
            };
            let (found, next) = collection.shard.scroll(scroll).map_err(convert::failure)?;
            let result = found.into_iter().map(convert::retrieved).collect();
            let next_page_offset = next.map(convert::from_edge_id);
            Ok(Response::new(ScrollResponse { next_page_offset, result, time: 0.0, usage: None }))
        }

        async fn create_field_index(
            &self,
            request: Request<CreateFieldIndexCollection>,
        ) -> Answer<PointsOperationResponse> {
            self.gate("index", &request).await?;
            let request = request.into_inner();
            let collection = self.collection(&request.collection_name)?;
            let update = convert::index(&request.field_name, request.field_type())?;
            collection.shard.update(update).map_err(convert::failure)?;
            Ok(done())
        }

        async fn query(&self, request: Request<QueryPoints>) -> Answer<QueryResponse> {
            self.gate("query", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            let result = collection.query(request)?;
            Ok(Response::new(QueryResponse { result, time: 0.0, usage: None }))
        }

        async fn query_batch(&self, request: Request<QueryBatchPoints>) -> Answer<QueryBatchResponse> {
            self.gate("query_batch", &request).await?;
            let request = request.into_inner();
            self.saw_timeout(request.timeout);
            let collection = self.collection(&request.collection_name)?;
            // As a real server does: one query that cannot be answered fails them all.
            let answers = request.query_points.into_iter().map(|query| collection.query(query));
            let result = answers.map(|found| Ok(BatchResult { result: found? })).collect::<Result<_, Status>>()?;
            Ok(Response::new(QueryBatchResponse { result, time: 0.0, usage: None }))
        }
    }
    update_vectors(UpdatePointVectors) -> PointsOperationResponse,
    delete_vectors(DeletePointVectors) -> PointsOperationResponse,
    set_payload(SetPayloadPoints) -> PointsOperationResponse,
    overwrite_payload(SetPayloadPoints) -> PointsOperationResponse,
    delete_payload(DeletePayloadPoints) -> PointsOperationResponse,
    clear_payload(ClearPayloadPoints) -> PointsOperationResponse,
    delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse,
    create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse,
    delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse,
    search(SearchPoints) -> SearchResponse,
    search_batch(SearchBatchPoints) -> SearchBatchResponse,
    search_groups(SearchPointGroups) -> SearchGroupsResponse,
    recommend(RecommendPoints) -> RecommendResponse,
    recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse,
    recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse,
    discover(DiscoverPoints) -> DiscoverResponse,
    discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse,
    count(CountPoints) -> CountResponse,
    update_batch(UpdateBatchPoints) -> UpdateBatchResponse,
    query_groups(QueryPointGroups) -> QueryGroupsResponse,
    facet(FacetCounts) -> FacetResponse,
    search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse,
    search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse,
}

impl Collection {
    fn query(&self, request: QueryPoints) -> Result<Vec<ScoredPoint>, Status> {
        let limit = request.limit.unwrap_or(10);
        if limit == 0 {
            return Err(Status::invalid_argument(
                "Validation error in body: [limit: value 0 invalid, must be 1 or larger]",
            ));
        }
        let vector = request.using.unwrap_or_default();
        let query = match request.query.and_then(|query| query.variant) {
            Some(query::Variant::Nearest(VectorInput { variant: Some(vector_input::Variant::Dense(dense)) })) => {
                self.check_size(&vector, dense.data.len())?;
                let named = edge::NamedQuery::new(edge::VectorInternal::Dense(dense.data), vector);
                Some(edge::ScoringQuery::Vector(edge::QueryEnum::Nearest(named)))
            }
            Some(query::Variant::Nearest(VectorInput { variant: Some(vector_input::Variant::Sparse(words)) })) => {
                if !self.shard.config().sparse_vectors.contains_key(&vector) {
                    let problem = format!("Wrong input: Not existing vector name error: {vector}");
                    return Err(Status::invalid_argument(problem));
                }
                let words = edge::VectorInternal::Sparse(convert::sparse(words)?);
                Some(edge::ScoringQuery::Vector(edge::QueryEnum::Nearest(edge::NamedQuery::new(words, vector))))
            }
            None => None,
            Some(_) => return Err(Status::unimplemented("this kind of query")),
        };
        let with_payload = request.with_payload.is_some_and(|selector| selector == true.into());
        let found = self.shard.query(edge::QueryRequest {
            prefetches: vec![],
            query,
            filter: request.filter.as_ref().map(convert::filter).transpose()?,
            score_threshold: None,
            limit: limit as usize,
            offset: 0,
            params: request.params.map(convert::params),
            with_vector: edge::WithVector::Bool(false),
            with_payload: edge::WithPayloadInterface::Bool(with_payload),
        });
        let result = found.map_err(convert::failure)?.into_iter().map(|point| ScoredPoint {
            id: Some(convert::from_edge_id(point.id)),
            score: point.score,
            payload: convert::payload(point.payload),
            ..ScoredPoint::default()
        });
        Ok(result.collect())
    }
}
