//! Transactions on a runtime of the caller, and a watch as a stream.

use std::future::{Future, poll_fn};
use std::pin::{Pin, pin};
use std::task::Poll;

use futures_core::Stream;
use rejoin_crdts::EditError;
use rejoin_replica::{Once, Space, Store, StoreError};

use crate::medium::{Medium, until};
use crate::pipes::Cart;

type Carts = Space<Cart>;

fn carts() -> (Store, Carts) {
    let store = Store::memory().expect("a store");
    let carts = store.create_space("carts").expect("a first space");
    (store, carts)
}

async fn is_pending(future: Pin<&mut impl Future>) -> bool {
    let mut future = future;
    poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending())).await
}

/// While the medium takes its time, the one thread of the runtime goes on with other work.
#[tokio::test]
async fn a_transaction_that_waits_for_the_medium_holds_nobody_up() {
    let medium = Medium::new();
    let store = medium.open();
    let carts: Carts = store.create_space("carts").expect("a first space");
    medium.hold();
    let before = medium.commits();
    let mut writes = Vec::new();
    for _ in 0..50 {
        let carts = carts.clone();
        let add = move |tx: &mut rejoin_replica::Transaction<'_, Cart>| {
            tx.object("alice").entry("apples").add(1)
        };
        writes.push(tokio::spawn(async move { carts.transact_async(add).await }));
    }
    while carts.object("alice").at("apples").value() != Ok(50) {
        tokio::task::yield_now().await;
    }
    assert!(writes.iter().all(|write| !write.is_finished()), "none is durable yet");
    until(|| medium.commits() > before);
    medium.release();
    for write in writes {
        let committed = write.await.expect("no panic").expect("a transaction");
        assert!(committed.receipt.is_durable());
    }
    assert!(medium.commits() - before < 50, "they are written together");
    let value = carts.read_async(|snapshot| snapshot.object("alice").at("apples").value()).await;
    assert_eq!(value, Ok(Ok(50)));
    assert_eq!(carts.flush_async().await, Ok(()));
}

#[tokio::test]
async fn a_key_is_used_once_and_an_error_aborts() {
    let (_store, carts) = carts();
    let once =
        || carts.transact_once_async("order 7", |tx| tx.object("alice").entry("figs").add(2));
    assert!(matches!(once().await, Ok(Once::First(_))));
    assert!(matches!(once().await, Ok(Once::Repeated(_))));
    let aborted = carts.transact_async(|tx| {
        tx.object("alice").entry("figs").add(5)?;
        Err::<(), _>(EditError::Aborted("changed my mind".to_owned()))
    });
    assert!(matches!(aborted.await, Err(StoreError::Edit(EditError::Aborted(_)))));
    assert_eq!(carts.object("alice").at("figs").value(), Ok(2));
}

#[tokio::test]
async fn a_panic_of_the_closure_comes_through_and_the_space_goes_on() {
    let (_store, carts) = carts();
    let panicking = carts.clone();
    let task = tokio::spawn(async move {
        panicking.transact_async(|_| -> Result<(), EditError> { panic!("my own") }).await
    });
    assert!(task.await.expect_err("it panics").is_panic());
    let added = carts.transact_async(|tx| tx.object("alice").entry("figs").add(1)).await;
    assert!(added.is_ok());
}

/// Inside a transaction it would wait for a thread that waits for this one's lock.
#[tokio::test]
async fn a_transaction_inside_another_is_refused() {
    let (_store, carts) = carts();
    let inner = carts.clone();
    let runtime = tokio::runtime::Handle::current();
    let add =
        |tx: &mut rejoin_replica::Transaction<'_, Cart>| tx.object("alice").entry("apples").add(1);
    let refused =
        carts.transact_async(move |_| Ok(runtime.block_on(inner.transact_async(add)))).await;
    assert_eq!(refused.expect("the outer one").value.map(|_| ()), Err(StoreError::Nested));
}

#[test]
fn without_a_runtime_nothing_is_done() {
    let (_store, carts) = carts();
    let mut transaction = pin!(carts.transact_async(|tx| tx.object("alice").entry("figs").add(1)));
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let polled = transaction.as_mut().poll(&mut context);
    assert!(matches!(polled, Poll::Ready(Err(StoreError::NoRuntime))));
    assert_eq!(carts.object("alice").len(), Ok(0));
}

#[tokio::test]
async fn a_watch_is_a_stream_that_ends_with_the_store() {
    let (store, carts) = carts();
    let mut watch = carts.watch().expect("a watch");
    assert!(is_pending(pin!(watch.next())).await, "nothing has come yet");
    let there = carts.clone();
    let writer = tokio::spawn(async move {
        for _ in 0..3 {
            let add = |tx: &mut rejoin_replica::Transaction<'_, Cart>| {
                tx.object("alice").entry("apples").add(1)
            };
            there.transact_async(add).await.expect("a transaction");
        }
    });
    let mut lasts = Vec::new();
    for _ in 0..2 {
        lasts.push(watch.next().await.expect("it goes on").expect("nothing missed").last);
    }
    let next = poll_fn(|context| Pin::new(&mut watch).poll_next(context)).await;
    lasts.push(next.expect("it goes on").expect("nothing missed").last);
    assert_eq!(lasts, [1, 2, 3]);
    writer.await.expect("no panic");
    let waits = tokio::spawn(async move { watch.next().await.is_none() });
    tokio::task::yield_now().await;
    drop((store, carts));
    assert!(waits.await.expect("no panic"), "the store is closed");
}
