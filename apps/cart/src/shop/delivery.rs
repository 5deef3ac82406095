//! Who delivers a cart, and the shop's own policy for it: the nearest shop decides.

use rejoin::crdts::RawAtom;
use rejoin::prelude::*;
use rejoin::resolve::{Record, Sibling};

use crate::driver::child_protocol::Delivery;

/// The name and version of the policy. One that decides otherwise needs another version: two shops
/// that know it under one name have to decide alike.
const NEAREST_SHOP: (&str, u32) = ("nearest shop", 1);

/// The policy, as it is set in the space.
pub(super) fn policy() -> Policy {
    Policy::custom(NEAREST_SHOP.0, NEAREST_SHOP.1)
}

/// Makes the policy known to a space that was opened. A function is no data: each shop registers
/// it, each time. One that does not shows all deliveries, and which policy it lacks.
pub(super) fn register<T: Crdt>(space: &Space<T>) -> Result<(), StoreError> {
    space.register_policy(NEAREST_SHOP.0, NEAREST_SHOP.1, nearest)
}

/// Chooses the delivery with the least km; of equal ones the lesser value, so that there is one.
///
/// It looks at the siblings and at nothing else, or two shops might decide differently.
fn nearest(siblings: &[Sibling]) -> Option<RawAtom> {
    let deliveries = siblings.iter().filter_map(|sibling| {
        let km = sibling.value.to::<Record>().ok()?.get::<u64>("km")?;
        Some((km, &sibling.value))
    });
    deliveries.min().map(|(_, value)| value.clone())
}

/// Returns a delivery as it is stored.
pub(super) fn to_record(delivery: &Delivery) -> Record {
    let mut record = Record::default();
    record.set("shop", &delivery.shop);
    record.set("km", &delivery.km);
    record.set("slot", &delivery.slot);
    record
}

/// Reads a stored delivery; `None` if it is none, as a later program may have written it.
pub(super) fn from_record(record: &Record) -> Option<Delivery> {
    let (shop, km, slot) = (record.get("shop")?, record.get("km")?, record.get("slot")?);
    Some(Delivery { shop, km, slot })
}

/// Tells a conflict in one line, as it shows itself, with deliveries in words.
pub(crate) fn sentence(mut conflict: Conflict) -> String {
    let versions = conflict.kept.iter_mut().chain(&mut conflict.overridden);
    versions.chain(&mut conflict.settled).for_each(|version| in_words(&mut version.action));
    one_line(&conflict.to_string())
}

/// Tells an action in one line, as it shows itself, with deliveries in words.
pub(crate) fn told(mut action: Action) -> String {
    in_words(&mut action);
    one_line(&action.to_string())
}

fn in_words(action: &mut Action) {
    if let Ok(record) = action.value::<Record>()
        && let Some(delivery) = from_record(&record)
    {
        *action = Action::Wrote(RawAtom::of_str(&delivery.to_string()));
    }
}

fn one_line(text: &str) -> String {
    text.trim_end().replace('\n', " / ")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rejoin::resolve::{Customs, laws};

    use super::*;

    fn delivery(shop: &str, km: u64) -> RawAtom {
        let [shop, slot] = [shop.to_owned(), "Friday".to_owned()];
        RawAtom::of(&to_record(&Delivery { shop, km, slot }))
    }

    #[test]
    fn the_policy_holds_the_laws() {
        let mut customs = Customs::default();
        customs.register(NEAREST_SHOP.0, NEAREST_SHOP.1, nearest);
        let values = vec![
            delivery("north", 4),
            delivery("south", 4),
            delivery("west", 2),
            RawAtom::of_str("by drone, some day"),
        ];
        laws::check_all(&policy(), &customs, prop::sample::select(values));
    }

    #[test]
    fn the_nearest_shop_delivers_whoever_wrote_later() -> Result<(), Box<dyn std::error::Error>> {
        use crate::shop::cart::Cart;
        let [north, west] = [Store::memory()?, Store::memory()?];
        let here = north.create_space::<Cart>("carts")?;
        let there = west.join_space::<Cart>("carts", here.ticket())?;
        [&here, &there].into_iter().try_for_each(register)?;
        crate::shop::cart::set_policies(&here)?;
        for (shop, space, km) in [("west", &there, 2), ("north", &here, 4)] {
            let value = delivery(shop, km).to::<Record>()?;
            space.transact(|tx| tx.object("alice").delivery().set(value))?;
        }
        here.link().meet(&there.link())?;
        for space in [&here, &there] {
            let stands = space.object("alice").delivery().resolved()?.to::<Record>()?;
            assert_eq!(stands.and_then(|record| record.get("shop")), Some("west".to_owned()));
        }
        let told = sentence(here.conflicts().by_policy(&policy()).page(1)?.remove(0));
        assert!(told.contains("version 1; kept west, 2 km, Friday by "), "{told}");
        assert!(told.contains("overridden north, 4 km, Friday by "), "{told}");
        Ok(())
    }
}
