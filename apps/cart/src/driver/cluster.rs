//! The replicas of one run as child processes, and the links between them.
//!
//! ```text
//!   driver ── requests ──► child 0     child 1     child 2     one process per replica
//!                            │ └─ proxy ─►│ └─ proxy ─►│       one proxy per pair
//!                            └───────── proxy ────────►│       the lower one dials
//! ```
//!
//! A child that is killed is started again on the same store with another port, and its links are
//! pointed there.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::driver::child::{Child, Launch};
use crate::driver::child_error::ChildError;
use crate::driver::child_protocol::{CartState, Command, Reply};
use crate::driver::conversation::{Conversation, Outcome, Posted};
use crate::driver::link::Link;
use crate::driver::proxy::Proxy;
use crate::driver::workspace_dir::WorkspaceDir;

/// Interval at which the replicas are asked for their version vectors.
const POLL: Duration = Duration::from_millis(20);

/// Maximum number of carts that are asked for at a time.
const CARTS_AT_ONCE: usize = 64;

/// The version vector of a replica.
pub(crate) type Vector = BTreeMap<String, u64>;

/// Running replicas and the links between them; dropping it kills and cuts everything.
pub(crate) struct Cluster {
    seats: Vec<Arc<Seat>>,
    children: Vec<Child>,
    proxies: BTreeMap<Link, Proxy>,
}

/// The place of one replica, whichever process fills it at the moment.
pub(crate) struct Seat {
    launch: Launch,
    /// `None` while the process is down.
    conversation: watch::Sender<Option<Arc<Conversation>>>,
}

impl Seat {
    fn new(launch: Launch) -> Seat {
        Seat { launch, conversation: watch::Sender::new(None) }
    }

    /// A place that nobody has filled yet.
    #[cfg(test)]
    pub(crate) fn vacant(name: &str) -> Self {
        let [program, store, log] = [(); 3].map(|()| PathBuf::new());
        let (name, tickets, catalogue) = (name.to_owned(), Vec::new(), false);
        Seat::new(Launch { program, name, store, log, tickets, catalogue })
    }

    /// Makes requests go to this conversation from now on.
    pub(crate) fn fill(&self, conversation: Arc<Conversation>) {
        self.conversation.send_replace(Some(conversation));
    }

    /// Returns the name of the replica.
    pub(crate) fn name(&self) -> &str {
        &self.launch.name
    }

    /// Sends a request, as soon as the replica is up.
    pub(crate) async fn post(&self, command: Command) -> Posted {
        self.conversation().await.post(command).await
    }

    /// Asks the replica, as soon as it is up.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn ask(&self, command: Command) -> Result<Reply, ChildError> {
        self.explain(self.conversation().await.ask(command).await)
    }

    /// Waits for the outcome of a request.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn outcome(&self, posted: Posted) -> Result<Outcome, ChildError> {
        self.explain(posted.outcome().await)
    }

    async fn conversation(&self) -> Arc<Conversation> {
        let mut current = self.conversation.subscribe();
        loop {
            if let Some(conversation) = current.borrow_and_update().clone() {
                return conversation;
            }
            // The sender lives in `self`, so waiting cannot fail.
            let _ = current.changed().await;
        }
    }

    fn explain<T>(&self, result: Result<T, ChildError>) -> Result<T, ChildError> {
        result.map_err(|error| self.launch.explain(error))
    }

    /// Returns the error for a reply that does not belong to the request.
    pub(crate) fn astray(&self, reply: Reply) -> ChildError {
        ChildError::Astray { name: self.launch.name.clone(), reply: Box::new(reply) }
    }
}

