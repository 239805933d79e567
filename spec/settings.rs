//! Settings: where they come from, and those that are refused.

use std::fs;

use crate::support::Reply;
use crate::support::program::{Server, folder, program, runs, utf8};

#[apply(case!)]
fn a_stage_sets_its_times() {
    let folder = folder();
    let own = [
        "--api-keys",
        "da2-of-our-own-school",
        "--secret-key",
        "0123456789abcdef0123",
    ];
    for (stage, expected) in [
        ("stg2", ["15", "60", "15", "60", "300", "300"]),
        ("prod", ["60", "150", "120", "600", "2100", "6000"]),
    ] {
        let output = runs(
            folder.path(),
            &[&["check", "--stage", stage][..], &own].concat(),
        );
        let text = utf8(&output.stdout);
        for (name, value) in [
            "HOST_HEARTBEAT_INTERVAL",
            "HOST_HEARTBEAT_TTL",
            "MEMBER_HEARTBEAT_INTERVAL",
            "MEMBER_HEARTBEAT_TTL",
            "DEFAULT_CONNECTION_TIME",
            "MAX_CONNECTION_TIME",
        ]
        .iter()
        .zip(expected)
        {
            let line = format!("MESH_{name}_SECONDS={value}");
            assert!(
                text.lines().any(|printed| printed == line),
                "{line} in {text}"
            );
        }
    }
}

#[apply(case!)]
fn d1_production_does_not_start_without_a_configured_key_and_secret() {
    let folder = folder();
    let (key, secret) = (
        "--api-keys=da2-of-our-own-school",
        "--secret-key=0123456789abcdef0123",
    );
    for (arguments, missing) in [
        (&["--stage=prod"][..], "MESH_API_KEYS"),
        (&["--stage=prod", secret], "MESH_API_KEYS"),
        (
            &["--stage=prod", "--api-keys=da2-mesh-development", secret],
            "MESH_API_KEYS",
        ),
        (&["--stage=prod", key], "MESH_SECRET_KEY"),
        (&["--stage=prod", key, "--secret-key="], "MESH_SECRET_KEY"),
        (
            &["--stage=prod", key, "--secret-key=default-secret-key"],
            "MESH_SECRET_KEY",
        ),
        (
            &["--stage=prod", key, "--secret-key=short"],
            "MESH_SECRET_KEY",
        ),
    ] {
        let output = runs(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}");
        let stderr = utf8(&output.stderr);
        assert!(stderr.contains(missing), "{arguments:?}: {stderr}");
        assert!(
            !stderr.contains("of-our-own") && !stderr.contains("0123456789abcdef"),
            "{stderr}"
        );
    }
    assert!(!folder.path().join("data").exists(), "nothing was begun");
}

#[apply(case!)]
fn invalid_settings_are_refused_with_what_to_change() {
    let folder = folder();
    for (arguments, named) in [
        (
            &["--host-heartbeat-ttl=15"][..],
            "MESH_HOST_HEARTBEAT_TTL_SECONDS",
        ),
        (
            &["--member-heartbeat-interval=60"],
            "MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS",
        ),
        (
            &["--default-connection-time=301"],
            "raise MESH_MAX_CONNECTION_TIME_SECONDS or lower MESH_DEFAULT_CONNECTION_TIME_SECONDS",
        ),
        (&["--event-ttl=2"], "MESH_EVENT_TTL_SECONDS"),
        (&["--polling-interval=0"], "MESH_POLLING_INTERVAL_SECONDS"),
        (&["--tls-listen=127.0.0.1:0"], "--tls-self-signed"),
        (&["--env-file=missing.env"], "missing.env"),
        (&["--stage=production-2"], "stg, stg2 and prod"),
        (&["--log=info,="], "--log"),
    ] {
        for command in [&["check"][..], &["serve", "--listen=127.0.0.1:0"]] {
            if arguments == ["--log=info,="] && command == ["check"] {
                continue;
            }
            let output = runs(folder.path(), &[command, arguments].concat());
            assert!(!output.status.success(), "{command:?} {arguments:?}");
            let stderr = utf8(&output.stderr);
            assert!(
                stderr.contains(named),
                "{command:?} {arguments:?}: {stderr}"
            );
        }
    }
}

#[apply(case!)]
fn every_bound_is_in_the_help_with_its_variable_and_default() {
    let help = utf8(&runs(folder().path(), &["serve", "--help"]).stdout);
    for (variable, default) in [
        ("MESH_MAX_CONNECTIONS", "25000"),
        ("MESH_MAX_BODY_BYTES", "262144"),
        ("MESH_MAX_NESTING", "64"),
        ("MESH_MAX_ALIASES", "50"),
        ("MESH_MAX_SUBSCRIPTIONS", "100"),
        ("MESH_MAX_MESSAGE_BYTES", "262144"),
        ("MESH_MAX_OUTBOX_BYTES", "1048576"),
        ("MESH_MAX_SELECTION_BYTES", "524288"),
        ("MESH_CONNECTION_TIMEOUT_SECONDS", "90"),
        ("MESH_PEER_TIMEOUT_SECONDS", "180"),
        ("MESH_SHORT_PEER_TIMEOUT_SECONDS", "60"),
        ("MESH_CLOSE_TIMEOUT_SECONDS", "60"),
        ("MESH_INIT_TIMEOUT_SECONDS", "15"),
        ("MESH_KEEP_ALIVE_SECONDS", "20"),
    ] {
        let place = help
            .find(variable)
            .unwrap_or_else(|| panic!("{variable} in {help}"));
        let after: String = help[place..].chars().take(60).collect();
        assert!(
            after.contains(&format!("[default: {default}]")),
            "{variable}: {after}"
        );
    }
    assert!(!help.contains("da2-"), "{help}");
}

