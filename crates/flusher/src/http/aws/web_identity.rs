//! A role for a token of the cluster (EKS "IAM roles for service accounts"): the token's file is
//! read and exchanged for keys that end after an hour or so.
//! Source: the reference of STS, AssumeRoleWithWebIdentity. The request is not signed; the answer
//! is XML.

use ureq::http::{Method, Uri};

use super::sign::Keys;
use crate::Error;
use crate::http::HttpOptions;
use crate::http::client::{Client, Failure};
use crate::http::secret::{Keeper, Secret};
use crate::http::url::encoded;

const NAME: &str = "AWS_WEB_IDENTITY_TOKEN_FILE";

/// Keys whose answer does not say when they end are taken anew after this many seconds.
const DURATION: i64 = 15 * 60;

/// Who the agent says it is.
pub(crate) struct WebIdentity {
    client: Client,
    uri: Uri,
    role: String,
    session: String,
    token: Keeper,
}

impl WebIdentity {
    /// As the environment says.
    ///
    /// # Errors
    /// When a variable is missing, or the token cannot be read.
    pub(crate) fn of_environment(region: &str) -> Result<Self, Error> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        let reason = "needs AWS_ROLE_ARN beside it: the role to take".to_owned();
        let role = variable("AWS_ROLE_ARN").ok_or(Error::Option { name: NAME, reason })?;
        let session = variable("AWS_ROLE_SESSION_NAME").unwrap_or_else(|| "irontail".into());
        let file = variable(NAME).unwrap_or_default();
        let token = Keeper::new(&Secret::File(file.into()), NAME)?;
        let url = variable("AWS_ENDPOINT_URL_STS")
            .unwrap_or_else(|| format!("https://sts.{region}.amazonaws.com/"));
        let reason = "is no URL".to_owned();
        let named = Error::Option { name: "AWS_ENDPOINT_URL_STS", reason };
        let uri: Uri = url.parse().map_err(|_| named)?;
        let client = Client::new(&HttpOptions::new(url), "application/x-www-form-urlencoded")?;
        Ok(Self { client, uri, role, session, token })
    }

    /// Keys, and when they end in seconds since 1970.
    ///
    /// # Errors
    /// A sentence that names the service.
    pub(crate) fn assume(&self, now: i64) -> Result<(Keys, i64), String> {
        let target = self.client.target();
        let failed = |why: String| format!("no keys from {target} for {}: {why}", self.role);
        let token = self.token.value()?;
        // In the body: a URL stands in the logs of proxies.
        let asked = format!(
            "Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn={}&RoleSessionName={}\
             &WebIdentityToken={}",
            encoded(&self.role),
            encoded(&self.session),
            encoded(&token)
        );
        let response = self.client.call(&Method::POST, &self.uri, &[], asked.as_bytes());
        let response = response.map_err(|Failure { reason, .. }| failed(reason))?;
        let answer = String::from_utf8_lossy(&response.body);
        let of = |name: &str| element(&answer, name).map(str::to_owned);
        match (of("AccessKeyId"), of("SecretAccessKey"), of("SessionToken")) {
            (Some(id), Some(secret), token @ Some(_)) if response.status == 200 => {
                let until = of("Expiration").and_then(|text| seconds(&text));
                Ok((Keys { id, secret, token }, until.unwrap_or(now + DURATION)))
            }
            _ => {
                self.token.distrust();
                let code = of("Code").map_or(String::new(), |code| format!(": {code}"));
                Err(failed(format!("status {}{code}", response.status)))
            }
        }
    }
}

/// The text of the first element of a name.
pub(crate) fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, behind) = xml.split_once(&format!("<{name}>"))?;
    behind.split_once(&format!("</{name}>")).map(|(text, _)| text)
}

/// Seconds since 1970 of `2026-08-01T00:00:00Z`, with a fraction or without.
fn seconds(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| text.get(from..to)?.parse::<i64>().ok();
    let day = record::calendar::days(number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    Some(day * record::calendar::DAY + hour * 3600 + minute * 60 + second)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_keys_is_read_as_the_service_writes_it() {
        assert_eq!(seconds("2026-08-01T00:00:00Z"), Some(1_785_542_400));
        assert_eq!(seconds("2026-08-01T00:00:01.250Z"), Some(1_785_542_401));
        assert_eq!(seconds("soon"), None);
        let xml = "<A><Code>ExpiredToken</Code><Message>m</Message></A>";
        assert_eq!(element(xml, "Code"), Some("ExpiredToken"));
        assert_eq!(element(xml, "Codes"), None);
    }
}
