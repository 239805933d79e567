//! The upgrade to a WebSocket.

use data_encoding::BASE64;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::handshake::client::Request;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::{WebSocketStream, client_async_with_config};

use crate::answer::Answer;
use crate::facts::{Failure, Upgrade};
use crate::http::Client;
use crate::network::Stream;

/// The longest message accepted, in bytes.
const MESSAGE_MAX: usize = 256 * 1024;

/// An open WebSocket.
pub type Socket = WebSocketStream<Box<dyn Stream>>;

/// Opens a WebSocket.
pub async fn open(client: &Client) -> Result<Socket, Upgrade> {
    let place = &client.endpoint.realtime;
    let stream = client
        .network
        .connect(place)
        .await
        .map_err(Upgrade::Failed)?;
    let request =
        upgrade(client).map_err(|error| Upgrade::Failed(Failure::Broken(error.to_string())))?;
    let config = WebSocketConfig::default()
        .max_message_size(Some(MESSAGE_MAX))
        .max_frame_size(Some(MESSAGE_MAX));
    match client_async_with_config(request, stream, Some(config)).await {
        Ok((socket, _)) => Ok(socket),
        Err(Error::Http(response)) => {
            let headers = response.headers().iter().map(|(name, value)| {
                let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
                (name.as_str().to_owned(), value)
            });
            Err(Upgrade::Answered(Answer {
                status: response.status().as_u16(),
                headers: headers.collect(),
                body: String::from_utf8_lossy(response.body().as_deref().unwrap_or_default())
                    .into_owned(),
            }))
        }
        Err(error) => Err(Upgrade::Failed(Failure::Broken(error.to_string()))),
    }
}

/// The upgrade of AppSync's library: the credentials are in the query.
fn upgrade(client: &Client) -> Result<Request, Error> {
    let endpoint = &client.endpoint;
    let authority = endpoint.realtime.authority(endpoint.secure);
    let header = BASE64.encode(authorization(client).to_string().as_bytes());
    let path = &endpoint.realtime.path;
    // Over a stream that is open already, the scheme decides nothing.
    let url = format!("ws://{authority}{path}?header={header}&payload=e30=");
    let mut request = url.into_client_request()?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "graphql-ws".parse()?);
    headers.insert("origin", client.origin.parse()?);
    Ok(request)
}

/// The credentials of the upgrade and of a subscription.
pub fn authorization(client: &Client) -> Value {
    let host = client.endpoint.http.authority(client.endpoint.secure);
    json!({"host": host, "x-api-key": client.key})
}
