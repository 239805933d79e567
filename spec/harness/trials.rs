//! Which cases run on which deployment.

use std::collections::BTreeMap;

use libtest_mimic::{Completion, Trial};

use super::case::Case;
use super::deployment::Deployment;
use super::differences::{self, Scope};

/// The trials of this run: all deployments', or only those of the one that is chosen.
pub fn all() -> Vec<Trial> {
    match Deployment::chosen() {
        Some(chosen) => of(&chosen),
        None => std::iter::once(Deployment::once())
            .chain(Deployment::all())
            .flat_map(|deployment| of(&deployment))
            .collect(),
    }
}

fn of(deployment: &Deployment) -> Vec<Trial> {
    let cases = cases().into_values();
    let mut cases: Vec<_> = cases.filter(|case| belongs(case, deployment)).collect();
    // The longest one is not to run alone at the end.
    cases.sort_by_key(|case| case.module() != "instances");
    let trial = |case| trial(case, deployment.clone());
    cases.into_iter().map(trial).collect()
}

/// All registered cases by their names.
pub fn cases() -> BTreeMap<&'static str, &'static Case> {
    let cases = inventory::iter::<Case>().map(|case| (case.name(), case));
    cases.collect()
}

/// Whether there is a trial of the case on the deployment, be it ignored.
pub fn belongs(case: &Case, deployment: &Deployment) -> bool {
    match differences::scope(case) {
        Scope::Once => deployment.name.is_empty(),
        Scope::AppSync => deployment.name == "appsync",
        Scope::Each => !deployment.name.is_empty(),
    }
}

fn trial(case: &'static Case, deployment: Deployment) -> Trial {
    Trial::ignorable_test(deployment.name_of(case), move || {
        if let Some(why) = differences::why_not(case, &deployment) {
            return Ok(Completion::ignored_with(why));
        }
        case.run(&deployment)?;
        Ok(Completion::Completed)
    })
}
