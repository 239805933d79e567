//! The suite's own lists: which cases run on which deployment.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::harness::deployment::Deployment;
use crate::harness::differences::{DIFFERENCES, NOT_PROMISED, ONCE, SERVER_ONLY, why_not};
use crate::harness::trials::{belongs, cases};

/// Cases that run on each deployment at least; fewer would mean that they are left out.
const LEAST: [(&str, usize); 3] = [("embedded", 200), ("dynamodb", 200), ("appsync", 130)];

#[apply(case!)]
fn each_deployment_runs_most_cases() {
    let deployments = Deployment::all();
    for (name, least) in LEAST {
        let deployment = deployments.iter().find(|one| one.name == name);
        let deployment = deployment.expect("a deployment of every run");
        let runs = cases().into_values();
        let runs =
            runs.filter(|case| belongs(case, deployment) && why_not(case, deployment).is_none());
        let runs = runs.count();
        assert!(runs >= least, "only {runs} cases run on {name}");
    }
}

#[apply(case!)]
fn every_case_that_a_list_names_exists() {
    let cases = cases();
    let listed = DIFFERENCES.iter().chain(&NOT_PROMISED);
    let listed = listed.flat_map(|it| it.cases).copied();
    for name in listed.chain(crate::instances::left_out()) {
        assert!(cases.contains_key(name), "there is no case {name}");
    }
    let modules = SERVER_ONLY
        .iter()
        .map(|it| it.module)
        .chain(ONCE.iter().copied());
    for module in modules {
        let has_cases = cases.values().any(|case| case.module() == module);
        assert!(has_cases, "the module {module} has no cases");
    }
}

#[apply(case!)]
fn no_case_uses_the_standard_harness() {
    for file in sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("spec")) {
        let source = std::fs::read_to_string(&file).expect("a source file");
        // Such a function compiles and never runs.
        let attributes = ["#[test]", "#[tokio::test"];
        let is_one = |line: &str| attributes.iter().any(|it| line.starts_with(it));
        assert!(!source.lines().any(is_one), "a test in {}", file.display());
    }
}

#[apply(case!)]
fn a_filter_that_matches_no_case_fails_and_says_so() {
    let suite = std::env::current_exe().expect("this program");
    let run = |arguments: &[&str], store: Option<&str>| {
        let mut command = Command::new(&suite);
        command.args(arguments).env_remove("MESH_SPEC_STORE");
        command.env_remove("APPSYNC_ENDPOINT");
        command.envs(store.map(|store| ("MESH_SPEC_STORE", store)));
        let output = command.output().expect("the suite runs");
        let said = String::from_utf8(output.stderr).expect("text");
        (output.status.success(), said)
    };
    let (passed, said) = run(&["no_such_case", "--exact"], None);
    assert!(
        !passed && said.contains("no case matches no_such_case"),
        "{said}"
    );
    let (passed, said) = run(&["matrix::"], Some("memory"));
    assert!(!passed && said.contains("they run once"), "{said}");
    let (passed, said) = run(&["schema::", "--list"], None);
    assert!(passed, "{said}");
}

/// The Rust files below a folder of the suite.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("a folder of the suite");
    let paths = entries.map(|entry| entry.expect("an entry").path());
    let of = |path: PathBuf| {
        if path.extension().is_some_and(|it| it == "rs") {
            vec![path]
        } else if path.is_dir() && !path.ends_with("appsync") && !path.ends_with("clients") {
            sources(&path)
        } else {
            Vec::new()
        }
    };
    paths.flat_map(of).collect()
}
