//! Registers: one value, which is replaced as a whole.
//!
//! All of them keep the same cell, the writes that are alive, and differ in what they show: the
//! last ([`LwwRegister`]), all ([`MvRegister`]), the greatest or the least ([`ExtremeRegister`]):
//! each is siblings with a fixed policy. Siblings with a policy that is data are in
//! `rejoin-resolve`.

pub(crate) mod extreme;
mod lww;
mod mv;
#[doc(hidden)]
pub mod siblings;

pub use extreme::{
    Extreme, ExtremeRegister, ExtremeRegisterEditor, ExtremeRegisterReader, Greatest, Least,
    MaxRegister, MinRegister,
};
pub use lww::{LwwRegister, LwwRegisterEditor, LwwRegisterReader};
pub(crate) use lww::{Write, Writes};
pub use mv::{MvRegister, MvRegisterEditor, MvRegisterReader};
