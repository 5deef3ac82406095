//! The driver's side of the exchange with one child: requests out, replies in, in any order.
//!
//! When the driver decides to kill a child, it stops listening first. A receipt that arrives after
//! that is thrown away, as if the connection had been lost with it: the driver then does not know
//! whether the transaction was applied, and can only find out by its idempotency key.

#![deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::sync::{Mutex as AsyncMutex, oneshot};

use crate::driver::child_error::ChildError;
use crate::driver::child_protocol::{
    Answer, Command, Reply, Request, Response, from_line, to_line,
};

/// A child that sends no reply within this time is given up.
const PATIENCE: Duration = Duration::from_secs(120);

/// A running exchange with one child.
pub(crate) struct Conversation {
    name: String,
    writer: AsyncMutex<Box<dyn AsyncWrite + Send + Unpin>>,
    desk: Arc<Mutex<Desk>>,
}

/// The requests that wait for a reply.
#[derive(Debug, Default)]
struct Desk {
    last_id: u64,
    waiting: HashMap<u64, oneshot::Sender<Answer>>,
    /// All replies are thrown away from now on.
    deaf: bool,
    /// No more replies will come.
    ended: bool,
    /// The line that was not a response.
    garbled: Option<String>,
}

/// A request that was written and has no reply yet.
#[derive(Debug)]
pub(crate) struct Posted {
    name: String,
    reply: oneshot::Receiver<Answer>,
    desk: Arc<Mutex<Desk>>,
}

/// The outcome of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Outcome {
    /// The child replied.
    Answered(Reply),
    /// The child was killed before it could reply; the request may have been done or not.
    Unknown,
}

impl Conversation {
    /// Starts the exchange with the child called `name` over its two pipes.
    pub(crate) fn start(
        name: &str,
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
    ) -> Conversation {
        let desk = Arc::new(Mutex::new(Desk::default()));
        tokio::spawn(listen(reader, Arc::clone(&desk)));
        Conversation { name: name.to_owned(), writer: AsyncMutex::new(Box::new(writer)), desk }
    }

    /// Writes a request; [`Posted::outcome`] waits for the reply.
    pub(crate) async fn post(&self, command: Command) -> Posted {
        let (sender, reply) = oneshot::channel();
        let id = lock(&self.desk).expect_reply(sender);
        let line = to_line(&Request { id, command });
        // If the child is gone, it shows when the reply is awaited.
        let _ = self.writer.lock().await.write_all(&line).await;
        Posted { name: self.name.clone(), reply, desk: Arc::clone(&self.desk) }
    }

    /// Asks and waits; for children that nobody is about to kill.
    ///
    /// # Errors
    /// Those of [`Posted::outcome`], and [`ChildError::Ended`] for an unknown outcome.
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, ChildError> {
        self.post(command).await.reply().await
    }

    /// Throws away all replies from now on; requests are still carried out.
    pub(crate) fn stop_listening(&self) {
        lock(&self.desk).deaf = true;
    }
}

impl Posted {
    /// Waits for the reply.
    ///
    /// # Errors
    /// [`ChildError`]: the child refused, ended by itself, or does not speak the protocol.
    pub(crate) async fn outcome(self) -> Result<Outcome, ChildError> {
        let Posted { name, reply, desk } = self;
        let Ok(answered) = tokio::time::timeout(PATIENCE, reply).await else {
            return Err(ChildError::Silent { name, seconds: PATIENCE.as_secs() });
        };
        match answered {
            Ok(Answer::Ok(reply)) => Ok(Outcome::Answered(reply)),
            Ok(Answer::Error(refusal)) => Err(ChildError::Refused { name, refusal }),
            Err(_) => lock(&desk).why_ended(name),
        }
    }

    /// Waits for the reply of a child that nobody kills in the meantime.
    ///
    /// # Errors
    /// Those of [`Posted::outcome`], and [`ChildError::Ended`] for an unknown outcome.
    pub(crate) async fn reply(self) -> Result<Reply, ChildError> {
        let name = self.name.clone();
        match self.outcome().await? {
            Outcome::Answered(reply) => Ok(reply),
            Outcome::Unknown => Err(ChildError::Ended { name }),
        }
    }
}

impl Desk {
    fn expect_reply(&mut self, sender: oneshot::Sender<Answer>) -> u64 {
        self.last_id += 1;
        if !self.ended {
            self.waiting.insert(self.last_id, sender);
        }
        self.last_id
    }

    fn take(&mut self, Response { id, answer }: Response) {
        if self.deaf {
            return;
        }
        if let Some(waiting) = self.waiting.remove(&id) {
            // Whoever asked may have given up.
            let _ = waiting.send(answer);
        }
    }

    fn end(&mut self) {
        self.ended = true;
        self.waiting.clear();
    }

    fn why_ended(&self, name: String) -> Result<Outcome, ChildError> {
        match &self.garbled {
            _ if self.deaf => Ok(Outcome::Unknown),
            Some(line) => Err(ChildError::Garbled { name, line: line.clone() }),
            None => Err(ChildError::Ended { name }),
        }
    }
}

