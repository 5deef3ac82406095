//! `#[derive(Crdt)]`: a struct of CRDTs is a CRDT, and so is a choice among them. Beside it
//! [`macro@Atom`] and [`macro@Key`], for the plain values in them.
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
//! See [`macro@Crdt`] for the code that it generates and the input that it accepts. The macro reads
//! tokens and writes tokens; everything that merges is in `rejoin-crdts`.

use proc_macro::TokenStream;
use quote::quote;
use syn::{Data, DeriveInput, parse_macro_input};

use crate::declaration::Declaration;
use crate::enumeration::Enumeration;

mod atom;
mod attribute;
mod bounds;
mod choice;
mod declaration;
mod enumeration;
mod errors;
mod handles;
mod plain;
mod value;

/// Implements the CRDT trait for a struct with named fields, each of them a CRDT, and makes a
/// choice of an enum.
///
/// # The code for a struct
/// For `struct Cart { lines: OrMap<String, PnCounter> }`:
///
/// - `impl Crdt for Cart`: merging, applying, saving, each field by its own rule;
/// - `Cart::lines(&self)`: a field of a value in memory, also through `Replica`'s `Deref`;
/// - `CartEditor`, for a transaction: `lines()` is the field's editor, `clear()` takes away all
///   that is seen, `reader()` reads what the transaction sees;
/// - `CartReader`, where the value is too large to hold: `lines()` is the field's reader.
///
/// They are as visible as the struct; a field that says otherwise (`pub(crate) lines: ..`) decides
/// for its own methods. A field's documentation becomes theirs. `Replica`'s own methods hide a
/// field's of the same name (`id`, `edit`, `merge`, `save`): there, write `Cart::id(&replica)`. An
/// enum needs a `Default`, which says what stands before anybody has chosen; a struct does not.
///
/// # Fields that are found by their values
/// `#[crdt(index)]` on a register, a flag or a set (`Siblings` have none) has the spaces of a
/// store keep an index of it, at whatever depth the struct stands: below keys of maps, items of
/// lists, nodes of trees. `Space::find` then has a page of all places with a value, in the order of
/// the values, at the cost of the page:
///
/// ```
/// use rejoin::prelude::*;
///
/// #[derive(Crdt)]
/// struct Item {
///     #[crdt(index)]
///     assignee: LwwRegister<String>,
/// }
///
/// #[derive(Crdt)]
/// struct Trip {
///     items: List<Item>,
/// }
///
/// let trips = Store::memory()?.create_space::<Trip>("trips")?;
/// trips.transact(|tx| tx.object("rome").items().push()?.assignee().set("ann"))?;
///
/// let ann = "ann".to_owned();
/// for found in trips.find("items.assignee", ann.clone()..=ann, None, 20)? {
///     let trip = trips.object(&found.object());
///     let item = trip.items().item(found.key(0)?)?.expect("it was just found");
///     assert_eq!(item.assignee().get()?.as_deref(), Some("ann"));
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// An index is local and may come and go: it is made when the space is read first. A value is found
/// where it stands: not where a register was never written, nor a flag that is off. Fields of an
/// enum's variants have none, nor has anything in a type that nests in itself.
///
/// # The code for an enum
/// A value holds one variant, and a merge may not drop data that somebody wrote into another. So
/// the enum is the type that you declare and read; the type that merges, and that a field holds, is
/// `OneOf<Payment>`:
///
/// ```
/// use rejoin::prelude::*;
///
/// #[derive(Crdt, Default, Debug)]
/// #[crdt(concurrent = "latest")]
/// enum Payment {
///     #[default]
///     Open,
///     Card { last_four: LwwRegister<String>, tries: GCounter },
///     Invoice { number: LwwRegister<String> },
/// }
///
/// #[derive(Crdt, Default, Clone)]
/// struct Order {
///     payment: OneOf<Payment>,
/// }
///
/// let mut phone = Replica::<Order>::new(FreshId::random());
/// let mut laptop = phone.fork(FreshId::random());
/// phone.edit(|order| order.payment().choose_card()?.last_four().set("4242"))?;
/// laptop.edit(|order| order.payment().choose_invoice()?.number().set("7"))?;
/// phone.merge(&laptop);
/// laptop.merge(&phone);
/// assert_eq!(phone.payment().variant()?, laptop.payment().variant()?); // the same one stands
/// assert_eq!(phone.payment().concurrent()?.len(), 2); // and the other can be seen
///
/// phone.edit(|order| order.payment().choose_card()?.tries().add(1))?; // somebody decides
/// match phone.payment().get()? {
///     Payment::Open => println!("not paid"),
///     Payment::Card { tries, .. } => assert_eq!(tries.value()?, 1),
///     Payment::Invoice { number } => println!("invoice {:?}", number.get()?),
/// }
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// The rule for variants that several copies choose at once has to be declared:
///
/// | `concurrent = ..` | which stands |
/// |---|---|
/// | `"latest"` | the one that was chosen last, by the clock |
/// | `"first declared"` | the one that the enum declares first, whatever the time |
/// | `"last declared"` | the one that it declares last, such as the last stage of a process |
///
/// For `enum Payment { Card { .. }, .. }` there are:
///
/// - `impl Variants for Payment`, behind `OneOf<Payment>`, and `PaymentChoice`, the type that this
///   stands for;
/// - in memory `get()`, a `Payment` that stands with its fields, the enum's default before anybody
///   has chosen; `variant()`, its name; `concurrent()`, all that are chosen; `card()`, the fields
///   of a variant, whether it stands or not;
/// - `PaymentChoiceEditor`: `choose_card()` chooses a variant and gives the editor of its fields,
///   `card()` gives it without choosing, `clear()` and `reader()` are as those of a struct;
/// - `PaymentChoiceReader`: `get()`, `variant()`, `concurrent()` and `card()`;
/// - `PaymentCard`, `PaymentCardEditor` and `PaymentCardReader` for the fields of each variant, as
///   a struct would have them.
///
/// Choosing another variant than the one that stands takes away everything that all others hold, as
/// far as it is seen, so that a variant is empty when somebody comes back to it; choosing the one
/// that stands takes nothing away. Variants have named fields or none, whose types are `Clone` and
/// `Debug`.
///
/// # Identity, and changing a struct or an enum later
/// A field is found by its name and its kind (counter, register, set, map), never by its position,
/// so fields can be moved, added and removed. A copy whose struct lacks a field keeps what others
/// wrote there and passes it on, untouched. Two fields of one name and different kinds, written by
/// different versions, stand side by side; neither overwrites the other, and reading either with a
/// reader (`Replica::read`) says so. `Replica::remove_kind` takes one of them away, and in a space
/// `remove_kind` of a `Doc`'s editor. To change a field's kind, give it a new name instead: older
/// versions cannot read what the newer one wrote under the old one.
///
/// A copy is a map of names, the same as a `Doc` with these names would be. An enum is a map, too:
/// the register `variant`, and a map for each variant that has fields, under its name. A variant
/// that a version does not know is an error when it is read, and is kept. New variants belong at
/// the end where the order of declaration decides. A change from `"latest"` to one of the other
/// rules changes the register's kind, as with a changed field above; between the two others nothing
/// changes.
///
/// # Attributes
/// `#[crdt(rename = "name")]` on a field or a variant: its name in every copy, saved or sent. It
/// can then get a better name in the code while older copies still understand it:
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
/// `#[crdt(concurrent = "..")]` on an enum: the rule for concurrent variants, as above.
///
/// `#[crdt(crate = path)]` on the struct or enum: the path of the modules of `rejoin-crdts`. The
/// default is `::rejoin::crdts`, which is right for whoever depends on `rejoin`:
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
/// A field that nests the type in itself, below a map, a list or a tree, puts no bound on the
/// parameters; write the bounds that the field needs, such as `K: Key + 'static`, at the parameter.
///
/// # What does not compile
/// An enum without a rule, because two people may choose different variants at once and nothing
/// says which stands:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// enum Payment { #[default] Open, Card { last_four: LwwRegister<String> } }
/// ```
///
/// A tuple variant, because all copies know a field by its name:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// #[crdt(concurrent = "latest")]
/// enum Payment { #[default] Open, Card(LwwRegister<String>) }
/// ```
///
/// A bounded counter below something that can be taken away, as a map's key and a variant can:
///
/// ```compile_fail,E0080
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Stock { shelves: OrMap<String, BoundedCounter> }
/// # Replica::<Stock>::new(FreshId::random()).save();
/// ```
///
/// ```compile_fail,E0080
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// #[crdt(concurrent = "latest")]
/// enum Stock { #[default] None, Some { left: BoundedCounter } }
/// # Replica::<OneOf<Stock>>::new(FreshId::random()).save();
/// ```
///
/// A tuple struct, because all copies know a field by its name:
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
/// A field that does not merge. A plain value needs a register, which says who wins; a struct of
/// yours needs the derive, too:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart { note: String }
/// ```
///
/// ```compile_fail,E0277
/// # use rejoin::prelude::*;
/// #[derive(Default)]
/// struct Address { street: LwwRegister<String> }
///
/// #[derive(Crdt, Default)]
/// struct Cart { address: Address }
/// ```
///
/// `OneOf` of something that declares no variants:
///
/// ```compile_fail,E0277
/// # use rejoin::prelude::*;
/// #[derive(Crdt, Default)]
/// struct Cart { note: OneOf<PnCounter> }
/// ```
#[proc_macro_derive(Crdt, attributes(crdt))]
pub fn derive_crdt(input: TokenStream) -> TokenStream {
    expand(parse_macro_input!(input as DeriveInput))
        .unwrap_or_else(|error| error.into_compile_error())
        .into()
}