impl Cluster {
    /// Starts a replica of `program` for each of `names`, and links them all; with `catalogue`,
    /// they keep products beside their carts.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn start(
        program: PathBuf,
        workspace: &WorkspaceDir,
        names: &[String],
        catalogue: bool,
    ) -> Result<Cluster, ChildError> {
        let mut cluster =
            Cluster { seats: Vec::new(), children: Vec::new(), proxies: BTreeMap::new() };
        let mut tickets = Vec::new();
        for name in names {
            let launch = Launch {
                program: program.clone(),
                name: name.clone(),
                store: workspace.store(name),
                log: workspace.log(name),
                tickets: tickets.clone(),
                catalogue,
            };
            tickets = cluster.add(launch).await?;
        }
        for replica in 0..names.len() {
            cluster.listen(replica).await?;
        }
        for replica in 0..names.len() {
            cluster.dial(replica).await?;
        }
        Ok(cluster)
    }

    /// Starts one more replica, and returns the tickets of its spaces.
    async fn add(&mut self, launch: Launch) -> Result<Vec<String>, ChildError> {
        let child = launch.spawn()?;
        let seat = Seat::new(launch);
        seat.fill(Arc::clone(child.conversation()));
        let reply = seat.ask(Command::Tickets).await?;
        let Reply::Tickets(tickets) = reply else { return Err(seat.astray(reply)) };
        self.children.push(child);
        self.seats.push(Arc::new(seat));
        Ok(tickets)
    }

    /// Makes `replica` listen, and points the links of those that dial it to the new port.
    async fn listen(&mut self, replica: usize) -> Result<(), ChildError> {
        let seat = Arc::clone(&self.seats[replica]);
        let reply = self.children[replica].conversation().ask(Command::Listen { port: 0 }).await;
        let reply = seat.explain(reply)?;
        let Reply::Listening { address } = reply else { return Err(seat.astray(reply)) };
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, address.port()));
        for dials in 0..replica {
            let link = Link { dials, listens: replica };
            match self.proxies.get(&link) {
                Some(proxy) => proxy.retarget(address),
                None => {
                    let name = seat.name().to_owned();
                    let failed = |source| ChildError::NoLink { name, source };
                    let proxy = Proxy::start(address).await.map_err(failed)?;
                    self.proxies.insert(link, proxy);
                }
            }
        }
        Ok(())
    }

    /// Makes `replica` dial the proxy of each link on which it is the one that dials.
    async fn dial(&self, replica: usize) -> Result<(), ChildError> {
        let seat = &self.seats[replica];
        let links = self.proxies.iter().filter(|(link, _)| link.dials == replica);
        for (_, proxy) in links {
            let command = Command::Connect { address: proxy.address() };
            let reply = self.children[replica].conversation().ask(command).await;
            let reply = seat.explain(reply)?;
            if reply != Reply::Connected {
                return Err(seat.astray(reply));
            }
        }
        Ok(())
    }

    /// Returns the place of `replica`.
    pub(crate) fn seat(&self, replica: usize) -> &Arc<Seat> {
        &self.seats[replica]
    }

    /// Asks `replica`.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn ask(&self, replica: usize, command: Command) -> Result<Reply, ChildError> {
        self.seats[replica].ask(command).await
    }

    /// Drops bytes on `links` from now on.
    pub(crate) fn cut(&self, links: &[Link]) {
        links.iter().filter_map(|link| self.proxies.get(link)).for_each(Proxy::cut);
    }

    /// Carries bytes on `links` again.
    pub(crate) fn heal(&self, links: &[Link]) {
        links.iter().filter_map(|link| self.proxies.get(link)).for_each(Proxy::heal);
    }

    /// Returns the number of bytes on all links in both directions, including dropped ones.
    pub(crate) fn bytes_synced(&self) -> u64 {
        self.proxies.values().map(Proxy::bytes).sum()
    }

    /// Returns the number of those bytes that were dropped.
    pub(crate) fn bytes_dropped(&self) -> u64 {
        self.proxies.values().map(Proxy::dropped).sum()
    }

    /// Kills `replica` the given time after sending it `command`, and starts it again.
    pub(crate) async fn kill_in_flight(
        &mut self,
        replica: usize,
        command: Command,
        delay: Duration,
    ) -> Result<Posted, ChildError> {
        let conversation = Arc::clone(self.children[replica].conversation());
        self.seats[replica].conversation.send_replace(None);
        conversation.stop_listening();
        let posted = conversation.post(command).await;
        tokio::time::sleep(delay).await;
        self.kill(replica).await;
        self.restart(replica).await?;
        Ok(posted)
    }

    /// Kills `replica` with SIGKILL.
    pub(crate) async fn kill(&mut self, replica: usize) {
        self.seats[replica].conversation.send_replace(None);
        self.children[replica].kill_now().await;
    }

    /// Starts `replica` again after a kill, on the same store.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn restart(&mut self, replica: usize) -> Result<(), ChildError> {
        self.children[replica] = self.seats[replica].launch.spawn()?;
        self.listen(replica).await?;
        self.dial(replica).await?;
        self.seats[replica].fill(Arc::clone(self.children[replica].conversation()));
        Ok(())
    }

    /// Returns the version vector of each replica.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn vectors(&self) -> Result<Vec<Vector>, ChildError> {
        let mut vectors = Vec::new();
        for seat in &self.seats {
            match seat.ask(Command::Vector).await? {
                Reply::Vector(vector) => vectors.push(vector),
                other => return Err(seat.astray(other)),
            }
        }
        Ok(vectors)
    }

    /// Waits until all replicas have seen the same; false if nothing changes for `patience`.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn converge(&self, patience: Duration) -> Result<bool, ChildError> {
        let mut last = Vec::new();
        let mut moved = Instant::now();
        loop {
            let vectors = self.vectors().await?;
            if vectors.windows(2).all(|pair| pair[0] == pair[1]) {
                return Ok(true);
            }
            if vectors != last {
                (last, moved) = (vectors, Instant::now());
            } else if moved.elapsed() > patience {
                return Ok(false);
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns the encoded size of all entries that `replica` holds.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn encoded_bytes(&self, replica: usize) -> Result<u64, ChildError> {
        match self.ask(replica, Command::Stats).await? {
            Reply::Stats { encoded_bytes, .. } => Ok(encoded_bytes),
            other => Err(self.seats[replica].astray(other)),
        }
    }

    /// Returns every cart that `replica` holds, by customer.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn carts(
        &self,
        replica: usize,
    ) -> Result<Vec<(String, CartState)>, ChildError> {
        let seat = &self.seats[replica];
        let customers = match seat.ask(Command::Customers).await? {
            Reply::Customers(customers) => customers,
            other => return Err(seat.astray(other)),
        };
        let mut carts = Vec::with_capacity(customers.len());
        for customers in customers.chunks(CARTS_AT_ONCE) {
            let mut posted = Vec::new();
            for customer in customers {
                posted.push(seat.post(Command::Cart { customer: customer.clone() }).await);
            }
            for (customer, posted) in customers.iter().zip(posted) {
                match seat.explain(posted.reply().await)? {
                    Reply::Cart(cart) => carts.push((customer.clone(), cart)),
                    other => return Err(seat.astray(other)),
                }
            }
        }
        Ok(carts)
    }

    /// Makes every child close its store and open it again for its digest, and ends the processes.
    ///
    /// # Errors
    /// [`ChildError`].
    pub(crate) async fn close(mut self) -> Result<Vec<String>, ChildError> {
        let mut posted = Vec::new();
        for seat in &self.seats {
            posted.push(seat.post(Command::Close).await);
        }
        let mut digests = Vec::new();
        for (seat, posted) in self.seats.iter().zip(posted) {
            match seat.explain(posted.reply().await)? {
                Reply::Digest(digest) => digests.push(digest),
                other => return Err(seat.astray(other)),
            }
        }
        for child in &mut self.children {
            child.ended().await;
        }
        Ok(digests)
    }
}
