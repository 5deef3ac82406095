//! One connection to another process, with all spaces that both share.
//!
//! One task per connection moves bytes and decides only whose turn it is ([`Mux`]). Sessions handle
//! their bytes on blocking threads, one job per channel at a time and many channels side by side,
//! so that a space with a slow disk does not hold up the others. While nothing happens, the task
//! wakes up only for heartbeats.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rejoin_replica::message::{Frames, SpaceHash};
use rejoin_replica::{LinkError, SessionEnd};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until, timeout};

use crate::dial::Target;
use crate::end::{End, Outcome, Reason};
use crate::mux::{Event, Mux, Why};
use crate::node::Hub;
use crate::report::Report;
use crate::shared::{Bell, Done, Slot};

const READ_BYTES: usize = 64 << 10;
const WRITE_BYTES: usize = 64 << 10;
/// Maximum time for sending the bytes that say why a connection ends.
const GOODBYE: Duration = Duration::from_secs(1);

/// Which end of a connection this is.
#[derive(Clone, Debug)]
pub(crate) enum Side {
    /// The end that listens, with the number of the guest.
    Listener(u64),
    /// The end that dials and opens the channels.
    Dialler(Arc<Target>),
}

struct Channel {
    slot: Arc<Slot>,
    /// `None` while the session is at work.
    frames: Option<Frames>,
    /// The session may have something to send.
    rung: bool,
    /// A job is due even if nothing arrived and nothing can be sent.
    fresh: bool,
    agreed: bool,
    /// The number of the `Want` it was opened for; `None` at the listener.
    want: Option<u64>,
    /// The other end closed it.
    closed: Option<Why>,
}

struct Connection {
    hub: Arc<Hub>,
    peer: SocketAddr,
    side: Side,
    bell: Arc<Bell>,
    mux: Mux,
    channels: BTreeMap<u64, Channel>,
    /// Channels to look at, in this order.
    todo: VecDeque<u64>,
    jobs: JoinSet<io::Result<Done>>,
    greeted: bool,
    agreed: bool,
    /// Set once the connection counts as connected: the listener has let it in, or answers.
    admitted: bool,
    /// The time at which the next space is to be opened.
    next_want: Option<Instant>,
}

/// The bytes of a connection, and when they moved.
struct Wire {
    reader: OwnedReadHalf,
    writer: OwnedWriteHalf,
    buffer: Vec<u8>,
    out: Vec<u8>,
    /// Number of bytes of `out` that are sent.
    gone: usize,
    born: Instant,
    heard: Instant,
    sent: Instant,
}

impl Wire {
    fn new(stream: TcpStream) -> Self {
        drop(stream.set_nodelay(true));
        let (reader, writer) = stream.into_split();
        let (buffer, out, now) = (vec![0; READ_BYTES], Vec::new(), Instant::now());
        Self { reader, writer, buffer, out, gone: 0, born: now, heard: now, sent: now }
    }

    fn is_writing(&self) -> bool {
        self.gone < self.out.len()
    }

    /// Fetches more to send, when all is sent.
    fn refill(&mut self, mux: &mut Mux) {
        if !self.is_writing() {
            (self.out, self.gone) = (mux.poll_transmit(WRITE_BYTES), 0);
            if self.is_writing() {
                self.sent = Instant::now();
            }
        }
    }
}

/// Drives a connection until it is over.
pub(crate) async fn drive(
    hub: Arc<Hub>,
    stream: TcpStream,
    peer: SocketAddr,
    side: Side,
    bell: Arc<Bell>,
) -> Outcome {
    let mux = Mux::new(matches!(side, Side::Dialler(_)));
    let mut connection = Connection {
        hub,
        peer,
        side,
        bell,
        mux,
        channels: BTreeMap::new(),
        todo: VecDeque::new(),
        jobs: JoinSet::new(),
        greeted: false,
        agreed: false,
        admitted: false,
        next_want: None,
    };
    let mut wire = Wire::new(stream);
    connection.look_at_wants(wire.born);
    let end = loop {
        if let Err(end) = connection.step(&mut wire).await {
            break end;
        }
    };
    connection.say_why(&end, &mut wire).await;
    let Connection { greeted, agreed, admitted: connected, .. } = connection;
    Outcome { end, greeted, connected, agreed }
}

