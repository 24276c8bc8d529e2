//! How the way to a database is protected, as TLS has it.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::MigrationError;

/// What is asked of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Protection {
    /// Nothing; to this machine only.
    None,
    /// Encryption, where the server offers it; to this machine only.
    Offered,
    /// Encryption, whoever the server is: the certificates of Supabase's databases are signed by Supabase itself, which
    /// no system trusts unasked.
    Unverified,
    /// Encryption, by a server of this name whose certificate is signed by one of the file's.
    Verified { authority: PathBuf },
}

impl Protection {
    /// Makes what TLS needs.
    pub(super) fn connector(&self) -> Result<MakeRustlsConnect, MigrationError> {
        let provider = ring::default_provider();
        let algorithms = provider.signature_verification_algorithms;
        let builder = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_safe_default_protocol_versions()
            .expect("ring has ciphers for every version of TLS that rustls speaks");
        let builder = match self {
            Self::Verified { authority } => builder.with_root_certificates(certificates(authority)?),
            Self::None | Self::Offered | Self::Unverified => {
                builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyServer { algorithms }))
            }
        };
        Ok(MakeRustlsConnect::new(builder.with_no_client_auth()))
    }
}

/// Reads the certificates of a PEM file.
fn certificates(path: &Path) -> Result<RootCertStore, MigrationError> {
    let unusable = |problem: String| MigrationError::Authority { path: path.display().to_string(), problem };
    let text = std::fs::read(path).map_err(|error| unusable(error.to_string()))?;
    let mut store = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(&text) {
        let certificate = certificate.map_err(|_| unusable("it is not in the PEM format".to_owned()))?;
        store.add(certificate).map_err(|_| unusable("a certificate in it cannot be read".to_owned()))?;
    }
    if store.is_empty() {
        Err(unusable("it has no certificate in the PEM format".to_owned()))
    } else {
        Ok(store)
    }
}

/// Takes any certificate, as `sslmode=require` does; that the server has the key to it is still verified.
#[derive(Debug)]
struct AnyServer {
    algorithms: WebPkiSupportedAlgorithms,
}

impl ServerCertVerifier for AnyServer {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(message, certificate, signature, &self.algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signature, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}
