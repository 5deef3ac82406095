//! Does a deed to a replica's value, and notes what it means in the model.

use rejoin::crdts::EditError;

use super::author::Author;
use super::deeds::{Deed, Leaf};
use super::ordered;
use super::world::{EditorOf, Leaves, World};
use crate::model::{Act, Place, Rule};

pub(crate) type Done = Result<(), EditError>;

pub(crate) fn below(place: &[String], name: &str) -> Place {
    [place, &[name.to_owned()]].concat()
}

/// Does one deed.
pub(crate) fn perform(
    world: &mut EditorOf<'_, World>,
    deed: &Deed,
    author: &mut Author<'_>,
) -> Done {
    let seats = vec!["seats".to_owned()];
    let named = vec!["named".to_owned()];
    let key = |key: usize| format!("k{key}");
    match *deed {
        Deed::Leaf(None, leaf) => at_field(&mut world.plain(), &["plain".into()], leaf, author),
        Deed::Leaf(Some(at), leaf) => {
            let place = below(&named, &key(at));
            at_field(&mut world.named().entry(&key(at)), &place, leaf, author)
        }
        Deed::RemoveKey(at) => {
            author.note(below(&named, &key(at)), Act::Remove);
            world.named().remove(&key(at))
        }
        Deed::HideKey(at) => {
            author.note(below(&named, &key(at)), Act::Hide);
            world.named().remove_unless_edited(&key(at))
        }
        Deed::ClearKeys => {
            author.note(named, Act::Remove);
            world.named().clear()
        }
        Deed::Grant(amount) => {
            author.note(seats, Act::Grant(amount));
            world.seats().add(amount)
        }
        Deed::Spend(amount) => {
            let enough = author.rights(&seats) >= i128::from(amount);
            let done = world.seats().spend(amount);
            let act = Act::Spend(amount);
            rights(author, enough, &done, seats, Some(act));
            Ok(())
        }
        Deed::Pass(amount, to) => {
            let to = author.ids[to % author.ids.len()];
            let enough = author.rights(&seats) >= i128::from(amount);
            let done = world.seats().transfer(amount, to);
            let act = (to != author.id).then_some(Act::Pass(amount, to));
            rights(author, enough, &done, seats, act);
            Ok(())
        }
    }
}

/// Checks that rights were given where there are enough, and only there.
fn rights(author: &mut Author<'_>, enough: bool, done: &Done, seats: Place, act: Option<Act>) {
    let right = match done {
        Ok(()) => enough,
        Err(EditError::NotEnoughRights { .. }) => !enough,
        Err(_) => false,
    };
    author.check(right, || format!("rights: enough is {enough}, the answer {done:?}"));
    if let (true, Some(act)) = (enough, act) {
        author.note(seats, act);
    }
}

type At<'a, 'e> = &'a mut EditorOf<'e, Leaves>;

pub(crate) fn at_field(
    leaves: At<'_, '_>,
    place: &[String],
    leaf: Leaf,
    author: &mut Author<'_>,
) -> Done {
    // What a removal means below a name that is hidden is not said; a write there is.
    let leaf = if author.is_hidden(place) { Leaf::Add(1) } else { leaf };
    let at = |name: &str| below(place, name);
    match leaf {
        Leaf::Visit(amount) => {
            author.note(at("visits"), Act::Count(i64::try_from(amount).expect("it is small")));
            leaves.visits().add(amount)
        }
        Leaf::Add(amount) => {
            author.note(at("sum"), Act::Count(amount));
            leaves.sum().add(amount)
        }
        Leaf::ResetSum => {
            author.note(at("sum"), Act::Remove);
            leaves.sum().reset()
        }
        Leaf::Set(which, value) => set(leaves, place, which, value, author),
        Leaf::ClearRegister(which) => clear(leaves, place, which, author),
        Leaf::Enable => {
            author.note(at("on"), Act::Add);
            leaves.on().enable()
        }
        Leaf::Disable => {
            author.note(at("on"), Act::Remove);
            leaves.on().disable()
        }
        Leaf::Permit => {
            author.note(at("off"), Act::Vouch);
            leaves.off().enable()
        }
        Leaf::Forbid => {
            author.note(at("off"), Act::Bar);
            leaves.off().disable()
        }
        _ => at_set(leaves, place, leaf, author),
    }
}

const RULES: [(&str, Rule); 5] = [
    ("last", Rule::Last),
    ("several", Rule::All),
    ("most", Rule::Greatest),
    ("least", Rule::Least),
    ("siblings", Rule::All),
];

fn set(
    leaves: At<'_, '_>,
    place: &[String],
    which: usize,
    value: u64,
    author: &mut Author<'_>,
) -> Done {
    let (name, rule) = RULES[which];
    author.note(below(place, name), Act::Write(rule, value));
    match name {
        "last" => leaves.last().set(value),
        "several" => leaves.several().set(value),
        "most" => leaves.most().set(value),
        "least" => leaves.least().set(value),
        _ => leaves.siblings().set(value),
    }
}

