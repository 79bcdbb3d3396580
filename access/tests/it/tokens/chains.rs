//! Chains of certificates, and the bundles they end in.

use access::token::{InvalidBundle, TokenError, TrustedKeys, Verified, verify};
use base64::{Engine, engine::general_purpose::STANDARD};
use rcgen::{
    BasicConstraints, Certificate, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ED25519,
};
use ring::{
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair},
};
use serde_json::{Value, json};
use time::Duration;

use super::making::{Key, NOW, claims, notary};

/// Parameters of a certificate that is valid for a day around [`NOW`].
fn params(name: &str, is_ca: IsCa) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = NOW - Duration::days(1);
    params.not_after = NOW + Duration::days(1);
    params.is_ca = is_ca;
    params
}

fn ca(name: &str) -> CertificateParams {
    params(name, IsCa::Ca(BasicConstraints::Unconstrained))
}

fn leaf() -> CertificateParams {
    params("leaf", IsCa::ExplicitNoCa)
}

/// A certificate and what is needed to sign by it.
struct Holder {
    params: CertificateParams,
    key: KeyPair,
    certificate: Certificate,
}

impl Holder {
    fn root(params: CertificateParams) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let certificate = params.self_signed(&key).unwrap();
        Self {
            params,
            key,
            certificate,
        }
    }

    fn issue(&self, params: CertificateParams) -> Self {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let issuer = Issuer::from_params(&self.params, &self.key);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            params,
            key,
            certificate,
        }
    }

    fn bundle(&self) -> TrustedKeys {
        TrustedKeys::from_bundle(self.certificate.pem().as_bytes()).unwrap()
    }

    /// A token signed by this one's key, with these certificates.
    fn token(&self, chain: &[&Self]) -> String {
        let x5c: Vec<_> = chain
            .iter()
            .map(|holder| STANDARD.encode(holder.certificate.der()))
            .collect();
        self.key().token(json!({ "x5c": x5c }), &claims())
    }

    fn key(&self) -> Key {
        let pkcs8 = self.key.serialize_der();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let key = EcdsaKeyPair::from_pkcs8(algorithm, &pkcs8, &SystemRandom::new()).unwrap();
        Key::Ec("P-256", key)
    }
}

fn shown_to(keys: TrustedKeys, token: &str) -> Result<Verified, TokenError> {
    verify(token, &[&notary(keys)], NOW)
}

fn is_untrusted(result: &Result<Verified, TokenError>) -> bool {
    matches!(result, Err(TokenError::Chain(_)))
}

#[test]
fn a_chain_of_several_certificates_leads_to_the_root() {
    let root = Holder::root(ca("root"));
    let upper = root.issue(ca("upper"));
    let lower = upper.issue(ca("lower"));
    let leaf = lower.issue(leaf());

    assert!(shown_to(root.bundle(), &leaf.token(&[&leaf, &lower, &upper])).is_ok());
    assert!(shown_to(root.bundle(), &leaf.token(&[&leaf, &upper, &lower])).is_ok());
    assert!(is_untrusted(&shown_to(
        root.bundle(),
        &leaf.token(&[&leaf, &lower])
    )));
    assert!(is_untrusted(&shown_to(
        root.bundle(),
        &upper.token(&[&leaf, &lower])
    )));
}

#[test]
fn the_key_is_that_of_the_first_certificate() {
    let root = Holder::root(ca("root"));
    let (first, second) = (root.issue(leaf()), root.issue(leaf()));
    let refused = shown_to(root.bundle(), &second.token(&[&first, &second]));
    assert_eq!(refused, Err(TokenError::WrongSignature));
}

#[test]
fn any_extended_key_usage_will_do() {
    let root = Holder::root(ca("root"));
    for purpose in [
        ExtendedKeyUsagePurpose::ServerAuth,
        ExtendedKeyUsagePurpose::TimeStamping,
    ] {
        let mut params = leaf();
        params.extended_key_usages = vec![purpose];
        let leaf = root.issue(params);
        assert!(shown_to(root.bundle(), &leaf.token(&[&leaf])).is_ok());
    }
}

