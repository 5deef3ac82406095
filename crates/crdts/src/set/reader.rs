//! Reads a set that is too large to hold: element by element, or in order.

use core::marker::PhantomData;
use core::ops::RangeBounds;

use alloc::borrow::ToOwned;
use alloc::vec::Vec;

use rejoin_vclock::ReplicaId;

use crate::edit::View;
use crate::error::ReadError;
use crate::path::{Key, Kind};

/// Reads a set of any kind in a space.
#[derive(Debug)]
pub struct SetReader<'a, T> {
    view: View<'a>,
    part: Kind,
    element: PhantomData<T>,
}

impl<'a, T: Key> SetReader<'a, T> {
    pub(crate) const fn new(view: View<'a>, part: Kind) -> Self {
        Self { view, part, element: PhantomData }
    }

    /// True if the element is there.
    ///
    /// # Errors
    /// [`ReadError::WrongKind`] or [`ReadError::KindClash`] when something else than such a set
    /// stands here, or above; otherwise as the source.
    pub fn contains<Q>(&self, element: &Q) -> Result<bool, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.view.key(&element.to_owned(), self.part).is_visible()
    }

    /// The elements in ascending order.
    ///
    /// # Errors
    /// [`ReadError::WrongType`] when an element is not a `T`; otherwise as
    /// [`contains`](Self::contains).
    pub fn items(&self) -> Result<Vec<T>, ReadError> {
        self.view.names(self.part)
    }

    /// Returns at most `most` elements after one, or from the first on, in ascending order: for
    /// sets that are too large to hold.
    ///
    /// # Errors
    /// As [`items`](Self::items).
    pub fn page<Q>(&self, after: Option<&Q>, most: usize) -> Result<Vec<T>, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        self.view.page(self.part, after.map(ToOwned::to_owned).as_ref(), most)
    }

    /// As [`page`](Self::page), of the elements within a range: at most `most` of them.
    ///
    /// # Errors
    /// As [`items`](Self::items).
    pub fn range(&self, range: impl RangeBounds<T>, most: usize) -> Result<Vec<T>, ReadError> {
        self.view.range(self.part, range, most)
    }

    /// Returns the replicas whose adds of an element are alive, ascending: all replicas that
    /// [signed](crate::set::GSetEditor::sign) it, if it was signed.
    ///
    /// # Errors
    /// As the source.
    pub fn signers<Q>(&self, element: &Q) -> Result<Vec<ReplicaId>, ReadError>
    where
        Q: ToOwned<Owned = T> + ?Sized,
    {
        let mut signers = Vec::new();
        self.view.key(&element.to_owned(), self.part).at_once(|View { source, path }| {
            source.look(path.as_bytes(), &mut |cell| {
                cell.each_dot(&mut |dot| signers.push(source.dot(dot).replica()));
            })
        })?;
        signers.sort_unstable();
        signers.dedup();
        Ok(signers)
    }

    /// Counts the elements that are there.
    ///
    /// # Errors
    /// As [`contains`](Self::contains).
    pub fn len(&self) -> Result<usize, ReadError> {
        self.view.count(self.part)
    }

    /// True if there is no element.
    ///
    /// # Errors
    /// As [`contains`](Self::contains).
    pub fn is_empty(&self) -> Result<bool, ReadError> {
        self.view.has_any(self.part).map(|any| !any)
    }
}
