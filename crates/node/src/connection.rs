//! One connection: bytes in, messages to the space; frames out, as fast as the peer takes them.
//!
//! Reading and writing go on side by side, so two peers that both have much to send never wait for
//! each other. Whatever touches the store runs on a blocking thread: it may wait for a disk.

use std::io;
use std::time::Duration;

use rejoin_replica::message::{Direction, Frames, Message, Refusal};
use rejoin_replica::{Link, LinkError, SessionId};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::watch;
use tokio::time::timeout;

/// A stranger has this long to say hello.
const HELLO_PATIENCE: Duration = Duration::from_secs(5);
/// A peer that takes nothing for so long is given up.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
const READ_BYTES: usize = 64 << 10;

/// A space as this node shares it.
#[derive(Clone, Debug)]
pub(crate) struct Shared {
    pub link: Link,
    /// Changes whenever there may be something to send.
    pub wake: watch::Receiver<u64>,
}

/// Why a connection is over.
#[derive(Debug)]
pub(crate) enum End {
    Closed,
    Io(io::Error),
    Link(LinkError),
}

impl std::fmt::Display for End {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Closed => f.write_str("the peer closed it"),
            Self::Io(error) => error.fmt(f),
            Self::Link(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for End {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

impl From<LinkError> for End {
    fn from(error: LinkError) -> Self {
        Self::Link(error)
    }
}

/// Runs what may wait for a disk away from the threads that must not wait.
pub(crate) async fn blocking<R: Send + 'static>(
    work: impl FnOnce() -> R + Send + 'static,
) -> io::Result<R> {
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)
}

/// What a stranger wants, once it has said so: which of the shared spaces, by its hello.
pub(crate) async fn greet(
    stream: &mut TcpStream,
    shared: &[Shared],
) -> Result<(Shared, Frames, Vec<Message>), String> {
    let mut frames = Frames::default();
    let first = timeout(HELLO_PATIENCE, first_message(stream, &mut frames)).await;
    let first = first.map_err(|_| "no hello within five seconds".to_owned())??;
    let Message::Hello { space, .. } = &first else {
        return Err("it did not begin with a hello".to_owned());
    };
    match shared.iter().find(|shared| shared.link.hash() == *space) {
        Some(shared) => Ok((shared.clone(), frames, vec![first])),
        None => {
            let refusal = Refusal::UnknownSpace;
            let frame = Message::Refuse(refusal).frame(&mut Direction::default());
            let sent = timeout(WRITE_PATIENCE, stream.write_all(&frame)).await;
            let unheard = if matches!(sent, Ok(Ok(()))) { "" } else { " (and it did not listen)" };
            Err(format!("{refusal}{unheard}"))
        }
    }
}

async fn first_message(stream: &mut TcpStream, frames: &mut Frames) -> Result<Message, String> {
    let mut buffer = vec![0; 4096];
    loop {
        if let Some(message) = frames.next_message().map_err(|error| error.to_string())? {
            return Ok(message);
        }
        let read = stream.read(&mut buffer).await.map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("it closed before it said hello".to_owned());
        }
        frames.push(&buffer[..read]);
    }
}

/// Drives a connection until it is over. `first` arrived already.
pub(crate) async fn drive(
    shared: Shared,
    stream: TcpStream,
    frames: Frames,
    first: Vec<Message>,
) -> End {
    drop(stream.set_nodelay(true));
    let link = shared.link.clone();
    let session = match blocking(move || link.open()).await {
        Ok(Ok(session)) => session,
        Ok(Err(error)) => return End::Link(LinkError::Store(error)),
        Err(error) => return End::Io(error),
    };
    let (reader, mut writer) = stream.into_split();
    let end = tokio::select! {
        end = read(&shared.link, session, reader, frames, first) => end,
        end = write(&shared, session, &mut writer) => end,
    };
    let end = end.err().unwrap_or(End::Closed);
    if matches!(end, End::Link(LinkError::Ended(_))) {
        // The reason is still in the session's outbox; say it before hanging up.
        drop(send_all(&shared.link, session, &mut writer).await);
    }
    let link = shared.link;
    drop(blocking(move || link.close(session)).await);
    end
}

async fn read(
    link: &Link,
    session: SessionId,
    mut reader: OwnedReadHalf,
    mut frames: Frames,
    first: Vec<Message>,
) -> Result<(), End> {
    handle(link, session, first).await?;
    let mut buffer = vec![0; READ_BYTES];
    loop {
        let mut messages = Vec::new();
        loop {
            match frames.next_message() {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => break,
                Err(error) => {
                    handle(link, session, messages).await?;
                    link.fail(session, &error)?;
                    return Ok(());
                }
            }
        }
        handle(link, session, messages).await?;
        let read = reader.read(&mut buffer).await?;
        if read == 0 {
            return Ok(());
        }
        frames.push(&buffer[..read]);
    }
}

async fn handle(link: &Link, session: SessionId, messages: Vec<Message>) -> Result<(), End> {
    if messages.is_empty() {
        return Ok(());
    }
    let link = link.clone();
    Ok(blocking(move || link.handle(session, messages)).await??)
}

async fn write(
    shared: &Shared,
    session: SessionId,
    writer: &mut OwnedWriteHalf,
) -> Result<(), End> {
    let mut wake = shared.wake.clone();
    loop {
        wake.borrow_and_update();
        send_all(&shared.link, session, writer).await?;
        if wake.changed().await.is_err() {
            return Ok(());
        }
    }
}

async fn send_all(link: &Link, session: SessionId, writer: &mut OwnedWriteHalf) -> Result<(), End> {
    loop {
        let from = link.clone();
        let Some(frame) = blocking(move || from.transmit(session)).await?? else { return Ok(()) };
        let sent = timeout(WRITE_PATIENCE, writer.write_all(&frame)).await;
        sent.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))??;
    }
}