impl Connection {
    /// Does what there is to do, and waits for the next event.
    async fn step(&mut self, wire: &mut Wire) -> Result<(), End> {
        wire.refill(&mut self.mux);
        self.handle_events()?;
        self.start_jobs();
        if !wire.is_writing() && self.is_idle() {
            return Err(End::Idle);
        }
        let is_full = self.mux.is_full();
        if is_full {
            wire.heard = Instant::now(); // nothing is read, so silence means nothing
        }
        self.look_at_times(wire)?;
        if !wire.is_writing() && !self.mux.is_quiet() {
            return Ok(());
        }
        let (next, writing) = (self.next_time(wire), wire.is_writing());
        tokio::select! {
            read = wire.reader.read(&mut wire.buffer), if !is_full => {
                let arrived = &wire.buffer[..read?];
                if arrived.is_empty() {
                    return Err(End::Closed);
                }
                wire.heard = Instant::now();
                self.mux.handle_bytes(arrived)?;
            }
            wrote = wire.writer.write(&wire.out[wire.gone..]), if writing => {
                let wrote = wrote?;
                if wrote == 0 {
                    return Err(io::Error::from(io::ErrorKind::WriteZero).into());
                }
                wire.gone += wrote;
                wire.sent = Instant::now();
            }
            Some(done) = self.jobs.join_next(), if !self.jobs.is_empty() => {
                self.finish(done.map_err(io::Error::other)??);
            }
            () = self.bell.notify.notified() => self.handle_bell()?,
            () = sleep_until(next) => {}
        }
        Ok(())
    }

    /// Ends all sessions, and sends the reason if it concerns the other end.
    async fn say_why(&mut self, end: &End, wire: &mut Wire) {
        self.channels.clear();
        match end {
            End::SentAway(why) => self.mux.leave(*why),
            // The bytes still to be sent may include the preface, which names this end's version.
            End::Broken(_) => {}
            _ => return,
        }
        let mut last = wire.out.split_off(wire.gone);
        last.extend(self.mux.poll_transmit(WRITE_BYTES));
        drop(timeout(GOODBYE, wire.writer.write_all(&last)).await);
    }

    // Input.

    fn handle_events(&mut self) -> Result<(), End> {
        while let Some(event) = self.mux.poll_event() {
            match event {
                Event::Greeted => {
                    self.greeted = true;
                    if matches!(self.side, Side::Dialler(_)) {
                        self.admitted = true;
                        self.hub.tell(Report::Connected { peer: self.peer });
                    }
                }
                Event::Opened(channel, space) => self.open(channel, space)?,
                Event::Arrived(channel) => self.todo.push_back(channel),
                Event::Room(channel) => {
                    if self.channels.get(&channel).is_some_and(|channel| channel.rung) {
                        self.todo.push_back(channel);
                    }
                }
                Event::Closed(channel, why) => {
                    if let Some(closed) = self.channels.get_mut(&channel) {
                        closed.closed = Some(why);
                    }
                    self.todo.push_back(channel);
                }
                Event::Left(why) => return Err(End::Left(why)),
            }
        }
        Ok(())
    }

