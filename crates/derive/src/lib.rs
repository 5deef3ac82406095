//! `#[derive(Crdt)]`: a struct of CRDTs is a CRDT.
//!
//! ```
//! use rejoin::prelude::*;
//!
//! #[derive(Crdt, Default)]
//! struct Cart {
//!     lines: OrMap<String, PnCounter>,
//!     note: LwwRegister<String>,
//! }
//!
//! let mut phone = Replica::<Cart>::new(FreshId::random());
//! phone.edit(|cart| {
//!     cart.lines().entry("apples").add(2)?;
//!     cart.note().set("ring twice")
//! })?;
//! assert_eq!(phone.lines().at("apples").value()?, 2);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! See [`macro@Crdt`] for what it makes and what it takes. The macro reads tokens and writes
//! tokens; everything that merges is in `rejoin-crdts`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{DeriveInput, parse_macro_input};

use crate::declaration::Declaration;

mod attribute;
mod bounds;
mod declaration;
mod handles;
mod value;

/// Makes a struct with named fields, each of them a CRDT, a CRDT itself.
///
/// # What it makes
/// For `struct Cart { lines: OrMap<String, PnCounter> }`:
///
/// - `impl Crdt for Cart`: merging, applying, saving, each field by its own rule;
/// - `Cart::lines(&self)`: a field of a value in memory, also through `Replica`'s `Deref`;
/// - `CartEditor`, for a transaction: `lines()` is the field's editor, `clear()` takes away all
///   that is seen, `reader()` reads what the transaction sees;
/// - `CartReader`, where the value is too large to hold: `lines()` is the field's reader.
///
/// They are as visible as the struct; a field that says otherwise (`pub(crate) lines: ..`) decides
/// for its own methods. A field's documentation becomes theirs. The struct needs `Default`, which
/// you derive or write. `Replica`'s own methods hide a field's of the same name (`id`, `edit`,
/// `merge`, `save`): there, write `Cart::id(&replica)`.
///
/// # Identity, and changing a struct later
/// A field is found by its name and its kind (counter, register, set, map), never by its position,
/// so fields can be moved, added and removed. A copy whose struct lacks a field keeps what others
/// wrote there and passes it on, untouched. Two fields of one name and different kinds, written by
/// different versions, stand side by side; neither overwrites the other.
///
/// # Attributes
/// `#[crdt(rename = "name")]` on a field: what it is called in every copy, saved or sent. So a
/// field can get a better name in the code while older copies still understand it:
///
/// ```
/// use rejoin::prelude::*;
///
/// #[derive(Crdt, Default)]
/// struct Cart {
///     #[crdt(rename = "note")]
///     delivery_note: LwwRegister<String>,
/// }
/// # let _ = Cart::default().delivery_note();
/// ```
///
/// `#[crdt(crate = path)]` on the struct: where to find the modules of `rejoin-crdts`. The default
/// is `::rejoin::crdts`, which is right for whoever depends on `rejoin`:
///
/// ```
/// mod sync {
///     pub use rejoin::crdts::*;
/// }
/// use rejoin::{Crdt, crdts::PnCounter};
///
/// #[derive(Crdt, Default)]
/// #[crdt(crate = crate::sync)]
/// struct Stock {
///     apples: PnCounter,
/// }
/// # fn main() { let _ = Stock::default().apples(); }
/// ```
///
/// # Type parameters
/// They work when every field is a CRDT for the arguments that it is used with:
///
/// ```
/// use rejoin::prelude::*;
///
/// #[derive(Crdt, Default)]
/// struct Tally<K: Key> {
///     votes: OrMap<K, PnCounter>,
/// }
///
/// let mut tally = Replica::<Tally<u32>>::new(FreshId::random());
/// tally.edit(|tally| tally.votes().entry(&7).add(1))?;
/// assert_eq!(tally.votes().at(&7).value()?, 1);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// # What does not compile
/// An enum, because two people may choose different variants at once and nothing says which stands:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// enum Payment { #[default] Open, Paid(LwwRegister<String>) }
/// ```
///
/// A tuple struct, because a field's name is what all copies know it by:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart(OrMap<String, PnCounter>);
/// ```
///
/// A struct without fields, because there is nothing to merge:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Nothing;
/// ```
///
/// A union:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt)]
/// union Cell { count: std::mem::ManuallyDrop<PnCounter> }
/// ```
///
/// Two fields under one name:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart {
///     note: LwwRegister<String>,
///     #[crdt(rename = "note")]
///     remark: LwwRegister<String>,
/// }
/// ```
///
/// A field whose methods would be the editor's own:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Weather { clear: PnCounter }
/// ```
///
/// A struct that borrows:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart<'a> { note: LwwRegister<&'a str> }
/// ```
///
/// An attribute that does not exist, because every field of a copy is replicated:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart { #[crdt(skip)] note: LwwRegister<String> }
/// ```
///
/// A field that does not merge. A plain value wants a register, which says who wins:
///
/// ```compile_fail,E0277
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart { note: String }
/// ```
#[proc_macro_derive(Crdt, attributes(crdt))]
pub fn derive_crdt(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

fn expand(input: DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    let declaration = Declaration::parse(input)?;
    let value = value::expand(&declaration);
    let getters = value::getters(&declaration);
    let editor = handles::editor(&declaration);
    let reader = handles::reader(&declaration);
    Ok(quote! { #value #getters #editor #reader })
}
