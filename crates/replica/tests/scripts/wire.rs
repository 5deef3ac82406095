//! A connection between two spaces, whose frames are moved by hand.

use rejoin_replica::message::Frames;
use rejoin_replica::{Link, LinkError, SessionId, StoreError};

/// A connection.
pub(crate) struct Wire {
    ends: [End; 2],
}

struct End {
    name: String,
    link: Link,
    session: SessionId,
    frames: Frames,
    /// True once it has hung up, and said why.
    over: bool,
}

impl Wire {
    /// Connects two spaces, each with the name of its store.
    pub(crate) fn between(a: (&str, Link), b: (&str, Link)) -> Result<Self, StoreError> {
        let end = |(name, link): (&str, Link)| {
            let session = link.open()?;
            Ok::<_, StoreError>(End {
                name: name.to_owned(),
                link,
                session,
                frames: Frames::default(),
                over: false,
            })
        };
        Ok(Self { ends: [end(a)?, end(b)?] })
    }

    pub(crate) fn joins(&self, name: &str) -> bool {
        self.ends.iter().any(|end| end.name == name)
    }

    /// Looks at the time at both ends.
    pub(crate) fn tick(&mut self, said: &mut Vec<String>) {
        for end in &mut self.ends {
            if let Err(error) = end.link.tick() {
                end.hang_up(&error.into(), said);
            }
        }
    }

    /// Moves frames until nothing moves. True if anything did.
    pub(crate) fn settle(&mut self, said: &mut Vec<String>) -> bool {
        let mut any = false;
        loop {
            let mut moved = false;
            for _ in 0..2 {
                self.ends.rotate_left(1);
                let [from, to] = &mut self.ends;
                while let Some(frame) = from.next_frame(said) {
                    moved = true;
                    to.take(&frame, said);
                }
            }
            if !moved {
                return any;
            }
            any = true;
        }
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.ends.iter().for_each(|end| end.link.close(end.session));
    }
}

impl End {
    fn next_frame(&mut self, said: &mut Vec<String>) -> Option<Vec<u8>> {
        match self.link.transmit(self.session) {
            Ok(frame) => frame,
            Err(error) => {
                self.hang_up(&error, said);
                None
            }
        }
    }

    fn take(&mut self, frame: &[u8], said: &mut Vec<String>) {
        self.frames.push(frame);
        if let Err(error) = self.link.handle(self.session, &mut self.frames) {
            self.hang_up(&error, said);
        }
    }

    fn hang_up(&mut self, error: &LinkError, said: &mut Vec<String>) {
        if !self.over {
            self.over = true;
            said.push(format!("{} hangs up: {error}", self.name));
        }
    }
}
