//! Signs requests as Standard Webhooks asks (standardwebhooks.com), so that the receiver can tell ours from others'.
//!
//! The message's id and the body are the same on every attempt. The time is the attempt's own, since a receiver
//! refuses old ones, and with it changes the signature.

use base64::Engine as _;
use base64::alphabet::STANDARD as ALPHABET;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use ring::hmac;
use secrecy::{ExposeSecret as _, SecretString};
use ureq::http::{HeaderName, HeaderValue};

use crate::channel::wire;
use crate::domain::{MessageId, Timestamp};

/// The id of the message, the same on every attempt.
pub(super) const ID: HeaderName = wire::header("webhook-id");

/// When this attempt was made, in seconds since 1970.
pub(super) const TIMESTAMP: HeaderName = wire::header("webhook-timestamp");

/// A signature for each secret, with a space between them.
const SIGNATURE: HeaderName = wire::header("webhook-signature");

/// All of them.
pub(super) const HEADERS: [HeaderName; 3] = [ID, TIMESTAMP, SIGNATURE];

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How many bytes a secret may have, by the specification.
const SIZES: std::ops::RangeInclusive<usize> = 24..=64;

/// Padding is left out by some who make secrets.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &ALPHABET,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Signs with one secret, or with several while the receiver moves from one to the next.
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// Signs with every one of `secrets`. The error is for the one that is none, and does not repeat it.
    pub(super) fn new(secrets: &[SecretString]) -> Result<Self, String> {
        secrets.iter().map(|secret| key(secret.expose_secret())).collect::<Result<_, _>>().map(Self)
    }

    /// The headers of an attempt at `now` to send `body`.
    pub(super) fn headers(&self, id: MessageId, now: Timestamp, body: &[u8]) -> [(HeaderName, HeaderValue); 3] {
        let (id, seconds) = (id.to_string(), now.as_millis().div_euclid(1000).to_string());
        let signature = self.sign(&id, &seconds, body);
        [(ID, id), (TIMESTAMP, seconds), (SIGNATURE, signature)].map(|(name, text)| {
            // Digits, hyphens and Base64: no header refuses them.
            let value = HeaderValue::from_str(&text).unwrap_or(HeaderValue::from_static(""));
            (name, value)
        })
    }

    fn sign(&self, id: &str, seconds: &str, body: &[u8]) -> String {
        let signed = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            for part in [id.as_bytes(), b".", seconds.as_bytes(), b".", body] {
                context.update(part);
            }
            format!("v1,{}", STANDARD.encode(context.sign()))
        };
        self.0.iter().map(signed).collect::<Vec<_>>().join(" ")
    }
}

fn key(secret: &str) -> Result<hmac::Key, String> {
    let Some(text) = secret.trim().strip_prefix(PREFIX) else {
        return Err(format!(
            "a signing secret begins with {PREFIX}: make one with `echo {PREFIX}$(openssl rand -base64 32)`"
        ));
    };
    let bytes =
        LENIENT.decode(text).map_err(|_| format!("what follows {PREFIX} is not Base64: copy the whole of it"))?;
    if !SIZES.contains(&bytes.len()) {
        return Err(format!("the secret has {} bytes, but must have 24 to 64: copy the whole of it", bytes.len()));
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of the specification's own libraries, with the signature they expect below.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

    fn signer(secrets: &[&str]) -> Result<Signer, String> {
        Signer::new(&secrets.iter().copied().map(SecretString::from).collect::<Vec<_>>())
    }

    #[test]
    fn the_signature_is_the_one_that_the_official_libraries_expect() {
        let body = br#"{"test": 2432232314}"#;
        let expected = "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=";
        let sign = |secrets: &[&str]| signer(secrets).unwrap().sign("msg_p5jXN8AQM9LWM0D4loKWxJek", "1614265330", body);
        assert_eq!(sign(&[SECRET]), expected);
        let other = format!("whsec_{}", STANDARD.encode([7; 64]));
        let both = sign(&[&other, SECRET]);
        let (first, second) = both.split_once(' ').unwrap();
        assert!(second == expected && first.starts_with("v1,") && first != second, "{both}");
    }

    #[test]
    fn the_time_is_the_attempts_and_in_whole_seconds() {
        let signer = signer(&[SECRET]).unwrap();
        let id = MessageId::from_bytes([7; 16]);
        let [first, later] =
            [1_795_509_000_999, 1_795_509_060_000].map(|at| signer.headers(id, Timestamp::from_millis(at), b"x"));
        assert_eq!(first[0], (ID, id.to_string().parse().unwrap()));
        assert_eq!(first[1].1, "1795509000");
        assert!(first[0] == later[0] && first[1] != later[1] && first[2] != later[2]);
    }

    #[test]
    fn a_secret_that_is_none_is_refused_and_not_repeated() {
        let short = format!("whsec_{}", STANDARD.encode([7; 23]));
        let long = format!("whsec_{}", STANDARD.encode([7; 65]));
        for (secret, complaint) in [
            ("correct-horse", "begins with whsec_"),
            ("whsk_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "begins with whsec_"),
            ("whsec_correct-horse", "not Base64"),
            (&short, "has 23 bytes"),
            (&long, "has 65 bytes"),
            ("whsec_", "has 0 bytes"),
        ] {
            let error = signer(&[SECRET, secret]).err().unwrap();
            assert!(error.contains(complaint) && !error.contains("horse"), "{secret}: {error}");
        }
        // Some makers leave the padding out.
        for bytes in [24, 25, 26, 64] {
            let secret = format!("whsec_{}", STANDARD.encode(vec![7; bytes]));
            assert!(signer(&[&secret, secret.trim_end_matches('=')]).is_ok(), "{bytes}");
        }
    }
}
