//! Tokens and key sets as clients send them, and as an attacker would.

use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair, RSA_PKCS1_SHA256, RSA_PKCS1_SHA384,
    RsaEncoding, RsaKeyPair,
};
use serde_json::json;

use super::*;

const NOW_S: i64 = 1_780_000_000;
const ISSUER: &str = "https://emr.example/issuer";
const URL: &str = "https://node.example/cds-services";

fn expected() -> Expected<'static> {
    Expected { issuer: ISSUER, audience: URL, now_unix_ms: NOW_S * 1_000, lifetime_s_max: Some(300) }
}

fn claims() -> Value {
    json!({ "iss": ISSUER, "aud": URL, "iat": NOW_S, "exp": NOW_S + 300, "jti": "one", "sub": "d1" })
}

fn with(member: &str, value: Value) -> Value {
    let mut claims = claims();
    claims[member] = value;
    claims
}

fn without(member: &str) -> Value {
    let mut claims = claims();
    claims.as_object_mut().unwrap().remove(member);
    claims
}

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// Puts a token together of which `sign` makes the signature.
fn made(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let signature = URL_SAFE_NO_PAD.encode(sign(signed.as_bytes()));
    format!("{signed}.{signature}")
}

fn key() -> (IssuingKey, KeySet) {
    let key = IssuingKey::generate("k1").unwrap();
    let set = KeySet::parse(key.key_set().to_string().as_bytes()).unwrap();
    (key, set)
}

fn verified(token: &str, keys: &KeySet) -> Result<Claims, TokenError> {
    Token::parse(token)?.verify(keys, &expected())
}

fn rsa() -> RsaKeyPair {
    RsaKeyPair::from_pkcs8(include_bytes!("../../../tests/fixtures/token_rsa.pk8")).unwrap()
}

#[test]
fn every_kind_of_key_verifies_its_own_algorithms_alone() {
    let random = SystemRandom::new();
    let rsa = rsa();
    let components: ring::rsa::PublicKeyComponents<Vec<u8>> = rsa.public().into();
    let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &random).unwrap();
    let p256 = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref(), &random).unwrap();
    let ed = Ed25519KeyPair::from_pkcs8(Ed25519KeyPair::generate_pkcs8(&random).unwrap().as_ref()).unwrap();
    let encode = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    let point = p256.public_key().as_ref();
    // The zero before the modulus is how Java writes it.
    let modulus = [&[0], components.n.as_slice()].concat();
    let keys = json!({ "keys": [
        { "kty": "RSA", "kid": "rsa", "n": encode(&modulus), "e": encode(&components.e) },
        { "kty": "EC", "crv": "P-256", "kid": "p256", "x": encode(&point[1..33]), "y": encode(&point[33..]) },
        { "kty": "OKP", "crv": "Ed25519", "kid": "ed", "x": encode(ed.public_key().as_ref()) },
        { "kty": "RSA", "kid": "rsa384", "alg": "RS384", "n": encode(&components.n), "e": encode(&components.e) },
    ] });
    let keys = KeySet::parse(keys.to_string().as_bytes()).unwrap();
    let by_rsa = |padding: &'static dyn RsaEncoding, signed: &[u8]| {
        let mut signature = vec![0; rsa.public().modulus_len()];
        rsa.sign(padding, &random, signed, &mut signature).unwrap();
        signature
    };
    let sign = |algorithm: &str, signed: &[u8]| match algorithm {
        "RS256" => by_rsa(&RSA_PKCS1_SHA256, signed),
        "RS384" => by_rsa(&RSA_PKCS1_SHA384, signed),
        "ES256" => p256.sign(&random, signed).unwrap().as_ref().to_vec(),
        "EdDSA" => ed.sign(signed).as_ref().to_vec(),
        _ => Vec::new(),
    };
    let good = [("rsa", "RS256"), ("rsa", "RS384"), ("rsa384", "RS384"), ("p256", "ES256"), ("ed", "EdDSA")];
    for id in ["rsa", "rsa384", "p256", "ed"] {
        for algorithm in ["RS256", "RS384", "ES256", "ES384", "EdDSA"] {
            let header = json!({ "alg": algorithm, "kid": id, "typ": "JWT" });
            let token = made(&header, &claims(), |signed| sign(algorithm, signed));
            let expected = good.contains(&(id, algorithm));
            assert_eq!(verified(&token, &keys).is_ok(), expected, "{algorithm} with {id}");
        }
    }
}

