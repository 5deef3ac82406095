//! The progress bar: on standard error only, and only when that is a terminal.

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// The progress of the replay.
#[derive(Debug)]
pub(crate) struct Progress {
    bar: ProgressBar,
}

impl Progress {
    /// Makes a bar of `total` transactions; invisible when standard error is no terminal.
    pub(crate) fn new(total: usize) -> Progress {
        let total = u64::try_from(total).unwrap_or(u64::MAX);
        let bar = ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr());
        let template = "{msg:10} {bar:32} {human_pos}/{human_len}  {per_sec}  {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Progress { bar }
    }

    /// Shows the name of the present phase.
    pub(crate) fn phase(&self, name: &'static str) {
        self.bar.set_message(name);
    }

    /// Counts one more acknowledged transaction.
    pub(crate) fn advance(&self) {
        self.bar.inc(1);
    }

    /// Removes the bar.
    pub(crate) fn finish(&self) {
        self.bar.finish_and_clear();
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_without_a_terminal() {
        let progress = Progress::new(3);
        progress.phase("selling");
        progress.advance();
        progress.advance();
        assert_eq!(progress.bar.position(), 2);
        assert_eq!(progress.bar.message(), "selling");
        progress.finish();
        assert!(progress.bar.is_finished());
    }
}
