//! `rejoin accept-loss`.

use std::path::Path;

use rejoin_replica::{Accepted, Loss, Store};

use crate::failure::Failure;

pub(super) fn run(path: &Path, for_good: bool) -> Result<(), Failure> {
    let loss = if for_good { Loss::ForGood } else { Loss::Unseen };
    if !path.exists() {
        let what = format!("there is no {}", path.display());
        return Err(Failure::new(&what, "give the name of a store file"));
    }
    let store = Store::open(path)?;
    let mut is_done = false;
    for name in store.spaces()? {
        let Accepted { lost, rewritten, waiting, .. } = store.accept_loss(&name, loss)?;
        is_done |= lost + rewritten > 0;
        println!("{name:?}: {lost} operations lost, {rewritten} transactions rewritten");
        if waiting > 0 {
            println!("  {waiting} of others are quarantined until somebody brings what is missing");
        }
    }
    store.close()?;
    println!(
        "{}",
        match is_done {
            true => "it goes on under a new identity",
            false => "nothing of its own waits for lost records; nothing was done",
        }
    );
    Ok(())
}
