//! Which URLs may be called: https anywhere, http on this machine only.

use http::Uri;

/// Refuses plain `http` beyond the loopback, and URLs that carry credentials.
pub(crate) fn check_url(uri: &Uri) -> Result<(), String> {
    let authority = uri.authority().ok_or("expected an absolute URL")?;
    if authority.as_str().contains('@') {
        return Err("expected a URL without user information".into());
    }
    let host = authority.host();
    match uri.scheme_str() {
        Some("https") => Ok(()),
        Some("http") if is_loopback(host) => Ok(()),
        Some("http") => Err(format!(
            "plain http is accepted on loopback hosts only, found {host}"
        )),
        _ => Err("expected an https URL".into()),
    }
}

/// `localhost`, `127.0.0.0/8` and `[::1]`, as they are written: names are not resolved.
pub(crate) fn is_loopback(host: &str) -> bool {
    let bare = host
        .strip_prefix('[')
        .and_then(|h| h.strip_suffix(']'))
        .unwrap_or(host);
    host.eq_ignore_ascii_case("localhost")
        || bare
            .parse::<std::net::IpAddr>()
            .is_ok_and(|ip| ip.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ks_12_plain_http_stays_on_this_machine() {
        for good in [
            "https://idp.example.com/x",
            "http://localhost:1/x",
            "http://127.0.0.1:9",
            "http://127.8.8.8",
            "http://[::1]:80/",
        ] {
            assert_eq!(check_url(&good.parse().unwrap()), Ok(()), "{good}");
        }
        for bad in [
            "http://idp.example.com/x",
            "http://10.0.0.1",
            "http://localhost.example.com",
            "http://0.0.0.0",
            "http://[::ffff:10.0.0.1]",
            "https://user@idp.example.com",
            "http://user:pw@localhost",
            "/x",
            "ftp://localhost/",
        ] {
            assert!(check_url(&bad.parse().unwrap()).is_err(), "{bad}");
        }
    }
}
