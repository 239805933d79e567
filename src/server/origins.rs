//! The pages that may call, where the settings name them. A browser says in `Origin` which page
//! sends a request; other clients send none and are not affected.

use std::str::FromStr;
use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
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

/// The origins whose pages may call: all, or those of a list.
#[derive(Clone, Debug, Default)]
pub struct Origins(Option<Arc<[Origin]>>);

impl Origins {
    /// Those of the list; all if it is empty.
    pub fn new(list: &[Origin]) -> Self {
        Self((!list.is_empty()).then(|| list.into()))
    }

    /// Whether a request with these headers may be served.
    pub fn allow(&self, headers: &HeaderMap) -> bool {
        let Some(list) = &self.0 else {
            return true;
        };
        let mut origins = headers.get_all(header::ORIGIN).iter();
        origins.all(|origin| list.iter().any(|allowed| allowed.0 == *origin))
    }

    /// What browsers are told.
    pub(super) fn cors(&self) -> AllowOrigin {
        match &self.0 {
            None => Any.into(),
            Some(list) => AllowOrigin::list(list.iter().map(|origin| origin.0.clone())),
        }
    }

    /// Whether answers depend on the page that asks.
    pub(super) fn is_a_list(&self) -> bool {
        self.0.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origins(list: &[&str]) -> Origins {
        let list: Vec<_> = list.iter().map(|text| text.parse().unwrap()).collect();
        Origins::new(&list)
    }

    #[test]
    fn origins_are_compared_as_browsers_send_them() {
        let origins = origins(&[
            "https://School.example:443",
            "http://localhost:8601",
            "null",
            "tauri://localhost",
        ]);
        let allow = |sent: &[&str]| {
            let mut headers = HeaderMap::new();
            for origin in sent {
                headers.append(header::ORIGIN, origin.parse().unwrap());
            }
            origins.allow(&headers)
        };
        for sent in [
            &["https://school.example"][..],
            &["http://localhost:8601"],
            &["null"],
            &["tauri://localhost"],
            &[],
        ] {
            assert!(allow(sent), "{sent:?}");
        }
        for sent in [
            &["http://school.example"][..],
            &["https://school.example.evil"],
            &["https://evil.example"],
            &["http://localhost"],
            &[""],
            &["https://school.example", "https://evil.example"],
        ] {
            assert!(!allow(sent), "{sent:?}");
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
