//! Environment variables that are called as settings are, and are none.

use authn::settings::SchemeSettings;
use serde_json::json;

use super::{MINIMAL, read, with};

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_was_meant() {
    let env = [
        ("NOTARY_SERVER_SERVER_TLS_CERT_FLE", "server.crt"),
        ("NOTARY_SERVER_STORAGE_TYPE", "mysql"),
        ("NOTARY_SERVER_STORAGE_OPTIONS", "whatever"),
        ("NOTARY_SERVER_EMPTY", ""),
        ("NOTARY_SERVERS", "not ours"),
    ];
    let config = read(MINIMAL, &env).unwrap();
    let of_variables: Vec<_> = config
        .warnings
        .iter()
        .filter(|warning| warning.starts_with("environment variable"))
        .collect();
    assert_eq!(
        of_variables,
        [
            "environment variable NOTARY_SERVER_SERVER_TLS_CERT_FLE: there is no such setting; it has no effect; did you mean NOTARY_SERVER_SERVER_TLS_CERT_FILE?",
            "environment variable NOTARY_SERVER_STORAGE_OPTIONS: there is no such setting; it has no effect; write NOTARY_SERVER_STORAGE_DB_URL",
            "environment variable NOTARY_SERVER_STORAGE_TYPE: there is no such setting; it has no effect; write NOTARY_SERVER_STORAGE_BACKEND",
        ]
    );
}

#[test]
fn a_misspelt_variable_about_authentication_stops_the_start() {
    for (name, meant) in [
        ("NOTARY_SERVER_AUTH_TYP", "NOTARY_SERVER_AUTH_TYPE"),
        ("NOTARY_SERVER_ATUH_TYPE", "NOTARY_SERVER_AUTH_TYPE"),
        ("NOTARY_AUTH_FLE", "NOTARY_AUTH_FILE"),
        (
            "NOTARY_SERVER_AUTH_ISSUER",
            "NOTARY_SERVER_AUTH_OPTIONS_ISSUER",
        ),
    ] {
        let error = read(MINIMAL, &[(name, "htpasswd")]).unwrap_err();
        assert!(
            error.starts_with(&format!(
                "environment variable {name}: there is no such setting"
            )) && error.contains(meant),
            "{error}"
        );
    }
    let error = read(MINIMAL, &[("NOTARY_SERVER_AUTH_OPTIONS", "{}")]).unwrap_err();
    assert!(error.contains("NOTARY_SERVER_AUTH_OPTIONS_"), "{error}");
}

#[test]
fn variables_that_kubernetes_makes_for_a_service_of_our_name_are_no_settings() {
    let env = [
        ("NOTARY_SERVER_SERVICE_HOST", "10.0.0.1"),
        ("NOTARY_SERVER_SERVICE_PORT", "4443"),
        ("NOTARY_SERVER_PORT", "tcp://10.0.0.1:4443"),
        ("NOTARY_SERVER_PORT_4443_TCP_ADDR", "10.0.0.1"),
        ("NOTARY_AUTH_SERVICE_HOST", "10.0.0.2"),
    ];
    let config = read(MINIMAL, &env).unwrap();
    assert!(
        !config
            .warnings
            .iter()
            .any(|warning| warning.contains("no such setting")),
        "{:?}",
        config.warnings
    );
}

#[test]
fn the_options_of_tokens_are_set_by_variables_too() {
    let env = [
        ("NOTARY_SERVER_AUTH_TYPE", "token"),
        ("NOTARY_SERVER_AUTH_OPTIONS_REALM", "https://auth/token"),
        ("NOTARY_SERVER_AUTH_OPTIONS_SERVICE", "notary"),
        ("NOTARY_SERVER_AUTH_OPTIONS_ISSUER", "issuer"),
        ("NOTARY_SERVER_AUTH_OPTIONS_ROOTCERTBUNDLE", "ca.pem"),
        ("NOTARY_SERVER_AUTH_OPTIONS_AUTOREDIRECT", "true"),
    ];
    let config = read(MINIMAL, &env).unwrap();
    let SchemeSettings::OutsideTokens(tokens) = &config.authentication.scheme else {
        panic!("{config:?}")
    };
    assert_eq!(tokens.realm, "https://auth/token");
    assert_eq!(tokens.service, "notary");
    assert_eq!(tokens.issuers[0].name, "issuer");
    assert!(tokens.autoredirect);

    let options =
        json!({"realm": "https://old", "issuer": "i", "service": "s", "rootcertbundle": "b"});
    let config = read(&with("auth", "options", options), &env[..2]).unwrap();
    let SchemeSettings::OutsideTokens(tokens) = &config.authentication.scheme else {
        panic!("{config:?}")
    };
    assert_eq!(tokens.realm, "https://auth/token", "over the file");
    assert_eq!(tokens.issuers[0].name, "i", "beside the file");

    // Without a type they have no effect, and an operator would only set them to have some.
    read(MINIMAL, &env[1..2]).unwrap_err();
}

#[test]
fn names_of_old_samples_are_told_what_to_write() {
    let text = MINIMAL.replace("trust_service", "trust-service");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.json");
    std::fs::write(&file, text).unwrap();
    let settings = server::config::load(&file, []).unwrap();
    let warnings = settings.warnings();
    assert!(
        warnings[0].ends_with("did you mean \"trust_service\"?"),
        "{warnings:?}"
    );

    let missing = server::config::Config::read(&settings)
        .unwrap_err()
        .to_string();
    assert!(
        missing.contains("trust_service.type is missing")
            && missing.contains(r#", but "trust-service" is there: write "trust_service""#),
        "{missing}"
    );

    let error = read(&with("auth", "issuer", json!("i")), &[]).unwrap_err();
    assert!(
        error.ends_with("did you mean \"auth.options.issuer\"?"),
        "{error}"
    );

    let url = json!("server:password@tcp(mysql:3306)/notaryserver");
    let mut sample: serde_json::Value = serde_json::from_str(MINIMAL).unwrap();
    sample["storage"] = json!({"backend": "mariadb", "db_url": url});
    read(&sample.to_string(), &[]).unwrap();
}
