//! Who asks: nobody, another tenant, and all who claim to be somebody they are not.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};
use supabase_stack::auth::User;
use supabase_stack::keys::{Keys, Signing, unix_seconds};
use supabase_stack::stack::Stack;
use uuid::Uuid;

use super::scene::{Ask, token};

/// What somebody must be taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd)]
pub(super) enum Standing {
    /// Turned away before the database is asked.
    Outside,
    /// Nobody, who may do nothing.
    Nobody,
    /// A user, who has nothing.
    Tenant,
    /// A user of no name, who owns nothing and can own nothing.
    Nameless,
}

/// Somebody who asks.
#[derive(Debug, Clone)]
pub(super) struct Intruder {
    pub(super) name: String,
    headers: Vec<(&'static str, String)>,
    /// What follows the query.
    query: String,
    /// The token as Realtime is given it.
    pub(super) token: Option<String>,
    pub(super) standing: Standing,
    pub(super) is_for_rest: bool,
}

impl Intruder {
    fn of(stack: &Stack, name: &str, standing: Standing, token: Option<String>) -> Self {
        let mut headers = vec![("apikey", stack.key.clone())];
        headers.extend(token.iter().map(|token| ("authorization", format!("Bearer {token}"))));
        Self { name: name.to_owned(), headers, query: String::new(), token, standing, is_for_rest: false }
    }

    /// Another tenant.
    pub(super) fn tenant(stack: &Stack, user: &User) -> Self {
        Self::of(stack, "another tenant", Standing::Tenant, Some(token(stack, user)))
    }

