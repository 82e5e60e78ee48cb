//! GitHub's organisations and teams, as groups of a person: `acme`, and `acme/platform`.

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{Response, StatusCode};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::ProviderError;
use crate::http_client::json_of;

/// GitHub gives no more at once.
const PAGE: usize = 100;
/// Whoever is in more than a thousand is an error, and never in none.
const MAX_PAGES: usize = 10;

/// Asks GitHub's API as a person: the answer at a path.
pub(super) type Ask<'a> =
    dyn Fn(String) -> BoxFuture<'a, Result<Response<Bytes>, ProviderError>> + Send + Sync + 'a;

#[derive(Deserialize)]
struct Membership {
    state: String,
    organization: Organization,
}

#[derive(Deserialize)]
struct Organization {
    login: String,
}

#[derive(Deserialize)]
struct Team {
    slug: String,
    organization: Organization,
}

/// Whether the person is an active member of one of `organizations`.
pub(super) async fn is_member(
    ask: &Ask<'_>,
    organizations: &[String],
) -> Result<bool, ProviderError> {
    for organization in organizations {
        let answer = ask(format!("/user/memberships/orgs/{organization}")).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => {}
            StatusCode::FORBIDDEN => {
                let detail = format!(
                    "GitHub does not say who is in {organization}: the organisation has to approve the app"
                );
                return Err(ProviderError::unavailable(detail));
            }
            _ => {
                let membership: Membership = json_of(&answer)?;
                let same = membership
                    .organization
                    .login
                    .eq_ignore_ascii_case(organization);
                if same && membership.state == "active" {
                    return Ok(true);
                }
            }
        }
    }
    Ok(false)
}

/// All organisations and teams of the person.
pub(super) async fn all(ask: &Ask<'_>) -> Result<Vec<String>, ProviderError> {
    let memberships: Vec<Membership> = pages(ask, "/user/memberships/orgs?state=active").await?;
    let teams: Vec<Team> = pages(ask, "/user/teams?").await?;
    let active = memberships.into_iter().filter(|m| m.state == "active");
    let mut groups: Vec<String> = active.map(|m| m.organization.login).collect();
    let teams = teams.into_iter();
    groups.extend(teams.map(|team| format!("{}/{}", team.organization.login, team.slug)));
    Ok(groups)
}

async fn pages<T: DeserializeOwned>(ask: &Ask<'_>, path: &str) -> Result<Vec<T>, ProviderError> {
    let mut all = Vec::new();
    for page in 1..=MAX_PAGES {
        let joint = if path.ends_with('?') { "" } else { "&" };
        let answer = ask(format!("{path}{joint}per_page={PAGE}&page={page}")).await?;
        let some: Vec<T> = json_of(&answer)?;
        let last = some.len() < PAGE;
        all.extend(some);
        if last {
            return Ok(all);
        }
    }
    let detail = "the person is in more groups than GitHub is asked for";
    Err(ProviderError::invalid(detail))
}
