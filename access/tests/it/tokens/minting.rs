//! Tokens made here.

use access::{
    Access,
    token::{Claims, InvalidJwks, Mint, MintError, TrustedKeys, jwks_document, verify},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, PKCS_ECDSA_P256_SHA256,
    PKCS_ECDSA_P384_SHA384,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use time::Duration;

use super::making::{NOW, notary, open_id};

/// A mint and the PEM of its root.
fn mint() -> (Mint, String) {
    let (key, chain, root) = key_and_chain();
    (Mint::new(&key, chain).unwrap(), root)
}

fn key_and_chain() -> (Vec<u8>, Vec<Vec<u8>>, String) {
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let root_key = KeyPair::generate().unwrap();
    let root = params.self_signed(&root_key).unwrap();
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    let mut params = CertificateParams::default();
    params.is_ca = IsCa::ExplicitNoCa;
    let leaf = params
        .signed_by(
            &key,
            &Issuer::from_params(&CertificateParams::default(), &root_key),
        )
        .unwrap();
    (key.serialize_der(), vec![leaf.der().to_vec()], root.pem())
}

fn wanted() -> Claims {
    Claims {
        issuer: "https://id.example.com".to_owned(),
        subject: "joe \"quoted\"".to_owned(),
        audience: "notary".to_owned(),
        access: Some(vec![Access {
            kind: "repository".to_owned(),
            name: "a/b".to_owned(),
            actions: vec!["pull".to_owned()],
        }]),
        issued_at: NOW,
        expires: NOW + Duration::minutes(5),
        id: "1".to_owned(),
        other: vec![("via".to_owned(), "password".to_owned())],
    }
}

#[test]
fn a_minted_token_verifies_by_chain_and_by_key_id() {
    let (mint, root) = mint();
    let document = jwks_document(&[mint.chain().to_vec()]).unwrap();
    let set = TrustedKeys::from_jwks(document.to_string().as_bytes()).unwrap();
    let bundle = TrustedKeys::from_bundle(root.as_bytes()).unwrap();
    let token = mint.sign(&wanted()).unwrap();

    for issuer in [notary(bundle), notary(set.clone()), open_id(set)] {
        let verified = verify(token.expose_secret(), &[&issuer], NOW).unwrap();

        assert_eq!(verified.subject, wanted().subject);
        assert_eq!(verified.access, wanted().access);
        assert_eq!(verified.claims["via"], "password");
    }
}

#[test]
fn a_minted_token_reads_as_written() {
    let (mint, _) = mint();
    let token = mint.sign(&wanted()).unwrap();
    let parts: Vec<&str> = token.expose_secret().split('.').collect();
    let decode = |part: &str| String::from_utf8(URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap();
    let header: Value = serde_json::from_str(&decode(parts[0])).unwrap();

    assert_eq!(header["typ"], "JWT");
    assert_eq!(header["alg"], "ES256");
    assert_eq!(header["kid"], mint.key_id());
    assert_eq!(fixtures::bytes(&header["x5c"][0]), mint.chain()[0]);
    let now = NOW.unix_timestamp();
    let end = now + 300;
    assert_eq!(
        decode(parts[1]),
        format!(
            r#"{{"iss":"https://id.example.com","sub":"joe \"quoted\"","aud":"notary","exp":{end},"nbf":{now},"iat":{now},"jti":"1","access":[{{"type":"repository","name":"a/b","actions":["pull"]}}],"via":"password"}}"#
        )
    );
}

#[test]
fn access_can_be_left_out() {
    let (mint, _) = mint();
    let document = jwks_document(&[mint.chain().to_vec()]).unwrap();
    let set = TrustedKeys::from_jwks(document.to_string().as_bytes()).unwrap();
    let claims = Claims {
        access: None,
        ..wanted()
    };

    let token = mint.sign(&claims).unwrap();

    let verified = verify(token.expose_secret(), &[&open_id(set)], NOW).unwrap();
    assert_eq!(verified.access, None);
}

#[test]
fn a_claim_cannot_be_there_twice() {
    let (mint, _) = mint();
    for names in [vec!["access"], vec!["iss"], vec!["a", "a"]] {
        let claims = Claims {
            other: names
                .iter()
                .map(|name| ((*name).to_owned(), String::new()))
                .collect(),
            ..wanted()
        };
        let refused = mint.sign(&claims).unwrap_err();
        assert_eq!(refused, MintError::ClaimTwice(names[0].to_owned()));
    }
}

#[test]
fn a_mint_needs_a_p256_key_and_its_certificate() {
    let (key, chain, _) = key_and_chain();
    let (_, other, _) = key_and_chain();
    let p384 = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();

    let refused = |key: &[u8], chain| Mint::new(key, chain).unwrap_err();

    assert_eq!(
        refused(&p384.serialize_der(), chain.clone()),
        MintError::Key
    );
    assert_eq!(refused(b"", chain), MintError::Key);
    assert_eq!(refused(&key, vec![]), MintError::NoCertificate);
    assert_eq!(refused(&key, vec![vec![0x30]]), MintError::NoCertificate);
    assert_eq!(refused(&key, other), MintError::OtherKey);
}

#[test]
fn a_mint_shows_its_key_id_and_no_more() {
    let (mint, _) = mint();
    assert_eq!(format!("{mint:?}"), format!("Mint({:?})", mint.key_id()));
}

#[test]
fn the_published_set_names_each_key_as_tokens_do() {
    let (mint, _) = mint();
    let document = jwks_document(&[mint.chain().to_vec()]).unwrap();
    let entry = &document["keys"][0];

    assert_eq!(entry["kid"], mint.key_id());
    assert_eq!(entry["use"], "sig");
    assert_eq!(entry["alg"], "ES256");
    assert_eq!(fixtures::bytes(&entry["x5c"][0]), mint.chain()[0]);
    assert_eq!(jwks_document(&[]).unwrap(), json!({ "keys": [] }));
}

#[test]
fn only_p256_keys_are_published() {
    let key = KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap();
    let leaf = CertificateParams::default().self_signed(&key).unwrap();
    for chain in [vec![leaf.der().to_vec()], vec![], vec![vec![0x30]]] {
        assert_eq!(jwks_document(&[chain]).unwrap_err(), InvalidJwks::Chain(1));
    }
}