#[test]
fn certificates_out_of_their_time_vouch_for_nothing() {
    let mut over = ca("root");
    over.not_after = NOW - Duration::SECOND;
    let mut early = ca("root");
    early.not_before = NOW + Duration::SECOND;
    for params in [over, early] {
        let root = Holder::root(params.clone());
        let under = root.issue(leaf());
        assert!(is_untrusted(&shown_to(
            root.bundle(),
            &under.token(&[&under])
        )));
        assert!(is_untrusted(&shown_to(
            root.bundle(),
            &root.token(&[&root])
        )));

        let root = Holder::root(ca("good root"));
        let middle = root.issue(params.clone());
        let under = middle.issue(leaf());
        assert!(is_untrusted(&shown_to(
            root.bundle(),
            &under.token(&[&under, &middle])
        )));

        let mut params = params;
        params.is_ca = IsCa::ExplicitNoCa;
        let leaf = root.issue(params);
        assert!(is_untrusted(&shown_to(
            root.bundle(),
            &leaf.token(&[&leaf])
        )));
    }
}

#[test]
fn the_dates_of_a_bundle_do_not_matter_to_key_ids() {
    let mut params = ca("root");
    params.not_after = NOW - Duration::SECOND;
    let root = Holder::root(params);
    let by_id = root
        .key()
        .token(json!({ "kid": root.key().id() }), &claims());
    let by_key = root
        .key()
        .token(json!({ "jwk": root.key().jwk() }), &claims());

    assert!(shown_to(root.bundle(), &by_id).is_ok());
    assert!(shown_to(root.bundle(), &by_key).is_ok());
}

#[test]
fn a_certificate_of_the_bundle_may_sign_tokens_itself() {
    for params in [ca("root"), leaf()] {
        let root = Holder::root(params);
        assert!(shown_to(root.bundle(), &root.token(&[&root])).is_ok());
    }
}

#[test]
fn certificates_that_may_not_sign_others_vouch_for_nobody() {
    let mut no_signing = ca("root");
    no_signing.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    for params in [leaf(), params("root", IsCa::NoCa), no_signing] {
        let root = Holder::root(params.clone());
        let under = root.issue(leaf());
        assert!(is_untrusted(&shown_to(
            root.bundle(),
            &under.token(&[&under])
        )));
    }
    let root = Holder::root(ca("root"));
    let middle = root.issue(leaf());
    let under = middle.issue(leaf());
    assert!(is_untrusted(&shown_to(
        root.bundle(),
        &under.token(&[&under, &middle])
    )));
}

#[test]
fn the_path_length_of_a_root_counts() {
    let root = Holder::root(params("root", IsCa::Ca(BasicConstraints::Constrained(0))));
    let direct = root.issue(leaf());
    let middle = root.issue(ca("middle"));
    let under = middle.issue(leaf());

    assert!(shown_to(root.bundle(), &direct.token(&[&direct])).is_ok());
    assert!(is_untrusted(&shown_to(
        root.bundle(),
        &under.token(&[&under, &middle])
    )));
}

#[test]
fn one_root_of_several_is_enough() {
    let (first, second) = (Holder::root(ca("first")), Holder::root(ca("second")));
    let leaf = second.issue(leaf());
    let keys = first.bundle().with(second.bundle());
    assert!(shown_to(keys, &leaf.token(&[&leaf])).is_ok());
    let refused = shown_to(first.bundle(), &leaf.token(&[&leaf]));
    assert_eq!(refused, Err(TokenError::Chain("UnknownIssuer".to_owned())));
}

#[test]
fn a_chain_beats_a_known_key_id() {
    let (root, stranger) = (Holder::root(ca("root")), Holder::root(ca("stranger")));
    let x5c = [STANDARD.encode(stranger.certificate.der())];
    let header = json!({ "kid": root.key().id(), "x5c": x5c });
    let token = root.key().token(header, &claims());
    assert!(is_untrusted(&shown_to(root.bundle(), &token)));
}

