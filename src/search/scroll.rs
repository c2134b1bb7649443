//! Reading a collection from its first point to its last.

use super::{Filter, Vectors};
use crate::ranking::{Passage, PointId};

/// How many points a page holds at most; a request for more gets as many, and the next page has the rest.
pub const MAX_PAGE: usize = 256;

/// Which points to read next.
///
/// ```
/// # use asktwice::search::{ScrollRequest, VectorStore};
/// # async fn example(store: &dyn VectorStore) -> Result<(), asktwice::StoreError> {
/// let mut request = ScrollRequest::new(100);
/// loop {
///     let page = store.scroll(request.clone()).await?;
///     for point in page.points {
///         println!("{}", point.passage.id);
///     }
///     let Some(last) = page.next else { break };
///     request = request.after(last);
/// }
/// # Ok(()) }
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct ScrollRequest {
    /// Only points with a higher id: the last one of the page before. It need not be there any more.
    pub after: Option<PointId>,
    /// How many points to return at most; from 1 to [`MAX_PAGE`], other numbers count as the nearer of these.
    pub limit: usize,
    /// Only points that match.
    pub filter: Option<Filter>,
    /// Whether the vectors are wanted, too.
    pub vectors: bool,
}

impl ScrollRequest {
    /// The first points of the whole collection, without their vectors.
    #[must_use]
    pub fn new(limit: usize) -> Self {
        Self { after: None, limit, filter: None, vectors: false }
    }

    /// Sets the point after which to go on.
    #[must_use]
    pub fn after(mut self, id: PointId) -> Self {
        self.after = Some(id);
        self
    }

    /// Sets what is to be read.
    #[must_use]
    pub fn with_filter(mut self, filter: Filter) -> Self {
        self.filter = Some(filter);
        self
    }

    /// Asks for the vectors, too.
    #[must_use]
    pub fn with_vectors(mut self) -> Self {
        self.vectors = true;
        self
    }

    /// How many points the page may hold.
    pub(super) fn size(&self) -> usize {
        self.limit.clamp(1, MAX_PAGE)
    }

    /// How many points to ask an engine for that begins with `after` itself rather than behind it.
    #[cfg(any(feature = "edge", feature = "qdrant"))]
    pub(super) fn size_with_first(&self) -> usize {
        self.size() + usize::from(self.after.is_some())
    }
}

/// One point as it is stored.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Scrolled {
    /// The point's id.
    pub id: PointId,
    /// The passage.
    pub passage: Passage,
    /// Its vectors, if they were asked for. In a collection with the channel `bm25`, a passage without a word that counts
    /// has an empty vector there.
    pub vectors: Option<Vectors>,
}

/// Points in the order of their ids.
#[derive(Debug, Clone, PartialEq, Default)]
#[non_exhaustive]
pub struct ScrollPage {
    /// The points. Fewer than asked for does not mean that there are no more.
    pub points: Vec<Scrolled>,
    /// What to go on after; `None` if there was nothing left.
    pub next: Option<PointId>,
}

impl ScrollPage {
    /// The page that answers a request, of points in order that may begin with the one to go on after. An engine looks
    /// for ids first and for what they stand for then, so that a point deleted in between shortens a page: only an
    /// empty one is the end.
    pub(super) fn of(request: &ScrollRequest, mut points: Vec<Scrolled>) -> Self {
        points.retain(|point| Some(point.id) != request.after);
        points.truncate(request.size());
        let next = points.last().map(|point| point.id);
        Self { points, next }
    }
}
