//! The two pages the layers answer with themselves: a failure somebody can act on, and the frame
//! that hands a sign-in back to the window which asked for it.
//!
//! Both are whole documents with a policy of their own that allows exactly the one style, and for
//! the frame the one script, that stand in them. They need nothing else, so they load nothing else.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::uri_component;
use crate::secret::digest::sha256;

/// A document and the `Content-Security-Policy` it is to be served with.
///
/// A frame carries tokens, so there is no `Debug`.
pub(crate) struct Page {
    /// The whole document, as UTF-8 `text/html`.
    pub(crate) html: String,
    /// The policy: useless with any other document.
    pub(crate) csp: String,
}

/// What a failure page says.
///
/// The words are ours, never the caller's or the provider's: text reflected from a URL lets a
/// stranger speak in our name, however well it is escaped.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ErrorPage<'a> {
    /// A few words: what did not work.
    pub(crate) title: &'a str,
    /// One sentence: what to do now.
    pub(crate) sentence: &'a str,
    /// What the operator looks for in the log.
    pub(crate) reference: &'a str,
    /// The page to try again from: the portal's own, as it was configured. What is no web address gets no link.
    pub(crate) try_again: &'a str,
}

/// The page for a failure that a person sees.
pub(crate) fn error_page(page: &ErrorPage<'_>) -> Page {
    let title = html_escape(page.title);
    let sentence = html_escape(page.sentence);
    let reference = html_escape(page.reference);
    let try_again = match page.try_again {
        url if is_web_address(url) => {
            format!("<p><a href=\"{}\">Try again</a></p>\n", html_escape(url))
        }
        _ => String::new(),
    };

    Page {
        html: format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <meta name=\"robots\" content=\"noindex\">\n\
             <title>{title}</title>\n\
             <style>{STYLE}</style>\n\
             </head>\n\
             <body>\n\
             <main>\n\
             <h1>{title}</h1>\n\
             <p>{sentence}</p>\n\
             {try_again}\
             <p class=\"reference\">If it happens again, tell your administrator this reference: \
             <code>{reference}</code></p>\n\
             </main>\n\
             </body>\n\
             </html>\n"
        ),
        csp: format!(
            "default-src 'none'; style-src '{}'; base-uri 'none'; form-action 'none'; \
             frame-ancestors 'none'",
            source_hash(STYLE)
        ),
    }
}

/// The frame of Backstage's popup protocol: posts `config_info` to whoever opened it, then
/// `response` to `origin` only, and closes.
///
/// # Security
///
/// `origin` must have passed the list of allowed origins: what is in `response` is for it to read.
/// The document needs `window.opener`, so a `Cross-Origin-Opener-Policy` beside it breaks it.
pub(crate) fn popup_frame(response: &serde_json::Value, origin: &str) -> Page {
    let script = popup_script(response, origin);

    Page {
        html: format!(
            "<!doctype html>\n\
             <html lang=\"en\">\n\
             <head>\n\
             <meta charset=\"utf-8\">\n\
             <meta name=\"viewport\" content=\"width=device-width\">\n\
             <title>Signing in</title>\n\
             <style>{STYLE}</style>\n\
             </head>\n\
             <body>\n\
             <main><p>You may close this window.</p></main>\n\
             <script>{script}</script>\n\
             </body>\n\
             </html>\n"
        ),
        csp: format!(
            "default-src 'none'; script-src '{}'; style-src '{}'; base-uri 'none'; \
             form-action 'none'; frame-ancestors 'self'",
            source_hash(&script),
            source_hash(STYLE)
        ),
    }
}

/// Text for HTML, in an element or in a quoted attribute.
pub(crate) fn html_escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            _ => out.push(c),
        }
    }
    out
}

/// The script between the frame's tags.
///
/// It waits before it closes because the opener looks every 100 ms whether its popup is gone, and
/// must find the messages first.
fn popup_script(response: &serde_json::Value, origin: &str) -> String {
    let data = uri_component::encode(&response.to_string());
    let origin = uri_component::encode(origin);
    format!(
        "\n\
         (() => {{\n\
         \x20 'use strict';\n\
         \x20 const origin = decodeURIComponent('{origin}');\n\
         \x20 const response = JSON.parse(decodeURIComponent('{data}'));\n\
         \x20 const app = window.opener || window.parent;\n\
         \x20 app.postMessage({{ type: 'config_info', targetOrigin: origin }}, '*');\n\
         \x20 app.postMessage(response, origin);\n\
         \x20 setTimeout(() => window.close(), 100);\n\
         }})();\n"
    )
}

