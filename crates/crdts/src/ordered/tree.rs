//! A tree whose nodes can be moved, without ever making a cycle.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use alloc::vec::Vec;
use core::fmt;
use core::marker::PhantomData;

use rejoin_vclock::Dot;
use rejoin_vclock::codec::{DecodeError, Reader};

use crate::cell::{Cell, CellRef, Leaf, Saved, Variant};
use crate::crdt::{AtPlace, Crdt, Outcome, Schema, Visit};
use crate::delta::{At, Covered, Effect};
use crate::edit::{Cursor, View};
use crate::error::{EditError, ReadError};
use crate::index::Declared;
use crate::ordered::outline::{Candidate, Gather};
use crate::ordered::{Candidates, PlacedTable};
use crate::path::{Atom, Kind, Path, RawAtom};
use crate::register::Writes;
use crate::state::Join;

use crate::ordered::{Outline, Parent};

/// Identity of a node, wherever it hangs: the dot that created it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(transparent))]
pub struct NodeId(pub(crate) Dot);

impl NodeId {
    /// The dot that created the node.
    pub const fn dot(self) -> Dot {
        self.0
    }
}

/// In a register it points to a node, wherever that moves.
impl Atom for NodeId {
    fn write(&self, out: &mut Vec<u8>) {
        self.0.write(out);
    }

    fn read(reader: &mut Reader<'_>) -> Result<Self, DecodeError> {
        Dot::read(reader).map(Self)
    }
}

