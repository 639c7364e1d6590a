//! Which keys sign: those of the configuration, or the environment's, or a role that a token of
//! the cluster stands for.
//! Promise: keys that were not accepted are looked for anew before the next try; none is printed.

use std::sync::{Mutex, PoisonError};

use settings::{Section, Surroundings};

use super::sign::Keys;
use super::web_identity::WebIdentity;
use crate::Error;
use crate::http::secret::{Keeper, Secret, source};

const NAME: &str = "Credentials";

/// `Credentials`: where the keys come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum KeysOptions {
    /// `AWS_ACCESS_KEY_ID` and its like, or else `AWS_ROLE_ARN` and
    /// `AWS_WEB_IDENTITY_TOKEN_FILE`, as the vendor's own tools read them.
    Environment,
    Given {
        id: Secret,
        secret: Secret,
        token: Option<Secret>,
    },
}

impl KeysOptions {
    /// Reads `Credentials`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Self {
        let Some(keys) = section.section(NAME) else { return Self::Environment };
        let id = source(&keys, ["AccessKeyIdEnv", "AccessKeyIdFile", "AccessKeyId"], around);
        let secret = ["SecretAccessKeyEnv", "SecretAccessKeyFile", "SecretAccessKey"];
        let secret = source(&keys, secret, around);
        let names = ["SessionTokenEnv", "SessionTokenFile", "SessionToken"];
        let has_token = names.iter().any(|name| keys.has(name));
        let token = if has_token { source(&keys, names, around) } else { None };
        keys.finish();
        match (id, secret) {
            (Some(id), Some(secret)) => Self::Given { id, secret, token },
            // What is wrong has been said.
            _ => Self::Environment,
        }
    }
}

/// The keys, as they are at the moment.
pub(crate) enum AwsKeys {
    Fixed { id: Keeper, secret: Keeper, token: Option<Keeper> },
    Role { identity: Box<WebIdentity>, known: Mutex<Option<(Keys, i64)>> },
}

/// So long before they end, keys of a role are taken anew, in seconds.
const RENEW_BEFORE: i64 = 5 * 60;

impl AwsKeys {
    /// Reads them for the first time.
    ///
    /// # Errors
    /// When a variable or file is not there.
    pub(crate) fn new(options: &KeysOptions, region: &str) -> Result<Self, Error> {
        let keep = |secret: &Secret| Keeper::new(secret, NAME);
        let (id, secret, token) = match options {
            KeysOptions::Given { id, secret, token } => (id.clone(), secret.clone(), token.clone()),
            KeysOptions::Environment => {
                let has = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
                if !has("AWS_ACCESS_KEY_ID") && has("AWS_WEB_IDENTITY_TOKEN_FILE") {
                    let identity = Box::new(WebIdentity::of_environment(region)?);
                    return Ok(Self::Role { identity, known: Mutex::new(None) });
                }
                let variable = |name: &str| Secret::Env(name.to_owned());
                let token = has("AWS_SESSION_TOKEN").then(|| variable("AWS_SESSION_TOKEN"));
                (variable("AWS_ACCESS_KEY_ID"), variable("AWS_SECRET_ACCESS_KEY"), token)
            }
        };
        let token = token.as_ref().map(keep).transpose()?;
        Ok(Self::Fixed { id: keep(&id)?, secret: keep(&secret)?, token })
    }

    /// The keys at a time in seconds since 1970.
    ///
    /// # Errors
    /// A sentence: a file that cannot be read, a role that is not given.
    pub(crate) fn at(&self, now: i64) -> Result<Keys, String> {
        match self {
            Self::Fixed { id, secret, token } => Ok(Keys {
                id: id.value()?,
                secret: secret.value()?,
                token: token.as_ref().map(Keeper::value).transpose()?,
            }),
            Self::Role { identity, known } => {
                let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some((keys, until)) = &*known
                    && now < until - RENEW_BEFORE
                {
                    return Ok(keys.clone());
                }
                let (keys, until) = identity.assume(now)?;
                *known = Some((keys.clone(), until));
                Ok(keys)
            }
        }
    }

    /// They were not accepted: the next request looks for them anew.
    pub(crate) fn distrust(&self) {
        match self {
            Self::Fixed { id, secret, token } => {
                [id, secret].into_iter().chain(token).for_each(Keeper::distrust);
            }
            Self::Role { known, .. } => {
                *known.lock().unwrap_or_else(PoisonError::into_inner) = None;
            }
        }
    }
}
