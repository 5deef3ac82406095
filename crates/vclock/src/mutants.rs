//! Planted bugs, and the check that one is switched on.
//!
//! A mutant is a known failure, put back on purpose, that the test suite must catch. It compiles
//! only behind `--cfg rejoin_mutants`, and then the environment variable `REJOIN_MUTANT` names the
//! one that is on. No cargo feature leads here, so no user can switch a bug on.

/// True if the planted bug of this name is switched on in this process.
///
/// Always `false`, and known to the compiler to be so, unless built with `--cfg rejoin_mutants`.
#[cfg(not(rejoin_mutants))]
#[must_use]
#[inline(always)]
pub const fn is_on(_name: &str) -> bool {
    false
}

/// True if the planted bug of this name is switched on in this process.
///
/// The environment is read once, at the first call.
#[cfg(rejoin_mutants)]
#[must_use]
pub fn is_on(name: &str) -> bool {
    static CHOSEN: std::sync::OnceLock<Option<std::string::String>> = std::sync::OnceLock::new();
    CHOSEN.get_or_init(|| std::env::var("REJOIN_MUTANT").ok()).as_deref() == Some(name)
}

/// `mutant!("name")` is true where the planted bug of that name is switched on.
#[doc(hidden)]
#[macro_export]
macro_rules! mutant {
    ($name:literal) => {
        $crate::mutants::is_on($name)
    };
}
