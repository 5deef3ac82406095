//! Two ends joined by hand: the order in which bytes arrive, and what a hostile stream does.

use super::*;

const SPACE: SpaceHash = SpaceHash([7; 16]);

/// A dialler and a listener, and the number of bytes that went over.
struct Pair {
    ends: [Mux; 2],
    bytes: usize,
    /// Bytes that arrived on each channel, at either end.
    came: [BTreeMap<u64, Vec<u8>>; 2],
    /// Channels whose data the listener does not handle.
    stuck: BTreeSet<u64>,
}

impl Pair {
    fn new() -> Self {
        let ends = [Mux::new(true), Mux::new(false)];
        Self { ends, bytes: 0, came: [BTreeMap::new(), BTreeMap::new()], stuck: BTreeSet::new() }
    }

    /// Moves one lot of bytes from one end to the other, which handles them. Says whether any
    /// moved.
    fn pass(&mut self, from: usize, most: usize) -> bool {
        let bytes = self.ends[from].poll_transmit(most);
        self.bytes += bytes.len();
        let to = &mut self.ends[1 - from];
        to.handle_bytes(&bytes).expect("an honest peer");
        while let Some(event) = to.poll_event() {
            let Event::Arrived(channel) = event else { continue };
            if from == 0 && self.stuck.contains(&channel) {
                continue;
            }
            let came = to.take(channel);
            to.handled(channel, came.len() as u64);
            self.came[1 - from].entry(channel).or_default().extend(came);
        }
        while self.ends[from].poll_event().is_some() {}
        !bytes.is_empty()
    }

    fn settle(&mut self) {
        while self.pass(0, 4096) | self.pass(1, 4096) {}
    }
}

/// Bytes that differ from place to place.
fn noise(seed: u64, length: usize) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let next = || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    std::iter::repeat_with(next).take(length).collect()
}

#[test]
fn one_flooding_space_keeps_no_other_waiting() {
    let mut pair = Pair::new();
    let flood = pair.ends[0].open(SPACE);
    let small: Vec<u64> = (0..100).map(|_| pair.ends[0].open(SPACE)).collect();
    pair.settle();
    pair.ends[0].send(flood, noise(1, 8 << 20));
    while pair.came[1].get(&flood).map_or(0, Vec::len) < 1 << 20 {
        pair.pass(0, 64 << 10);
        pair.pass(1, 64 << 10);
    }
    let before = pair.bytes;
    small.iter().for_each(|&channel| pair.ends[0].send(channel, noise(channel, 1000)));
    while small.iter().any(|channel| pair.came[1].get(channel).is_none_or(|c| c.len() < 1000)) {
        assert!(pair.pass(0, 1) | pair.pass(1, 1), "it goes on");
    }
    // All of the small ones, and a piece of the flood before and after them.
    let most = small.len() * 1020 + 2 * (PIECE_BYTES + 20) + 100;
    assert!(pair.bytes - before <= most, "{} bytes, at most {most}", pair.bytes - before);
    pair.settle();
    assert_eq!(pair.came[1][&flood], noise(1, 8 << 20));
}

#[test]
fn a_space_that_handles_nothing_stops_only_itself() {
    let mut pair = Pair::new();
    let [stuck, other] = [pair.ends[0].open(SPACE), pair.ends[0].open(SPACE)];
    pair.stuck.insert(stuck);
    pair.ends[0].send(stuck, noise(1, 4 << 20));
    pair.ends[0].send(other, noise(2, 4 << 20));
    pair.settle();
    assert_eq!(pair.came[1][&other], noise(2, 4 << 20));
    assert_eq!(pair.ends[1].take(stuck).len() as u64, WINDOW_BYTES);
    assert_eq!(pair.ends[1].held, WINDOW_BYTES);
}

#[test]
fn both_directions_arrive_whole_in_lots_of_any_size() {
    for most in [1, 7, 300, 100_000] {
        let mut pair = Pair::new();
        let channels = [pair.ends[0].open(SPACE), pair.ends[0].open(SPACE)];
        pair.settle();
        for (end, channel) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let bytes = noise(channel as u64 + 2 * end as u64, 500_000);
            bytes.chunks(33_333).for_each(|b| pair.ends[end].send(channels[channel], b.to_vec()));
        }
        while pair.pass(0, most) | pair.pass(1, most) {}
        for (end, channel) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let bytes = noise(channel as u64 + 2 * end as u64, 500_000);
            assert_eq!(pair.came[1 - end][&channels[channel]], bytes);
        }
        assert!(pair.ends.iter().all(|end| end.held == 0 && end.is_quiet()));
    }
}

#[test]
fn a_close_comes_after_what_was_sent_and_ends_both() {
    let mut pair = Pair::new();
    let channel = pair.ends[0].open(SPACE);
    pair.settle();
    pair.ends[0].send(channel, noise(3, 1 << 20));
    pair.ends[0].close(channel, Why::Unusable);
    let mut closed = None;
    while closed.is_none() {
        let bytes = pair.ends[0].poll_transmit(4096);
        pair.ends[1].handle_bytes(&bytes).expect("an honest peer");
        while let Some(event) = pair.ends[1].poll_event() {
            match event {
                Event::Arrived(at) => {
                    let came = pair.ends[1].take(at);
                    pair.ends[1].handled(at, came.len() as u64);
                    pair.came[1].entry(at).or_default().extend(came);
                }
                Event::Closed(_, why) => closed = Some(why),
                other => panic!("{other:?}"),
            }
        }
        let bytes = pair.ends[1].poll_transmit(4096);
        pair.ends[0].handle_bytes(&bytes).expect("an honest peer");
    }
    assert_eq!((closed, pair.came[1][&channel].len()), (Some(Why::Unusable), 1 << 20));
    pair.ends[1].abort(channel, Why::Done);
    assert_eq!(pair.ends.each_ref().map(Mux::channels), [0, 0]);
    assert!(pair.ends[1].poll_transmit(4096).is_empty(), "a close is not answered");
}

