//! A struct that derives `Crdt`, checked against the laws: state the program's edits, and what it
//! shows.

use proptest::prelude::*;
use rejoin::crdts;
use rejoin::crdts::laws::Operation;
use rejoin::prelude::*;

/// The data that users give about themselves.
#[derive(Crdt, Clone, Default)]
pub(crate) struct Profile {
    name: LwwRegister<String>,
    interests: OrSet<String>,
    visits: PnCounter,
}

/// An edit that the program makes to a profile.
#[derive(Clone, Debug)]
pub(crate) enum Edit {
    Rename(&'static str),
    Like(&'static str),
    Unlike(&'static str),
    Visit,
    Clear,
}

impl Operation for Edit {
    type Value = Profile;
    type View = (Option<String>, Vec<String>, i64);

    fn perform(&self, profile: &mut ProfileEditor<'_>) -> Result<(), EditError> {
        match self {
            Self::Rename(name) => profile.name().set(*name),
            Self::Like(what) => profile.interests().insert(*what),
            Self::Unlike(what) => profile.interests().remove(*what),
            Self::Visit => profile.visits().add(1),
            Self::Clear => profile.clear(),
        }
    }

    fn view(profile: &crdts::Replica<Profile>) -> Self::View {
        let mut interests: Vec<String> = profile.interests().iter().cloned().collect();
        interests.sort();
        let name = profile.name().get().expect("only strings are written");
        (name, interests, profile.visits().value().expect("few visits"))
    }
}

/// Edits that often conflict with each other.
pub(crate) fn edits() -> impl Strategy<Value = Edit> {
    let what = prop::sample::select(vec!["chess", "tea"]);
    prop_oneof![
        prop::sample::select(vec!["Ada", "Countess"]).prop_map(Edit::Rename),
        what.clone().prop_map(Edit::Like),
        what.prop_map(Edit::Unlike),
        Just(Edit::Visit),
        Just(Edit::Clear),
    ]
}

#[cfg(test)]
mod tests {
    use rejoin::crdts::laws::{ReplicaOf, check_all, check_matrix};

    use super::*;

    #[test]
    fn a_profile_is_a_crdt() {
        check_all::<ReplicaOf<Edit>>(edits());
    }

    /// The profile before it had interests and visits.
    #[derive(Crdt, Clone, Default)]
    struct OldProfile {
        name: LwwRegister<String>,
    }

    #[derive(Clone, Debug)]
    struct Rename(&'static str);

    impl Operation for Rename {
        type Value = OldProfile;
        type View = Option<String>;

        fn perform(&self, profile: &mut OldProfileEditor<'_>) -> Result<(), EditError> {
            profile.name().set(self.0)
        }

        fn view(profile: &crdts::Replica<OldProfile>) -> Self::View {
            profile.name().get().expect("only strings are written")
        }
    }

    #[test]
    fn a_field_may_be_added() {
        let rename = || prop::sample::select(vec![Rename("Ada"), Rename("Countess")]);
        check_matrix::<ReplicaOf<Rename>, ReplicaOf<Edit>>(rename(), edits());
        check_matrix::<ReplicaOf<Edit>, ReplicaOf<Rename>>(edits(), rename());
    }
}
