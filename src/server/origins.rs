//! The pages that may call, where the settings name them. A browser says in `Origin` which page
//! sends a request; other clients send none and are not affected.

use std::net::IpAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::http::uri::Authority;
use axum::http::{HeaderMap, HeaderValue, Request, Uri, header};
use tower_http::cors::{AllowOrigin, Any};

/// The origin of a page, as browsers send it: `https://school.example`, without a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        const FORM: &str =
            "an origin is a scheme, a host and maybe a port, such as https://school.example";
        let text = text.trim().to_ascii_lowercase();
        // Pages from files, and of some apps.
        if text != "null" {
            let (scheme, host) = text.split_once("://").ok_or(FORM)?;
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
            if scheme.is_empty() || host.is_empty() || !host.chars().all(is_plain) {
                return Err(FORM);
            }
        }
        // Browsers leave out the usual port.
        let usual = [("https://", ":443"), ("http://", ":80")];
        let usual = usual.iter().find(|(scheme, _)| text.starts_with(scheme));
        let text = usual.map_or(&*text, |(_, port)| text.strip_suffix(port).unwrap_or(&text));
        let value = text.parse().map_err(|_| FORM)?;
        Ok(Self(value))
    }
}

/// The host and maybe the port of an origin.
fn host_of(origin: &HeaderValue) -> Option<&[u8]> {
    let origin = origin.as_bytes();
    let scheme = origin.windows(3).position(|part| part == b"://")?;
    Some(&origin[scheme + 3..])
}

/// The origins whose pages may call: all, or those of a list.
#[derive(Clone, Debug, Default)]
pub struct Origins {
    list: Option<Arc<[Origin]>>,
    /// Names of this server beside its addresses.
    names: Arc<[String]>,
}

impl Origins {
    /// Those of the list, all if it is empty, for a server of these names.
    pub fn new(list: &[Origin], names: &[String]) -> Self {
        Self {
            list: (!list.is_empty()).then(|| list.into()),
            names: names.into(),
        }
    }

    /// Whether a request may be served. Pages of this server always may.
    pub fn allow<B>(&self, request: &Request<B>) -> bool {
        let Some(list) = &self.list else {
            return true;
        };
        let host = self.own_host(request.headers(), request.uri());
        let mut origins = request.headers().get_all(header::ORIGIN).iter();
        origins.all(|origin| {
            let is_own = host.is_some() && host_of(origin) == host;
            is_own || list.iter().any(|allowed| allowed.0 == *origin)
        })
    }

    /// The host of a request, if it surely is a name of this server: an address, localhost, or a name
    /// of the settings. Any other may be of a page whose name was pointed at this server, so that
    /// the browser takes it for one of the server's own.
    pub fn own_host<'a>(&self, headers: &'a HeaderMap, uri: &'a Uri) -> Option<&'a [u8]> {
        let host = headers.get(header::HOST).map(HeaderValue::as_bytes);
        let host = host.or(uri.authority().map(|it| it.as_str().as_bytes()))?;
        let authority = Authority::try_from(host).ok()?;
        let name = authority.host().trim_matches(['[', ']']);
        let is_own = name.parse::<IpAddr>().is_ok()
            || name.eq_ignore_ascii_case("localhost")
            || self.names.iter().any(|own| own.eq_ignore_ascii_case(name));
        is_own.then_some(host)
    }

    /// What browsers are told.
    pub(super) fn cors(&self) -> AllowOrigin {
        match &self.list {
            None => Any.into(),
            Some(list) => AllowOrigin::list(list.iter().map(|origin| origin.0.clone())),
        }
    }

    /// Whether answers depend on the page that asks.
    pub(super) fn is_a_list(&self) -> bool {
        self.list.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        let list: Vec<_> = list.iter().map(|text| text.parse().unwrap()).collect();
        Origins::new(&list, &["school.local".into()])
    }

    #[test]
    fn origins_are_compared_as_browsers_send_them() {
        let origins = origins(&[
            "https://School.example:443",
            "http://localhost:8601",
            "null",
            "tauri://localhost",
        ]);
        let allow_at = |host: &str, sent: &[&str]| {
            let mut request = Request::builder().header(header::HOST, host);
            for origin in sent {
                request = request.header(header::ORIGIN, *origin);
            }
            origins.allow(&request.body(()).unwrap())
        };
        let allow = |sent: &[&str]| allow_at("192.168.1.10:4000", sent);
        for sent in [
            &["https://school.example"][..],
            &["http://localhost:8601"],
            &["null"],
            &["tauri://localhost"],
            &["http://192.168.1.10:4000"],
            &["https://192.168.1.10:4000"],
            &[],
        ] {
            assert!(allow(sent), "{sent:?}");
        }
        for sent in [
            &["http://school.example"][..],
            &["https://school.example.evil"],
            &["https://evil.example"],
            &["http://localhost"],
            &["http://192.168.1.10:4001"],
            &["192.168.1.10:4000"],
            &[""],
            &["https://school.example", "https://evil.example"],
        ] {
            assert!(!allow(sent), "{sent:?}");
        }
    }

    #[test]
    fn pages_of_a_name_that_was_pointed_at_this_server_are_not_its_own() {
        let origins = origins(&["https://school.example"]);
        let allow = |host: &str| {
            let request = Request::builder().header(header::HOST, host);
            let request = request.header(header::ORIGIN, format!("http://{host}"));
            origins.allow(&request.body(()).unwrap())
        };
        for own in [
            "127.0.0.1:4000",
            "[::1]:4000",
            "localhost:4000",
            "School.local:4000",
        ] {
            assert!(allow(own), "{own}");
        }
        for other in [
            "evil.example:4000",
            "localhost.evil.example",
            "127.0.0.1.evil.example:4000",
        ] {
            assert!(!allow(other), "{other}");
        }
    }

    #[test]
    fn what_is_no_origin_is_refused() {
        for text in [
            "",
            "school.example",
            "https://",
            "https://school.example/editor",
            "https://school.example/",
            "*",
            "https://*.school.example",
            "://x",
        ] {
            assert!(text.parse::<Origin>().is_err(), "{text}");
        }
    }
}