/// The value of a setting as `check` prints it.
fn checked(command: &mut std::process::Command, name: &str) -> String {
    let output = command.output().expect("the program runs");
    let text = utf8(&output.stdout);
    let value = text
        .lines()
        .find_map(|line| line.strip_prefix(&format!("{name}=")));
    value
        .unwrap_or_else(|| panic!("{text}{}", utf8(&output.stderr)))
        .to_owned()
}

#[apply(case!)]
fn flags_win_over_the_environment_and_it_over_the_env_file() {
    let folder = folder();
    let name = "MESH_EVENT_TTL_SECONDS";
    let check = || {
        let mut check = program(folder.path());
        check.arg("check");
        check
    };
    assert_eq!(checked(&mut check(), name), "10", "built in");
    fs::write(folder.path().join(".env"), format!("{name}=21\n")).expect("a file");
    assert_eq!(checked(&mut check(), name), "21", ".env");
    fs::write(folder.path().join("other.env"), format!("{name}=22\n")).expect("a file");
    assert_eq!(
        checked(check().args(["--env-file", "other.env"]), name),
        "22",
        "--env-file"
    );
    assert_eq!(
        checked(check().arg("--env-file=other.env"), name),
        "22",
        "--env-file="
    );
    assert_eq!(
        checked(check().env("MESH_ENV_FILE", "other.env"), name),
        "22",
        "MESH_ENV_FILE"
    );
    assert_eq!(
        checked(check().env(name, "23"), name),
        "23",
        "the environment"
    );
    assert_eq!(
        checked(check().env(name, "23").args(["--event-ttl", "24"]), name),
        "24",
        "a flag"
    );
}

#[cfg(unix)]
#[apply(case!)]
fn a_link_from_env_to_another_file_chooses_the_stage() {
    let folder = folder();
    fs::write(folder.path().join(".env.stg2"), "STAGE=stg2\n").expect("a file");
    std::os::unix::fs::symlink(".env.stg2", folder.path().join(".env")).expect("a link");
    let mut check = program(folder.path());
    assert_eq!(checked(check.arg("check"), "STAGE"), "stg2");
}

#[apply(case!)]
async fn graphiql_and_introspection_are_off_in_prod_and_can_be_set_anywhere() {
    let folder = folder();
    let prod = [
        ("STAGE", "prod"),
        ("MESH_API_KEYS", "da2-of-our-own-school"),
        ("MESH_SECRET_KEY", "0123456789abcdef0123"),
        ("MESH_STORE", "memory"),
    ];
    let set = [("MESH_GRAPHIQL", "true"), ("MESH_INTROSPECTION", "true")];
    let unset = [("MESH_GRAPHIQL", "false"), ("MESH_INTROSPECTION", "false")];
    for (settings, is_on) in [
        (&prod[..], false),
        (&[&prod[..], &set].concat(), true),
        (&prod[1..], true),
        (&[&prod[1..], &unset].concat(), false),
    ] {
        let server = Server::start(folder.path(), settings);
        let mesh = server.mesh("da2-of-our-own-school");
        let page = mesh
            .http()
            .get(&mesh.endpoint)
            .header("accept", "text/html");
        let page = Reply::to(page).await;
        assert_eq!(page.status, if is_on { 200 } else { 404 }, "{}", page.text);
        assert_eq!(page.text.contains("MESH_GRAPHIQL=true"), !is_on);
        let asset = format!("{}/assets/graphiql.css", mesh.endpoint);
        assert_eq!(Reply::to(mesh.http().get(asset)).await.status, page.status);
        let config = format!("{}/pages/config.json", mesh.origin());
        let config = Reply::to(mesh.http().get(config)).await;
        assert_eq!(config.json["graphiql"], is_on, "the front page links to it");
        for document in [
            "{ __schema { queryType { name } } }",
            "query($name: String = \"Group\") { it: __type(name: $name) { name } }",
        ] {
            let reply = mesh.executes(document).await;
            if is_on {
                assert!(reply.json.get("errors").is_none(), "{}", reply.text);
            } else {
                let (kind, message) = reply.error();
                assert_eq!(kind, "ValidationError");
                assert_eq!(message, "Introspection is disabled on this server.");
                assert!(reply.json["data"].is_null());
            }
        }
        let reply = mesh.executes("{ __typename }").await;
        assert_eq!(reply.json["data"]["__typename"], "Query");
    }
}
