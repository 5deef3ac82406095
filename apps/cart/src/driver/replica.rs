//! The child process: serves requests from its standard input against one shop.
//!
//! Requests are served side by side, so that transactions share a flush to disk; each is answered
//! when it is done. The process ends when its standard input ends, or after `close`.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::io::{AsyncBufRead, AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::mpsc;
use tokio::task::{JoinSet, spawn_blocking};

use crate::driver::child_protocol::{Answer, Command, Refusal, Reply, Request, Response};
use crate::driver::child_protocol::{from_line, to_line};

/// The work of a replica for the driver. Calls may block, and come from several threads.
pub(crate) trait Shop: Send + Sync + 'static {
    /// Does every command except [`Command::Close`].
    ///
    /// # Errors
    /// [`Refusal`]: the error, with advice on what to do next.
    fn serve(&self, command: Command) -> Result<Reply, Refusal>;

    /// Closes the store, opens it again, and returns the digest of its contents.
    ///
    /// # Errors
    /// [`Refusal`]: the error, with advice on what to do next.
    fn reopened_digest(self) -> Result<Reply, Refusal>;
}

/// Serves `shop` until `input` ends or asks to close.
pub(crate) async fn serve(
    shop: impl Shop,
    input: impl AsyncRead + Unpin,
    output: impl AsyncWrite + Unpin + Send + 'static,
) {
    let (replies, outbox) = mpsc::unbounded_channel();
    let writing = tokio::spawn(write_replies(outbox, output));
    let shop = Arc::new(shop);
    let mut running = JoinSet::new();
    let mut input = BufReader::new(input);
    // When the input ends, nobody is left to be answered.
    while let Some(Request { id, command }) = next_request(&mut input).await {
        if command == Command::Close {
            while running.join_next().await.is_some() {}
            // On another thread, because this one has to release the connections meanwhile.
            let digest = spawn_blocking(|| Arc::into_inner(shop).map(Shop::reopened_digest)).await;
            send(&replies, id, digest.ok().flatten().unwrap_or_else(|| Err(still_busy())));
            drop(replies);
            let _ = writing.await;
            return;
        }
        let (shop, replies) = (Arc::clone(&shop), replies.clone());
        running.spawn_blocking(move || {
            let served = catch_unwind(AssertUnwindSafe(|| shop.serve(command)));
            send(&replies, id, served.unwrap_or_else(|_| Err(panicked())));
        });
        while running.try_join_next().is_some() {}
    }
}

async fn next_request(input: &mut (impl AsyncBufRead + Unpin)) -> Option<Request> {
    let mut line = Vec::new();
    input.read_until(b'\n', &mut line).await.ok().filter(|&count| count > 0)?;
    from_line(&line).inspect_err(|error| eprintln!("error: not a request: {error}")).ok()
}

fn send(replies: &mpsc::UnboundedSender<Response>, id: u64, result: Result<Reply, Refusal>) {
    let answer = match result {
        Ok(reply) => Answer::Ok(reply),
        Err(refusal) => Answer::Error(refusal),
    };
    // Without a writer, nobody can be answered.
    let _ = replies.send(Response { id, answer });
}

/// Returns the answer after a panic; without one, the driver would go on waiting.
fn panicked() -> Refusal {
    Refusal {
        message: "it panicked".to_owned(),
        help: "run it again with --dir; the log beside the store tells where".to_owned(),
    }
}

fn still_busy() -> Refusal {
    Refusal {
        message: "the store is still in use by another request".to_owned(),
        help: "close it again when all requests are answered".to_owned(),
    }
}

async fn write_replies(
    mut outbox: mpsc::UnboundedReceiver<Response>,
    mut output: impl AsyncWrite + Unpin,
) {
    while let Some(response) = outbox.recv().await {
        let line = to_line(&response);
        if output.write_all(&line).await.is_err() || output.flush().await.is_err() {
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;
    use std::sync::Mutex;

    use tokio::io::{DuplexStream, duplex, split};

    use super::*;
    use crate::driver::conversation::{Conversation, Outcome};

    /// Answers `digest` only once `stats` has been asked.
    #[derive(Default)]
    struct FakeShop {
        asked: Mutex<bool>,
        changed: Condvar,
    }

    impl Shop for FakeShop {
        fn serve(&self, command: Command) -> Result<Reply, Refusal> {
            let mut asked = self.asked.lock().unwrap();
            match command {
                Command::Digest => {
                    while !*asked {
                        asked = self.changed.wait(asked).unwrap();
                    }
                    Ok(Reply::Digest("waited".to_owned()))
                }
                Command::Stats => {
                    *asked = true;
                    self.changed.notify_all();
                    Ok(Reply::Stats { entries: 0, encoded_bytes: 0 })
                }
                Command::Conflicts => panic!("as planned"),
                other => Err(Refusal { message: format!("no {other:?}"), help: String::new() }),
            }
        }

        fn reopened_digest(self) -> Result<Reply, Refusal> {
            Ok(Reply::Digest(format!("closed, asked: {}", self.asked.into_inner().unwrap())))
        }
    }

    fn started() -> (Conversation, tokio::task::JoinHandle<()>) {
        let (near, far): (DuplexStream, DuplexStream) = duplex(1 << 16);
        let ((near_reader, near_writer), (input, output)) = (split(near), split(far));
        let serving = tokio::spawn(serve(FakeShop::default(), input, output));
        (Conversation::start("north", near_reader, near_writer), serving)
    }

    fn digest(text: &str) -> Reply {
        Reply::Digest(text.to_owned())
    }

    #[tokio::test]
    async fn requests_are_served_side_by_side() {
        let (driver, _serving) = started();
        let waits = driver.post(Command::Digest).await;
        driver.ask(Command::Stats).await.unwrap();
        assert_eq!(waits.outcome().await.unwrap(), Outcome::Answered(digest("waited")));
        let error = driver.ask(Command::Vector).await.unwrap_err();
        assert_eq!(error.to_string(), "replica north refused: no Vector");
    }

    #[tokio::test]
    async fn a_panic_is_answered_too() {
        let (driver, _serving) = started();
        let error = driver.ask(Command::Conflicts).await.unwrap_err();
        assert_eq!(error.to_string(), "replica north refused: it panicked");
    }

    #[tokio::test]
    async fn close_waits_for_what_runs_and_ends() {
        let (driver, serving) = started();
        let waits = driver.post(Command::Digest).await;
        let asks = driver.post(Command::Stats).await;
        let close = driver.post(Command::Close).await;
        assert_eq!(close.reply().await.unwrap(), digest("closed, asked: true"));
        assert_eq!(waits.reply().await.unwrap(), digest("waited"));
        asks.reply().await.unwrap();
        serving.await.unwrap();
    }

    #[tokio::test]
    async fn the_end_of_the_input_is_the_end() {
        let (near, far) = duplex(64);
        let (input, output) = split(far);
        drop(near);
        serve(FakeShop::default(), input, output).await;
    }
}
