//! A laptop and a phone, each a process of its own, that are apart for a while.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

fn packing_list(store: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_packing-list"));
    command.arg(store).args(args).stderr(Stdio::inherit());
    command
}

/// Runs a command that has to succeed, and returns what it prints.
fn run(store: &Path, args: &[&str]) -> String {
    let output = packing_list(store, args).output().expect("it runs");
    assert!(output.status.success(), "{args:?}");
    String::from_utf8(output.stdout).expect("text")
}

/// A device that serves, its address, and what it prints.
struct Server {
    child: Child,
    address: String,
    lines: Receiver<String>,
}

impl Server {
    fn start(store: &Path) -> Self {
        let mut child =
            packing_list(store, &["serve"]).stdout(Stdio::piped()).spawn().expect("it runs");
        let said = BufReader::new(child.stdout.take().expect("piped"));
        let (line, lines) = channel();
        std::thread::spawn(move || {
            said.lines().map_while(Result::ok).try_for_each(|said| line.send(said))
        });
        let mut server = Self { child, address: String::new(), lines };
        let first = server.next();
        first.strip_prefix("serving at ").expect("an address").clone_into(&mut server.address);
        server
    }

    /// The next line that it says.
    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(60)).expect("it says something")
    }

    /// Ends it, and returns what else it said.
    fn end(mut self) -> Vec<String> {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ended");
        self.lines.iter().collect()
    }
}

#[test]
fn a_laptop_and_a_phone_pack_together() {
    let directory = tempfile::tempdir().expect("a directory");
    let [laptop, phone] = ["laptop", "phone"].map(|name| directory.path().join(name));
    let made = run(&laptop, &["new"]);
    let ticket = made.lines().next().expect("a ticket");
    for thing in ["tent", "rope", "map"] {
        run(&laptop, &["add", thing]);
    }
    run(&laptop, &["assign", "1", "Ann"]);
    run(&phone, &["join", ticket]);
    let server = Server::start(&laptop);
    let list = run(&phone, &["sync", &server.address]);
    assert_eq!(list, "1. [ ] tent @Ann\n2. [ ] rope\n3. [ ] map\n");
    assert_eq!(run(&laptop, &["show"]), list, "while it serves");
    assert!(server.end().is_empty(), "nobody was overridden");

    // Both are alone, and go on.
    run(&laptop, &["pack", "1"]);
    run(&laptop, &["remove", "2"]);
    run(&laptop, &["note", "2", "the old one"]);
    run(&laptop, &["move", "2", "1"]);
    run(&phone, &["add", "soap", "--quantity", "2"]);
    run(&phone, &["note", "2", "20 m"]);
    run(&phone, &["note", "3", "the new one"]);
    let alone = run(&phone, &["show"]);
    let expected =
        ["1. [ ] tent @Ann", "2. [ ] rope (20 m)", "3. [ ] map (the new one)", "4. [ ] soap x2"];
    assert_eq!(alone.lines().collect::<Vec<_>>(), expected);

    // They meet again: nothing is lost, and both are told.
    let server = Server::start(&laptop);
    let synced = run(&phone, &["sync", &server.address]);
    let told = [server.next(), server.next()].join("\n");
    assert!(server.end().is_empty(), "each conflict is told once");
    let (conflicts, list): (Vec<&str>, Vec<&str>) =
        synced.lines().partition(|line| line.starts_with("conflict"));
    assert_eq!(
        list,
        ["1. [ ] map (the new one)", "2. [x] tent @Ann", "3. [ ] rope (20 m)", "4. [ ] soap x2"]
    );
    assert_eq!(run(&laptop, &["show"]).lines().collect::<Vec<_>>(), list);
    for said in [conflicts.join("\n"), told] {
        assert!(said.contains("conflict about rope, note: an edit keeps"), "{said}");
        assert!(said.contains("conflict about map, note: the last writer wins"), "{said}");
        assert!(
            said.contains("kept the new one") && said.contains("overridden the old one"),
            "{said}"
        );
    }
}

#[test]
fn what_cannot_be_done_is_said() {
    let directory = tempfile::tempdir().expect("a directory");
    let laptop = directory.path().join("laptop");
    let fails = |args: &[&str], says: &str| {
        let output = packing_list(&laptop, args).stderr(Stdio::piped()).output().expect("it runs");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(!output.status.success() && said.contains(says), "{args:?}: {said}");
    };
    fails(&["show"], "there is no file");
    fails(&["add", "tent"], "there is no space");
    run(&laptop, &["new"]);
    fails(&["new"], "open it instead");
    fails(&["pack", "1"], "it has 0 items");
    fails(&["join", "nonsense"], "ticket");
    fails(&["sync", "127.0.0.1:1"], "127.0.0.1:1");
}
