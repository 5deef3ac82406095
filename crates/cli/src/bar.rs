//! The progress bar, on standard error and only when that is a terminal; and Ctrl-C, which stops an
//! operation where it can be stopped.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rejoin_replica::ops::{Progress, Step};

use crate::failure::INTERRUPTED;

/// The progress of an operation.
#[derive(Debug)]
pub(crate) struct Bar {
    bar: ProgressBar,
    at: Option<(Step, String)>,
    stop: Arc<AtomicBool>,
}

impl Bar {
    pub(crate) fn new() -> Self {
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        Self { bar, at: None, stop: on_interrupt() }
    }

    /// Shows the progress; `Break` when the user pressed Ctrl-C.
    pub(crate) fn show(&mut self, progress: Progress<'_>) -> ControlFlow<()> {
        let Progress { step, space, done, total } = progress;
        if self.at.as_ref().is_none_or(|(at, of)| *at != step || of != space) {
            self.at = Some((step, space.to_owned()));
            let template = match total {
                0 => "{msg} {spinner} {human_pos}",
                _ => "{msg} {bar:32} {human_pos}/{human_len} {eta}",
            };
            if let Ok(style) = ProgressStyle::with_template(template) {
                self.bar.set_style(style);
            }
            self.bar.reset();
            let of = if space.is_empty() { String::new() } else { format!(" of {space:?}") };
            self.bar.set_message(format!("{step}{of}"));
        }
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.stop.load(Ordering::Relaxed) {
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

/// Returns a flag that turns true at Ctrl-C. If listening for Ctrl-C fails, it ends the process as
/// usual.
fn on_interrupt() -> Arc<AtomicBool> {
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    if let Ok(runtime) = runtime {
        std::thread::spawn(move || {
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                told.store(true, Ordering::Relaxed);
            }
            if runtime.block_on(tokio::signal::ctrl_c()).is_ok() {
                std::process::exit(INTERRUPTED.into()); // the second Ctrl-C ends it at once
            }
        });
    }
    stop
}
