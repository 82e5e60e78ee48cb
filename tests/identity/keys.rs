//! Where an issuer's keys come from, and what it costs whom.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures::FutureExt as _;
use futures::future::{BoxFuture, join_all};
use http::header::{ETAG, IF_NONE_MATCH};
use http::{Request, Response, StatusCode};
use tokio::sync::{Semaphore, watch};
use tower_identity::clock::Clock;
use tower_identity::http_client::{HttpClient, HttpError, HyperClient};
use tower_identity::identity::EntityRef;
use tower_identity::sign_in::SignIn;
use tower_identity::store::{MemoryStore, Store, StoreError};
use tower_identity::testing::Provider;
use tower_identity::verify::{Issuer, JwtVerifier};
use tower_identity::{IdentityLayer, OAuthCallbackLayer};

use super::{API, INVALID, ada, ask, believe, over};

const METADATA: &str = "/.well-known/openid-configuration";
/// Longer than the pause between two fetches that unknown key ids can cause.
const COOLDOWN: Duration = Duration::from_secs(31);

fn fetches(provider: &Provider) -> usize {
    provider.requests("/jwks")
}

/// A way outwards that waits at a gate, and tells when it has been gone.
#[derive(Clone)]
struct Gated {
    client: Arc<HyperClient>,
    gate: Arc<Semaphore>,
    answers: Arc<watch::Sender<usize>>,
}

impl Gated {
    fn new() -> Self {
        Self {
            client: Arc::new(HyperClient::new().unwrap()),
            gate: Arc::new(Semaphore::new(Semaphore::MAX_PERMITS)),
            answers: Arc::default(),
        }
    }
}

