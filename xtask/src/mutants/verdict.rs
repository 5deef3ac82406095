//! What the output of `cargo test` says, told apart from what its exit code could also mean.
//!
//! Exit code 101 is a failed test, a failed build and a missing test target alike. Only the first
//! catches a bug.

/// How a run of some tests ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// At least one test ran and all passed.
    Passed,
    /// At least one test ran and the run failed.
    Failed,
    /// The filter matches no test.
    NothingRan,
    /// The tests did not come to run, mostly because they do not compile.
    NeverStarted,
}

/// Judges a run by whether it succeeded and by what it printed on stdout.
pub(crate) fn judge(success: bool, stdout: &str) -> Verdict {
    match (tests_run(stdout), success) {
        (None, _) => Verdict::NeverStarted,
        (Some(0), _) => Verdict::NothingRan,
        (Some(_), true) => Verdict::Passed,
        (Some(_), false) => Verdict::Failed,
    }
}

/// The sum of all `running N tests` lines, or `None` if there is no such line.
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
        assert_eq!(judge(false, stdout), Verdict::Failed);
    }

    #[test]
    fn a_test_that_aborts_the_process_is_a_failure_too() {
        assert_eq!(judge(false, "\nrunning 3 tests\n"), Verdict::Failed);
    }

    #[test]
    fn a_filter_that_matches_nothing_is_not_a_pass() {
        let stdout = "\nrunning 0 tests\n\ntest result: ok. 0 passed; 9 filtered out\n";
        assert_eq!(judge(true, stdout), Verdict::NothingRan);
    }

    #[test]
    fn a_build_error_is_not_a_caught_bug() {
        assert_eq!(judge(false, ""), Verdict::NeverStarted);
    }

    #[test]
    fn several_binaries_add_up() {
        let stdout = "running 0 tests\n\nrunning 2 tests\nrunning away\n";
        assert_eq!(tests_run(stdout), Some(2));
        assert_eq!(judge(true, stdout), Verdict::Passed);
    }
}