impl From<Dot> for NodeId {
    fn from(dot: Dot) -> Self {
        Self(dot)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The greatest priority that a move in a tree has taken: a max register that nobody sees.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub(crate) struct Mark(pub Writes);

impl Mark {
    fn greatest(&self) -> u64 {
        let priorities = self.0.0.iter().filter_map(|write| write.value.to().ok());
        priorities.max().unwrap_or(0)
    }
}

impl Leaf for Mark {
    fn apply(&mut self, effect: &Effect, at: &At<'_>) -> bool {
        self.0.apply(effect, at)
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.0.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.0.merge(&theirs.0, join)
    }

    fn is_visible(&self) -> bool {
        false
    }

    fn is_gone(&self) -> bool {
        self.0.is_gone()
    }
}

/// A tree whose nodes can be moved.
///
/// # Example
/// ```
/// use rejoin_crdts::ordered::Parent;
/// use rejoin_crdts::{FreshId, LwwRegister, Replica, ReplicaId, Tree};
///
/// type Folders = Tree<LwwRegister<String>>;
/// let mut phone = Replica::<Folders>::new(FreshId::assume_fresh(ReplicaId::from_u128(1)));
/// let (mut photos, mut trips) = (None, None);
/// phone.edit(|folders| {
///     photos = Some(folders.create(Parent::Root)?);
///     trips = Some(folders.create(Parent::Root)?);
///     Ok(())
/// })?;
/// let (photos, trips) = (photos.unwrap(), trips.unwrap());
/// let mut laptop = phone.fork(FreshId::assume_fresh(ReplicaId::from_u128(2)));
/// phone.edit(|folders| folders.move_to(photos, Parent::Node(trips)))?;
/// laptop.edit(|folders| folders.move_to(trips, Parent::Node(photos)))?; // each into the other
/// phone.merge(&laptop);
/// laptop.merge(&phone);
/// let outline = phone.outline();
/// assert_eq!(outline, laptop.outline());
/// assert_eq!(outline.children(Parent::Root).len(), 1); // one move stands, nothing is lost
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # Two people move two folders, each into the other. Where are they?
/// ```text
/// phone   a, b --+-- a into b --+--> one of the moves stands, the other folder is where it was
///                |              x
/// laptop         +-- b into a --+--> the same
/// ```
///
/// # Semantics
/// A node is identified by the dot that created it, and is there while a dot of its *existence* is
/// alive: creating it adds one, moving and changing it do not, and removing it ends those that were
/// seen, with the places and the value. So a removed node is gone everywhere, and a replica that
/// moved or changed it without knowing gets a [report](crate::ConflictRecord). (In a tree that was
/// written before moves distinguished existence from place, a node is there while a place is
/// alive.)
///
/// A move ends the places of the node that it saw and adds one, with a *priority* one above the
/// greatest in the tree and with the parent that the node had. The places of the nodes that are
/// there are candidates; the [outline](Outline) is a view over all of them: by descending
/// (priority, dot) a candidate is accepted unless it would close a cycle; a node without an
/// accepted candidate goes to the parent it had before, else to the root. A node that hangs on one
/// that is not there, or on none, is found under [`Parent::Lost`].
///
/// # Anomalies
/// Of two concurrent moves of one node, one stands. A node that is put into a folder that somebody
/// removes at the same time is found under `Lost`; data that one person writes into a node that
/// another one removes are gone with it. A move can make another concurrent move ineffective.
///
/// # Invariants
/// 1. No node is below itself in an outline. 2. Every node that is there is in it once. 3. The mark
///    is at least the priority of every live candidate.
///
/// # Retained
/// Data that a removal [that keeps edits](TreeEditor::remove_unless_edited) hides, with the
/// removal, whose dot is the tag, until a cut. A write to a node, or a move of it, by somebody who
/// had not seen it removed is alive, not shown, and goes when the tree is cleared or the value
/// above is removed. It takes the memory of those writes.
///
/// # Complexity
/// | operation | time | delta |
/// |---|---|---|
/// | create, move | O(depth); O(n log n) where contested moves are on the way | about 120 bytes |
/// | remove | O(n log n) | the nodes below |
/// | outline | O(n log n) | |
///
/// A node takes about 300 bytes with its candidate, beside the value.
///
/// # References
/// Kleppmann et al., *A highly-available move operation for replicated trees*, 2022, for the
/// problem; Nair et al., *A coordination-free, convergent, and safe replicated tree*, 2021.
#[derive(Clone, Debug)]
pub struct Tree<V> {
    mark: Mark,
    nodes: PlacedTable<Candidates, V>,
}

impl<V> Default for Tree<V> {
    fn default() -> Self {
        Self { mark: Mark::default(), nodes: PlacedTable::default() }
    }
}

impl<V: Crdt> Tree<V> {
    /// Returns the parents of all nodes.
    pub fn outline(&self) -> Outline {
        let mut gather = Gather::default();
        for (id, node) in self.nodes.iter().filter(|(_, node)| node.is_there()) {
            gather.candidates(id, &node.place);
        }
        gather.finish()
    }

    /// The value of a node that is there.
    pub fn get(&self, id: NodeId) -> Option<&V> {
        self.nodes.get(id.0).map(|node| &node.value)
    }

    /// Returns the number of nodes.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// True if there is no node.
    pub fn is_empty(&self) -> bool {
        self.nodes.is_empty()
    }
}

/// Reads the parents of all nodes from the cells of a place.
pub(crate) fn outline_at(view: &View<'_>) -> Result<Outline, ReadError> {
    let mut gather = Gather::default();
    view.things(Kind::TreeNode, &mut |node, cell, there| gather.part(node, cell, there))?;
    Ok(gather.finish())
}

/// Returns the nodes above a node, up to the root, if no other candidate contests any of them.
///
/// If every node on the way has one candidate and the way ends, all of them stand, whatever
/// else is in the tree: none can close a cycle. `None` if the whole outline has to decide.
pub(crate) fn way_up(view: &View<'_>, node: Dot) -> Result<Option<Vec<Dot>>, ReadError> {
    let mut above = Vec::new();
    let (mut at, mut passed) = (node, node);
    let mut candidates_of = view.parts(Kind::TreeNode);
    loop {
        let part = candidates_of(at)?;
        let cell = part.as_ref().map(Cell::lend);
        let Some(cell) = cell.filter(|cell| cell.is_visible() || cell.is_undecided()) else {
            // Not there: the nodes that hang on it are lost.
            above.pop();
            return Ok(Some(above));
        };
        let Some(candidates) = cell.as_candidates().filter(|_| cell.is_visible()) else {
            return Ok(None);
        };
        let [only] = candidates.all.as_slice() else { return Ok(None) };
        let only = Candidate::of(only);
        let Some(parent) = only.parent else { return Ok(Some(above)) };
        // Brent's algorithm to detect a loop: compare with a node passed before, ever further
        // apart.
        if parent == passed {
            return Ok(None);
        }
        above.push(parent);
        if above.len().is_power_of_two() {
            passed = parent;
        }
        at = parent;
    }
}

/// True if a node is there.
fn is_node(view: &View<'_>, node: Dot) -> Result<bool, ReadError> {
    view.has_named(node, Kind::TreeNode)
}

impl<V: Crdt + 'static> Crdt for Tree<V> {
    const KIND: Kind = {
        assert!(V::RESETTABLE, "a node can be removed, and a bounded counter in it can not");
        Kind::Tree
    };
    const SCHEMA: Schema = Schema::Items(Kind::Tree, V::schema);
    type Editor<'a> = TreeEditor<'a, V>;
    type Reader<'a> = TreeReader<'a, V>;

    fn indexes(declared: &mut Declared) {
        declared.any::<V>();
    }

    fn empty() -> Self {
        Self::default()
    }

    fn editor(cursor: Cursor<'_>) -> Self::Editor<'_> {
        TreeEditor { nodes: TreeCursor { cursor }, value: PhantomData }
    }

    fn reader(view: View<'_>) -> Self::Reader<'_> {
        TreeReader { view, value: PhantomData }
    }

    fn apply(&mut self, path: &[u8], effect: &Effect, at: &At<'_>) -> Outcome {
        match effect {
            _ if !path.is_empty() => self.nodes.apply(path, effect, at),
            Effect::Below { seen } => Outcome::of(self.end(&Covered::new(seen, at))),
            _ => Outcome::of(self.mark.change(effect, at)),
        }
    }

    fn end(&mut self, covered: &Covered) -> bool {
        self.mark.end(covered) | self.nodes.end(covered)
    }

    fn merge(&mut self, theirs: &Self, join: &Join) -> bool {
        self.mark.merge(&theirs.mark, join) | self.nodes.merge(&theirs.nodes, join)
    }

    fn visit(&self, at: &Path, visit: &mut Visit<'_>) {
        if !self.mark.is_gone() {
            visit(at, self.mark.lend());
        }
        self.nodes.visit(at, visit);
    }

    fn visit_below(&self, below: &[u8], at: &Path, visit: &mut Visit<'_>) {
        if below.is_empty() {
            return self.visit(at, visit);
        }
        self.nodes.visit_below(below, at, visit);
    }

    fn cell(&self, path: &[u8]) -> Option<CellRef<'_>> {
        if path.is_empty() { Some(self.mark.lend()) } else { self.nodes.cell(path) }
    }

    fn other_kind(&self, name: &[u8], than: Kind) -> Option<Kind> {
        self.nodes.other_kind(name, than)
    }

    fn load(&mut self, path: &[u8], saved: Saved) -> Result<(), Saved> {
        match path {
            [] => self.mark.load(saved),
            _ => self.nodes.load(path, saved),
        }
    }

    fn is_visible(&self) -> bool {
        !self.is_empty()
    }

    fn is_gone(&self) -> bool {
        self.mark.is_gone() && self.nodes.is_gone()
    }
}

/// The places of a tree's nodes, whatever the nodes are.
#[derive(Debug)]
pub(crate) struct TreeCursor<'a> {
    pub cursor: Cursor<'a>,
}

impl TreeCursor<'_> {
    pub(crate) fn outline(&self) -> Result<Outline, ReadError> {
        outline_at(&self.cursor.view())
    }