impl HttpClient for Gated {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let this = self.clone();
        async move {
            let _open = this.gate.acquire().await.unwrap();
            let answer = this.client.send(request).await;
            this.answers.send_modify(|count| *count += 1);
            answer
        }
        .boxed()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ks_01_fifty_concurrent_requests_on_a_cold_cache_cause_one_fetch() {
    let provider = Provider::start().await.unwrap();
    let (service, inner, _) = believe([&provider]);
    let token = ada(&provider).sign();
    for answer in join_all((0..50).map(|_| ask(&service, &token))).await {
        answer.passed("user-ada");
    }
    assert_eq!((fetches(&provider), provider.requests(METADATA)), (1, 1));
    assert_eq!(inner.calls(), 50);
}

#[tokio::test]
async fn ks_02_ks_03_a_flood_of_unknown_key_ids_causes_one_fetch_and_harms_nobody() {
    let provider = Provider::start().await.unwrap();
    let (service, _, hand) = believe([&provider]);
    let good = ada(&provider).sign();
    ask(&service, &good).await.passed("user-ada");
    let flood = async |round: usize| {
        let tokens: Vec<_> = (0..500)
            .map(|i| {
                ada(&provider)
                    .with_header("kid", format!("{round}-{i}"))
                    .sign()
            })
            .collect();
        let attempts = tokens.iter().map(|token| ask(&service, token));
        for answer in join_all(attempts).await {
            answer.refused(401, Some(INVALID));
        }
        ask(&service, &good).await.passed("user-ada");
    };
    // Right after a fetch the set is as fresh as can be: nothing is asked.
    flood(0).await;
    assert_eq!(fetches(&provider), 1);
    hand.advance(COOLDOWN);
    flood(1).await;
    assert_eq!(fetches(&provider), 2);
}

#[tokio::test]
async fn ks_04_a_rotated_key_is_found_with_one_fetch_and_the_old_one_stays_good() {
    let provider = Provider::start().await.unwrap();
    let (service, _, hand) = believe([&provider]);
    let old = ada(&provider).sign();
    ask(&service, &old).await.passed("user-ada");
    provider.rotate_keys().await.unwrap();
    hand.advance(COOLDOWN);
    let new = ada(&provider).sign();
    for answer in join_all((0..20).map(|_| ask(&service, &new))).await {
        answer.passed("user-ada");
    }
    ask(&service, &old).await.passed("user-ada");
    assert_eq!(fetches(&provider), 2);
}

#[tokio::test]
async fn ks_05_a_bad_signature_of_a_known_key_causes_no_fetch() {
    let provider = Provider::start().await.unwrap();
    let (service, inner, hand) = believe([&provider]);
    let good = ada(&provider).sign();
    ask(&service, &good).await.passed("user-ada");
    hand.advance(COOLDOWN);
    let (signed, _) = good.rsplit_once('.').unwrap();
    let other = ada(&provider).with_subject("user-grace").sign();
    let (_, signature) = other.rsplit_once('.').unwrap();
    for _ in 0..50 {
        let forged = format!("{signed}.{signature}");
        ask(&service, &forged).await.refused(401, Some(INVALID));
    }
    assert_eq!((fetches(&provider), inner.calls()), (1, 1));
}

#[tokio::test]
async fn op_02_an_issuer_that_is_down_at_the_first_token_is_a_503_until_it_is_back() {
    let provider = Provider::start().await.unwrap();
    let (service, inner, hand) = believe([&provider]);
    let token = ada(&provider).sign();
    let unavailable = async || {
        let answer = ask(&service, &token).await;
        assert_eq!(answer.refused(503, None).header("retry-after"), Some("5"));
    };
    provider.pause();
    unavailable().await;
    // It is not asked again for every request.
    let asked = provider.requests(METADATA);
    for _ in 0..20 {
        unavailable().await;
    }
    assert_eq!(provider.requests(METADATA), asked);
    provider.resume();
    unavailable().await;
    hand.advance(Duration::from_secs(5));
    ask(&service, &token).await.passed("user-ada");

    // The same when nothing listens at all.
    let (service, _, hand) = believe([&provider]);
    provider.stop().await;
    let answer = ask(&service, &token).await;
    assert_eq!(answer.refused(503, None).header("retry-after"), Some("5"));
    provider.restart().await.unwrap();
    hand.advance(Duration::from_secs(5));
    ask(&service, &token).await.passed("user-ada");
    assert_eq!(inner.calls(), 1);
}

#[tokio::test]
async fn ks_06_known_keys_answer_for_an_hour_without_the_issuer_and_then_it_is_a_503() {
    let provider = Provider::start().await.unwrap();
    let (service, _, hand) = believe([&provider]);
    let token = ada(&provider).sign();
    ask(&service, &token).await.passed("user-ada");
    provider.stop().await;
    // Fresh for 300 s, by its own word, and an hour past that.
    for _ in 0..12 {
        hand.advance(Duration::from_secs(300));
        ask(&service, &token).await.passed("user-ada");
    }
    // An unknown key may be a new one: nobody can tell.
    let unknown = ada(&provider).with_header("kid", "new").sign();
    ask(&service, &unknown).await.refused(503, None);
    hand.advance(Duration::from_secs(300));
    ask(&service, &token).await.refused(503, None);
}

#[tokio::test]
async fn ks_07_ks_08_a_withdrawn_key_is_refused_once_the_set_was_renewed_ahead_of_need() {
    let provider = Provider::start().await.unwrap();
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let client = Gated::new();
    let issuer = Issuer::oidc(provider.issuer(), API);
    let verifier = JwtVerifier::with_client([issuer], client.clone(), clock).unwrap();
    let (service, _) = over(IdentityLayer::new(verifier));
    let old = ada(&provider).sign();
    ask(&service, &old).await.passed("user-ada");
    provider.withdraw_keys().await.unwrap();
    // Before the 300 s are over the set is renewed, and no request waits for it.
    let shut = client
        .gate
        .acquire_many(Semaphore::MAX_PERMITS as u32)
        .await;
    let shut = shut.unwrap();
    hand.advance(Duration::from_secs(239));
    ask(&service, &old).await.passed("user-ada");
    hand.advance(Duration::from_secs(11));
    for _ in 0..3 {
        let answer = ask(&service, &old).now_or_never();
        answer.expect("an answer at once").passed("user-ada");
    }
    assert_eq!(fetches(&provider), 1, "it waits at the gate");
    drop(shut);
    // The metadata and the keys, twice over.
    let mut answers = client.answers.subscribe();
    answers.wait_for(|count| *count == 4).await.unwrap();
    assert_eq!(fetches(&provider), 2);
    // What is left is the fetching task's: to read the answer. It needs no event, only its turn.
    let mut answer = ask(&service, &old).await;
    for _ in 0..100 {
        if answer.status == 401 {
            break;
        }
        tokio::task::yield_now().await;
        answer = ask(&service, &old).await;
    }
    answer.refused(401, Some(INVALID));
    let new = ada(&provider).sign();
    ask(&service, &new).await.passed("user-ada");
}

#[tokio::test]
async fn ks_04_keys_at_a_url_of_their_own_need_no_discovery_and_are_renewed_alike() {
    let provider = Provider::start().await.unwrap();
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let keys = format!("{}/jwks", provider.url());
    let issuer = Issuer::oidc(provider.issuer(), API).with_key_set_url(keys);
    let client = HyperClient::new().unwrap();
    let verifier = JwtVerifier::with_client([issuer], client, clock).unwrap();
    let (service, inner) = over(IdentityLayer::new(verifier));
    ask(&service, &ada(&provider).sign())
        .await
        .passed("user-ada");
    provider.withdraw_keys().await.unwrap();
    hand.advance(COOLDOWN);
    ask(&service, &ada(&provider).sign())
        .await
        .passed("user-ada");
    assert_eq!((fetches(&provider), provider.requests(METADATA)), (2, 0));
    // The issuer's name is asked of the token all the same.
    let other = ada(&provider).with_claim("iss", "https://elsewhere.example");
    ask(&service, &other.sign())
        .await
        .refused(401, Some(INVALID));
    assert_eq!(inner.calls(), 2);
    let wrong = Issuer::oidc(provider.issuer(), API).with_key_set_url("http://keys.example.com/");
    assert!(
        JwtVerifier::new([wrong]).is_err(),
        "plain http, and not this machine"
    );
}

/// A way to a server that gives its key set an entity tag, and counts how often it was asked whether it has changed.
#[derive(Clone)]
struct Tagged {
    client: Arc<HyperClient>,
    tag: Arc<Mutex<&'static str>>,
    unchanged: Arc<AtomicUsize>,
}

impl HttpClient for Tagged {
    fn send(
        &self,
        request: Request<Bytes>,
    ) -> BoxFuture<'static, Result<Response<Bytes>, HttpError>> {
        let tag = *self.tag.lock().unwrap();
        let asked = request.headers().get(IF_NONE_MATCH).cloned();
        let this = self.clone();
        async move {
            if request.uri().path() != "/jwks" {
                assert_eq!(asked, None);
                return this.client.send(request).await;
            }
            let mut answer = this.client.send(request).await?;
            answer.headers_mut().insert(ETAG, tag.parse().unwrap());
            if asked.is_some_and(|asked| asked == tag) {
                this.unchanged.fetch_add(1, Ordering::SeqCst);
                *answer.status_mut() = StatusCode::NOT_MODIFIED;
                *answer.body_mut() = Bytes::new();
            }
            Ok(answer)
        }
        .boxed()
    }
}