fn expand(input: DeriveInput) -> syn::Result<proc_macro2::TokenStream> {
    if let Data::Enum(data) = &input.data {
        let variants = data.variants.clone();
        return Ok(choice::expand(&Enumeration::parse(input, variants)?));
    }
    let declaration = Declaration::parse(input)?;
    let value = value::expand(&declaration);
    let getters = value::getters(&declaration);
    let editor = handles::editor(&declaration);
    let reader = handles::reader(&declaration);
    Ok(quote! { #value #getters #editor #reader })
}

/// Makes a value of your own type one that registers, keys and sets hold: an enum whose variants
/// have no fields, or a struct around one value.
///
/// An enum is stored as the name of its variant, so that copies without the type show it, and new
/// variants can be added; one that a version does not know is an error when it is read, and is
/// kept. A struct around one value is stored as that value.
///
/// ```
/// use rejoin::prelude::*;
///
/// #[derive(Atom, Key, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
/// enum Priority {
///     Low,
///     #[crdt(rename = "Normal")]
///     Medium,
///     High,
/// }
///
/// #[derive(Atom, Key, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
/// struct Person(String);
///
/// #[derive(Crdt, Default)]
/// struct Task {
///     priority: LwwRegister<Priority>,
///     assigned: OrSet<Person>,
/// }
///
/// let mut task = Replica::<Task>::new(FreshId::random());
/// task.edit(|task| {
///     task.priority().set(Priority::Medium)?;
///     task.assigned().insert(&Person("Ann".into()))
/// })?;
/// assert_eq!(task.priority().get()?, Some(Priority::Medium));
/// assert_eq!(task.to_value().to_string(), r#"{"assigned": {"Ann"}, "priority": "Normal"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
///
/// `#[crdt(rename = "name")]` on a variant is its name in every copy; `#[crdt(crate = path)]` is as
/// for [`macro@Crdt`]. The order of an enum in a store is that of the names, and not of the
/// declaration: of a `MaxRegister` the greatest name stands.
///
/// # What does not compile
/// A variant with fields, and a struct of several:
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Atom, Clone)]
/// enum Payment { Open, Card(String) }
/// ```
///
/// ```compile_fail
/// # use rejoin::prelude::*;
/// #[derive(Atom, Clone)]
/// struct Address { street: String, floor: u64 }
/// ```
#[proc_macro_derive(Atom, attributes(crdt))]
pub fn derive_atom(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    atom::atom(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}

/// Makes an [`Atom`](macro@Atom) one that maps and sets take as keys and elements: it needs `Eq`,
/// `Ord` and `Hash`, and no floats.
#[proc_macro_derive(Key, attributes(crdt))]
pub fn derive_key(input: TokenStream) -> TokenStream {
    let input = parse_macro_input!(input as DeriveInput);
    atom::key(&input).unwrap_or_else(syn::Error::into_compile_error).into()
}
