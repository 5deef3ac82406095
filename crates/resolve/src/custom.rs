//! Policies of an application's own: functions, registered under a name and a version.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use rejoin_crdts::RawAtom;
use rejoin_vclock::ReplicaId;

use crate::sibling::Sibling;

/// The name of a function of an application's own. A function that decides otherwise than before
/// gets another version: two replicas that know one name have to decide alike.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct CustomName {
    /// The name.
    pub name: String,
    /// The version.
    pub version: u32,
}

impl fmt::Display for CustomName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "`{}` in version {}", self.name, self.version)
    }
}

/// A policy needs a function of the application's own that is not registered here: the siblings can
/// be read, and not the answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MissingPolicy {
    /// The function.
    pub custom: CustomName,
}

impl fmt::Display for MissingPolicy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the policy {} is not registered here; register it, or read the siblings",
            self.custom
        )
    }
}

impl core::error::Error for MissingPolicy {}

/// Chooses or makes a value from siblings, in ascending order of their dots. `None` where it cannot
/// decide. It has to be a function of them alone, and to return the value of a single sibling: see
/// the laws.
pub type Decide = dyn Fn(&[Sibling]) -> Option<RawAtom> + Send + Sync;

/// The functions of an application's own, by name and version. A clone has the same ones.
#[derive(Clone, Default)]
pub struct Customs(BTreeMap<CustomName, Arc<Decide>>);

impl Customs {
    /// Registers a function, in place of an earlier one of that name and version.
    pub fn register(
        &mut self,
        name: impl Into<String>,
        version: u32,
        decide: impl Fn(&[Sibling]) -> Option<RawAtom> + Send + Sync + 'static,
    ) {
        self.0.insert(CustomName { name: name.into(), version }, Arc::new(decide));
    }

    /// The function of a name.
    ///
    /// # Errors
    /// [`MissingPolicy`] without one.
    pub(crate) fn get(&self, name: &CustomName) -> Result<&Decide, MissingPolicy> {
        let missing = || MissingPolicy { custom: name.clone() };
        self.0.get(name).map(Arc::as_ref).ok_or_else(missing)
    }
}

impl fmt::Debug for Customs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// What a policy may look up beside the siblings.
#[derive(Clone, Copy, Default, Debug)]
pub struct Context<'a> {
    /// The functions of the application's own.
    pub customs: Option<&'a Customs>,
    /// Each id of a replica that has taken another's place, and that one: who is named in a
    /// [`Priority`](crate::Policy::Priority) is named for its later incarnations as well.
    pub predecessors: Option<&'a BTreeMap<ReplicaId, ReplicaId>>,
}

impl<'a> Context<'a> {
    /// With functions of the application's own.
    pub const fn with(customs: &'a Customs) -> Self {
        Self { customs: Some(customs), predecessors: None }
    }
}
