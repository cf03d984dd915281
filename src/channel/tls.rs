//! The one way channels do TLS: rustls on ring, trusting what the system trusts.
//!
//! On a machine without any certificates of its own (a bare container), Mozilla's list, compiled in, takes their
//! place. Nothing here can turn verification off; a private CA is named in a channel's `ca_file`.

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use serde::{Deserialize, Deserializer};

/// Certificates to trust beside the system's, read from a PEM file.
#[derive(Clone, Debug)]
pub(super) struct CaFile(Vec<CertificateDer<'static>>);

impl<'de> Deserialize<'de> for CaFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        let read = CertificateDer::pem_file_iter(&path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        match read {
            Ok(certificates) if !certificates.is_empty() => Ok(Self(certificates)),
            Ok(_) => Err(serde::de::Error::custom(format!("`{path}` has no certificate in it: expected a PEM file"))),
            Err(error) => Err(serde::de::Error::custom(format!("`{path}` is not a readable PEM file: {error}"))),
        }
    }
}

/// The cryptography everything here uses.
pub(super) fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| Arc::new(rustls::crypto::ring::default_provider())))
}

/// Whether the system has certificates of its own.
pub(super) fn system_has_roots() -> bool {
    static HAS_ROOTS: OnceLock<bool> = OnceLock::new();
    *HAS_ROOTS.get_or_init(|| Verifier::new(provider()).is_ok())
}

/// How to connect as a client that also trusts `ca_file`.
pub(super) fn client_config(ca_file: Option<&CaFile>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    let extra = ca_file.map(|file| file.0.clone()).unwrap_or_default();
    let config = if system_has_roots() {
        let verifier = Verifier::new_with_extra_roots(extra, provider())?;
        // The method's name warns of verifiers that check nothing; this one does.
        builder.dangerous().with_custom_certificate_verifier(Arc::new(verifier)).with_no_client_auth()
    } else {
        let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
        for certificate in extra {
            roots.add(certificate)?;
        }
        builder.with_root_certificates(roots).with_no_client_auth()
    };
    Ok(Arc::new(config))
}
