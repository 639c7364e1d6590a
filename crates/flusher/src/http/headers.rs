//! `Headers`: further headers of every request.

use http::{HeaderName, HeaderValue};
use settings::{Section, Surroundings};

use super::secret::{Template, is_secret_name};

/// Headers that say how a body is framed and named; the sender sets them.
const OWN_HEADERS: [&str; 8] = [
    "connection",
    "content-encoding",
    "content-length",
    "expect",
    "host",
    "idempotency-key",
    "te",
    "transfer-encoding",
];

/// Reads `Headers`, in the order of their names.
pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Vec<(String, Template)> {
    let mut headers: Vec<(String, Template)> = Vec::new();
    for (key, name, value) in section.text_map("Headers").unwrap_or_default() {
        let is_twice = headers.iter().any(|(other, _)| other.eq_ignore_ascii_case(name));
        match check(name, value, around) {
            Ok(_) if is_twice => {
                section.wrong_at(key, "stands there twice in different case: remove one of the two")
            }
            Ok(value) => headers.push((name.to_owned(), value)),
            Err(problem) => section.wrong_at(key, problem),
        }
    }
    headers
}

fn check(name: &str, value: &str, around: &Surroundings<'_>) -> Result<Template, String> {
    if value.contains("%{") {
        return Err("has %{...} in it, which is not supported: write it out".into());
    }
    let value = Template::parse(value, around)?;
    let _ = parse(name, &value.literal())?;
    if is_secret_name(name) && !value.is_secret() {
        return Err("is a secret, and would be saved in clear: use Authentication, or write \
                    ${env:NAME} or ${file:PATH} in it"
            .into());
    }
    Ok(value)
}

/// A header as it goes out.
pub(crate) fn parse(name: &str, value: &str) -> Result<(HeaderName, HeaderValue), &'static str> {
    let parsed = HeaderName::from_bytes(name.as_bytes()).map_err(|_| "is no header name")?;
    if OWN_HEADERS.contains(&parsed.as_str()) {
        return Err("is set by irontail: remove it");
    }
    let value = HeaderValue::from_str(value)
        .map_err(|_| "has a character in its value that no header has")?;
    Ok((parsed, value))
}
