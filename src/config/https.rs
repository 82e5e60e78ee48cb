//! `backend.https`: the certificate that the server shows (spec section 9.2).

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::crypto::aws_lc_rs::default_provider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::record::Kind;
use super::{Section, Value};
use crate::secret::Secret;
use crate::yaml::read_text;

/// The certificate chain and the private key of the server, as PEM: for the TLS of your choice. That they fit one another
/// was checked when they were read.
#[derive(Clone)]
pub struct Https {
    certificate: String,
    key: Secret<String>,
}

impl Https {
    /// The certificate chain, the server's own first.
    #[must_use]
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// Its private key.
    #[must_use]
    pub fn key(&self) -> &Secret<String> {
        &self.key
    }
}

pub(super) fn read(backend: &Section<'_>) -> Option<Https> {
    backend.may_be("https", Kind::Boolean);
    let node = backend.node("https")?;
    if let Value::Bool(wanted) = node.value {
        if wanted {
            let message = "no certificate is made here: expected {certificate: {cert: {$file: cert.pem}, key: {$file: key.pem}}}";
            backend.mistake("https", message);
        }
        return None;
    }
    let section = backend.section("https")?;
    let certificate = section.required_section("certificate").and_then(|pair| {
        let (chain, key) = (pem(&pair, "cert"), pem(&pair, "key"));
        pair.finish_among_others();
        let https = Https {
            certificate: chain?.expose().clone(),
            key: key?,
        };
        https
            .check()
            .map_err(|reason| section.mistake("certificate", reason))
            .ok()?;
        Some(https)
    });
    section.finish();
    certificate
}

/// PEM, or the path of a file of it.
fn pem(section: &Section<'_>, key: &str) -> Option<Secret<String>> {
    let text = section.required_secret(key)?;
    if text.expose().contains("-----BEGIN ") {
        return Some(text);
    }
    match read_text(Path::new(text.expose())) {
        Ok(text) if text.contains("-----BEGIN ") => Some(Secret::from(text.as_str())),
        Ok(_) => {
            section.mistake(key, "expected PEM in the file");
            None
        }
        // It may be a key that lost its first line: it is not shown.
        Err(reason) => {
            section.mistake(
                key,
                format!("expected PEM, or a file of it; the file {reason}"),
            );
            None
        }
    }
}

impl Https {
    fn check(&self) -> Result<(), String> {
        let chain: Result<Vec<_>, _> =
            CertificateDer::pem_slice_iter(self.certificate.as_bytes()).collect();
        let chain = chain.map_err(|_| "expected certificates in PEM in cert".to_owned())?;
        let key = PrivateKeyDer::from_pem_slice(self.key.expose().as_bytes());
        let key = key.map_err(|_| "expected a private key in PEM in key".to_owned())?;
        let made = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_no_client_auth()
            .with_single_cert(chain, key);
        made.map(drop)
            .map_err(|error| format!("the certificate and the key can't be used: {error}"))
    }
}

impl fmt::Debug for Https {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Https").finish_non_exhaustive()
    }
}
