//! A catalog of files that change while the portal runs.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use http::Method;
use tower_identity::catalog::{Catalog, CatalogError, UserQuery, WatchedCatalog};
use tower_identity::clock::{Clock, ClockHand};
use tower_identity::provider::Oidc;
use tower_identity::sign_in::{Resolver, SignIn};
use tower_identity::testing::Provider;

use crate::browser::Browser;
use crate::log::Log;
use crate::site::{POPUP, bind, frame, serve};

const EVERY: Duration = Duration::from_secs(5);
const SECOND: Duration = Duration::from_secs(1);

/// A folder with a catalog file, whose clock stands still.
struct Files {
    folder: PathBuf,
    clock: Clock,
    hand: ClockHand,
}

impl Files {
    fn new(name: &str, text: &str) -> Self {
        let folder =
            std::env::temp_dir().join(format!("tid-watched-{}-{name}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let (clock, hand) = Clock::manual(SystemTime::now().into());
        let files = Self {
            folder,
            clock,
            hand,
        };
        files.write("org.yaml", text);
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.path(name), text).unwrap();
    }

    fn catalog(&self) -> WatchedCatalog {
        let catalog = WatchedCatalog::load([self.path("org.yaml")]).unwrap();
        catalog.with_clock(self.clock.clone())
    }

    /// When the file was last changed, from the clock's point of view.
    fn touch(&self, name: &str, age: Duration) {
        let file = std::fs::File::options()
            .append(true)
            .open(self.path(name))
            .unwrap();
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(self.clock.now().as_unix());
        file.set_modified(now - age).unwrap();
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn users(names: &[&str]) -> String {
    let one = |name: &&str| {
        format!(
            "---\napiVersion: v1\nkind: User\nmetadata: {{name: {name}}}\nspec: {{profile: {{email: {name}@example.com}}}}\n"
        )
    };
    names.iter().map(one).collect()
}

async fn knows(catalog: &WatchedCatalog, name: &str) -> bool {
    let query = UserQuery::Ref(format!("user:default/{name}").parse().unwrap());
    match catalog.find_user(&query).await {
        Ok(_) => true,
        Err(CatalogError::NotFound) => false,
        Err(error) => panic!("{error}"),
    }
}

#[tokio::test]
async fn who_is_added_to_the_file_signs_in_and_who_is_taken_out_is_not_renewed() {
    let files = Files::new("portal", &users(&["grace"]));
    let provider = Provider::start().await.unwrap();
    let (listener, url) = bind().await;
    let (id, secret) = (provider.client_id(), provider.client_secret());
    let oidc = Oidc::new(provider.issuer(), id, secret);
    let sign_in = SignIn::builder(&url)
        .with_provider("oidc", oidc, [Resolver::email()])
        .with_catalog(files.catalog());
    serve(listener, sign_in.build().unwrap());
    let outcome = async |browser: &Browser| {
        let way = browser.begin(&url, "oidc", "user=ada", POPUP).await;
        let (message, _) = frame(&browser.get(&way).await);
        message["response"]["backstageIdentity"]["identity"]["userEntityRef"].clone()
    };
    let browser = Browser::default();
    assert!(outcome(&browser).await.is_null());

    files.write("org.yaml", &users(&["grace", "ada"]));
    files.hand.advance(EVERY);
    assert_eq!(outcome(&browser).await, "user:default/ada");
    let refresh = format!("{url}/api/auth/oidc/refresh?env=development");
    assert_eq!(browser.ajax(Method::GET, &refresh).await.status, 200);

    files.write("org.yaml", &users(&["grace"]));
    // However long nobody asked: the first answer is a new one.
    files.hand.advance(EVERY * 1000);
    assert_eq!(browser.ajax(Method::GET, &refresh).await.status, 401);
    assert_eq!(browser.get(&format!("{url}/api/whoami")).await.status, 401);
}

#[tokio::test]
async fn files_are_looked_at_every_five_seconds_and_those_that_they_name_too() {
    let location =
        "apiVersion: v1\nkind: Location\nmetadata: {name: all}\nspec: {targets: [./team.yaml]}\n";
    let files = Files::new("looks", location);
    files.write("team.yaml", &users(&["ada"]));
    let catalog = files.catalog();
    files.write("team.yaml", &users(&["ada", "eve"]));
    files.hand.advance(EVERY - SECOND);
    assert!(!knows(&catalog, "eve").await, "not due");
    files.hand.advance(SECOND);
    assert!(knows(&catalog, "eve").await);
    // A file that is named from now on.
    files.write("more.yaml", &users(&["joe"]));
    files.write("org.yaml", &location.replace("./team.yaml", "./more.yaml"));
    files.hand.advance(EVERY);
    assert!(knows(&catalog, "joe").await && !knows(&catalog, "eve").await);
    files.write("more.yaml", &users(&["jim"]));
    files.hand.advance(EVERY);
    assert!(knows(&catalog, "jim").await && !knows(&catalog, "joe").await);
    assert_eq!(catalog.entities().await.unwrap().len(), 2);
}

#[tokio::test]
async fn what_may_still_be_being_written_is_not_read() {
    let files = Files::new("young", &users(&["ada", "eve"]));
    let catalog = files.catalog();
    files.hand.advance(EVERY);
    // An editor has cut the file, and has written half of it.
    files.write("org.yaml", &users(&["eve"]));
    files.touch("org.yaml", Duration::ZERO);
    assert!(knows(&catalog, "ada").await);
    files.write("org.yaml", &users(&["eve", "ada", "joe"]));
    files.touch("org.yaml", Duration::ZERO);
    assert!(knows(&catalog, "ada").await && !knows(&catalog, "joe").await);
    files.hand.advance(SECOND * 2);
    assert!(knows(&catalog, "ada").await && knows(&catalog, "joe").await);
    // A clock that is ahead, on the server of the files, delays it and no more.
    files.write("org.yaml", &users(&["jim"]));
    let ahead = SystemTime::now() + Duration::from_secs(3600);
    let file = std::fs::File::options()
        .append(true)
        .open(files.path("org.yaml"));
    file.unwrap().set_modified(ahead).unwrap();
    files.hand.advance(EVERY);
    assert!(!knows(&catalog, "jim").await);
    files.hand.advance(SECOND);
    assert!(knows(&catalog, "jim").await);
}

#[tokio::test]
async fn a_mistake_keeps_what_was_read_before_and_is_told_once() {
    let log = Log::record();
    let mut read = 0;
    let mut told = || {
        let lines = log.lines("");
        let new = lines[read..].join("\n");
        read = lines.len();
        new
    };
    let files = Files::new("broken", &users(&["ada"]));
    let catalog = files.catalog();
    let path = files.path("org.yaml");
    let breaks: [(&str, &dyn Fn()); 4] = [
        ("malformed YAML", &|| files.write("org.yaml", "a: [")),
        ("org.yaml:4:7: spec", &|| {
            files.write(
                "org.yaml",
                "apiVersion: v1\nkind: User\nmetadata: {name: x}\nspec: [] \n",
            )
        }),
        ("cannot be read", &|| std::fs::remove_file(&path).unwrap()),
        ("is not a file", &|| std::fs::create_dir(&path).unwrap()),
    ];
    for (expected, break_it) in breaks {
        break_it();
        for _ in 0..3 {
            files.hand.advance(EVERY);
            assert!(knows(&catalog, "ada").await, "{expected}");
        }
        let told = told();
        assert_eq!(told.matches(expected).count(), 1, "{expected}: {told}");
        assert!(told.contains("what was read before stays"), "{told}");
    }
    std::fs::remove_dir(&path).unwrap();
    files.write("org.yaml", &users(&["joe"]));
    files.hand.advance(EVERY);
    assert!(knows(&catalog, "joe").await && !knows(&catalog, "ada").await);
    assert!(told().contains("read again"));
    files.hand.advance(EVERY);
    assert!(knows(&catalog, "joe").await);
    assert_eq!(told(), "", "nothing to tell");
}

#[test]
#[cfg(unix)]
fn a_pipe_is_no_file_and_keeps_nobody_waiting() {
    let files = Files::new("pipe", "");
    let pipe = files.path("pipe.yaml");
    let made = std::process::Command::new("mkfifo").arg(&pipe).status();
    assert!(made.unwrap().success());
    let error = WatchedCatalog::load([&pipe]).unwrap_err().to_string();
    assert!(error.ends_with("pipe.yaml: is not a file"), "{error}");
}