fn clear(leaves: At<'_, '_>, place: &[String], which: usize, author: &mut Author<'_>) -> Done {
    let name = RULES[which].0;
    author.note(below(place, name), Act::Remove);
    match name {
        "last" => leaves.last().clear(),
        "several" => leaves.several().clear(),
        "most" => leaves.most().clear(),
        "least" => leaves.least().clear(),
        _ => leaves.siblings().clear(),
    }
}

fn at_set(leaves: At<'_, '_>, place: &[String], leaf: Leaf, author: &mut Author<'_>) -> Done {
    let at = |name: &str, which: usize| below(&below(place, name), &element(which));
    match leaf {
        Leaf::Read(which) => {
            author.note(at("readers", which), Act::Add);
            leaves.readers().insert(&element(which))
        }
        Leaf::Tag(which) => {
            author.note(at("tags", which), Act::Add);
            leaves.tags().insert(&element(which))
        }
        Leaf::Untag(which) => {
            author.note(at("tags", which), Act::Remove);
            leaves.tags().remove(&element(which))
        }
        Leaf::ClearTags => {
            author.note(below(place, "tags"), Act::Remove);
            leaves.tags().clear()
        }
        Leaf::Admit(which) => {
            author.note(at("members", which), Act::Vouch);
            leaves.members().insert(&element(which))
        }
        Leaf::Expel(which) => {
            author.note(at("members", which), Act::Bar);
            leaves.members().remove(&element(which))
        }
        Leaf::ExpelAll => {
            let members = below(place, "members");
            for name in author.names(&members) {
                let member = below(&members, &name);
                if author.is_vouched(&member) {
                    author.note(member, Act::Bar);
                }
            }
            leaves.members().clear()
        }
        Leaf::Issue(which) => {
            let ticket = at("tickets", which);
            let used = author.is_barred(&ticket);
            let done = leaves.tickets().insert(&element(which));
            let right = match &done {
                Ok(()) => !used,
                Err(error) => used && matches!(error, EditError::RemovedForEver { .. }),
            };
            author.check(right, || format!("tickets: used is {used}, the answer {done:?}"));
            if !used {
                author.note(ticket, Act::Vouch);
            }
            Ok(())
        }
        Leaf::Use(which) => {
            let ticket = at("tickets", which);
            if author.is_vouched(&ticket) {
                author.note(ticket, Act::Bar);
            }
            leaves.tickets().remove(&element(which))
        }
        _ => at_map(leaves, place, leaf, author),
    }
}

fn element(which: usize) -> String {
    format!("e{}", which % 4)
}

fn at_map(leaves: At<'_, '_>, place: &[String], leaf: Leaf, author: &mut Author<'_>) -> Done {
    let deep = |which: usize| below(&below(place, "deep"), &element(which));
    let counter = |which: usize| format!("c{}", which % 3);
    let register = |which: usize| format!("s{}", which % 3);
    let doc = |name: &str| below(&below(place, "doc"), name);
    match leaf {
        Leaf::Deep(which, amount) => {
            author.note(deep(which), Act::Count(amount));
            leaves.deep().entry(&element(which)).add(amount)
        }
        Leaf::RemoveDeep(which) => {
            author.note(deep(which), Act::Remove);
            leaves.deep().remove(&element(which))
        }
        Leaf::HideDeep(which) => {
            author.note(deep(which), Act::Hide);
            leaves.deep().remove_unless_edited(&element(which))
        }
        Leaf::ClearDeep => {
            author.note(below(place, "deep"), Act::Remove);
            leaves.deep().clear()
        }
        Leaf::DocSet(which, value) => {
            author.note(doc(&register(which)), Act::Write(Rule::Last, value));
            let mut doc = leaves.doc();
            doc.at::<rejoin::crdts::LwwRegister<u64>>(&register(which)).set(value)
        }
        Leaf::DocAdd(which, amount) => {
            author.note(doc(&counter(which)), Act::Count(amount));
            let mut doc = leaves.doc();
            doc.at::<rejoin::crdts::PnCounter>(&counter(which)).add(amount)
        }
        Leaf::DocRemove(which) => {
            let name = if which % 2 == 0 { counter(which / 2) } else { register(which / 2) };
            author.note(doc(&name), Act::Remove);
            leaves.doc().remove(&name)
        }
        Leaf::DocHide(which) => {
            let name = if which % 2 == 0 { counter(which / 2) } else { register(which / 2) };
            author.note(doc(&name), Act::Hide);
            leaves.doc().remove_unless_edited(&name)
        }
        _ => ordered::perform(leaves, place, leaf, author),
    }
}
