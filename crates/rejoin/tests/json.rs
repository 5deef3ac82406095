//! JSON into the objects of a space, in one call: of documents as of structs.

use rejoin::crdts::PutJson;
use rejoin::prelude::*;
use serde_json::json;

#[derive(Crdt, Default)]
struct Trip {
    to: LwwRegister<String>,
    days: PnCounter,
    bring: OrMap<String, EnableWinsFlag>,
    stops: List<LwwRegister<String>>,
}

#[test]
fn an_object_of_a_space_takes_json() -> Result<(), Box<dyn std::error::Error>> {
    let store = Store::memory()?;
    let trips = store.create_space::<Trip>("trips")?;
    let docs = store.create_space::<Doc>("docs")?;
    let json = json!({ "to": "Oslo", "days": 3, "bring": { "tent": true }, "stops": ["a", "b"] });
    trips.transact(|tx| tx.object("north").put_json(&json))?;
    docs.transact(|tx| tx.object("north").put_json(&json))?;
    assert_eq!(docs.object("north").value()?.to_json(), json);
    assert_eq!(trips.object("north").days().value()?, 3);

    let changed = json!({ "to": "Oslo", "days": 5, "bring": { "tent": true }, "stops": ["b"] });
    trips.transact(|tx| tx.object("north").put_json(&changed))?;
    docs.transact(|tx| tx.object("north").put_json(&changed))?;
    assert_eq!(docs.object("north").value()?.to_json(), changed);
    assert_eq!(trips.object("north").stops().len()?, 1);
    assert!(trips.object("north").bring().at("tent").is_enabled()?);

    // An error in the middle undoes all of it.
    let wrong = json!({ "to": "Rome", "days": "many" });
    let refused = trips.transact(|tx| tx.object("north").put_json(&wrong));
    assert!(refused.is_err_and(|error| error.to_string().contains("days")));
    assert_eq!(trips.object("north").to().get()?.as_deref(), Some("Oslo"));
    Ok(())
}
