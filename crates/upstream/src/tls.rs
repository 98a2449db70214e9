//! TLS to upstreams: strict, TLS 1.2 at least, the certificate always checked against a name or the
//! upstream's address (RFC 8310 §5, security.md FW-34). There is no way to switch that off, and no
//! fallback to clear text.

use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin_core::error::in_gos_words;
use rustls::client::WebPkiServerVerifier;
use rustls::crypto::ring::default_provider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{CertificateError, ClientConfig, RootCertStore};

/// The files of a client: what `tls [CERT KEY] [CA]` names.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TlsFiles {
    /// Our certificate and its key, for servers that ask for one.
    pub identity: Option<(PathBuf, PathBuf)>,
    /// Whom to trust; without it, whom the system trusts.
    pub authorities: Option<PathBuf>,
}

/// Why TLS cannot be set up: the operator is to blame. The texts are CoreDNS's where scripts may
/// know them.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TlsSetupError {
    /// A file cannot be read.
    #[error("error reading {0}: open {0}: {1}", .path.display(), .text)]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        text: String,
    },
    /// A file with authorities has none.
    #[error("could not read root certs: {}", .0.display())]
    NoAuthorities(PathBuf),
    /// The system trusts nobody.
    #[error("no system certificate authorities found")]
    NoSystemAuthorities,
    /// Certificate and key do not go together, or are not what they should be.
    #[error("could not load TLS cert: {0}")]
    Identity(String),
    /// Neither a host name nor an address.
    #[error("invalid TLS server name: {0:?}")]
    ServerName(String),
}

/// The TLS side of a group of upstreams: one configuration, so that sessions are resumed.
#[derive(Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsSetupError`]: the operator is to blame, a retry helps when the files have changed.
    pub fn load(files: &TlsFiles) -> Result<Self, TlsSetupError> {
        let roots = match &files.authorities {
            Some(path) => roots_of(path)?,
            None => system_roots()?,
        };
        let provider = Arc::new(default_provider());
        let unusable = |error: &dyn fmt::Display| TlsSetupError::Identity(error.to_string());
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), Arc::clone(&provider))
                .build()
                .map_err(|error| unusable(&error))?;
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|error| unusable(&error))?
            .with_webpki_verifier(verifier);
        let config = match &files.identity {
            None => builder.with_no_client_auth(),
            Some((certificate, key)) => {
                let chain = certificates_of(certificate, &read(certificate)?);
                let key =
                    PrivateKeyDer::from_pem_slice(&read(key)?).map_err(|error| unusable(&error))?;
                builder.with_client_auth_cert(chain, key).map_err(|error| unusable(&error))?
            }
        };
        Ok(Self(Arc::new(config)))
    }

    /// What shakes hands as this client.
    #[must_use]
    pub fn connector(&self) -> tokio_rustls::TlsConnector {
        tokio_rustls::TlsConnector::from(Arc::clone(&self.0))
    }
}

impl fmt::Debug for TlsClient {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TlsClient")
    }
}

/// The name that the certificate must hold: the operator's, else the address itself.
///
/// # Errors
/// [`TlsSetupError::ServerName`].
pub fn server_name(
    name: Option<&str>,
    address: IpAddr,
) -> Result<ServerName<'static>, TlsSetupError> {
    let Some(name) = name else { return Ok(ServerName::from(address)) };
    let invalid = |_| TlsSetupError::ServerName(name.to_owned());
    ServerName::try_from(name.trim_end_matches('.').to_owned()).map_err(invalid)
}

fn roots_of(path: &Path) -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    let (added, _) = roots.add_parsable_certificates(certificates_of(path, &read(path)?));
    if added == 0 {
        return Err(TlsSetupError::NoAuthorities(path.to_owned()));
    }
    Ok(roots)
}

fn system_roots() -> Result<RootCertStore, TlsSetupError> {
    let mut roots = RootCertStore::empty();
    let found = rustls_native_certs::load_native_certs();
    for error in &found.errors {
        tracing::warn!(%error, "system certificate authorities");
    }
    let (added, _) = roots.add_parsable_certificates(found.certs);
    if added == 0 {
        return Err(TlsSetupError::NoSystemAuthorities);
    }
    Ok(roots)
}

fn certificates_of(path: &Path, pem: &[u8]) -> Vec<CertificateDer<'static>> {
    let parsed = CertificateDer::pem_slice_iter(pem);
    let mut certificates = Vec::new();
    for certificate in parsed {
        match certificate {
            Ok(certificate) => certificates.push(certificate),
            Err(error) => tracing::warn!(%error, path = %path.display(), "certificate skipped"),
        }
    }
    certificates
}

fn read(path: &Path) -> Result<Vec<u8>, TlsSetupError> {
    std::fs::read(path)
        .map_err(|error| TlsSetupError::Read { path: path.to_owned(), text: in_gos_words(&error) })
}

/// A failed handshake in words close to Go's, which operators know.
#[must_use]
pub fn handshake_text(error: &std::io::Error) -> String {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(reason)) = inner else {
        return error.to_string();
    };
    let text = match reason {
        CertificateError::UnknownIssuer => "certificate signed by unknown authority".to_owned(),
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired or is not yet valid".to_owned()
        }
        CertificateError::NotValidForName => "certificate is not valid for the name".to_owned(),
        CertificateError::NotValidForNameContext { expected, presented } => {
            let presented = presented.join(", ");
            format!("certificate is valid for {presented}, not {}", expected.to_str())
        }
        other => other.to_string(),
    };
    format!("failed to verify certificate: x509: {text}")
}
