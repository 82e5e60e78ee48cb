//! Whom the guest is for: a developer, at their own machine.

use tower_identity::provider::Guest;
use tower_identity::sign_in::SignIn;

use super::Visit;

const LOCAL: &str = "http://127.0.0.1:7007";
const PUBLIC: &str = "https://portal.example.com";
const OUTSIDE: &str = "cannot be used outside of a development environment";
const NEIGHBOUR: &str = "for browsers on this machine only";

fn portal(origin: &str, environment: &str, guest: Guest) -> SignIn {
    SignIn::builder(origin)
        .with_environment(environment)
        .with_provider("guest", guest, [])
        .build()
        .unwrap()
}

/// Asks to be the guest, with this `Host`: the status, and the message of a refusal.
async fn ask(origin: &str, sign_in: &SignIn, host: &str) -> (u16, String, String) {
    let mut visit = Visit::to(origin, sign_in);
    let headers = [("x-requested-with", "XMLHttpRequest"), ("host", host)];
    let answer = visit
        .send("POST", "/api/auth/guest/refresh", &headers)
        .await;
    let body: serde_json::Value = serde_json::from_str(&answer.body).unwrap();
    let message = body["error"]["message"].as_str().unwrap_or_default();
    (
        answer.status.as_u16(),
        message.to_owned(),
        visit.who().await,
    )
}

#[tokio::test]
async fn op_11_the_guest_is_for_development_and_for_a_portal_on_this_machine() {
    // Each half on its own is not enough, even for a request that comes from here.
    for (origin, environment, good) in [
        (LOCAL, "development", true),
        ("http://localhost:7007", "development", true),
        ("http://[::1]:7007", "development", true),
        (LOCAL, "production", false),
        (LOCAL, "Development", false),
        (PUBLIC, "development", false),
        (PUBLIC, "production", false),
    ] {
        let place = format!("{origin}, {environment}");
        let sign_in = portal(origin, environment, Guest::new());
        let (status, message, who) = ask(origin, &sign_in, "127.0.0.1:7007").await;
        assert_eq!(sign_in.providers().len(), usize::from(good), "{place}");
        if good {
            assert_eq!((status, &*who), (200, "user:development/guest"), "{place}");
        } else {
            assert_eq!((status, &*who), (403, "401"), "{place}");
            assert!(message.contains(OUTSIDE), "{place}: {message}");
        }
    }
}

#[tokio::test]
async fn op_11_a_neighbour_is_no_guest_of_a_portal_on_this_machine() {
    let sign_in = portal(LOCAL, "development", Guest::new());
    for (host, good) in [
        ("localhost:7007", true),
        ("[::1]:7007", true),
        ("192.168.1.7:7007", false),
        ("127.0.0.1.evil.example", false),
        ("evil.example", false),
        ("", false),
        ("localhost:7007, evil.example", false),
    ] {
        let (status, message, who) = ask(LOCAL, &sign_in, host).await;
        if good {
            assert_eq!((status, &*who), (200, "user:development/guest"), "{host}");
        } else {
            assert_eq!((status, &*who), (403, "401"), "{host}");
            assert!(message.contains(NEIGHBOUR), "{host}: {message}");
        }
    }
}

#[tokio::test]
async fn op_11_whoever_asks_for_the_danger_gets_it() {
    for environment in ["development", "production"] {
        let guest = Guest::new().dangerously_allow_outside_development();
        let sign_in = portal(PUBLIC, environment, guest);
        let (status, _, who) = ask(PUBLIC, &sign_in, "portal.example.com").await;
        assert_eq!((status, &*who), (200, "user:development/guest"));
    }
}
