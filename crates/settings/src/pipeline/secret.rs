//! Secrets: the configuration holds references (an environment variable, a file), never values,
//! because documents are saved beside the state. What would be a secret's value is refused, and
//! not repeated in the message. Not here: reading the secret (the flusher does, at each need).

use std::path::PathBuf;

use http::HeaderName;

use super::read::Surroundings;
use crate::foreign::{Foreign, refused};
use crate::section::Section;

/// Where a secret is to be found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum SecretSource {
    /// In an environment variable.
    Environment(String),
    /// In a file, without the line break at its end.
    File(PathBuf),
}

/// How the agent proves to a destination who it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Authentication {
    /// HTTP basic authentication.
    Basic {
        /// The user's name.
        username: String,
        /// Where the password is.
        password: SecretSource,
    },
    /// `Authorization: Bearer TOKEN`.
    Bearer {
        /// Where the token is.
        token: SecretSource,
    },
    /// A header of the destination's own (`X-Api-Key`).
    Header {
        /// The header's name.
        name: String,
        /// Where its value is.
        value: SecretSource,
    },
}

const LITERAL: &str = "a secret in this file would be saved in clear: put it into a variable or a \
                       file and name that";

const BASIC_FOREIGN: [Foreign; 1] = [refused("Password", LITERAL)];
const BEARER_FOREIGN: [Foreign; 1] = [refused("Token", LITERAL)];
const HEADER_FOREIGN: [Foreign; 1] = [refused("Value", LITERAL)];
const FOREIGN: [Foreign; 2] = [
    refused("PlainText", "use Basic with PasswordEnv or PasswordFile"),
    refused("TLS", "use the flusher's own TLS"),
];

impl Authentication {
    /// Reads `Authentication`, which holds exactly one of its kinds.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Option<Authentication> {
        let mut kinds = Vec::new();
        if let Some(basic) = section.section("Basic") {
            let username = basic.required_text("Username").map(str::to_owned);
            let password = source(&basic, ["PasswordEnv", "PasswordFile"], around);
            basic.foreign(&BASIC_FOREIGN);
            basic.finish();
            if username.as_ref().is_some_and(|name| name.contains(':')) {
                basic.wrong("Username", "must not have a : in it (RFC 7617)");
            }
            kinds.push(
                username
                    .zip(password)
                    .map(|(username, password)| Authentication::Basic { username, password }),
            );
        }
        if let Some(bearer) = section.section("Bearer") {
            let token = source(&bearer, ["TokenEnv", "TokenFile"], around);
            bearer.foreign(&BEARER_FOREIGN);
            bearer.finish();
            kinds.push(token.map(|token| Authentication::Bearer { token }));
        }
        if let Some(header) = section.section("Header") {
            let name = header.required_text("Name").map(str::to_owned);
            let value = source(&header, ["ValueEnv", "ValueFile"], around);
            header.foreign(&HEADER_FOREIGN);
            header.finish();
            if name.as_ref().is_some_and(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
                header.wrong("Name", "is no header name");
            }
            kinds.push(name.zip(value).map(|(name, value)| Authentication::Header { name, value }));
        }
        section.foreign(&FOREIGN);
        section.finish();
        if kinds.len() != 1 {
            let at = section.at().to_owned();
            section.report().wrong(at, "must hold exactly one of Basic, Bearer and Header");
        }
        kinds.into_iter().next().flatten()
    }
}

/// One of two keys: a variable or a file.
fn source(
    section: &Section<'_>,
    [env, file]: [&'static str; 2],
    around: &Surroundings<'_>,
) -> Option<SecretSource> {
    let name = section.text(env);
    let path = section.text(file);
    match (name, path) {
        (Some(name), None) if is_variable_name(name) => {
            Some(SecretSource::Environment(name.to_owned()))
        }
        (Some(_), None) => {
            section.wrong(env, "must be the name of a variable, not its value");
            None
        }
        (None, Some(path)) if !path.is_empty() => Some(SecretSource::File(around.absolute(path))),
        (None, Some(_)) => {
            section.wrong(file, "must not be empty");
            None
        }
        _ => {
            let at = section.at().to_owned();
            section.report().wrong(at, format!("must hold exactly one of {env} and {file}"));
            None
        }
    }
}

fn is_variable_name(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with(|c: char| c.is_ascii_digit())
        && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

/// Whether a header or query parameter of this name holds a secret.
pub(crate) fn is_secret_name(name: &str) -> bool {
    const WHOLE: [&str; 3] = ["authorization", "proxy-authorization", "cookie"];
    const PARTS: [&str; 7] =
        ["token", "secret", "password", "passwd", "apikey", "accesskey", "credential"];
    let lower = name.to_lowercase();
    let joined: String = lower.chars().filter(char::is_ascii_alphanumeric).collect();
    WHOLE.contains(&lower.as_str()) || PARTS.iter().any(|part| joined.contains(part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secret_names_by_table() {
        for (name, expected) in [
            ("Authorization", true),
            ("X-Api-Key", true),
            ("x_auth_token", true),
            ("DB-Password", true),
            ("AccessKeySecret", true),
            ("Cookie", true),
            ("X-Scope-OrgID", false),
            ("Content-Type", false),
            ("Accept", false),
        ] {
            assert_eq!(is_secret_name(name), expected, "{name}");
        }
    }
}