    /// Handles a channel that the other end opened.
    fn open(&mut self, channel: u64, space: SpaceHash) -> Result<(), End> {
        let Side::Listener(guest) = self.side else { return Ok(()) };
        let peer = self.peer;
        let Some(space) = self.hub.space(space) else {
            self.mux.abort(channel, Why::UnknownSpace);
            self.hub.tell(Report::Refused { peer, reason: Why::UnknownSpace.to_string() });
            return Ok(());
        };
        if !self.admitted {
            let admitted = self.hub.guests.admit(guest, &self.hub.options, Instant::now());
            if let Err(limit) = admitted {
                return Err(End::SentAway(Why::Full(limit)));
            }
            self.admitted = true;
            self.hub.tell(Report::Connected { peer });
        }
        if self.mux.channels() > self.hub.options.channels {
            let limit = self.hub.options.channels as u64;
            self.mux.abort(channel, Why::Full(limit));
            self.hub.tell(Report::Full { peer, limit });
            return Ok(());
        }
        let slot = Slot::new(space, Arc::clone(&self.bell), channel);
        self.begin(channel, slot, None);
        Ok(())
    }

    fn begin(&mut self, number: u64, slot: Arc<Slot>, want: Option<u64>) {
        let frames = Some(Frames::default());
        let channel =
            Channel { slot, frames, rung: true, fresh: true, agreed: false, want, closed: None };
        self.channels.insert(number, channel);
        self.todo.push_back(number);
    }

    fn handle_bell(&mut self) -> Result<(), End> {
        let rung = self.bell.take();
        if let Some(why) = rung.leave {
            return Err(End::SentAway(why));
        }
        for number in rung.channels {
            if let Some(channel) = self.channels.get_mut(&number) {
                (channel.rung, channel.fresh) = (true, true);
                self.todo.push_back(number);
            }
        }
        if rung.wants {
            self.look_at_wants(Instant::now());
        }
        Ok(())
    }

    /// Opens channels that are due, and closes those that nobody wants any more.
    fn look_at_wants(&mut self, now: Instant) {
        let Side::Dialler(target) = self.side.clone() else { return };
        let unwanted = |channel: &Channel| channel.want.is_some_and(|want| !target.has(want));
        let gone: Vec<u64> =
            self.channels.iter().filter(|(_, c)| unwanted(c)).map(|(&number, _)| number).collect();
        for number in gone {
            self.channels.remove(&number);
            self.mux.abort(number, Why::Done);
        }
        let mut opened = Vec::new();
        target.claim(now, |want, space| {
            let channel = self.mux.open(space.link.hash());
            let slot = Slot::new(Arc::clone(space), Arc::clone(&self.bell), channel);
            opened.push((channel, Arc::clone(&slot), want));
            slot
        });
        for (channel, slot, want) in opened {
            self.begin(channel, slot, Some(want));
        }
        self.next_want = target.next();
    }

    // Jobs.

    /// Starts jobs in which sessions handle what arrived and gather what they have to send.
    fn start_jobs(&mut self) {
        while let Some(number) = self.todo.pop_front() {
            let (arrived, room) = (self.mux.has_arrived(number), self.mux.has_room(number));
            let Some(channel) = self.channels.get_mut(&number) else { continue };
            if channel.frames.is_none() {
                continue; // it is looked at again when it comes back
            }
            if !arrived && let Some(why) = channel.closed {
                self.end(number, &Reason::Closed(why));
                continue;
            }
            if !(arrived || (channel.rung && room) || channel.fresh) {
                continue;
            }
            let Some(frames) = channel.frames.take() else { continue };
            channel.fresh = false;
            channel.rung &= !room;
            let (slot, bytes) = (Arc::clone(&channel.slot), self.mux.take(number));
            let workers = Arc::clone(&self.hub.workers);
            self.jobs.spawn(async move {
                let permit = workers.acquire_owned().await;
                let work = move || slot.work(frames, &bytes, room);
                let done = tokio::task::spawn_blocking(work).await;
                drop(permit);
                done.map_err(io::Error::other)
            });
        }
    }