#[test]
fn no_algorithm_without_a_public_key_is_taken() {
    let (_, keys) = key();
    let public = keys.clone();
    let secret = ring::hmac::Key::new(ring::hmac::HMAC_SHA256, format!("{public:?}").as_bytes());
    for algorithm in ["none", "None", "NONE", "", "HS256", "HS384", "HS512", "PS256", "RS1", "es384"] {
        let header = json!({ "alg": algorithm, "kid": "k1", "typ": "JWT" });
        let unsigned = made(&header, &claims(), |_| Vec::new());
        assert_eq!(verified(&unsigned, &keys), Err(TokenError::Algorithm), "{algorithm:?}");
        let token = made(&header, &claims(), |signed| ring::hmac::sign(&secret, signed).as_ref().to_vec());
        assert_eq!(verified(&token, &keys), Err(TokenError::Algorithm), "{algorithm:?}");
    }
    // A secret among public keys verifies nothing.
    let oct = br#"{"keys":[{"kty":"oct","kid":"k1","k":"AAAA","alg":"HS256"}]}"#;
    assert_eq!(KeySet::parse(oct), Err(KeySetError::Empty));
}

#[test]
fn a_token_with_one_byte_changed_is_refused() {
    let (key, keys) = key();
    let token = key.sign(&claims()).unwrap();
    assert!(verified(&token, &keys).is_ok());
    for place in 0..token.len() {
        let mut bytes = token.clone().into_bytes();
        for flipped in [1, 4, 32] {
            bytes[place] ^= flipped;
            if let Ok(changed) = std::str::from_utf8(&bytes) {
                assert!(verified(changed, &keys).is_err(), "byte {place} with {flipped}");
            }
            bytes[place] ^= flipped;
        }
        assert!(verified(&token[..place], &keys).is_err(), "{place} bytes of it");
    }
}

#[test]
fn what_a_token_says_must_be_as_expected() {
    let (key, keys) = key();
    let table = [
        (claims(), Ok(())),
        (with("aud", json!(["https://other.example", URL])), Ok(())),
        (with("exp", json!(NOW_S as f64 + 0.5)), Ok(())),
        (with("exp", json!(NOW_S - 59)), Ok(())),
        (with("exp", json!(NOW_S - 60)), Err(TokenError::Expired)),
        (with("exp", json!(NOW_S + 360)), Ok(())),
        (with("exp", json!(NOW_S + 361)), Err(TokenError::Times)),
        (with("exp", json!("soon")), Err(TokenError::Claim("exp"))),
        (with("exp", json!(-1)), Err(TokenError::Expired)),
        (with("exp", json!(i64::MAX)), Err(TokenError::Times)),
        (without("exp"), Err(TokenError::Claim("exp"))),
        (with("iat", json!(NOW_S + 60)), Ok(())),
        (with("iat", json!(NOW_S + 61)), Err(TokenError::Times)),
        (without("iat"), Err(TokenError::Claim("iat"))),
        (with("nbf", json!(NOW_S + 61)), Err(TokenError::Times)),
        (with("nbf", json!(NOW_S)), Ok(())),
        (with("iss", json!("https://emr.example/issuer/")), Err(TokenError::Issuer)),
        (without("iss"), Err(TokenError::Issuer)),
        (with("aud", json!(format!("{URL}/"))), Err(TokenError::Audience)),
        (with("aud", json!([])), Err(TokenError::Audience)),
        (with("aud", json!({ "url": URL })), Err(TokenError::Audience)),
        (without("aud"), Err(TokenError::Audience)),
    ];
    for (claims, expected) in table {
        let token = key.sign(&claims).unwrap();
        assert_eq!(verified(&token, &keys).map(drop), expected, "{claims}");
    }
}

