//! Which of the known keys an unknown one was meant to be.

/// Longer keys are nobody's typing mistake.
const MAX_KEY: usize = 64;

/// The known key that is nearest, if it is near enough to be what was meant.
pub(crate) fn nearest<'a>(key: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if key.len() > MAX_KEY {
        return None;
    }
    known
        .into_iter()
        .map(|candidate| (distance(key, candidate), candidate))
        .filter(|(distance, candidate)| *distance <= candidate.len().div_ceil(4).min(3))
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

/// Whether a key that may well be somebody else's is so near that it is doubtless a slip: letters
/// swapped or in the wrong case, or one letter of a long key wrong.
pub(crate) fn is_slip_of(key: &str, known: &str) -> bool {
    if key == known || key.len() > MAX_KEY {
        return false;
    }
    let sorted = |text: &str| {
        let mut letters: Vec<char> = text.to_lowercase().chars().collect();
        letters.sort_unstable();
        letters
    };
    let distance = distance(key, known);
    distance <= 1 && (sorted(key) == sorted(known) || known.len() >= 6)
}

/// How many letters were inserted, left out, replaced or swapped with their neighbour; case is free.
fn distance(a: &str, b: &str) -> usize {
    let a: Vec<char> = a.to_lowercase().chars().collect();
    let b: Vec<char> = b.to_lowercase().chars().collect();
    let width = b.len() + 1;
    let mut rows = vec![0; (a.len() + 1) * width];
    let at = |i: usize, j: usize| i * width + j;
    for i in 0..=a.len() {
        for j in 0..=b.len() {
            rows[at(i, j)] = if i == 0 || j == 0 {
                i + j
            } else {
                let replaced = rows[at(i - 1, j - 1)] + usize::from(a[i - 1] != b[j - 1]);
                let mut best = replaced
                    .min(rows[at(i - 1, j)] + 1)
                    .min(rows[at(i, j - 1)] + 1);
                if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                    best = best.min(rows[at(i - 2, j - 2)] + 1);
                }
                best
            };
        }
    }
    rows[at(a.len(), b.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_key_is_suggested_if_it_is_near() {
        let known = ["clientId", "clientSecret", "callbackUrl", "signIn", "idp"];
        for (key, expected) in [
            ("clientID", Some("clientId")),
            ("client_id", Some("clientId")),
            ("clientid", Some("clientId")),
            ("clinetSecret", Some("clientSecret")),
            ("callbackURI", Some("callbackUrl")),
            ("singIn", Some("signIn")),
            ("ipd", Some("idp")),
            ("ids", Some("idp")),
            ("xyz", None),
            ("", None),
            ("tenantId", None),
            ("ÿ", None),
        ] {
            assert_eq!(nearest(key, known), expected, "{key}");
        }
        assert_eq!(nearest(&"clientId".repeat(1000), known), None);
    }

    #[test]
    fn only_a_slip_of_our_own_key_is_taken_for_one() {
        for (key, known, expected) in [
            ("auht", "auth", true),
            ("Auth", "auth", true),
            ("backedn", "backend", true),
            ("backnd", "backend", true),
            ("oauth", "auth", false),
            ("auto", "auth", false),
            ("apps", "app", false),
            ("auth", "auth", false),
            ("frontend", "backend", false),
        ] {
            assert_eq!(is_slip_of(key, known), expected, "{key}");
        }
    }
}
