//! The laws of the canonical bytes.

use std::format;

use super::algebra::{join, reader};
use super::counterexample::{Broken, Held};
use super::subject::DeltaCrdt;
use super::world::{READER, outside};

/// Checks that all holders of a state save the same bytes and show the same.
pub(super) fn equal_bytes<C: DeltaCrdt>(a: &C, b: &C) -> Held {
    let (here, there) = (join(a, b), join(b, a).fork(outside(1)));
    for (one, other) in [(a, &a.fork(outside(2))), (&here, &there)] {
        // States that already differ when saved by one reader are checked by other laws.
        if reader(one).save() != reader(other).save() {
            continue;
        }
        let claim = match (one.save() == other.save(), one.view() == other.view()) {
            (true, true) => continue,
            (true, false) => "one state shows different things at two copies",
            (false, _) => "the bytes of one state depend on who saves it",
        };
        return Err(Broken::new(claim).compare("here", one).compare("at its fork", other));
    }
    Ok(())
}

/// Checks that saved bytes load, as the same state.
pub(super) fn round_trip<C: DeltaCrdt>(a: &C) -> Held {
    let copy = reader(a);
    let Some(loaded) = C::load(&copy.save(), READER) else {
        return Err(Broken::new("`load` refuses what `save` wrote").operand("a", &copy));
    };
    if loaded.save() == copy.save() && loaded.view() == copy.view() {
        return Ok(());
    }
    let broken = Broken::new("what is loaded is not what was saved");
    Err(broken.compare("a", &copy).compare("a, saved and loaded", &loaded))
}

/// Checks that bytes are refused that are cut off or have something behind them.
pub(super) fn strict_bytes<C: DeltaCrdt>(a: &C) -> Held {
    let mut bytes = a.save();
    for len in 0..bytes.len() {
        if let Some(loaded) = C::load(&bytes[..len], READER) {
            let whole = bytes.len();
            let broken = Broken::new(format!("`load` takes the first {len} of {whole} bytes"));
            return Err(broken.operand("a", a).operand("loaded", &loaded));
        }
    }
    bytes.push(0);
    if let Some(loaded) = C::load(&bytes, READER) {
        let broken = Broken::new("`load` takes all bytes with a zero byte behind them");
        return Err(broken.operand("a", a).operand("loaded", &loaded));
    }
    Ok(())
}