#[test]
fn a_lifetime_is_asked_of_those_alone_who_are_bound_to_one() {
    let (key, keys) = key();
    let token = key.sign(&with("exp", json!(NOW_S + 86_400))).unwrap();
    let free = Expected { lifetime_s_max: None, ..expected() };
    assert!(Token::parse(&token).unwrap().verify(&keys, &free).is_ok());
    assert!(Token::parse(&token).unwrap().verify(&keys, &expected()).is_err());
}

#[test]
fn a_key_is_found_by_its_name() {
    let (_, keys) = key();
    let other = IssuingKey::generate("k2").unwrap();
    let token = other.sign(&claims()).unwrap();
    assert!(!Token::parse(&token).unwrap().has_key_in(&keys));
    assert_eq!(verified(&token, &keys), Err(TokenError::Key));
    // The right name on the wrong key.
    let foreign = IssuingKey::generate("k1").unwrap().sign(&claims()).unwrap();
    assert_eq!(verified(&foreign, &keys), Err(TokenError::Signature));
}

#[test]
fn headers_that_ask_for_more_are_refused() {
    let (_, keys) = key();
    let table = [
        json!({ "alg": "ES384", "typ": "JWT" }),
        json!({ "alg": "ES384", "kid": "k1", "typ": "logout+jwt" }),
        json!({ "alg": "ES384", "kid": "k1", "typ": 1 }),
        json!({ "alg": "ES384", "kid": "k1", "crit": ["exp"] }),
        json!({ "alg": 5, "kid": "k1" }),
        json!([]),
    ];
    for header in table {
        assert!(verified(&made(&header, &claims(), |_| vec![0; 96]), &keys).is_err(), "{header}");
    }
    let huge = made(&json!({ "alg": "ES384", "kid": "k1" }), &with("pad", json!("x".repeat(9_000))), |_| vec![0; 96]);
    assert_eq!(Token::parse(&huge).unwrap_err(), TokenError::Form);
}

#[test]
fn key_sets_are_read_whole_or_refused() {
    let (key, _) = key();
    let good = key.key_set()["keys"][0].clone();
    let change = |member: &str, value: Value| {
        let mut changed = good.clone();
        changed[member] = value;
        json!({ "keys": [changed] }).to_string()
    };
    let table = [
        (change("d", json!("AAAA")), Err(KeySetError::Private(0))),
        (change("x", json!("AAAA")), Err(KeySetError::Key(0))),
        (change("y", Value::Null), Err(KeySetError::Key(0))),
        (change("crv", json!("P-521")), Err(KeySetError::Empty)),
        (change("use", json!("enc")), Err(KeySetError::Empty)),
        (change("alg", json!("HS256")), Err(KeySetError::Empty)),
        (change("kid", Value::Null), Err(KeySetError::Empty)),
        (change("key_ops", json!(["sign"])), Err(KeySetError::Empty)),
        ("{}".to_owned(), Err(KeySetError::Form)),
        ("[]".to_owned(), Err(KeySetError::Form)),
        (json!({ "keys": vec![good.clone(); 65] }).to_string(), Err(KeySetError::Form)),
        (json!({ "keys": [good.clone(), good.clone()] }).to_string(), Ok(())),
    ];
    for (text, expected) in table {
        assert_eq!(KeySet::parse(text.as_bytes()).map(drop), expected, "{}", &text[..text.len().min(200)]);
    }
}

#[test]
fn no_claim_is_printed() {
    let (key, keys) = key();
    let token = key.sign(&with("sub", json!("110101199003074477"))).unwrap();
    let parsed = Token::parse(&token).unwrap();
    assert!(!format!("{parsed:?}").contains("110101"));
    let claims = parsed.verify(&keys, &expected()).unwrap();
    assert!(!format!("{claims:?}").contains("110101"));
    assert_eq!((claims.text("sub"), claims.id()), (Some("110101199003074477"), Ok("one")));
}
