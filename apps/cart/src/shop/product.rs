//! A product of the catalogue: values that nobody can add up, and the policies for them.

use rejoin::prelude::*;

use super::{set_policy, standing};
use crate::driver::child_protocol::{ProductEdit, ProductState, Refusal};

/// A product of the catalogue.
///
/// Two texts or two prices have no sum. `Siblings` keep every value that was written while shops
/// were apart, and a policy of the space says what is shown: it can be another one tomorrow, and a
/// person can decide otherwise, because nothing is lost.
#[derive(Crdt)]
pub(crate) struct Product {
    /// What it is, in lines.
    description: Siblings<String>,
    /// Its price in cents.
    price: Siblings<u64>,
}

/// Sets the policies of a new catalogue, once: they are data, and travel like the products.
pub(super) fn set_policies(products: &Space<Product>) -> Result<(), Refusal> {
    // Changes of different lines both stay.
    set_policy(products, "*/description", &Policy::ThreeWay)?;
    // The first one wins: customers saw that price first, and it must not rise under them because
    // two shops changed it at once.
    set_policy(products, "*/price", &Policy::FirstWriterWins)
}

/// Changes one product in one transaction: all of the edits, or none.
pub(super) fn change(
    products: &Space<Product>,
    author: &str,
    product: &str,
    edits: &[ProductEdit],
) -> Result<Receipt, StoreError> {
    let done = products.transact(|tx| {
        tx.author(author)?;
        let mut product = tx.object(product);
        edits.iter().try_for_each(|edit| match edit {
            ProductEdit::Description(text) => product.description().set(text.as_str()),
            ProductEdit::Price(cents) => product.price().set(*cents),
        })
    })?;
    Ok(done.receipt)
}

/// Reads one product as the policies of the space show it.
pub(super) fn read(products: &Space<Product>, product: &str) -> Result<ProductState, Refusal> {
    products.read(|products| {
        let product = products.object(product);
        let description = standing(&product.description().resolved()?)?;
        Ok(ProductState { description, price: standing(&product.price().resolved()?)? })
    })?
}

/// Lets the price stand that the policy had overridden: somebody looked at the conflict and knows
/// better. `None` if there is no such conflict that is open.
pub(super) fn let_other_price_stand(
    products: &Space<Product>,
    author: &str,
    product: &str,
) -> Result<Option<Receipt>, StoreError> {
    let open = products.conflicts().of(product).by_policy(&Policy::FirstWriterWins).open();
    let Some(conflict) = open.page(1)?.pop() else { return Ok(None) };
    let Some(other) = conflict.overridden.first() else { return Ok(None) };
    // An ordinary transaction, which every shop takes in. If somebody has changed the price since,
    // it is refused: what was decided about is no longer what is there.
    let choice = Choice::version(other.dot).author(author).describe("the other price, after all");
    Ok(Some(products.resolve(&conflict, &choice)?.receipt))
}
