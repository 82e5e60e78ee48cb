//! `backend.baseUrl` and `backend.listen`.

use super::app::Listen;
use super::record::Kind;
use super::{Section, Value};
use crate::sign_in::public_url;

#[derive(Default)]
pub(super) struct Server {
    pub(super) listen: Listen,
    pub(super) base_url: Option<String>,
}

pub(super) fn read(backend: &Section<'_>) -> Server {
    let base_url = backend.parsed("baseUrl", "an http or https URL", public_url);
    Server {
        listen: listen(backend).unwrap_or_default(),
        base_url: base_url.map(without_slash),
    }
}

/// `:7007`, `host:7007`, `7007`, or `{host, port}` (spec section 9.2). Names are resolved when the server binds.
fn listen(backend: &Section<'_>) -> Option<Listen> {
    backend.may_be("listen", Kind::Text);
    backend.may_be("listen", Kind::Number);
    let node = backend.node("listen")?;
    if let Value::Map(_) = node.value {
        let section = backend.section("listen")?;
        let host = section.parsed("host", "a host name or an address", host);
        let port = section
            .whole_number("port", 0..=65_535)
            .and_then(|port| u16::try_from(port).ok());
        section.finish();
        return Some(Listen {
            host,
            port: port.unwrap_or(7007),
        });
    }
    let text = match &node.value {
        Value::Number(number) => number.to_string(),
        _ => node.as_str().unwrap_or_default().to_owned(),
    };
    let parsed = host_and_port(&text);
    if let Err(reason) = &parsed {
        backend.mistake("listen", *reason);
    }
    parsed.ok()
}

fn host_and_port(text: &str) -> Result<Listen, &'static str> {
    let (name, port) = text.rsplit_once(':').unwrap_or(("", text));
    if name.contains(':') && !(name.starts_with('[') && name.ends_with(']')) {
        return Err(
            "expected a port, or host:port; an IPv6 address stands in brackets, as in [::1]:7007",
        );
    }
    let digits = !port.is_empty() && port.bytes().all(|b| b.is_ascii_digit());
    let port = port.parse().ok().filter(|_| digits);
    Ok(Listen {
        port: port.ok_or("expected a port, or host:port")?,
        host: match name {
            "" => None,
            name => Some(host(name)?),
        },
    })
}

/// A host name or an address, an IPv6 one with or without its brackets.
fn host(text: &str) -> Result<String, &'static str> {
    let bare = text.strip_prefix('[').and_then(|t| t.strip_suffix(']'));
    if let Some(address) = bare.or(text.contains(':').then_some(text)) {
        let address: Result<std::net::Ipv6Addr, _> = address.parse();
        return address
            .map(|address| address.to_string())
            .map_err(|_| "expected an IPv6 address");
    }
    let label = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if text.is_empty() || !text.chars().all(label) {
        return Err("expected a host name or an address");
    }
    Ok(text.to_owned())
}

/// `https://portal.example.com`: the URL as other URLs are made of it.
pub(super) fn without_slash(url: url::Url) -> String {
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_a_port_or_a_host_and_a_port() {
        for (text, expected) in [
            (":7007", Some((None, 7007))),
            ("7007", Some((None, 7007))),
            ("localhost:1", Some((Some("localhost"), 1))),
            ("foo.example:7007", Some((Some("foo.example"), 7007))),
            ("0.0.0.0:80", Some((Some("0.0.0.0"), 80))),
            ("[::1]:7007", Some((Some("::1"), 7007))),
            ("::1", None),
            ("::1:7007", None),
            ("fe80::1:2", None),
            ("[::1]", None),
            ("[nowhere]:1", None),
            ("a b:1", None),
            ("x:y", None),
            ("x:", None),
            ("+1", None),
            ("65536", None),
            ("", None),
        ] {
            let found = host_and_port(text).ok();
            let found = found.as_ref().map(|l| (l.host.as_deref(), l.port));
            assert_eq!(found, expected, "{text}");
        }
        assert_eq!(host("::1").as_deref(), Ok("::1"));
        assert!(host("http://x").is_err());
    }
}