    pub(crate) fn check(&self, node: Dot) -> Result<(), EditError> {
        match is_node(&self.cursor.view(), node)? {
            true => Ok(()),
            false => Err(EditError::NoSuchNode { path: self.cursor.path().clone(), node }),
        }
    }

    /// Prepares a change of the value of a node that is there.
    pub(crate) fn keep(&mut self, node: Dot) -> Result<(), EditError> {
        self.check(node)?;
        self.cursor.keep(node, Kind::TreeNode)
    }

    /// The nodes above a node, the nearest first.
    fn above(&self, node: Dot) -> Result<Vec<Dot>, EditError> {
        match way_up(&self.cursor.view(), node)? {
            Some(above) => Ok(above),
            None => Ok(self.outline()?.above(NodeId(node)).map(|id| id.0).collect()),
        }
    }

    /// Puts a node, or a new one, below a parent.
    fn put(
        &mut self,
        node: Option<Dot>,
        parent: Option<Dot>,
        previous: Option<Dot>,
    ) -> Result<Dot, EditError> {
        self.cursor.open()?;
        let greatest =
            self.cursor.cell(|cell| cell.and_then(CellRef::as_mark).map_or(0, Mark::greatest))?;
        let priority = greatest.saturating_add(1);
        self.cursor.overwrite(RawAtom::of(&priority))?;
        let candidate = Candidate { parent, previous, priority }.to_atom();
        if let Some(node) = node {
            self.cursor.key(&node, Kind::TreeNode).relocate(candidate)?;
            return Ok(node);
        }
        let node = self.cursor.view().dot(self.cursor.next_dot());
        self.cursor.key(&node, Kind::TreeNode).overwrite(candidate)?;
        Ok(node)
    }

    fn parent_dot(&self, parent: Parent) -> Result<Option<Dot>, EditError> {
        match parent {
            Parent::Root => Ok(None),
            Parent::Node(NodeId(node)) => self.check(node).map(|()| Some(node)),
            Parent::Lost => Err(EditError::OntoLost { path: self.cursor.path().clone() }),
        }
    }

    pub(crate) fn create(&mut self, parent: Parent) -> Result<Dot, EditError> {
        let parent = self.parent_dot(parent)?;
        self.put(None, parent, parent)
    }

    pub(crate) fn move_to(&mut self, node: Dot, parent: Parent) -> Result<(), EditError> {
        self.check(node)?;
        let parent = self.parent_dot(parent)?;
        if let Some(parent) = parent
            && (parent == node || self.above(parent)?.contains(&node))
        {
            return Err(EditError::BelowItself { path: self.cursor.path().clone() });
        }
        let previous = self.above(node)?.first().copied();
        self.cursor.keep(node, Kind::TreeNode)?;
        self.put(Some(node), parent, previous).map(drop)
    }