    fn finish(&mut self, done: Done) {
        let Done { channel: number, frames, bytes, out, more, agreed, end } = done;
        self.mux.handled(number, bytes as u64);
        if let Side::Listener(guest) = self.side
            && bytes > 0
        {
            self.hub.guests.busy(guest, Instant::now());
        }
        let Some(channel) = self.channels.get_mut(&number) else { return };
        channel.frames = Some(frames);
        channel.rung |= more;
        if let (Side::Dialler(target), Some(want)) = (&self.side, channel.want) {
            target.looked(want);
        }
        if agreed && !std::mem::replace(&mut channel.agreed, true) {
            self.agreed = true;
            if let (Side::Dialler(target), Some(want)) = (&self.side, channel.want) {
                target.agreed(want);
            }
        }
        if !out.is_empty() {
            self.mux.send(number, out);
        }
        match end {
            Some(reason) => self.end(number, &reason),
            None => self.todo.push_back(number),
        }
    }

    /// Ends a channel and its session, and reports the reason.
    fn end(&mut self, number: u64, reason: &Reason) {
        let Some(channel) = self.channels.remove(&number) else { return };
        channel.slot.close();
        let why = match reason {
            Reason::Session(LinkError::Store(_)) => Why::Unusable,
            _ => Why::Done,
        };
        self.mux.close(number, why);
        let (peer, dialled) = (self.peer, channel.want.is_some());
        match reason {
            Reason::Closed(Why::Done) if !dialled => {}
            // It hung up in good order, and is dialled again.
            Reason::Closed(Why::Done) => {
                self.hub.tell(Report::Ended { peer, reason: reason.to_string() });
            }
            Reason::Closed(Why::Full(limit)) => {
                self.hub.tell(Report::Full { peer, limit: *limit });
            }
            Reason::Closed(_) | Reason::Session(LinkError::Ended(SessionEnd::Refused(_))) => {
                self.hub.tell(Report::Refused { peer, reason: reason.to_string() });
            }
            Reason::Session(_) => {
                self.hub.tell(Report::Ended { peer, reason: reason.to_string() });
            }
        }
        if let (Side::Dialler(target), Some(want)) = (&self.side, channel.want) {
            target.failed(want, reason.of_dial(peer), &self.hub.options);
            self.next_want = target.next();
        }
    }

    // Time.

    /// True at the dialling end when there is nothing left to keep the connection for.
    fn is_idle(&self) -> bool {
        let is_empty = self.channels.is_empty() && self.mux.channels() == 0;
        matches!(self.side, Side::Dialler(_)) && is_empty && self.mux.is_quiet()
    }

    /// Acts on the timeouts and sends the heartbeat, as far as they are due.
    fn look_at_times(&mut self, wire: &mut Wire) -> Result<(), End> {
        let (options, now) = (self.hub.options, Instant::now());
        if wire.is_writing() && now >= wire.sent + options.write_timeout {
            return Err(io::Error::from(io::ErrorKind::TimedOut).into());
        }
        if now >= wire.heard + options.idle_timeout {
            return Err(if self.is_stranger() { End::SentAway(Why::Silent) } else { End::Silent });
        }
        if self.is_stranger() && now >= wire.born + options.hello {
            return Err(End::SentAway(Why::Silent));
        }
        if !wire.is_writing() && now >= wire.sent + options.heartbeat {
            self.mux.say_alive();
            wire.sent = now;
        }
        if self.next_want.is_some_and(|next| next <= now) {
            self.look_at_wants(now);
        }
        Ok(())
    }

    fn is_stranger(&self) -> bool {
        matches!(self.side, Side::Listener(_)) && !self.admitted
    }

    /// Returns the next time at which a timeout or a heartbeat may be due.
    fn next_time(&self, wire: &Wire) -> Instant {
        let options = self.hub.options;
        let patience = if wire.is_writing() { options.write_timeout } else { options.heartbeat };
        let sent = wire.sent + patience;
        let stranger = self.is_stranger().then(|| wire.born + options.hello);
        let others = self.next_want.into_iter().chain(stranger);
        others.fold(sent.min(wire.heard + options.idle_timeout), Instant::min)
    }
}