#[tokio::test]
async fn ks_16_a_key_set_is_not_sent_again_until_it_changes() {
    let provider = Provider::start().await.unwrap();
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let client = Tagged {
        client: Arc::new(HyperClient::new().unwrap()),
        tag: Arc::new(Mutex::new("\"one\"")),
        unchanged: Arc::default(),
    };
    let issuer = Issuer::oidc(provider.issuer(), API);
    let verifier = JwtVerifier::with_client([issuer], client.clone(), clock).unwrap();
    let (service, _) = over(IdentityLayer::new(verifier));
    let old = ada(&provider).sign();
    for round in 0..20 {
        ask(&service, &old).await.passed("user-ada");
        assert_eq!(client.unchanged.load(Ordering::SeqCst), round);
        // Each of these makes it believed as long again: an hour after the first it would be given up.
        hand.advance(Duration::from_secs(601));
    }
    provider.withdraw_keys().await.unwrap();
    *client.tag.lock().unwrap() = "W/\"two\"";
    ask(&service, &old).await.refused(401, Some(INVALID));
    assert_eq!(client.unchanged.load(Ordering::SeqCst), 19);
}

#[tokio::test]
async fn ks_04_a_portal_rotates_its_own_keys_and_a_plugin_follows() {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let sign_in = SignIn::builder(&url)
        .with_clock(clock.clone())
        .build()
        .unwrap();
    let app = axum::Router::new().layer(OAuthCallbackLayer::new(sign_in.clone()));
    let serving = tokio::spawn(async move { axum::serve(listener, app).await });

    let plugin = Issuer::portal(sign_in.issuer());
    let client = HyperClient::new().unwrap();
    let verifier = JwtVerifier::with_client([plugin], client, clock).unwrap();
    let (service, _) = over(IdentityLayer::new(verifier));
    let person = EntityRef::parse("user:default/ada").unwrap();
    let mint = || sign_in.tokens().mint_user(&person, &[]);
    let of_key = |token: &str| token.split('.').next().unwrap().to_owned();
    let first = mint().await.unwrap();
    ask(&service, first.expose())
        .await
        .passed("user:default/ada");
    // By hand: the new key is asked for once it may be, and the old one is still good.
    sign_in.tokens().keys().rotate();
    let second = mint().await.unwrap();
    assert_ne!(of_key(second.expose()), of_key(first.expose()));
    hand.advance(COOLDOWN);
    ask(&service, second.expose())
        .await
        .passed("user:default/ada");
    ask(&service, first.expose())
        .await
        .passed("user:default/ada");
    // By itself, when it has signed for as long as a token lives: the next one is published first.
    hand.advance(Duration::from_secs(3600));
    let announced = mint().await.unwrap();
    assert_eq!(of_key(announced.expose()), of_key(second.expose()));
    ask(&service, announced.expose())
        .await
        .passed("user:default/ada");
    hand.advance(Duration::from_secs(60));
    let third = mint().await.unwrap();
    assert_ne!(of_key(third.expose()), of_key(second.expose()));
    ask(&service, third.expose())
        .await
        .passed("user:default/ada");
    // What was signed with a key that is gone everywhere is good no more.
    hand.advance(Duration::from_secs(3 * 3600));
    ask(&service, third.expose())
        .await
        .refused(401, Some(INVALID));
    let fourth = mint().await.unwrap();
    hand.advance(COOLDOWN);
    ask(&service, fourth.expose())
        .await
        .passed("user:default/ada");
    serving.abort();
}

