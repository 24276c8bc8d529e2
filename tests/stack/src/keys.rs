//! Signing keys and access tokens, as Supabase Auth makes them.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use p256::elliptic_curve::sec1::ToEncodedPoint as _;
use p256::pkcs8::EncodePrivateKey as _;
use serde_json::{Value, json};
use uuid::Uuid;

/// Which key signs new tokens; both are trusted, as while a project changes over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signing {
    Es256,
    Hs256,
}

/// The keys of one project.
pub struct Keys {
    signing: Signing,
    secret: String,
    private: EncodingKey,
    public: Value,
    key_id: String,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").field("signing", &self.signing).finish_non_exhaustive()
    }
}

impl Keys {
    /// Makes new keys.
    pub fn new(signing: Signing) -> Self {
        let random = [*Uuid::new_v4().as_bytes(), *Uuid::new_v4().as_bytes()].concat();
        let private = p256::SecretKey::from_slice(&random).expect("one in four billion is above the order");
        let point = private.public_key().to_encoded_point(false);
        let number =
            |bytes: Option<&p256::FieldBytes>| URL_SAFE_NO_PAD.encode(bytes.expect("not compressed"));
        let key_id = Uuid::new_v4().to_string();
        let public = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "key_ops": ["verify"], "ext": true,
            "kid": key_id, "x": number(point.x()), "y": number(point.y()),
        });
        let der = private.to_pkcs8_der().expect("a key of this curve has an encoding");
        Self {
            signing,
            secret: format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()),
            private: EncodingKey::from_ec_der(der.as_bytes()),
            public,
            key_id,
        }
    }

    /// Gives the secret of HS256.
    pub fn secret(&self) -> &str {
        &self.secret
    }

    /// Gives what `/.well-known/jwks.json` shows: public keys only.
    pub fn jwks(&self) -> Value {
        json!({ "keys": [self.public] })
    }

    /// Gives the set that REST verifies with, the secret included.
    pub fn verification_set(&self) -> Value {
        let secret = json!({ "kty": "oct", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(&self.secret) });
        json!({ "keys": [self.public, secret] })
    }

    /// Signs claims.
    pub fn sign(&self, claims: &Value) -> String {
        let signed = match self.signing {
            Signing::Es256 => {
                let header = Header { kid: Some(self.key_id.clone()), ..Header::new(Algorithm::ES256) };
                jsonwebtoken::encode(&header, claims, &self.private)
            }
            Signing::Hs256 => return sign_with_secret(claims, &self.secret),
        };
        signed.expect("claims are JSON and the key fits its algorithm")
    }

    /// Verifies a token and gives its claims, or says what is wrong as Realtime does, which asks for no audience.
    pub fn verify(&self, token: &str) -> Result<Value, &'static str> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| "MalformedJWT")?;
        let (key, algorithm) = match header.alg {
            Algorithm::HS256 => (DecodingKey::from_secret(self.secret.as_bytes()), Algorithm::HS256),
            Algorithm::ES256 => {
                let part = |name: &str| self.public.get(name).and_then(Value::as_str).unwrap_or_default();
                let key = DecodingKey::from_ec_components(part("x"), part("y"));
                (key.map_err(|_| "JwtSignatureError")?, Algorithm::ES256)
            }
            _ => return Err("JwtSignatureError"),
        };
        let mut rules = Validation::new(algorithm);
        rules.validate_aud = false;
        rules.leeway = 0;
        rules.reject_tokens_expiring_in_less_than = 1;
        match jsonwebtoken::decode::<Value>(token, &key, &rules) {
            Ok(token) if token.claims.get("role").is_none() => Err("InvalidJWTToken"),
            Ok(token) => Ok(token.claims),
            Err(error) => Err(match error.kind() {
                ErrorKind::ExpiredSignature => "InvalidJWTExpiration",
                ErrorKind::InvalidSignature => "JwtSignatureError",
                ErrorKind::MissingRequiredClaim(_) => "InvalidJWTToken",
                _ => "MalformedJWT",
            }),
        }
    }
}

/// Signs claims as a project does that has no other key.
pub fn sign_with_secret(claims: &Value, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &key)
        .expect("claims are JSON and the key fits its algorithm")
}

/// Seconds since 1970.
pub fn unix_seconds() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}