    pub(crate) fn remove(&mut self, node: Dot) -> Result<(), EditError> {
        self.check(node)?;
        let below = self.outline()?.below(NodeId(node));
        below.into_iter().try_for_each(|NodeId(node)| self.cursor.reset_name(&node))
    }

    pub(crate) fn remove_unless_edited(&mut self, node: Dot) -> Result<(), EditError> {
        self.check(node)?;
        let below = self.outline()?.below(NodeId(node));
        below.into_iter().try_for_each(|NodeId(node)| self.cursor.hide(&node, Kind::TreeNode))
    }
}

/// Changes a [`Tree`] in a transaction.
#[derive(Debug)]
pub struct TreeEditor<'a, V> {
    nodes: TreeCursor<'a>,
    value: PhantomData<V>,
}

impl<'a, V: Crdt> TreeEditor<'a, V> {
    /// Creates a node below a parent.
    ///
    /// # Errors
    /// [`EditError::NoSuchNode`] when the parent is not there, [`EditError::OntoLost`] for
    /// [`Parent::Lost`]; otherwise [`EditError`] when the place cannot be read or named.
    pub fn create(&mut self, parent: Parent) -> Result<NodeId, EditError> {
        self.nodes.create(parent).map(NodeId)
    }

    /// Moves a node, with all that hangs on it, below a parent.
    ///
    /// # Errors
    /// [`EditError::BelowItself`] when the parent hangs on the node; otherwise as
    /// [`create`](Self::create).
    pub fn move_to(&mut self, node: NodeId, parent: Parent) -> Result<(), EditError> {
        self.nodes.move_to(node.0, parent)
    }

    /// Removes a node with all that hangs on it, as far as it is seen here.
    ///
    /// # Errors
    /// [`EditError::NoSuchNode`] when it is not there; otherwise as [`create`](Self::create).
    pub fn remove(&mut self, node: NodeId) -> Result<(), EditError> {
        self.nodes.remove(node.0)
    }

    /// As [`remove`](Self::remove), but keeps each node, with everything that was in it, for
    /// anybody who moves or changes it without having seen this. Each node is kept by itself: a
    /// node that hung on one that is not kept is found under [`Parent::Lost`].
    ///
    /// # Errors
    /// As [`remove`](Self::remove).
    pub fn remove_unless_edited(&mut self, node: NodeId) -> Result<(), EditError> {
        self.nodes.remove_unless_edited(node.0)
    }

    /// The editor of a node's value.
    ///
    /// # Errors
    /// [`EditError::NoSuchNode`] when it is not there.
    pub fn node(&mut self, node: NodeId) -> Result<V::Editor<'_>, EditError> {
        self.nodes.keep(node.0)?;
        Ok(V::editor(self.nodes.cursor.key(&node.0, V::KIND)))
    }

    /// As [`node`](Self::node), for an editor that outlives the tree's.
    ///
    /// # Errors
    /// As [`node`](Self::node).
    pub fn into_node(mut self, node: NodeId) -> Result<V::Editor<'a>, EditError> {
        self.nodes.keep(node.0)?;
        Ok(V::editor(self.nodes.cursor.into_key(&node.0, V::KIND)))
    }

    /// Removes every node seen here.
    ///
    /// # Errors
    /// [`EditError`] when the place cannot be read or named.
    pub fn clear(&mut self) -> Result<(), EditError> {
        self.nodes.cursor.reset()
    }

    /// Returns the parents of all nodes, as this transaction sees them.
    ///
    /// # Errors
    /// As the source.
    pub fn outline(&self) -> Result<Outline, ReadError> {
        self.nodes.outline()
    }
}

impl<V: Crdt + 'static> AtPlace for TreeEditor<'_, V> {
    fn place(&mut self) -> (Cursor<'_>, Schema) {
        (self.nodes.cursor.here(), Tree::<V>::SCHEMA)
    }
}

/// Reads a [`Tree`] in a space.
#[derive(Debug)]
pub struct TreeReader<'a, V> {
    view: View<'a>,
    value: PhantomData<V>,
}

impl<'a, V: Crdt> TreeReader<'a, V> {
    /// Returns the parents of all nodes.
    ///
    /// # Errors
    /// As the source.
    pub fn outline(&self) -> Result<Outline, ReadError> {
        self.view.at_once(outline_at)
    }

    /// The reader of a node that is there.
    ///
    /// # Errors
    /// As the source.
    pub fn get(&self, node: NodeId) -> Result<Option<V::Reader<'a>>, ReadError> {
        let there = self.view.at_once(|view| is_node(view, node.0))?;
        Ok(there.then(|| V::reader(self.view.key(&node.0, V::KIND))))
    }
}
