//! `TLS`: how the destination's certificate is checked, and which one the agent shows.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use settings::{Foreign, Plain, Section, Surroundings, only};
use ureq::tls::{Certificate, ClientCert, PemItem, PrivateKey, RootCerts, TlsConfig, parse_pem};

use crate::Error;

/// How the two ends of an HTTPS connection prove who they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlsOptions {
    /// PEM file with the authorities to trust, in place of the built-in ones (Mozilla's).
    pub ca_file: Option<PathBuf>,
    /// PEM files with the agent's own certificate (and those that lead to its authority) and its
    /// key.
    pub client: Option<(PathBuf, PathBuf)>,
    /// Whether nothing older than TLS 1.3 is spoken; TLS 1.2 is else.
    pub tls13_only: bool,
    /// Takes any certificate: encryption without knowing who is at the other end.
    pub insecure_skip_verify: bool,
}

const FOREIGN: [Foreign; 1] =
    [only("MaxVersion", Plain::Text("1.3"), "TLS 1.3 is always spoken: remove the key")];

impl TlsOptions {
    /// Reads `TLS`.
    pub(crate) fn read(section: &Section<'_>, around: &Surroundings<'_>) -> Self {
        let path = |name| {
            let text = section.text(name);
            if text == Some("") {
                section.wrong(name, "must not be empty: name the file or remove the key");
            }
            text.map(|path| around.absolute(path))
        };
        let (ca_file, certificate, key) = (path("CAFile"), path("CertFile"), path("KeyFile"));
        if certificate.is_some() != key.is_some() {
            let (has, wants) = match &key {
                Some(_) => ("KeyFile", "CertFile"),
                None => ("CertFile", "KeyFile"),
            };
            section.wrong(has, format!("needs {wants} beside it"));
        }
        let tls13_only = match section.text("MinVersion") {
            None | Some("1.2") => false,
            Some("1.3") => true,
            Some(_) => {
                section.wrong("MinVersion", "must be \"1.2\" or \"1.3\"");
                false
            }
        };
        let tls = TlsOptions {
            ca_file,
            client: certificate.zip(key),
            tls13_only,
            insecure_skip_verify: section.flag("InsecureSkipVerify").unwrap_or(false),
        };
        if tls.insecure_skip_verify {
            section.note("InsecureSkipVerify", "lets anybody on the way read and take records");
        }
        section.foreign(&FOREIGN);
        section.finish();
        tls
    }
}

/// What ureq takes.
pub(crate) fn config(options: &TlsOptions) -> Result<TlsConfig, Error> {
    let mut provider = ring::default_provider();
    if options.tls13_only {
        // A version without a cipher suite is not offered.
        provider.cipher_suites.retain(|suite| suite.tls13().is_some());
    }
    let mut config = TlsConfig::builder();
    if let Some(path) = &options.ca_file {
        config = config.root_certs(authorities(path)?);
    }
    if let Some((certificate, key)) = &options.client {
        config = config.client_cert(Some(client(certificate, key, &provider)?));
    }
    Ok(config
        .disable_verification(options.insecure_skip_verify)
        .unversioned_rustls_crypto_provider(Arc::new(provider))
        .build())
}

/// The agent's own certificate, checked: that its key belongs to it is otherwise seen at the
/// first connection.
fn client(certificate: &Path, key: &Path, provider: &CryptoProvider) -> Result<ClientCert, Error> {
    const CERTIFICATE: &str = "TLS.CertFile";
    const KEY: &str = "TLS.KeyFile";
    let wrong = |name, path: &Path, what: String| Error::Option {
        name,
        reason: format!("{} {what}", path.display()),
    };
    let pem = read(CERTIFICATE, certificate)?;
    let chain: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(&pem)
        .collect::<Result<_, _>>()
        .map_err(|_| wrong(CERTIFICATE, certificate, "is damaged; it wants PEM".into()))?;
    if chain.is_empty() {
        return Err(wrong(CERTIFICATE, certificate, "holds no certificate; it wants PEM".into()));
    }
    let pem = read(KEY, key)?;
    let secret = PrivateKeyDer::from_pem_slice(&pem)
        .map_err(|_| wrong(KEY, key, "holds no private key; it wants PEM, not encrypted".into()))?;
    CertifiedKey::from_der(chain.clone(), secret, provider).map_err(|error| {
        wrong(
            KEY,
            key,
            format!("is no key of the certificate in {}: {error}", certificate.display()),
        )
    })?;
    let chain: Vec<_> =
        chain.iter().map(|one| Certificate::from_der(one.as_ref()).to_owned()).collect();
    let secret = PrivateKey::from_pem(&pem)
        .map_err(|_| wrong(KEY, key, "holds no private key; it wants PEM, not encrypted".into()))?;
    Ok(ClientCert::new_with_certs(&chain, secret))
}

fn read(name: &'static str, path: &Path) -> Result<Vec<u8>, Error> {
    super::secret::read_within(path).map_err(|source| Error::Read {
        name,
        path: path.to_path_buf(),
        source,
    })
}

fn authorities(path: &Path) -> Result<RootCerts, Error> {
    const NAME: &str = "TLS.CAFile";
    let pem = read(NAME, path)?;
    let wrong = |what: &str| Error::Option {
        name: NAME,
        reason: format!("{} {what}; it wants PEM", path.display()),
    };
    let mut certificates = Vec::new();
    for item in parse_pem(&pem) {
        match item {
            Ok(PemItem::Certificate(certificate)) => certificates.push(certificate),
            Ok(_) => {}
            Err(_) => return Err(wrong("is damaged")),
        }
    }
    if certificates.is_empty() {
        return Err(wrong("holds no certificate"));
    }
    Ok(RootCerts::new_with_certs(&certificates))
}
