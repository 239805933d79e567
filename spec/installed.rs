//! What packages, containers and hosting platforms need of the program: a health check, the port
//! of the platform, shell completions and manual pages.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Stdio};

use crate::support::program::{Server, folder, program, runs, utf8};

/// The exit code of `mesh-v2 health` with these words, and what it printed.
fn health(words: &[&str]) -> (Option<i32>, String) {
    let output = runs(folder().path(), &[&["health"], words].concat());
    let said = utf8(&output.stdout) + &utf8(&output.stderr);
    (output.status.code(), said)
}

#[apply(case!)]
async fn a_health_check_answers_by_its_exit_code() {
    let folder = folder();
    let mut server = Server::start(folder.path(), &[("MESH_STORE", "memory")]);
    let endpoint = server.endpoint.clone();
    let origin = endpoint.strip_suffix("/graphql").expect("a path");
    let address = origin.strip_prefix("http://").expect("plain HTTP");
    for words in [
        &[origin][..],
        &[origin, "--ready"],
        &["--listen", address],
        &[&format!("{origin}/readyz")],
    ] {
        let (code, said) = health(words);
        assert!(
            code == Some(0) && said.contains("answers: ok"),
            "{words:?}: {said}"
        );
    }
    let (code, said) = health(&[&format!("{origin}/none")]);
    assert!(code == Some(1) && said.contains("answers 404"), "{said}");
    server.is_terminated();
    assert_eq!(server.ends(), Some(0));
    let (code, said) = health(&[origin]);
    assert!(
        code == Some(1) && said.contains("no server answers at") && said.contains("--listen"),
        "{said}"
    );
}

#[apply(case!)]
fn a_health_check_fails_on_a_server_that_is_silent_or_cannot_work() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("an address").to_string();
    // The system accepts the connection, and nothing answers.
    let (code, said) = health(&[&address, "--timeout=1"]);
    assert!(
        code == Some(1) && said.contains("did not answer within 1 s"),
        "{said}"
    );
    let busy = std::thread::spawn(move || {
        let answer = "HTTP/1.1 503 Service Unavailable\r\n\r\nthe store does not take writes\n";
        // The first connection is that of the check before.
        for _ in 0..2 {
            let (mut connection, _) = listener.accept().expect("a connection");
            let read = connection.read(&mut [0; 1024]).expect("a request");
            assert!(read > 0);
            let _ = connection.write_all(answer.as_bytes());
        }
        // The last one ends without an answer.
        drop(listener.accept());
    });
    let (code, said) = health(&[&address, "--ready"]);
    assert!(
        code == Some(1) && said.contains("answers 503: the store does not take writes"),
        "{said}"
    );
    let (code, said) = health(&[&address]);
    assert!(code == Some(1) && !said.is_empty(), "{code:?} {said}");
    busy.join().expect("no panic");
}

#[apply(case!)]
async fn the_port_of_a_platform_is_opened_to_other_machines() {
    let folder = folder();
    let with_port = |listen: Option<&str>| {
        let mut command = program(folder.path());
        command.env("PORT", "0").arg("--store=memory");
        command.args(listen.map(|address| format!("--listen={address}")));
        Server::run(folder.path(), command)
    };
    let server = with_port(None);
    let port = server.endpoint.strip_prefix("http://0.0.0.0:");
    let port = port.unwrap_or_else(|| panic!("{}", server.endpoint));
    let port = port.strip_suffix("/graphql").expect("a path");
    let checked = program(folder.path())
        .arg("health")
        .env("PORT", port)
        .output();
    assert!(checked.expect("the program runs").status.success());
    assert!(
        server.log().contains("MESH_API_KEYS"),
        "a public key is warned of"
    );
    let named = with_port(Some("127.0.0.1:0"));
    assert!(
        named.endpoint.starts_with("http://127.0.0.1:"),
        "{}",
        named.endpoint
    );
}

#[apply(case!)]
fn a_port_that_is_none_is_refused_by_its_name() {
    let folder = folder();
    let output = program(folder.path())
        .args(["serve", "--store=memory"])
        .env("PORT", "tcp://10.0.0.1:80")
        .output()
        .expect("the program runs");
    assert!(!output.status.success());
    let said = utf8(&output.stderr);
    assert!(
        said.contains("--listen") && said.contains("tcp://10.0.0.1:80"),
        "{said}"
    );
}

#[apply(case!)]
fn completions_know_commands_and_settings() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let output = runs(folder().path(), &["completions", shell]);
        assert!(output.status.success(), "{shell}");
        let script = utf8(&output.stdout);
        for word in ["serve", "health", "durability"] {
            assert!(script.contains(word), "{word} for {shell}");
        }
        // As far as this machine has the shell.
        let reads = Command::new(shell).arg("-n").stdin(Stdio::piped()).spawn();
        if let Ok(mut reads) = reads {
            let mut input = reads.stdin.take().expect("piped");
            input.write_all(script.as_bytes()).expect("a reader");
            drop(input);
            assert!(reads.wait().expect("an end").success(), "{shell} -n");
        }
    }
}

#[apply(case!)]
fn manual_pages_are_of_the_program_and_its_commands() {
    let place = folder();
    let page = |words: &[&str]| runs(place.path(), &[&["man"], words].concat());
    let program = utf8(&page(&[]).stdout);
    for word in [
        ".TH mesh-v2 1",
        "MESH_LISTEN",
        "mesh\\-v2\\-health(1)",
        "mesh\\-v2 [OPTIONS]",
    ] {
        assert!(program.contains(word), "{word} in {program}");
    }
    for (command, word) in [
        ("store", "mesh\\-v2\\-store\\-backup(1)"),
        ("serve", "MESH_DURABILITY"),
        ("health", "mesh\\-v2 health [OPTIONS]"),
    ] {
        let text = utf8(&page(&[command]).stdout);
        assert!(text.contains(word), "{word} in {text}");
    }
    let none = page(&["nothing"]);
    assert!(!none.status.success() && utf8(&none.stderr).contains("mesh-v2 --help"));
}