#[tokio::test]
async fn se_06_nodes_that_share_a_store_and_a_secret_believe_each_others_tokens() {
    let store = Arc::new(MemoryStore::new(Clock::system()));
    let node = |secret: &str, store: Option<&Arc<MemoryStore>>| {
        let builder = SignIn::builder("https://portal.example.com").add_secret(secret.repeat(32));
        let builder = match store {
            Some(store) => builder.with_store(store.clone()),
            None => builder,
        };
        builder.build().unwrap()
    };
    let (one, two) = (node("s", Some(&store)), node("s", Some(&store)));
    let alone = node("s", None);
    let person = EntityRef::parse("user:default/ada").unwrap();
    let token = one.tokens().mint_user(&person, &[]).await.unwrap();
    for (node, good) in [(&one, true), (&two, true), (&alone, false)] {
        let (service, _) = over(node.identity_layer());
        let answer = ask(&service, token.expose()).await;
        if good {
            answer.passed("user:default/ada");
        } else {
            answer.refused(401, Some(INVALID));
        }
        let published = node.tokens().jwks().await.unwrap();
        let keys = published["keys"].as_array().unwrap();
        let of_one = &one.tokens().keys().jwks()["keys"][0];
        assert_eq!(keys.contains(of_one), good, "{published}");
    }
}

/// Counts how often it is read.
#[derive(Clone)]
struct Counting(Arc<MemoryStore>, Arc<AtomicUsize>);

