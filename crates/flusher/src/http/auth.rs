//! `Authentication`: the header by which a destination knows the agent.

use http::HeaderName;
use settings::{Foreign, Section, Surroundings, refused};

use super::secret::{Keeper, Secret, source};
use crate::Error;

/// The header by which the destination knows us.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Auth {
    /// None, or one that stands in the headers.
    #[default]
    None,
    /// `Authorization` with user name and password (RFC 7617).
    Basic {
        /// The user.
        user: String,
        /// The password.
        password: Secret,
    },
    /// `Authorization` with a token (RFC 6750).
    Bearer(Secret),
    /// `Authorization` with an API key, as Elasticsearch gives them out.
    ApiKey(Secret),
    /// A header of the destination's own, such as `X-Api-Key`.
    Header {
        /// Its name.
        name: String,
        /// Its value.
        value: Secret,
    },
}

const FOREIGN: [Foreign; 2] = [
    refused("PlainText", "use Basic with PasswordEnv or PasswordFile"),
    refused("TLS", "use the flusher's own TLS"),
];

impl Auth {
    /// Reads `Authentication`, which holds exactly one of its kinds.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Self {
        let mut kinds = Vec::new();
        if let Some(basic) = section.section("Basic") {
            let username = basic.required_text("Username").map(str::to_owned);
            let password = source(&basic, ["PasswordEnv", "PasswordFile", "Password"], around);
            basic.finish();
            if username.as_ref().is_some_and(|name| name.contains(':')) {
                basic.wrong("Username", "must not have a : in it (RFC 7617)");
            }
            kinds.push(
                username.zip(password).map(|(user, password)| Auth::Basic { user, password }),
            );
        }
        if let Some(bearer) = section.section("Bearer") {
            let token = source(&bearer, ["TokenEnv", "TokenFile", "Token"], around);
            bearer.finish();
            kinds.push(token.map(Auth::Bearer));
        }
        if let Some(key) = section.section("ApiKey") {
            let secret = source(&key, ["KeyEnv", "KeyFile", "Key"], around);
            key.finish();
            kinds.push(secret.map(Auth::ApiKey));
        }
        if let Some(header) = section.section("Header") {
            let name = header.required_text("Name").map(str::to_owned);
            let value = source(&header, ["ValueEnv", "ValueFile", "Value"], around);
            header.finish();
            if name.as_ref().is_some_and(|name| HeaderName::from_bytes(name.as_bytes()).is_err()) {
                header.wrong("Name", "is no header name");
            }
            kinds.push(name.zip(value).map(|(name, value)| Auth::Header { name, value }));
        }
        section.foreign(&FOREIGN);
        section.finish();
        if kinds.len() != 1 {
            section.wrong_itself("must hold exactly one of Basic, Bearer, ApiKey and Header");
        }
        kinds.into_iter().next().flatten().unwrap_or_default()
    }
}

/// An authentication header in the making.
pub(crate) struct Credentials {
    pub(crate) name: String,
    /// What stands before the secret: a scheme.
    scheme: &'static str,
    /// For Basic: the user, encoded with the secret.
    user: Option<String>,
    secret: Keeper,
}

impl Credentials {
    pub(crate) fn new(auth: &Auth) -> Result<Option<Self>, Error> {
        let (name, scheme, user, secret) = match auth {
            Auth::None => return Ok(None),
            Auth::Basic { user, .. } if user.contains(':') => {
                let reason = "a user name has no colon (RFC 7617)".to_string();
                return Err(Error::Option { name: "Authentication", reason });
            }
            Auth::Basic { user, password } => ("Authorization", "Basic ", Some(user), password),
            Auth::Bearer(token) => ("Authorization", "Bearer ", None, token),
            Auth::ApiKey(key) => ("Authorization", "ApiKey ", None, key),
            Auth::Header { name, value } => (name.as_str(), "", None, value),
        };
        let secret = Keeper::new(secret, "Authentication")?;
        Ok(Some(Self { name: name.to_string(), scheme, user: user.cloned(), secret }))
    }

    /// Its present value.
    pub(crate) fn value(&self) -> Result<String, String> {
        let secret = self.secret.value()?;
        Ok(match &self.user {
            Some(user) => format!("{}{}", self.scheme, base64(&format!("{user}:{secret}"))),
            None => format!("{}{secret}", self.scheme),
        })
    }

    /// The destination did not accept it: the next look reads a secret's file again.
    pub(crate) fn distrust(&self) {
        self.secret.distrust();
    }
}

/// RFC 4648, with padding.
fn base64(text: &str) -> String {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.encode(text)
}
