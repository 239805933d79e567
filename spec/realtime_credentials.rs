//! How realtime clients send their key, and what happens to those without one.

use data_encoding::BASE64;
use serde_json::json;
use tokio::io::AsyncReadExt as _;
use tokio_tungstenite::tungstenite::Message;

use crate::support::mesh::TIMEOUT;
use crate::support::raw::Wire;
use crate::support::socket::{header_in_protocol, header_in_query, upgrade};
use crate::support::{Socket, TestMesh, documents};

#[apply(case!)]
async fn every_form_of_credentials_opens_a_connection_at_both_paths() {
    let mesh = TestMesh::start().await;
    for path in ["/graphql/realtime", "/graphql"] {
        let raw = header_in_query(&mesh, &mesh.key);
        let escaped = raw
            .replace("?header=", "")
            .replace("&payload=e30=", "")
            .replace('=', "%3D");
        let unpadded = raw.replace("=&", "&").replace("=&", "&");
        for query in [raw, format!("?payload=e30%3D&header={escaped}"), unpadded] {
            let mut socket =
                Socket::open(upgrade(&mesh, &format!("{path}{query}"), "graphql-ws")).await;
            socket.is_acknowledged().await;
        }
        let in_protocol = header_in_protocol(&mesh, &mesh.key);
        for protocols in [
            format!("graphql-ws,{in_protocol}"),
            format!("{in_protocol}, graphql-ws"),
        ] {
            // Amplify adds a client's own headers as query parameters.
            let request = upgrade(&mesh, &format!("{path}?x-foo=bar"), &protocols);
            Socket::open(request).await.is_acknowledged().await;
        }
        let mut request = upgrade(&mesh, path, "graphql-ws");
        request
            .headers_mut()
            .insert("x-api-key", mesh.key.parse().expect("a header"));
        Socket::open(request).await.is_acknowledged().await;
    }
}

#[apply(case!)]
async fn a_generic_client_sends_its_key_in_connection_init() {
    let mesh = TestMesh::start().await;
    for path in ["/graphql/realtime", "/graphql"] {
        for payload in [
            json!({"x-api-key": mesh.key}),
            json!({"X-Api-Key": mesh.key}),
            json!({"headers": {"x-api-key": mesh.key}}),
        ] {
            let mut socket = Socket::connect(&mesh, path, None).await;
            socket
                .sends(&json!({"type": "connection_init", "payload": payload}))
                .await;
            assert_eq!(
                socket.receives_any().await["type"],
                "connection_ack",
                "{payload}"
            );
        }
    }
}

#[apply(case!)]
async fn a_plus_and_a_slash_in_raw_base64_are_taken_literally() {
    let mesh = TestMesh::start().await;
    let header =
        json!({"host": "no port", "date": "~~~???>>>ÿÿÿ", "x-api-key": mesh.key}).to_string();
    // One of the three offsets produces each of them.
    let padded: Vec<_> = (0..3)
        .map(|n| format!("{}{header}", " ".repeat(n)))
        .collect();
    let encoded: Vec<_> = padded
        .iter()
        .map(|text| BASE64.encode(text.as_bytes()))
        .collect();
    assert!(encoded.concat().contains('+') && encoded.concat().contains('/'));
    for base64 in encoded {
        for header in [
            base64.clone(),
            base64.replace('+', "%2B").replace('/', "%2F"),
        ] {
            let path = format!("/graphql/realtime?header={header}&payload=e30=");
            Socket::open(upgrade(&mesh, &path, "graphql-ws"))
                .await
                .is_acknowledged()
                .await;
        }
    }
}

#[apply(case!)]
async fn the_upgrade_succeeds_without_credentials_and_echoes_the_protocol() {
    let mesh = TestMesh::start().await;
    let in_protocol = header_in_protocol(&mesh, &mesh.key);
    for (offered, echoed) in [
        ("graphql-ws", "graphql-ws"),
        (&*format!("graphql-ws, {in_protocol}"), "graphql-ws"),
        (&*format!("{in_protocol},graphql-ws"), "graphql-ws"),
    ] {
        let mut socket = Socket::open(upgrade(&mesh, "/graphql/realtime", offered)).await;
        let headers = socket.response.headers();
        assert_eq!(
            headers.get("sec-websocket-protocol").expect("an echo"),
            echoed,
            "{offered}"
        );
        // A client that only tests the connection closes it again.
        socket.sends_frame(Message::Close(None)).await;
        while socket.next(TIMEOUT).await.is_some() {}
    }
}

