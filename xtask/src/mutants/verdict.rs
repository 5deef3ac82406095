//! The verdict on a run of tests, from the output of the binary and its exit code.
//!
//! A filter that matches no test succeeds, and a binary that dies before its first test fails.
//! Neither proves anything about a bug, so the exit code alone is not enough.

/// The outcome of a run of some tests.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At least one test ran and all passed.
    Passed,
    /// At least one test ran and the run failed.
    Failed,
    /// At least one test ran and did not end in time.
    TimedOut,
    /// The filter matches no test.
    NothingRan,
    /// The tests were never started.
    NeverStarted,
}

/// The end of a test binary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ended {
    /// With exit code 0.
    Well,
    /// With another exit code, or by a signal of its own.
    Badly,
    /// It did not end, and was stopped.
    Stopped,
}

/// Judges a run by the end of the binary and its output on stdout.
pub(crate) fn judge(ended: Ended, stdout: &str) -> Verdict {
    match (tests_run(stdout), ended) {
        (None, _) => Verdict::NeverStarted,
        (Some(0), _) => Verdict::NothingRan,
        (Some(_), Ended::Well) => Verdict::Passed,
        (Some(_), Ended::Badly) => Verdict::Failed,
        (Some(_), Ended::Stopped) => Verdict::TimedOut,
    }
}

/// Returns the sum of all `running N tests` lines, or `None` if there is no such line.
fn tests_run(stdout: &str) -> Option<u64> {
    let counts = stdout.lines().filter_map(|line| {
        let (count, noun) = line.strip_prefix("running ")?.split_once(' ')?;
        matches!(noun, "test" | "tests").then(|| count.parse::<u64>().ok())?
    });
    counts.fold(None, |sum, count| Some(sum.unwrap_or(0) + count))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_test_is_a_failure() {
        let stdout = "\nrunning 1 test\ntest sweep ... FAILED\n\ntest result: FAILED. 0 passed\n";
        assert_eq!(judge(Ended::Badly, stdout), Verdict::Failed);
    }

    #[test]
    fn a_test_that_aborts_the_process_is_a_failure_too() {
        assert_eq!(judge(Ended::Badly, "\nrunning 3 tests\n"), Verdict::Failed);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_not_a_pass() {
        let stdout = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 9 filtered out\n";
        assert_eq!(judge(Ended::Well, stdout), Verdict::NothingRan);
    }

    #[test]
    fn a_test_that_hangs_is_told_apart() {
        assert_eq!(judge(Ended::Stopped, "\nrunning 3 tests\n"), Verdict::TimedOut);
        assert_eq!(judge(Ended::Stopped, ""), Verdict::NeverStarted);
    }

    #[test]
    fn a_binary_that_dies_before_its_tests_catches_nothing() {
        assert_eq!(judge(Ended::Badly, ""), Verdict::NeverStarted);
    }

    #[test]
    fn several_binaries_add_up() {
        let stdout = "running 0 tests\n\nrunning 2 tests\nrunning away\n";
        assert_eq!(tests_run(stdout), Some(2));
        assert_eq!(judge(Ended::Well, stdout), Verdict::Passed);
    }
}
