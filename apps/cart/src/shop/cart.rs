//! The cart of a customer: its rules, how it is changed, and how it is read.

use rejoin::prelude::*;
use rejoin::resolve::Record;

use super::{delivery, set_policy, standing};
use crate::driver::child_protocol::{CartState, Edit, Refusal};

/// The cart of a customer.
///
/// Two regions may change one cart while they are apart. Nobody is asked when they meet again: the
/// type of each field is the rule by which both changes come together. `derive(Crdt)` makes the
/// rule of the whole cart out of them, and the editors and readers that are used below.
#[derive(Crdt, Default)]
pub(crate) struct Cart {
    /// Quantity by stock code; it may be negative, as a cancellation can come before its order.
    ///
    /// A counter, because quantities that were added apart must both count: with a register, the
    /// later one would replace the other. If one region removes a line that another one adds to,
    /// the addition stays, because the removal had not seen it.
    lines: OrMap<String, PnCounter>,
    /// A message for the courier.
    ///
    /// A register, because two messages cannot be added up: the later one stands. The other is not
    /// silently gone: `conflicts` reports what was overridden, and by which rule.
    note: LwwRegister<String>,
    /// The shop that delivers, how far it is, and when.
    ///
    /// Siblings, because the rule is the shop's own: all deliveries that were promised apart are
    /// kept, and the nearest shop's is shown.
    delivery: Siblings<Record>,
}

/// Sets the policies of new carts, once; the types of the other fields are their own rules.
pub(super) fn set_policies(carts: &Space<Cart>) -> Result<(), Refusal> {
    set_policy(carts, "*/delivery", &delivery::policy())
}

/// Changes one cart in one transaction: all of the edits, or none.
///
/// `author` is for people, who ask later whose change it was: the conflict log and the history
/// have it.
///
/// `key` names the request. Whoever is not sure that it arrived, as after a kill, sends it again
/// under the same key, and it happens once. Without a key each call is a change of its own.
pub(super) fn change(
    carts: &Space<Cart>,
    key: Option<&str>,
    author: Option<&str>,
    customer: &str,
    edits: &[Edit],
) -> Result<Once<()>, StoreError> {
    let key = key.unwrap_or_default().as_bytes();
    carts.transact_once(key, |tx| {
        author.into_iter().try_for_each(|author| tx.author(author))?;
        // An object needs no creation. It is there once something is in it.
        let mut cart = tx.object(customer);
        // An error from an edit leaves the closure, and undoes the edits before it.
        edits.iter().try_for_each(|edit| match edit {
            // "Two more", never "set it to five": what others add meanwhile counts as well.
            Edit::Add(code, quantity) => cart.lines().entry(code.as_str()).add(*quantity),
            Edit::Remove(code) => cart.lines().remove(code.as_str()),
            Edit::Clear => cart.lines().clear(),
            Edit::Note(text) => cart.note().set(text.as_str()),
            Edit::Delivery(to) => cart.delivery().set(delivery::to_record(to)),
        })
    })
}

/// Reads one cart; an empty one for a customer without any.
pub(super) fn read(carts: &Space<Cart>, customer: &str) -> Result<CartState, Refusal> {
    // All that is read in here is of one moment, whatever arrives from peers meanwhile.
    carts.read(|carts| {
        let cart = carts.object(customer);
        let lines = cart.lines();
        let line = |code: String| Ok((code.clone(), lines.at(code.as_str()).value()?));
        let lines = lines.keys()?.into_iter().map(line).collect::<Result<_, ReadError>>()?;
        let delivery = standing(&cart.delivery().resolved()?)?;
        let delivery = delivery.iter().find_map(delivery::from_record);
        Ok(CartState { lines, note: cart.note().get()?, delivery })
    })?
}
