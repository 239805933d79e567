//! The suite once more, in a process of its own, with its stages standing elsewhere.

use std::collections::BTreeSet;
use std::process::Command;

use super::stage::STARTS_ITS_OWN;

/// Runs the suite with these settings and answers how many sentences held; every sentence
/// must, but for those whose path has one of the `left_out` in it.
#[track_caller]
pub fn held<'a>(
    settings: &[(&str, &str)],
    left_out: impl IntoIterator<Item = &'a str>,
    arguments: &[&str],
) -> usize {
    let mut suite = Command::new(std::env::current_exe().expect("the suite knows where it is"));
    for path in left_out {
        suite.args(["--skip", path]);
    }
    let asked = suite
        .args(arguments)
        .env_remove("APPSYNC_ENDPOINT")
        .env_remove("APPSYNC_API_KEY")
        .envs(settings.iter().copied())
        .output()
        .expect("the suite runs");
    let said = String::from_utf8_lossy(&asked.stdout);
    let more = String::from_utf8_lossy(&asked.stderr);
    assert!(asked.status.success(), "{said}{more}");
    // Those of `more` were not asked of the stage that the settings name.
    ending(&said, "... ok").len() - ending(&more, STARTS_ITS_OWN).len()
}

fn ending<'a>(text: &'a str, with: &str) -> BTreeSet<&'a str> {
    text.lines().filter(|line| line.ends_with(with)).collect()
}