#[test]
fn more_than_ten_certificates_are_not_looked_at() {
    let root = Holder::root(ca("root"));
    let leaf = root.issue(leaf());
    let refused = shown_to(root.bundle(), &leaf.token(&[&leaf; 11]));
    assert_eq!(refused, Err(TokenError::LongChain));
}

#[test]
fn the_chain_of_a_jwk_must_be_its_own() {
    let root = Holder::root(ca("root"));
    let leaf = root.issue(leaf());
    let with_chain = |key: &Key| {
        let mut jwk = key.jwk();
        jwk["x5c"] = json!([STANDARD.encode(leaf.certificate.der())]);
        key.token(json!({ "jwk": jwk }), &claims())
    };

    assert!(shown_to(root.bundle(), &with_chain(&leaf.key())).is_ok());
    let refused = shown_to(root.bundle(), &with_chain(&Key::p256()));
    assert!(matches!(refused, Err(TokenError::UntrustedJwk(_))));
}

#[test]
fn a_bundle_without_certificates_is_refused_in_notarys_words() {
    let key = KeyPair::generate().unwrap().public_key_pem();
    for text in ["", "nothing", &key] {
        let refused = TrustedKeys::from_bundle(text.as_bytes()).unwrap_err();
        assert_eq!(
            refused.to_string(),
            "token auth requires at least one token signing root certificate"
        );
    }
}

#[test]
fn a_bundle_that_cannot_be_read_is_refused_in_notarys_words() {
    let block =
        |body: &str| format!("-----BEGIN CERTIFICATE-----\n{body}\n-----END CERTIFICATE-----\n");
    let good = Holder::root(ca("root")).certificate.pem();
    for text in [
        block("AAAA"),
        block("*"),
        "-----BEGIN CERTIFICATE-----\nAAAA\n".to_owned(),
    ] {
        let refused = TrustedKeys::from_bundle(format!("{good}{text}").as_bytes()).unwrap_err();
        let text = refused.to_string();
        assert!(
            text.starts_with("unable to parse token auth root certificate: "),
            "{text}"
        );
    }
}

#[test]
fn a_certificate_for_an_unusable_key_is_refused_by_its_number() {
    let good = Holder::root(ca("root"));
    let mut odd = good.certificate.der().to_vec();
    // The curve of the key, P-256, becomes the unassigned 1.2.840.10045.3.1.127.
    let curve = [0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07];
    let at = odd.windows(8).position(|bytes| bytes == curve).unwrap();
    odd[at + 7] = 0x7f;
    let text = format!(
        "{}-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n",
        good.certificate.pem(),
        STANDARD.encode(odd)
    );

    let refused = TrustedKeys::from_bundle(text.as_bytes()).unwrap_err();

    assert!(matches!(refused, InvalidBundle::Key { number: 2, .. }));
}

#[test]
fn an_ed25519_root_vouches_for_other_keys() {
    let params = ca("root");
    let key = KeyPair::generate_for(&PKCS_ED25519).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    let root = Holder {
        params,
        key,
        certificate,
    };
    let leaf = root.issue(leaf());
    assert!(shown_to(root.bundle(), &leaf.token(&[&leaf])).is_ok());
}

#[test]
fn a_p521_root_of_openssl_vouches_and_signs() {
    let recorded: Value = serde_json::from_str(include_str!("p521.json")).unwrap();
    let text = |name: &str| recorded[name].as_str().unwrap();
    let bundle = || TrustedKeys::from_bundle(text("bundle").as_bytes()).unwrap();

    assert_eq!(shown_to(bundle(), text("by_kid")).unwrap().subject, "joe");
    assert_eq!(shown_to(bundle(), text("by_chain")).unwrap().subject, "joe");
}
