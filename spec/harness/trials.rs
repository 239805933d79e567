//! Which cases run on which deployment.

use std::collections::BTreeMap;

use libtest_mimic::{Completion, Trial};

use super::case::Case;
use super::deployment::Deployment;
use super::differences::{self, Scope};
use super::selection::Selection;

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

/// What is left out where the environment chooses a deployment, a sentence each.
pub fn left_out(selection: &Selection) -> Vec<String> {
    let Some(chosen) = Deployment::chosen() else {
        return Vec::new();
    };
    let count = |scope: Scope| {
        let selected = |case: &&Case| {
            differences::scope(case) == scope
                && !belongs(case, &chosen)
                && selection.selects(case.name())
        };
        cases().into_values().filter(selected).count()
    };
    let (once, stand_in) = (count(Scope::Once), count(Scope::AppSync));
    let mut notes = Vec::new();
    if once > 0 {
        notes.push(format!(
            "{once} cases are left out: they run once, when neither MESH_SPEC_STORE nor \
             APPSYNC_ENDPOINT is set"
        ));
    }
    if stand_in > 0 && chosen.is_appsync() {
        notes.push(format!(
            "{stand_in} cases are left out: they run on the AppSync stand-in only"
        ));
    }
    notes
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
