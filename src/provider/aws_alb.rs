//! Amazon's Application Load Balancer (spec section 10.7).

use futures::FutureExt as _;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName};
use serde_json::{Value, json};

use super::alb_keys::AlbKeys;
use super::assertion::{MAX_LENGTH, only, text};
use super::{Built, Configured, Context, Kind, Named, ProviderError, ProviderProfile, Proxy};
use crate::clock::Clock;
use crate::credential::PeerAddress;
use crate::error::ConfigMistake;
use crate::secret::encoding::from_padded_base64url;
use crate::verify::jwt::Algorithm;
use crate::verify::jwt::claims::{is_issuer, numeric_date};
use crate::verify::jwt::json::parse_object;
use crate::verify::jwt::jws::Jws;

const DATA: HeaderName = HeaderName::from_static("x-amzn-oidc-data");
const ACCESS_TOKEN: HeaderName = HeaderName::from_static("x-amzn-oidc-accesstoken");

/// People who come through an Application Load Balancer that signs them in, and signs who they are into
/// `x-amzn-oidc-data`.
///
/// # Security
///
/// Every load balancer of a region signs with the same keys, other people's too. So who signed is compared as well:
/// without the load balancer's ARN there is no telling them apart.
#[derive(Clone, Debug)]
#[must_use]
pub struct AwsAlb {
    issuer: String,
    region: String,
    signer: String,
}

struct AwsAlbProxy {
    issuer: String,
    signer: String,
    keys: AlbKeys,
    clock: Clock,
}

impl AwsAlb {
    /// The load balancer of this ARN, in this region, where people sign in with this issuer.
    pub fn new(
        issuer: impl Into<String>,
        region: impl Into<String>,
        signer: impl Into<String>,
    ) -> Self {
        Self {
            issuer: issuer.into(),
            region: region.into(),
            signer: signer.into(),
        }
    }
}

impl Configured for AwsAlb {
    fn build(&self, context: Context) -> Result<Built, ConfigMistake> {
        let plain = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-';
        if self.region.is_empty() || !self.region.bytes().all(plain) {
            let message = "expected a region such as eu-west-1";
            return Err(ConfigMistake::new("region", message));
        }
        if !self.signer.starts_with("arn:") {
            let message = "expected the ARN of the load balancer: others sign with the same keys";
            return Err(ConfigMistake::new("signer", message));
        }
        if self.issuer.is_empty() {
            return Err(ConfigMistake::new("issuer", "expected an issuer"));
        }
        Ok(Built::Proxy(Box::new(AwsAlbProxy {
            issuer: self.issuer.clone(),
            signer: self.signer.clone(),
            keys: AlbKeys::of_region(&self.region, &context),
            clock: context.clock.clone(),
        })))
    }

    fn kind(&self) -> Kind<'_> {
        Kind::Proxy
    }
}

impl Proxy for AwsAlbProxy {
    fn identify<'a>(
        &'a self,
        headers: &'a HeaderMap,
        _: Option<PeerAddress>,
    ) -> BoxFuture<'a, Result<Named, ProviderError>> {
        async move {
            let data = only(headers, &DATA)?.ok_or_else(ProviderError::absent)?;
            let token = only(headers, &ACCESS_TOKEN)?.ok_or_else(ProviderError::absent)?;
            let invalid = |reason: &str| ProviderError::invalid(format!("assertion: {reason}"));
            if data.len() > MAX_LENGTH {
                return Err(invalid("it is too long"));
            }
            let jws = Jws::parse_with(data, from_padded_base64url)
                .map_err(|_| invalid("not a signed token"))?;
            if jws.header.algorithm != Algorithm::Es256 {
                return Err(invalid("its algorithm is not the load balancer's"));
            }
            let header = data.split('.').next().and_then(from_padded_base64url);
            let header = header.and_then(|header| parse_object(&header));
            let header = header.ok_or_else(|| invalid("its header is none"))?;
            if text(&header, "signer").as_deref() != Some(&self.signer) {
                return Err(invalid("another load balancer signed it"));
            }
            let mut claims = jws.claims().map_err(invalid)?;
            if !is_issuer(&claims, &self.issuer) {
                return Err(invalid("its iss is not the configured one"));
            }
            let key = jws.header.key_id.as_deref().unwrap_or_default();
            if !self.keys.get(key).await?.verifies(&jws) {
                return Err(invalid("its signature is wrong"));
            }
            // The load balancer puts it into the header; what the provider says of itself may be there as well.
            let ends = [header.get("exp"), claims.get("exp")];
            let ends: Option<Vec<_>> = ends.into_iter().flatten().map(numeric_date).collect();
            let until = ends.and_then(|ends| ends.into_iter().min());
            let now = self.clock.now();
            let until = until.filter(|until| *until > now);
            let until = until.ok_or_else(|| invalid("it has ended, or never does"))?;
            if claims
                .get("email_verified")
                .is_some_and(|v| *v != Value::Bool(true) && v != "true")
            {
                claims.remove("email");
            }
            let email = text(&claims, "email").ok_or_else(|| invalid("email is missing"))?;
            let subject = text(&claims, "sub").ok_or_else(|| invalid("sub is missing"))?;
            let profile = ProviderProfile {
                subject,
                email: Some(email),
                display_name: text(&claims, "name"),
                picture: text(&claims, "picture"),
                claims,
                ..ProviderProfile::default()
            };
            let seconds = until.since(now).as_secs();
            let info = json!({ "accessToken": token, "expiresInSeconds": seconds });
            Ok(Named { profile, info })
        }
        .boxed()
    }
}
