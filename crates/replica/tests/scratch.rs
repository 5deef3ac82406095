//! scratch
use rejoin_crdts::{OrMap, PnCounter};
use rejoin_replica::Store;
use std::panic::{catch_unwind, AssertUnwindSafe};
type Cart = OrMap<String, PnCounter>;

fn build(path: &std::path::Path, n: usize) -> Store {
    let store = Store::open(path).unwrap();
    let space = store.create_space::<Cart>("carts").unwrap();
    for i in 0..n {
        space.transact(|tx| tx.object("alice").entry(&format!("line{i}")).add(1)).unwrap();
    }
    store
}

fn probe(dir: &std::path::Path, bytes: &[u8], n: usize) -> (String, bool) {
    let path = dir.join("probe.rejoin");
    std::fs::write(&path, bytes).unwrap();
    let outcome = catch_unwind(AssertUnwindSafe(|| {
        let store = Store::open(&path)?;
        let space = store.open_space::<Cart>("carts")?;
        let len = space.object("alice").len()?;
        Ok::<usize, rejoin_replica::StoreError>(len)
    }));
    let same = std::fs::read(&path).unwrap() == bytes;
    let text = match outcome {
        Err(panic) => format!("PANIC {}", panic.downcast_ref::<String>().cloned().or(panic.downcast_ref::<&str>().map(|s| s.to_string())).unwrap_or_default()),
        Ok(Ok(len)) if len == n => "intact".into(),
        Ok(Ok(len)) => format!("LOST {}", n - len),
        Ok(Err(e)) => format!("err {e:?}"),
    };
    (text, same)
}

#[test]
fn scratch() {
    let dir = tempfile::tempdir().unwrap();
    let n = 60;
    let path = dir.path().join("a.rejoin");
    let store = build(&path, n);
    let unclean = std::fs::read(&path).unwrap();
    drop(store);
    let clean = std::fs::read(&path).unwrap();
    std::panic::set_hook(Box::new(|_| {}));
    for (name, bytes) in [("clean", &clean), ("unclean", &unclean)] {
        println!("{name} {} bytes", bytes.len());
        let l = bytes.len();
        for cut in [0, 1, 9, 100, 511, 512, 4095, 4096, 8192, l / 4, l / 2, l/2+1, l*3/4, l - 4096, l - 512, l - 1] {
            let (t, same) = probe(dir.path(), &bytes[..cut], n);
            println!("  cut {cut}: {t} same={same}");
        }
        let mut more = bytes.clone(); more.extend([7; 1000]);
        println!("  grown {:?}", probe(dir.path(), &more, n));
        let mut counts = std::collections::BTreeMap::<String, (usize, usize, usize)>::new();
        let mut at = 0;
        let mut x = 1u64;
        while at < l {
            x = x.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            let mut b = bytes.clone();
            b[at] ^= 1 << (x >> 60 & 7);
            let (t, same) = probe(dir.path(), &b, n);
            let t: String = t.chars().take(90).collect();
            let e = counts.entry(t).or_default();
            e.0 += 1; if same { e.1 += 1 } e.2 = at;
            at += if bytes[at..].iter().take(512).all(|b| *b == 0) { 8192 } else { 37 };
        }
        for (t, (c, s, at)) in counts { println!("  flip {c}x same={s} last={at}: {t}"); }
    }
}