/// Whether a link may lead there: to a page, and not to a script.
fn is_web_address(url: &str) -> bool {
    ["https://", "http://"]
        .iter()
        .any(|scheme| url.starts_with(scheme))
        && !url.contains(char::is_control)
}

/// The source expression that allows exactly this inline text (CSP Level 3, section 2.3.1).
fn source_hash(text: &str) -> String {
    format!("sha256-{}", STANDARD.encode(sha256(text.as_bytes())))
}

/// The one style of both pages. It names no font, colour scheme or size the reader did not choose.
const STYLE: &str = "
:root { color-scheme: light dark; }
body {
  margin: 0; min-height: 100vh; box-sizing: border-box; padding: 1.5rem;
  display: grid; place-items: center;
  font: 1rem/1.6 system-ui, sans-serif; color: #1c2024; background: #f4f5f7;
}
main {
  box-sizing: border-box; width: 100%; max-width: 30rem; padding: 2rem;
  border: 1px solid #d8dce2; border-radius: 14px; background: #fff; overflow-wrap: anywhere;
}
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.3; }
p { margin: 0 0 1.25rem; }
p:last-child { margin: 0; }
a {
  display: inline-block; padding: .5rem 1.125rem; border-radius: 8px;
  color: #fff; background: #2f55d4; font-weight: 600; text-decoration: none;
}
a:hover { background: #2546b4; }
a:focus-visible { outline: 3px solid #7d97f0; outline-offset: 2px; }
.reference { font-size: .875rem; color: #5b6470; }
code { font: .875rem ui-monospace, monospace; color: #1c2024; }
@media (prefers-color-scheme: dark) {
  body { color: #e7eaee; background: #0f1216; }
  main { border-color: #2a3038; background: #171b21; }
  a { color: #0f1216; background: #93abff; }
  a:hover { background: #b0c2ff; }
  .reference { color: #9aa4b1; }
  code { color: #e7eaee; }
}
";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const HOSTILE: &str = "</script><script>alert('1')</script>\"&\u{2028}\u{2029}\n\\";
    const REFERENCE: &str = "8f3a-77c1";

    fn failure<'a>(sentence: &'a str, try_again: &'a str) -> Page {
        error_page(&ErrorPage {
            title: "Sign-in did not finish",
            sentence,
            reference: REFERENCE,
            try_again,
        })
    }

    /// The text between the only pair of `tag` in `html`.
    #[track_caller]
    fn between<'a>(html: &'a str, tag: &str) -> &'a str {
        let (open, close) = (format!("<{tag}>"), format!("</{tag}>"));
        assert_eq!(html.matches(&open).count(), 1, "one {open}");
        assert_eq!(html.matches(&close).count(), 1, "one {close}");
        let (_, rest) = html.split_once(&open).unwrap();
        rest.split_once(&close).unwrap().0
    }

    /// The argument of the `nth` `decodeURIComponent('…')`, decoded.
    fn decoded(script: &str, nth: usize) -> String {
        let literal = script.split("decodeURIComponent('").nth(nth + 1).unwrap();
        let literal = literal.split_once("')").unwrap().0;
        let mut bytes = Vec::new();
        let mut rest = literal.as_bytes();
        while let Some((&first, tail)) = rest.split_first() {
            if first == b'%' {
                let pair = std::str::from_utf8(&tail[..2]).unwrap();
                bytes.push(u8::from_str_radix(pair, 16).unwrap());
                rest = &tail[2..];
            } else {
                bytes.push(first);
                rest = tail;
            }
        }
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn html_is_escaped_for_elements_and_attributes() {
        assert_eq!(
            html_escape("<a href='x' title=\"y\">&amp;"),
            "&lt;a href=&#39;x&#39; title=&quot;y&quot;&gt;&amp;amp;"
        );
        assert_eq!(html_escape("Grüße, 世界"), "Grüße, 世界");
    }

    #[test]
    fn er_01_a_failure_page_reflects_nothing_unescaped() {
        let page = error_page(&ErrorPage {
            title: HOSTILE,
            sentence: HOSTILE,
            reference: HOSTILE,
            try_again: "https://x/\"><script>",
        });
        assert!(!page.html.contains("<script"));
        assert!(!page.html.contains("alert('1')"));
        assert!(
            page.html
                .contains("href=\"https://x/&quot;&gt;&lt;script&gt;\"")
        );
    }

    #[test]
    fn a_failure_page_says_what_to_do_and_how_to_ask_for_help() {
        let page = failure(
            "The window was open for too long.",
            "https://x/login?a=1&b=2",
        );
        assert!(page.html.contains("<h1>Sign-in did not finish</h1>"));
        assert!(
            page.html
                .contains("<p>The window was open for too long.</p>")
        );
        assert!(page.html.contains("<code>8f3a-77c1</code>"));
        assert!(
            page.html
                .contains("<a href=\"https://x/login?a=1&amp;b=2\">Try again</a>")
        );
    }

    #[test]
    fn a_failure_page_links_to_pages_only() {
        for url in ["https://portal.example.com/", "http://localhost:7007/#a"] {
            assert!(failure("", url).html.contains("<a href"), "{url:?}");
        }
        for url in [
            "",
            "/",
            "//evil.test",
            "javascript:alert(1)",
            "data:text/html,x",
            " https://evil.test/",
            "https://x/\nSet-Cookie:",
        ] {
            assert!(!failure("", url).html.contains("<a href"), "{url:?}");
        }
    }

    #[test]
    fn er_01_the_policy_of_a_failure_page_allows_its_style_and_nothing_else() {
        let page = failure("", "");
        let style = source_hash(between(&page.html, "style"));
        assert_eq!(
            page.csp,
            format!(
                "default-src 'none'; style-src '{style}'; base-uri 'none'; form-action 'none'; \
                 frame-ancestors 'none'"
            )
        );
    }

    #[test]
    fn a_source_hash_is_the_one_browsers_compute() {
        // The example of CSP Level 2, section 7.17.3.
        assert_eq!(
            source_hash("alert('Hello, world.');"),
            "sha256-qznLcsROx4GACP2dm0UCKCzCG+HiZ1guq6ZZDob/Tng="
        );
    }

    #[test]
    fn the_policy_of_a_frame_allows_its_script_and_style_and_nothing_else() {
        let page = popup_frame(&json!({"type": "authorization_response"}), "https://a.test");
        let script = source_hash(between(&page.html, "script"));
        let style = source_hash(between(&page.html, "style"));
        assert_eq!(
            page.csp,
            format!(
                "default-src 'none'; script-src '{script}'; style-src '{style}'; base-uri 'none'; \
                 form-action 'none'; frame-ancestors 'self'"
            )
        );
    }

    #[test]
    fn er_02_a_frame_posts_its_target_to_everybody_and_then_the_response_to_the_target() {
        let response = json!({"type": "authorization_response", "response": {"profile": {}}});
        let page = popup_frame(&response, "https://app.example.test");
        let script = between(&page.html, "script");
        let at = |text: &str| script.find(text).unwrap_or_else(|| panic!("no {text}"));

        let first = at("postMessage({ type: 'config_info', targetOrigin: origin }, '*')");
        let second = at("postMessage(response, origin)");
        let last = at("setTimeout(() => window.close(), 100)");
        assert!(first < second && second < last);
        assert_eq!(script.matches("postMessage(").count(), 2);
        assert_eq!(script.matches("'*'").count(), 1);
        assert_eq!(decoded(script, 0), "https://app.example.test");
        assert_eq!(decoded(script, 1), response.to_string());
        assert!(page.html.contains("You may close this window."));
    }

    #[test]
    fn er_01_a_frame_carries_hostile_text_unharmed_and_harmless() {
        let response = json!({
            "type": "authorization_response",
            "error": {"name": HOSTILE, "message": HOSTILE},
        });
        let page = popup_frame(&response, "https://a.test/');alert('2");
        let script = between(&page.html, "script");

        assert!(!script.contains("alert('"), "{script}");
        assert!(!script.contains('<'), "{script}");
        assert!(script.is_ascii());
        assert_eq!(decoded(script, 0), "https://a.test/');alert('2");
        let carried: serde_json::Value = serde_json::from_str(&decoded(script, 1)).unwrap();
        assert_eq!(carried, response);
    }
}
