//! The address of an HTTP destination: checked, and spelled in one way, since it is part of the
//! identity under which progress is kept.

use http::Uri;
use settings::Section;

use super::secret::is_secret_name;

/// Checks a URL and spells it in one way. Messages do not repeat it: it may hold a password.
pub(crate) fn normal_url(text: &str) -> Result<String, String> {
    let rule = "must be a URL, as in https://host:8080/path";
    if text.contains("%{") {
        return Err("has %{...} in it, which is not supported: write the URL out".into());
    }
    if text.contains('#') {
        return Err(format!("{rule}, without #"));
    }
    let uri: Uri = text.parse().map_err(|error| format!("{rule}: {error}"))?;
    let scheme = uri.scheme_str().unwrap_or_default().to_lowercase();
    let default_port = match scheme.as_str() {
        "http" => 80,
        "https" => 443,
        _ => return Err(format!("{rule}: it begins with http:// or https://")),
    };
    let authority = uri.authority().ok_or(rule)?;
    if authority.as_str().contains('@') {
        return Err("holds a user or password: use Authentication.Basic".into());
    }
    let host = authority.host().to_lowercase();
    if host.is_empty() {
        return Err(rule.into());
    }
    if uri.query().is_some_and(|query| query.split('&').any(is_secret_pair)) {
        return Err("holds a secret in its query: use Authentication.Header".into());
    }
    let port = match authority.as_str().rsplit_once(':').map(|(_, port)| port) {
        Some(port) if !port.ends_with(']') => {
            let port = port.parse::<u16>().ok().filter(|&port| port > 0);
            Some(port.ok_or("has a port that is none: it is a number from 1 to 65535")?)
        }
        _ => None,
    };
    let port = port.filter(|&port| port != default_port);
    let port = port.map_or(String::new(), |port| format!(":{port}"));
    let path = if uri.path().is_empty() { "/" } else { uri.path() };
    let query = uri.query().map_or(String::new(), |query| format!("?{query}"));
    Ok(format!("{scheme}://{host}{port}{path}{query}"))
}

fn is_secret_pair(pair: &str) -> bool {
    is_secret_name(pair.split('=').next().unwrap_or(pair))
}

/// `Query`, percent-encoded.
pub(crate) fn query(section: &Section<'_>) -> Vec<String> {
    let mut pairs = Vec::new();
    for (key, name, value) in section.text_map("Query").unwrap_or_default() {
        if is_secret_name(name) {
            section.wrong_at(key, "is a secret: use Authentication.Header");
        } else if value.contains("%{") {
            section.wrong_at(key, "has %{...} in it, which is not supported: write it out");
        } else {
            pairs.push(format!("{}={}", encoded(name), encoded(value)));
        }
    }
    pairs
}

/// Percent-encodes everything that is not unreserved (RFC 3986, 2.3).
pub(crate) fn encoded(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

pub(crate) fn with_query(url: String, pairs: &[String]) -> String {
    if pairs.is_empty() {
        return url;
    }
    let joint = if url.contains('?') { '&' } else { '?' };
    format!("{url}{joint}{}", pairs.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_by_table() {
        let cases = [
            ("http://h", Ok("http://h/")),
            ("HTTP://Host.Example:80/A?b=C", Ok("http://host.example/A?b=C")),
            ("https://h:443/", Ok("https://h/")),
            ("https://h:80/x", Ok("https://h:80/x")),
            ("http://[::1]:8080/x", Ok("http://[::1]:8080/x")),
            ("http://[::1]/x", Ok("http://[::1]/x")),
            ("http://h?a=b", Ok("http://h/?a=b")),
            ("h:80/x", Err("must be a URL")),
            ("/x", Err("begins with http")),
            ("ftp://h/x", Err("begins with http")),
            ("http://", Err("must be a URL")),
            ("http://h:0/", Err("port that is none")),
            ("http://h:99999/", Err("port")),
            ("http://h/a b", Err("must be a URL")),
            ("http://h/#x", Err("without #")),
            ("http://u:pw@h/", Err("Authentication.Basic")),
            ("http://h/?api_key=1", Err("Authentication.Header")),
            ("http://h/%{tag.x}", Err("%{...}")),
        ];
        for (text, expected) in cases {
            match (normal_url(text), expected) {
                (Ok(url), Ok(expected)) => assert_eq!(url, expected, "{text}"),
                (Err(problem), Err(part)) => {
                    assert!(problem.contains(part), "{text}: {problem}");
                    assert!(!problem.contains("pw"), "{problem}");
                }
                (got, expected) => panic!("{text}: {got:?}, expected {expected:?}"),
            }
        }
    }

    #[test]
    fn queries_are_encoded_and_joined() {
        assert_eq!(encoded("a b&\u{20ac}~"), "a%20b%26%E2%82%AC~");
        let pairs = ["a=1".to_owned(), "b=2".to_owned()];
        assert_eq!(with_query("http://h/".into(), &pairs), "http://h/?a=1&b=2");
        assert_eq!(with_query("http://h/?x=y".into(), &pairs), "http://h/?x=y&a=1&b=2");
    }
}