/// Hands out replies until the pipe ends or a line makes no sense.
async fn listen(reader: impl AsyncRead + Unpin, desk: Arc<Mutex<Desk>>) {
    let mut reader = BufReader::new(reader);
    let mut line = Vec::new();
    while reader.read_until(b'\n', &mut line).await.is_ok_and(|count| count > 0) {
        match from_line(&line) {
            Ok(response) => lock(&desk).take(response),
            Err(_) => {
                let text = String::from_utf8_lossy(&line).trim_end().chars().take(120).collect();
                lock(&desk).garbled = Some(text);
                break;
            }
        }
        line.clear();
    }
    lock(&desk).end();
}

fn lock(desk: &Mutex<Desk>) -> MutexGuard<'_, Desk> {
    desk.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
pub(crate) mod tests {
    use tokio::io::{DuplexStream, ReadHalf, WriteHalf, duplex, split};

    use super::*;
    use crate::driver::child_protocol::Refusal;

    /// The child's end of a conversation.
    pub(crate) struct FakeChild {
        reader: BufReader<ReadHalf<DuplexStream>>,
        writer: WriteHalf<DuplexStream>,
    }

    impl FakeChild {
        pub(crate) async fn request(&mut self) -> Request {
            let mut line = Vec::new();
            self.reader.read_until(b'\n', &mut line).await.unwrap();
            from_line(&line).unwrap()
        }

        pub(crate) async fn answer(&mut self, id: u64, answer: Answer) {
            self.writer.write_all(&to_line(&Response { id, answer })).await.unwrap();
        }

        async fn digest(&mut self, id: u64, digest: &str) {
            self.answer(id, Answer::Ok(Reply::Digest(digest.to_owned()))).await;
        }
    }

    /// Makes a conversation and its other end.
    pub(crate) fn conversation() -> (Conversation, FakeChild) {
        let (near, far) = duplex(1 << 16);
        let ((near_reader, near_writer), (reader, writer)) = (split(near), split(far));
        let conversation = Conversation::start("north", near_reader, near_writer);
        (conversation, FakeChild { reader: BufReader::new(reader), writer })
    }

    fn digest(text: &str) -> Outcome {
        Outcome::Answered(Reply::Digest(text.to_owned()))
    }

    #[tokio::test]
    async fn replies_find_their_request_in_any_order() {
        let (conversation, mut child) = conversation();
        let first = conversation.post(Command::Digest).await;
        let second = conversation.post(Command::Digest).await;
        let (one, two) = (child.request().await, child.request().await);
        child.digest(two.id, "two").await;
        child.digest(one.id, "one").await;
        assert_eq!(first.outcome().await.unwrap(), digest("one"));
        assert_eq!(second.outcome().await.unwrap(), digest("two"));
    }

    #[tokio::test]
    async fn a_refusal_is_an_error_and_ends_nothing() {
        let (conversation, mut child) = conversation();
        let posted = conversation.post(Command::Listen { port: 80 }).await;
        let id = child.request().await.id;
        let refusal = Refusal { message: "port in use".to_owned(), help: "take 0".to_owned() };
        child.answer(id, Answer::Error(refusal)).await;
        let error = posted.outcome().await.unwrap_err();
        assert_eq!(error.to_string(), "replica north refused: port in use");
        let posted = conversation.post(Command::Digest).await;
        let id = child.request().await.id;
        child.digest(id, "still here").await;
        assert_eq!(posted.outcome().await.unwrap(), digest("still here"));
    }

    #[tokio::test]
    async fn replies_that_nobody_listens_to_leave_the_outcome_unknown() {
        let (conversation, mut child) = conversation();
        let posted = conversation.post(Command::Digest).await;
        conversation.stop_listening();
        let late = conversation.post(Command::Digest).await;
        for _ in 0..2 {
            let id = child.request().await.id;
            child.digest(id, "done, in fact").await;
        }
        drop(child);
        assert_eq!(posted.outcome().await.unwrap(), Outcome::Unknown);
        assert_eq!(late.outcome().await.unwrap(), Outcome::Unknown);
        let too_late = conversation.post(Command::Digest).await;
        assert_eq!(too_late.outcome().await.unwrap(), Outcome::Unknown);
    }

    #[tokio::test]
    async fn a_child_that_ends_by_itself_is_an_error() {
        let (conversation, child) = conversation();
        let posted = conversation.post(Command::Digest).await;
        drop(child);
        assert!(matches!(posted.outcome().await, Err(ChildError::Ended { .. })));
        assert!(matches!(conversation.ask(Command::Digest).await, Err(ChildError::Ended { .. })));
    }

    #[tokio::test]
    async fn a_line_that_is_no_response_is_shown() {
        let (conversation, mut child) = conversation();
        let posted = conversation.post(Command::Digest).await;
        child.writer.write_all(b"hello?\n").await.unwrap();
        let error = posted.outcome().await.unwrap_err();
        assert_eq!(error.to_string(), "replica north said what is no reply: hello?");
    }
}
