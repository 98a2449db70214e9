//! TLS on the way to collectors, and for collectors that come to us.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use dunlin_upstream::tls::{TlsClient, TlsFiles, handshake_text};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::WebPkiClientVerifier;
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, ServerConfig, SignatureScheme};
use tokio::net::TcpStream;
use tokio_rustls::{TlsAcceptor, TlsConnector};

/// Whose certificates we take.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) enum Client {
    /// Those that the system, or this file, vouches for, with the right name.
    Verifying(Option<PathBuf>),
    /// Any (`skipverify`).
    Trusting,
}

impl Client {
    pub(super) async fn shake_hands(
        self,
        host: &str,
        tcp: TcpStream,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let name =
            ServerName::try_from(if host.is_empty() { "localhost" } else { host }.to_owned())
                .map_err(io::Error::other)?;
        // Certificates are read from disk.
        let connector = tokio::task::spawn_blocking(move || self.connector());
        let connector = connector.await.map_err(io::Error::other)??;
        connector
            .connect(name, tcp)
            .await
            .map_err(|error| io::Error::new(error.kind(), handshake_text(&error)))
    }

    fn connector(&self) -> io::Result<TlsConnector> {
        match self {
            Self::Verifying(authorities) => {
                let files = TlsFiles { identity: None, authorities: authorities.clone() };
                Ok(TlsClient::load(&files).map_err(io::Error::other)?.connector())
            }
            Self::Trusting => {
                let provider = Arc::new(ring::default_provider());
                let verifier = Arc::new(Anybody(Arc::clone(&provider)));
                let config = ClientConfig::builder_with_provider(provider)
                    .with_safe_default_protocol_versions()
                    .map_err(io::Error::other)?
                    .dangerous()
                    .with_custom_certificate_verifier(verifier)
                    .with_no_client_auth();
                Ok(Arc::new(config).into())
            }
        }
    }
}

/// Takes any certificate, as long as its owner has the key.
#[derive(Debug)]
struct Anybody(Arc<CryptoProvider>);

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _certificate: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _name: &ServerName<'_>,
        _ocsp: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls12_signature(message, certificate, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        verify_tls13_signature(message, certificate, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

/// The files behind `tls CERT KEY [CA]` of a listener, and how strict it is with collectors.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct ServerFiles {
    pub(super) certificate: PathBuf,
    pub(super) key: PathBuf,
    /// Whose collectors may come; without it, all may.
    pub(super) authorities: Option<PathBuf>,
    /// Whether collectors may come without a certificate all the same.
    pub(super) optional: bool,
}

impl ServerFiles {
    /// Reads the files.
    pub(super) fn acceptor(&self) -> io::Result<TlsAcceptor> {
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_safe_default_protocol_versions()
            .map_err(io::Error::other)?;
        let builder = match &self.authorities {
            None => builder.with_no_client_auth(),
            Some(path) => {
                let mut roots = RootCertStore::empty();
                let (added, _) = roots.add_parsable_certificates(certificates(path)?);
                if added == 0 {
                    let text = format!("could not read root certs: {}", path.display());
                    return Err(io::Error::other(text));
                }
                let verifier =
                    WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
                let verifier =
                    if self.optional { verifier.allow_unauthenticated() } else { verifier };
                builder.with_client_cert_verifier(verifier.build().map_err(io::Error::other)?)
            }
        };
        let key = PrivateKeyDer::from_pem_file(&self.key).map_err(|error| of(&self.key, &error))?;
        let config = builder
            .with_single_cert(certificates(&self.certificate)?, key)
            .map_err(|error| of(&self.certificate, &error))?;
        Ok(Arc::new(config).into())
    }
}

fn certificates(path: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let read = CertificateDer::pem_file_iter(path).map_err(|error| of(path, &error))?;
    read.collect::<Result<_, _>>().map_err(|error| of(path, &error))
}

fn of(path: &Path, error: &dyn Display) -> io::Error {
    io::Error::other(format!("{}: {error}", path.display()))
}
