//! A server's address, as clients derive its places from one URL. Nothing here waits.

use std::net::IpAddr;

use anyhow::{Context as _, bail};
use hyper::Uri;

/// What a URL without a path means.
const GRAPHQL: &str = "/graphql";

/// A host, a port and a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// The host's name, or its address without brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
    /// The path, with its slash.
    pub path: String,
}

/// A server as its clients reach it.
#[derive(Clone, Debug)]
pub struct Endpoint {
    /// The URL of requests.
    pub url: String,
    /// Whether it is https.
    pub secure: bool,
    /// Queries and mutations.
    pub http: Place,
    /// The WebSocket.
    pub realtime: Place,
}

impl Place {
    fn of(uri: &Uri, secure: bool) -> anyhow::Result<Self> {
        let authority = uri.authority().context("no host in the URL")?;
        Ok(Self {
            host: authority.host().trim_matches(['[', ']']).to_owned(),
            port: authority
                .port_u16()
                .unwrap_or(if secure { 443 } else { 80 }),
            path: uri.path().to_owned(),
        })
    }

    /// The host as an address, if it is one.
    pub fn literal(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }

    /// Host and port as URLs have them.
    pub fn authority(&self, secure: bool) -> String {
        let host = match self.literal() {
            Some(IpAddr::V6(address)) => format!("[{address}]"),
            _ => self.host.clone(),
        };
        if self.port == if secure { 443 } else { 80 } {
            return host;
        }
        format!("{host}:{}", self.port)
    }
}

impl Endpoint {
    /// Parses `http(s)://host[:port][/graphql]`.
    pub fn parse(text: &str) -> anyhow::Result<Self> {
        let text = text.trim();
        let uri: Uri = text.parse().with_context(|| format!("{text} is no URL"))?;
        let secure = match uri.scheme_str() {
            Some("http") => false,
            Some("https") => true,
            _ => bail!("{text}: an address begins with http:// or https://"),
        };
        let mut http = Place::of(&uri, secure)?;
        if http.path == "/" {
            GRAPHQL.clone_into(&mut http.path);
        }
        // The rule of AppSync's clients: AWS has another host, all others a longer path.
        let mut realtime = http.clone();
        if http.host.contains(".appsync-api.") {
            realtime.host = http.host.replace(".appsync-api.", ".appsync-realtime-api.");
        } else {
            realtime.path = format!("{}/realtime", http.path.trim_end_matches('/'));
        }
        let scheme = if secure { "https" } else { "http" };
        Ok(Self {
            url: format!("{scheme}://{}{}", http.authority(secure), http.path),
            secure,
            http,
            realtime,
        })
    }

    /// Scheme, host and port of the server's own pages.
    pub fn origin(&self) -> String {
        self.url.trim_end_matches(&self.http.path).to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_gives_the_places_that_editors_derive_from_it() {
        for (text, url, realtime) in [
            (
                "http://127.0.0.1:4000",
                "http://127.0.0.1:4000/graphql",
                "127.0.0.1/graphql/realtime",
            ),
            (
                "https://school.local/graphql/",
                "https://school.local/graphql/",
                "school.local/graphql/realtime",
            ),
            (
                "https://x.appsync-api.ap-northeast-1.amazonaws.com/graphql",
                "https://x.appsync-api.ap-northeast-1.amazonaws.com/graphql",
                "x.appsync-realtime-api.ap-northeast-1.amazonaws.com/graphql",
            ),
            (
                "http://[::1]:80/graphql",
                "http://[::1]/graphql",
                "::1/graphql/realtime",
            ),
        ] {
            let endpoint = Endpoint::parse(text).expect("an endpoint");
            assert_eq!(endpoint.url, url);
            let place = endpoint.realtime;
            assert_eq!(place.host + &place.path, realtime);
        }
        for text in ["school.local", "ftp://school.local", "http://", "a b"] {
            assert!(Endpoint::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_servers_own_pages_have_its_origin() {
        let endpoint = Endpoint::parse("https://school.local:8443/graphql").expect("an endpoint");
        assert_eq!(endpoint.origin(), "https://school.local:8443");
    }
}