#[apply(case!)]
async fn an_unknown_subprotocol_is_refused_and_not_echoed() {
    let mesh = TestMesh::start().await;
    for (offered, echoed) in [
        ("mqtt", None),
        ("mqtt, graphql-ws", Some("graphql-ws")),
        ("graphql-ws, graphql-transport-ws", Some("graphql-ws")),
        (
            "graphql-transport-ws, graphql-ws",
            Some("graphql-transport-ws"),
        ),
    ] {
        let mut wire = Wire::to(&mesh).await;
        let head = wire.upgrades(&mesh, offered).await;
        // The header's name is in title case, as published clients expect it.
        let answered = head
            .lines()
            .find_map(|line| line.strip_prefix("Sec-Websocket-Protocol: "));
        assert_eq!(answered, echoed, "{offered}: {head}");
        if echoed.is_some() {
            continue;
        }
        wire.frames(0x81, br#"{"type":"connection_init"}"#).await;
        let received = wire.reads_to_the_end().await;
        let received = String::from_utf8_lossy(&received);
        let error = r#"{"message":"SubProtocolNotSupportedError","errorCode":400}"#;
        assert!(received.contains(error), "{received}");
        assert!(
            received.contains("Subprotocol not acceptable"),
            "{received}"
        );
    }
    let query = header_in_query(&mesh, &mesh.key);
    let nothing = upgrade(&mesh, &format!("/graphql/realtime{query}"), "");
    Socket::open(nothing).await.is_acknowledged().await;
    let in_protocol = header_in_protocol(&mesh, &mesh.key);
    let mut wire = Wire::to(&mesh).await;
    let head = wire.upgrades(&mesh, &in_protocol).await;
    assert!(
        !head.contains("header-") && !head.contains("Protocol:"),
        "{head}"
    );
    wire.frames(0x81, br#"{"type":"connection_init"}"#).await;
    let mut ack = [0; 60];
    wire.0
        .read_exact(&mut ack)
        .await
        .expect("an acknowledgement");
    assert!(String::from_utf8_lossy(&ack).contains("connection_ack"));
}

#[apply(case!)]
async fn wrong_credentials_are_refused_after_connection_init() {
    let mesh = TestMesh::start().await;
    for (key, message) in [
        (None, "Valid authorization header not provided."),
        (
            Some("da2-wrong"),
            "You are not authorized to make this call.",
        ),
    ] {
        let mut socket = Socket::connect(&mesh, "/graphql/realtime", key).await;
        socket.sends_frame(Message::Ping("early".into())).await;
        let first = socket.next(TIMEOUT).await;
        let pong = Some(Message::Pong("early".into()));
        assert_eq!(first, pong, "clients may not expect it yet");
        socket.sends(&json!({"type": "connection_init"})).await;
        let expected = json!({"type": "connection_error", "payload": {"errors": [{
            "errorType": "UnauthorizedException", "message": message, "errorCode": 401,
        }]}});
        assert_eq!(socket.receives_any().await, expected);
        assert_eq!(socket.is_closed().await, 4401);
    }
}

#[apply(case!)]
async fn a_wrong_key_in_start_is_refused_and_the_right_one_may_be_repeated() {
    let mesh = TestMesh::start().await;
    let group = mesh.host("teacher").creates("class").await;
    let mut socket = mesh.opens().await;
    socket.is_acknowledged().await;
    let data =
        json!({"query": (documents::of("onMessageInGroup")), "variables": group.and(json!({}))})
            .to_string();
    let start = |id: &str, key: &str| {
        let authorization = json!({"host": "h", "x-api-key": key, "X-Api-Key": key});
        let extensions = json!({"authorization": authorization});
        json!({"payload": {"extensions": extensions, "data": data}, "type": "start", "id": id})
    };
    let (wrong, right) = (start("1", "da2-wrong"), start("2", &mesh.key));
    socket.sends(&wrong).await;
    let refused = socket.receives_any().await;
    assert_eq!(
        (&refused["type"], &refused["id"]),
        (&json!("error"), &json!("1"))
    );
    assert_eq!(
        refused["payload"]["errors"][0]["errorType"],
        "UnauthorizedException"
    );
    socket.sends(&right).await;
    assert_eq!(
        socket.receives_any().await,
        json!({"id": "2", "type": "start_ack"})
    );
}
