//! The few pages that people see: nothing from elsewhere, light and dark, and no script but one line.

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use http::header::{CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS};
use url::Url;

use super::clients::Client;
use super::server::State;
use super::users::User;
use super::wire::{self, Params, Reply};
use crate::secret::digest::sha256;

const STYLE: &str = "\
:root{color-scheme:light dark;--line:#d5d9e0;--soft:#667085;--card:#fff;--back:#f4f5f7;--tint:#3457d5}\
@media(prefers-color-scheme:dark){:root{--line:#3a404b;--soft:#9aa4b5;--card:#1d2026;--back:#121418;--tint:#9db2ff}}\
*{box-sizing:border-box}\
body{margin:0;min-height:100vh;display:grid;place-items:center;padding:1rem;background:var(--back);font:16px/1.5 system-ui,sans-serif}\
main{width:100%;max-width:24rem;padding:2rem;background:var(--card);border:1px solid var(--line);border-radius:12px}\
h1{margin:0;font-size:1.35rem}p{margin:.25rem 0 1.25rem;color:var(--soft);overflow-wrap:anywhere}\
button{display:block;width:100%;margin:.5rem 0;padding:.6rem .9rem;text-align:left;font:inherit;color:inherit;background:none;border:1px solid var(--line);border-radius:8px;cursor:pointer}\
button:hover{border-color:var(--tint)}button:focus-visible{outline:2px solid var(--tint);outline-offset:2px}\
button small{display:block;color:var(--soft);overflow-wrap:anywhere}\
.plain{margin:1rem 0 0;text-align:center;border-color:transparent;color:var(--soft)}\
footer{margin-top:1rem;font-size:.85rem;color:var(--soft);text-align:center}";

const SUBMIT: &str = "document.forms[0].submit()";

/// The choice of users; the form brings back what the request said.
pub(super) fn sign_in(state: &State, client: &Client, params: &Params) -> Reply {
    let mut buttons = String::new();
    for user in &state.users {
        let hinted = params.get("login_hint") == Some(user.username());
        let focus = if hinted { " autofocus" } else { "" };
        let (username, name) = (escape(user.username()), escape(user.name()));
        let detail = escape(&detail(user));
        let _ = write!(
            buttons,
            "<button name=\"user\" value=\"{username}\"{focus}>{name}<small>{detail}</small></button>"
        );
    }
    let kept = params
        .iter()
        .filter(|(name, _)| !matches!(*name, "user" | "deny"));
    let body = format!(
        "<h1>Who is signing in?</h1><p>to {client}</p>\
         <form method=\"post\">{hidden}{buttons}\
         <button class=\"plain\" name=\"deny\" value=\"1\">Refuse</button></form>\
         <footer>For testing: nobody asks for a password.</footer>",
        client = escape(client.id()),
        hidden = hidden(kept),
    );
    page(StatusCode::OK, "Sign in", &body, "")
}

/// Hands the response to the app as a form (OAuth 2.0 Form Post Response Mode).
pub(super) fn form_post<'a>(
    status: StatusCode,
    target: &Url,
    params: impl Iterator<Item = (&'a str, &'a str)>,
) -> Reply {
    let body = format!(
        "<h1>One moment</h1><p>You are being sent back to the app.</p>\
         <form method=\"post\" action=\"{target}\">{hidden}<button>Continue</button></form>",
        target = escape(target.as_str()),
        hidden = hidden(params),
    );
    page(status, "Signing in", &body, SUBMIT)
}

/// What went wrong, to a person whose browser cannot be sent back.
pub(super) fn error(message: &str) -> Reply {
    let body = format!("<h1>This did not work</h1><p>{}</p>", escape(message));
    page(StatusCode::BAD_REQUEST, "Error", &body, "")
}

/// The end of a logout that asked for no redirect.
pub(super) fn signed_out() -> Reply {
    let body = "<h1>Signed out</h1><p>You can close this page.</p>";
    page(StatusCode::OK, "Signed out", body, "")
}

/// The initials of a user's name, as an SVG image.
pub(super) fn avatar(user: &User) -> Reply {
    let initials: String = user
        .name()
        .split_whitespace()
        .filter_map(|word| word.chars().next())
        .take(2)
        .collect();
    let hue = user.github_id() % 360;
    let image = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 96 96\">\
         <rect width=\"96\" height=\"96\" fill=\"hsl({hue} 45% 40%)\"/>\
         <text x=\"48\" y=\"50\" fill=\"#fff\" font-family=\"sans-serif\" font-size=\"40\" \
         text-anchor=\"middle\" dominant-baseline=\"middle\">{}</text></svg>",
        escape(&initials)
    );
    guard(
        wire::reply(StatusCode::OK, "image/svg+xml", image),
        "default-src 'none'",
    )
}

fn detail(user: &User) -> String {
    match user.email() {
        Some((email, true)) => email.to_owned(),
        Some((email, false)) => format!("{email} (not verified)"),
        None => user.username().to_owned(),
    }
}

fn hidden<'a>(params: impl Iterator<Item = (&'a str, &'a str)>) -> String {
    params.fold(String::new(), |mut html, (name, value)| {
        let (name, value) = (escape(name), escape(value));
        let _ = write!(
            html,
            "<input type=\"hidden\" name=\"{name}\" value=\"{value}\">"
        );
        html
    })
}

fn page(status: StatusCode, title: &str, body: &str, script: &str) -> Reply {
    let mut html = format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width,initial-scale=1\">\
         <title>{title}</title><style>{STYLE}</style></head><body><main>{body}</main>"
    );
    // No `form-action`: browsers hold it against every redirect that follows the form, and the app may send
    // people on to anywhere.
    let mut policy = format!(
        "default-src 'none'; base-uri 'none'; frame-ancestors 'none'; style-src {}",
        hash(STYLE)
    );
    if !script.is_empty() {
        let _ = write!(html, "<script>{script}</script>");
        let _ = write!(policy, "; script-src {}", hash(script));
    }
    html.push_str("</body></html>");
    guard(
        wire::reply(status, "text/html; charset=utf-8", html),
        &policy,
    )
}

fn guard(reply: Reply, policy: &str) -> Reply {
    let reply = wire::with_header(reply, CONTENT_SECURITY_POLICY, policy);
    let reply = wire::with_header(reply, REFERRER_POLICY, "no-referrer");
    wire::with_header(reply, X_CONTENT_TYPE_OPTIONS, "nosniff")
}

/// The source expression of an inline element (Content Security Policy Level 3 section 2.3.1).
fn hash(source: &str) -> String {
    format!("'sha256-{}'", STANDARD.encode(sha256(source.as_bytes())))
}

fn escape(text: &str) -> String {
    text.chars().fold(String::new(), |mut html, c| {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
        html
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_comes_from_the_request_cannot_become_markup() {
        let html = hidden([("\"><script>", "'</form>&")].into_iter());
        assert_eq!(
            html,
            "<input type=\"hidden\" name=\"&quot;&gt;&lt;script&gt;\" value=\"&#39;&lt;/form&gt;&amp;\">"
        );
    }

    #[test]
    fn a_page_allows_its_own_style_and_nothing_else() {
        let reply = signed_out();
        let policy = reply.headers()[CONTENT_SECURITY_POLICY].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none';"));
        assert!(policy.ends_with(&hash(STYLE)));
        assert!(!policy.contains("script-src") && !policy.contains("unsafe"));
    }
}