    /// Puts a question as this one does.
    pub(super) fn puts(&self, ask: &Ask) -> Ask {
        let mut ask = ask.clone();
        ask.headers.extend(self.headers.clone());
        if !self.query.is_empty() {
            ask.path += if ask.path.contains('?') { "&" } else { "?" };
            ask.path += &self.query;
        }
        ask
    }
}

/// Claims of a user as Auth writes them.
fn claims(user: &User) -> Value {
    let now = unix_seconds();
    json!({
        "sub": user.id, "aud": "authenticated", "exp": now + 3_600, "iat": now, "email": user.email,
        "role": "authenticated", "session_id": Uuid::new_v4(), "is_anonymous": false,
    })
}

fn with(mut claims: Value, name: &str, value: Value) -> Value {
    claims[name] = value;
    claims
}

fn without(mut claims: Value, name: &str) -> Value {
    claims.as_object_mut().unwrap().remove(name);
    claims
}

/// A token that says that it needs no signature.
fn unsigned(algorithm: &str, claims: &Value, signature: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    format!("{}.{}.{signature}", part(&json!({ "alg": algorithm, "typ": "JWT" })), part(claims))
}

/// Tokens in a victim's name, signed by HS256 with what everybody knows: the public key, in every form it has.
fn confused(stack: &Stack, victim: &User) -> Vec<String> {
    let set = stack.auth.keys.jwks();
    let key = &set["keys"][0];
    let bytes = |name: &str| URL_SAFE_NO_PAD.decode(key[name].as_str().unwrap()).unwrap();
    let point = [vec![4], bytes("x"), bytes("y")].concat();
    let prefix = "3059301306072a8648ce3d020106082a8648ce3d030107034200";
    let prefix =
        (0..prefix.len()).step_by(2).map(|place| u8::from_str_radix(&prefix[place..place + 2], 16).unwrap());
    let der: Vec<u8> = prefix.chain(point.iter().copied()).collect();
    let pem = base64::engine::general_purpose::STANDARD.encode(&der);
    let pem =
        format!("-----BEGIN PUBLIC KEY-----\n{}\n{}\n-----END PUBLIC KEY-----\n", &pem[..64], &pem[64..]);
    let secrets: [Vec<u8>; 9] = [
        set.to_string().into(),
        key.to_string().into(),
        key["x"].as_str().unwrap().into(),
        bytes("x"),
        point,
        der,
        pem.into(),
        stack.key.clone().into(),
        Vec::new(),
    ];
    let kid = key["kid"].as_str().map(str::to_owned);
    let sign = |secret: &Vec<u8>, kid: Option<String>| {
        let header = Header { kid, ..Header::new(Algorithm::HS256) };
        jsonwebtoken::encode(&header, &claims(victim), &EncodingKey::from_secret(secret)).unwrap()
    };
    secrets.iter().flat_map(|secret| [sign(secret, None), sign(secret, kid.clone())]).collect()
}

/// Everybody who is not another tenant's simple self.
pub(super) fn forgers(stack: &Stack, victim: &User, own: &User) -> Vec<Intruder> {
    use Standing::{Nameless, Nobody, Outside, Tenant};
    let keys = &stack.auth.keys;
    let genuine = token(stack, victim);
    let (signed, signature) = genuine.rsplit_once('.').unwrap();
    let ours = token(stack, own);
    let our_signature = ours.rsplit_once('.').unwrap().1;
    let flipped = if signature.starts_with('A') { "B" } else { "A" };
    let by = |signer: &Keys, user: &User, claim: &str, value: Value| {
        Some(signer.sign(&with(claims(user), claim, value)))
    };
    let (stranger, stranger_secret) = (Keys::new(Signing::Es256), Keys::new(Signing::Hs256));
    let rights = json!({ "role": "service_role", "claims_admin": true });
    let mut all = vec![
        ("no token", Nobody, None),
        ("the key as a token", Nobody, Some(stack.key.clone())),
        ("the victim's expired token", Outside, Some(stack.auth.access_token(victim, Uuid::new_v4(), -60))),
        ("alg none", Outside, Some(unsigned("none", &claims(victim), ""))),
        ("alg None, with a signature", Outside, Some(unsigned("None", &claims(victim), signature))),
        ("an algorithm that is none", Outside, Some(unsigned("ES999", &claims(victim), signature))),
        ("another project's key", Outside, Some(stranger.sign(&claims(victim)))),
        ("another project's secret", Outside, Some(stranger_secret.sign(&claims(victim)))),
        ("a service key of our own", Outside, by(&stranger, own, "role", json!("service_role"))),
        ("a broken signature", Outside, Some(format!("{signed}.{flipped}{}", &signature[1..]))),
        ("no signature", Outside, Some(format!("{signed}."))),
        ("our signature below the victim's claims", Outside, Some(format!("{signed}.{our_signature}"))),
        ("not a token", Outside, Some("nonsense".to_owned())),
        ("the victim in the role of nobody", Nobody, by(keys, victim, "role", json!("anon"))),
        ("rights in what a user may edit", Tenant, by(keys, own, "user_metadata", rights)),
        ("the victim in what a user may edit", Tenant, by(keys, own, "user_metadata", claims(victim))),
        ("a sub that is null", Nameless, by(keys, own, "sub", Value::Null)),
        ("a sub that is empty", Nameless, by(keys, own, "sub", json!(""))),
        ("a sub that is nonsense", Nameless, by(keys, own, "sub", json!("' or true --"))),
        ("no sub", Nameless, Some(keys.sign(&without(claims(own), "sub")))),
    ];
    let confused = confused(stack, victim).into_iter();
    all.extend(confused.map(|token| ("the public key as a secret", Outside, Some(token))));
    let of = |(name, standing, token)| Intruder::of(stack, name, standing, token);
    let mut all: Vec<Intruder> = all.into_iter().map(of).collect();
    all.extend(forgers_at_rest(stack, own, &genuine));
    all
}

/// Those who mean nothing to Realtime.
fn forgers_at_rest(stack: &Stack, own: &User, genuine: &str) -> Vec<Intruder> {
    let signed = |claims: Value| Some(stack.auth.keys.sign(&claims));
    let of = |name: &str, standing, token| Intruder::of(stack, name, standing, token);
    let mut all = vec![
        of("another audience", Standing::Outside, signed(with(claims(own), "aud", json!("other")))),
        of("no end", Standing::Tenant, signed(without(claims(own), "exp"))),
        of("a sub that is a list", Standing::Nameless, signed(with(claims(own), "sub", json!([own.id])))),
    ];
    for name in ["access_token", "token", "jwt", "apikey", "authorization"] {
        let mut nobody = of(&format!("the victim's token as {name} in the query"), Standing::Nobody, None);
        nobody.query = format!("{name}={genuine}");
        all.push(nobody);
    }
    for (name, standing, header, value) in [
        ("a cookie", Standing::Nobody, "cookie", format!("sb-access-token={genuine}")),
        ("another header", Standing::Nobody, "x-supabase-auth", genuine.to_owned()),
        ("another scheme", Standing::Outside, "authorization", format!("Basic {genuine}")),
    ] {
        let mut intruder = of(&format!("the victim's token in {name}"), standing, None);
        intruder.headers.push((header, value));
        all.push(intruder);
    }
    let name = "the victim's token without the project's key";
    let mut keyless = of(name, Standing::Outside, Some(genuine.to_owned()));
    keyless.headers.retain(|(header, _)| *header != "apikey");
    all.push(keyless);
    all.iter_mut().for_each(|intruder| intruder.is_for_rest = true);
    all
}