impl Store for Counting {
    fn put_if_absent<'a>(
        &'a self,
        key: &'a str,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.put_if_absent(key, value, life)
    }

    fn compare_and_swap<'a>(
        &'a self,
        key: &'a str,
        expected: Option<&'a [u8]>,
        value: &'a [u8],
        life: Duration,
    ) -> BoxFuture<'a, Result<bool, StoreError>> {
        self.0.compare_and_swap(key, expected, value, life)
    }

    fn get<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.1.fetch_add(1, Ordering::SeqCst);
        self.0.get(key)
    }

    fn take<'a>(&'a self, key: &'a str) -> BoxFuture<'a, Result<Option<Vec<u8>>, StoreError>> {
        self.0.take(key)
    }
}

#[tokio::test]
async fn ks_02_invented_key_ids_cost_the_store_one_look_a_second() {
    let (clock, hand) = Clock::manual(SystemTime::now().into());
    let reads = Arc::new(AtomicUsize::new(0));
    let memory = Arc::new(MemoryStore::new(clock.clone()));
    let node = || {
        let store = Counting(memory.clone(), reads.clone());
        let builder = SignIn::builder("https://portal.example.com").with_clock(clock.clone());
        builder.add_secret("s".repeat(32)).with_store(store).build()
    };
    let (one, two) = (node().unwrap(), node().unwrap());
    let (service, _) = over(two.identity_layer());
    let forged = |kid: usize| {
        let header = format!(r#"{{"typ":"vnd.backstage.user","alg":"ES256","kid":"{kid}"}}"#);
        let claims = format!(r#"{{"iss":"{}","aud":"backstage"}}"#, two.issuer());
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(part));
        format!("{header}.{claims}.{}", URL_SAFE_NO_PAD.encode([7; 64]))
    };
    for second in 1..=3 {
        for i in 0..100 {
            let token = forged(i);
            ask(&service, &token).await.refused(401, Some(INVALID));
        }
        assert_eq!(reads.load(Ordering::SeqCst), second);
        hand.advance(Duration::from_secs(1));
    }
    // Meanwhile a key that somebody signs with is found.
    let person = EntityRef::parse("user:default/ada").unwrap();
    let token = one.tokens().mint_user(&person, &[]).await.unwrap();
    let answer = ask(&service, token.expose()).await;
    answer.passed("user:default/ada");
}

#[tokio::test]
async fn ks_11_a_discovery_document_of_another_issuer_is_not_used() {
    let provider = Provider::start().await.unwrap();
    // The same URL but for the slash: the document that is found there names the issuer without it.
    let name = format!("{}/", provider.issuer());
    let verifier = JwtVerifier::new([Issuer::oidc(&*name, API)]).unwrap();
    let (service, inner) = over(IdentityLayer::new(verifier));
    let token = ada(&provider).with_claim("iss", name).sign();
    ask(&service, &token).await.refused(503, None);
    assert_eq!((fetches(&provider), inner.calls()), (0, 0));
}

#[tokio::test]
async fn ks_14_ks_15_one_issuers_trouble_is_not_the_others() {
    let (up, down) = (
        Provider::start().await.unwrap(),
        Provider::start().await.unwrap(),
    );
    let (service, _, hand) = believe([&up, &down]);
    down.pause();
    for _ in 0..3 {
        ask(&service, &ada(&down).sign()).await.refused(503, None);
        ask(&service, &ada(&up).sign()).await.passed("user-ada");
        hand.advance(COOLDOWN);
    }
    assert_eq!(fetches(&up), 1);
    down.resume();
    ask(&service, &ada(&down).sign()).await.passed("user-ada");
}

#[test]
fn op_01_every_mistake_of_every_issuer_is_told_when_the_layer_is_built() {
    let error = JwtVerifier::new([
        Issuer::oidc("http://login.example.com", API),
        Issuer::oidc("https://a.example.com", ""),
        Issuer::oidc("https://b.example.com", API).with_algorithms([]),
        Issuer::oidc("https://c.example.com", API),
        Issuer::oidc("https://c.example.com", API),
        Issuer::portal("not a url"),
    ]);
    let error = error.unwrap_err();
    assert_eq!(error.mistakes().len(), 5, "{error}");
    assert!(IdentityLayer::portal("http://portal.example.com/api/auth").is_err());
}
