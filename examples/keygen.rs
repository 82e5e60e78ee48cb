//! A new API key: the key for its owner, once, and the record for the server, which holds no secret.
//!
//! ```text
//! cargo run --example keygen -- ci
//! ```

use serde_json::json;
use tower_identity::ApiKey;

fn main() {
    let subject = std::env::args().nth(1).unwrap_or_else(|| "ci".into());
    let key = ApiKey::generate("tid");
    let record = json!({ "id": key.id(), "subject": subject, "hash": key.digest().to_string() });

    println!(
        "The key, for its owner. It is shown once: keep no copy.\n\n  {}\n",
        key.expose()
    );
    println!("The record, for the list that `ApiKeys::from_file` reads:\n\n  {record}");
}