#[test]
fn a_hole_in_the_stream_ends_it_whoever_lost_something() {
    let mut sender = Mux::new(true);
    let [first, second] = [sender.open(SPACE), sender.open(SPACE)];
    let mut stream = sender.poll_transmit(4096);
    let start = stream.len();
    for channel in [first, second, first] {
        sender.send(channel, noise(channel, 100));
        stream.extend(sender.poll_transmit(4096));
    }
    let whole = (stream.len() - start) / 3;
    assert_eq!(Mux::new(false).handle_bytes(&stream), Ok(()));
    for (from, to) in [(start, start + whole), (start + 5, start + 9), (start + 40, start + 140)] {
        let mut torn = stream.clone();
        torn.drain(from..to);
        assert_eq!(Mux::new(false).handle_bytes(&torn), Err(Broken::Damaged), "{from}..{to}");
    }
}

#[test]
fn other_versions_and_strangers_are_named() {
    let told = |bytes: &[u8]| Mux::new(false).handle_bytes(bytes).expect_err("no peer");
    assert_eq!(told(b"R\x02\x01"), Broken::Version(2));
    assert_eq!(told(b"GET / HTTP/1.1"), Broken::Foreign);
    assert!(told(b"R\x04").to_string().contains("version of the protocol 4"));
}

#[test]
fn more_than_a_window_or_a_channel_of_nobody_is_a_breach() {
    let mut pair = Pair::new();
    let channel = pair.ends[0].open(SPACE);
    pair.stuck.insert(channel);
    pair.ends[0].send(channel, noise(1, 1 << 20));
    pair.settle();
    pair.ends[0].lanes.get_mut(&channel).expect("open").credit = 1; // as if it were its own
    pair.ends[0].take_turn(channel);
    let bytes = pair.ends[0].poll_transmit(4096);
    let told = pair.ends[1].handle_bytes(&bytes).expect_err("too much");
    assert!(matches!(told, Broken::Protocol(_)), "{told:?}");

    let mut sender = Mux::new(true);
    assert_eq!(sender.open(SPACE), 0);
    let mut bytes = sender.poll_transmit(4096);
    sender.frame(DATA, 5, b"?", &mut bytes);
    let told = Mux::new(false).handle_bytes(&bytes).expect_err("no such channel");
    assert!(matches!(told, Broken::Protocol(_)), "{told:?}");
}

#[test]
fn hostile_bytes_end_a_connection_and_nothing_else() {
    for seed in 0..2_000 {
        let mut end = Mux::new(false);
        end.handle_bytes(&[MAGIC, VERSION]).expect("a preface");
        let mut sender = Mux::new(true);
        drop(sender.poll_transmit(4096));
        let mut bytes = Vec::new();
        for (at, kind) in noise(seed, 6).into_iter().enumerate() {
            // The checksum is right, whatever the frame contains.
            let body = noise(seed + at as u64, usize::from(kind));
            sender.frame(kind % 8, u64::from(kind) % 3, &body, &mut bytes);
        }
        bytes.extend(noise(seed, 50));
        drop(end.handle_bytes(&bytes));
        while end.poll_event().is_some() {}
        drop(end.poll_transmit(1 << 20));
    }
}

/// Returns the bytes of an example of docs/format.md.
fn example(name: &str) -> Vec<u8> {
    let document = include_str!("../../../../docs/format.md");
    let (_, rest) = document.split_once(&format!("```hex {name}\n")).expect(name);
    let (digits, _) = rest.split_once("```").expect("the end of the example");
    let digits: String = digits.split_whitespace().collect();
    let byte = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(byte).collect()
}

#[test]
fn frames_are_as_documented() {
    let mut dialler = Mux::new(true);
    let documented = ["preface", "open", "data", "alive", "close", "leave"].map(example).concat();
    let channel = dialler.open(SPACE);
    let mut bytes = dialler.poll_transmit(4096);
    dialler.send(channel, vec![0x52, 3, 5]);
    bytes.extend(dialler.poll_transmit(4096));
    dialler.say_alive();
    dialler.abort(channel, Why::UnknownSpace);
    bytes.extend(dialler.poll_transmit(4096));
    dialler.leave(Why::Full(256));
    bytes.extend(dialler.poll_transmit(4096));
    assert_eq!(bytes, documented);

    let mut listener = Mux::new(false);
    listener.handle_bytes(&documented).expect("what was sent");
    let events: Vec<Event> = std::iter::from_fn(|| listener.poll_event()).collect();
    let (closed, left) = (Event::Closed(0, Why::UnknownSpace), Event::Left(Why::Full(256)));
    let expected = [Event::Greeted, Event::Opened(0, SPACE), Event::Arrived(0), closed, left];
    assert_eq!(events, expected);
    assert_eq!(listener.take(0), [0x52, 3, 5]);
}

#[test]
fn credit_is_as_documented() {
    let [mut dialler, mut listener] = [Mux::new(true), Mux::new(false)];
    let channel = dialler.open(SPACE);
    dialler.send(channel, vec![1; 65_536]);
    listener.handle_bytes(&dialler.poll_transmit(1 << 20)).expect("an honest peer");
    let came = listener.take(channel);
    listener.handled(channel, came.len() as u64);
    let documented = [example("preface"), example("credit")].concat();
    assert_eq!(listener.poll_transmit(4096), documented);
    dialler.handle_bytes(&documented).expect("what was sent");
    assert_eq!(dialler.lanes[&channel].credit, WINDOW_BYTES);
}
