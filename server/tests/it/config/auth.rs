//! The `auth` section and what goes with it: nothing in it ever falls back to no authentication.

use std::fs;

use authn::settings::{IssuerSettings, JwksSettings, SchemeSettings};
use proptest::prelude::*;
use serde_json::{Value, json};
use server::config::Config;

use super::{MINIMAL, read};

/// `base64("admin:secret")`.
const ADMIN: (&str, &str) = ("NOTARY_AUTH", "YWRtaW46c2VjcmV0");

#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) reads better without &"
)]
fn auth(section: Value, env: &[(&str, &str)]) -> Result<Config, String> {
    with(json!({"auth": section}), env)
}

/// The smallest file with more members in its sections.
#[expect(
    clippy::needless_pass_by_value,
    reason = "json!(…) reads better without &"
)]
fn with(sections: Value, env: &[(&str, &str)]) -> Result<Config, String> {
    let mut json: Value = serde_json::from_str(MINIMAL).unwrap();
    for (name, section) in sections.as_object().unwrap() {
        for (key, value) in section.as_object().unwrap() {
            json[name][key] = value.clone();
        }
    }
    read(&json.to_string(), env)
}

fn warns(config: &Config, of: &str) -> bool {
    config.warnings.iter().any(|warning| warning.contains(of))
}

#[test]
fn no_authentication_is_never_what_a_typo_means() {
    for (kind, meant) in [
        ("tokne", "\"token\""),
        ("TOKEN", "\"token\""),
        ("htpaswd", "\"htpasswd\""),
        ("Basic", "\"basic\""),
        (
            "off",
            "accepted: \"htpasswd\" (or \"basic\"), \"token\" or \"none\"",
        ),
    ] {
        let error = auth(json!({"type": kind}), &[]).unwrap_err();
        assert!(
            error.contains("auth.type") && error.contains(meant),
            "{error}"
        );
    }
}

#[test]
fn what_is_unknown_in_the_auth_section_stops_the_start() {
    for (sections, named, meant) in [
        (
            json!({"auth": {"type": "none", "rule_file": "r.yaml"}}),
            "auth.rule_file",
            Some("\"auth.rules_file\""),
        ),
        (
            json!({"auth": {"typ": "htpasswd"}}),
            "auth.typ",
            Some("\"auth.type\""),
        ),
        (
            json!({"auth": {"type": "none", "something": {"else": 1}}}),
            "auth.something",
            None,
        ),
        (
            json!({"auht": {"type": "htpasswd"}}),
            "auht",
            Some("\"auth\""),
        ),
        (
            json!({"auth": {"type": "token", "options": {"realm": "r", "service": "s", "issuer": "i",
                "rootcertbundle": "b", "isuers": []}}}),
            "\"isuers\"",
            Some("\"issuers\""),
        ),
    ] {
        let error = with(sections, &[]).unwrap_err();
        assert!(error.contains(named), "{error}");
        let asks = error.contains("did you mean");
        assert_eq!(asks, meant.is_some(), "{error}");
        assert!(meant.is_none_or(|meant| error.contains(meant)), "{error}");
    }
    let elsewhere = with(json!({"logging": {"levle": "info"}}), &[]).unwrap();
    assert!(warns(&elsewhere, "logging.levle"));
}

#[test]
fn no_authentication_is_a_warning_and_a_longer_one_if_nobody_asked_for_it() {
    let config = auth(json!({"type": "none"}), &[]).unwrap();
    assert!(matches!(
        config.authentication.scheme,
        SchemeSettings::None { is_written: true }
    ));
    assert!(warns(&config, "authentication is off"));
    let config = read(MINIMAL, &[]).unwrap();
    assert!(matches!(
        config.authentication.scheme,
        SchemeSettings::None { is_written: false }
    ));
    assert!(warns(
        &config,
        "anybody who reaches this server may publish"
    ));
    assert!(warns(&config, "write auth.type \"none\""));
}

#[test]
fn an_administrator_in_the_environment_is_enough_to_ask_for_passwords() {
    let config = read(MINIMAL, &[ADMIN]).unwrap();
    let SchemeSettings::Passwords(passwords) = &config.authentication.scheme else {
        panic!("{config:?}")
    };
    assert_eq!(passwords.administrator.as_ref().unwrap().user, "admin");
    assert!(passwords.file.is_none());
    let service = passwords.token_service.as_ref().unwrap();
    assert!(service.folder.is_none(), "{service:?}");
    assert!(!format!("{config:?}").contains("secret\""), "{config:?}");
}

#[test]
fn an_administrator_may_stand_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("administrator");
    fs::write(&file, "YWRtaW46c2VjcmV0\n").unwrap();
    let file = file.to_str().unwrap();
    let config = read(MINIMAL, &[("NOTARY_AUTH_FILE", file)]).unwrap();
    assert!(config.authentication.takes_passwords());
    let error = read(MINIMAL, &[ADMIN, ("NOTARY_AUTH_FILE", file)]).unwrap_err();
    assert!(error.contains("set one of the two"), "{error}");
    let error = read(MINIMAL, &[("NOTARY_AUTH_FILE", "/does/not/exist")]).unwrap_err();
    assert!(
        error.contains("NOTARY_AUTH_FILE") && error.contains("/does/not/exist"),
        "{error}"
    );
}

/// Checks that an `auth` section stops the start, with an error that names `key` and says `why`.
#[track_caller]
fn assert_refused(case: &str, section: Value, env: &[(&str, &str)], key: &str, why: &str) {
    let error = auth(section, env).expect_err(case);
    assert!(
        error.contains(key) && error.contains(why),
        "{case}: {error}"
    );
    assert!(!error.contains("nonsense"), "{case}: {error}");
}

#[test]
fn passwords_need_a_place_where_they_are() {
    let (key, why) = ("auth.htpasswd_file", "no user could log in");
    assert_refused("htpasswd", json!({"type": "htpasswd"}), &[], key, why);
    assert_refused("basic", json!({"type": "basic"}), &[], key, why);
    let nonsense = ("NOTARY_AUTH", "nonsense");
    assert_refused(
        "an administrator that cannot be decoded",
        json!({}),
        &[nonsense],
        "auth.administrator",
        "NOTARY_AUTH",
    );
}

#[test]
fn a_setting_that_needs_authentication_is_refused_without_it() {
    assert_refused(
        "an administrator",
        json!({"type": "none"}),
        &[ADMIN],
        "auth.administrator",
        "auth.type is \"none\"",
    );
    assert_refused(
        "rules where authentication is off",
        json!({"type": "none", "rules_file": "r"}),
        &[],
        "auth.rules_file",
        "no effect",
    );
    let why = "auth.type is not set";
    let rules = json!({"rules_file": "r"});
    assert_refused("rules", rules, &[], "auth.rules_file", why);
    let users = json!({"htpasswd_file": "h"});
    assert_refused("users", users, &[], "auth.htpasswd_file", why);
    let options = json!({"options": {"realm": "r"}});
    assert_refused("options of tokens", options, &[], "auth.options", why);
    let service = json!({"token_service": true});
    assert_refused("a token service", service, &[], "auth.token_service", why);
}

#[test]
fn a_setting_of_another_type_of_authentication_is_refused() {
    let token = json!({"realm": "r", "issuer": "i", "service": "s", "rootcertbundle": "b"});
    let why = "not with \"token\"";
    assert_refused(
        "users beside outside tokens",
        json!({"type": "token", "options": token, "htpasswd_file": "h"}),
        &[],
        "auth.htpasswd_file",
        why,
    );
    assert_refused(
        "a token service beside outside tokens",
        json!({"type": "token", "options": token, "token_service": true}),
        &[],
        "auth.token_service",
        why,
    );
    assert_refused(
        "options of tokens beside users",
        json!({"type": "htpasswd", "htpasswd_file": "h", "options": token}),
        &[],
        "auth.options",
        "\"token\" alone",
    );
}

#[test]
fn a_setting_that_rests_on_another_is_refused_without_it() {
    let with_users = |more: Value| {
        let mut section = json!({"type": "htpasswd", "htpasswd_file": "h"});
        let section_members = section.as_object_mut().unwrap();
        section_members.extend(more.as_object().unwrap().clone());
        section
    };
    assert_refused(
        "client certificates without a CA",
        with_users(json!({"client_certificates": true})),
        &[],
        "auth.client_certificates",
        "server.client_ca_file",
    );
    assert_refused(
        "a folder for a token service that is off",
        with_users(json!({"token_service": false, "token_folder": "t"})),
        &[],
        "auth.token_folder",
        "while auth.token_service is false",
    );
    assert_refused(
        "registries without keys that outlive a restart",
        with_users(json!({"token_registries": {"r": "r.example.com/"}})),
        &[],
        "auth.token_registries",
        "needs auth.token_folder",
    );
}

#[test]
fn who_asks_for_passwords_gives_tokens_unless_told_not_to() {
    let service = |section: Value, env: &[(&str, &str)]| {
        let config = auth(section, env).unwrap();
        match config.authentication.scheme {
            SchemeSettings::Passwords(passwords) => passwords.token_service,
            other => panic!("{other:?}"),
        }
    };
    for (section, env) in [
        (json!({}), &[ADMIN][..]),
        (json!({"type": "basic"}), &[ADMIN]),
        (json!({"type": "htpasswd", "htpasswd_file": "h"}), &[]),
    ] {
        assert!(service(section.clone(), env).is_some(), "{section}");
        let mut plain = section;
        plain["token_service"] = json!(false);
        let env = [env, &[ADMIN]].concat();
        assert!(service(plain.clone(), &env).is_none(), "{plain}");
    }
}

#[test]
fn the_token_service_has_defaults_and_bounds() {
    let section = |more: Value| {
        let mut section = json!({"type": "basic", "token_folder": "keys"});
        section
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        auth(section, &[ADMIN])
    };
    let config = section(json!({"token_registries": {"My Registry": "r.example.com/"}})).unwrap();
    let SchemeSettings::Passwords(passwords) = config.authentication.scheme else {
        panic!()
    };
    let service = passwords.token_service.unwrap();
    assert_eq!(service.issuer, "notary-server");
    assert_eq!(service.audience, "notary-server");
    assert_eq!(service.lifetime.as_secs(), 300);
    let folder = service.folder.unwrap();
    assert!(folder.is_absolute() && folder.ends_with("keys"));
    assert_eq!(service.registries["My Registry"], "r.example.com/");
    for (more, expected) in [
        (json!({"token_seconds": 59}), "between 60 and 3600"),
        (json!({"token_seconds": 3601}), "between 60 and 3600"),
        (json!({"token_registries": {"r": "r"}}), "ends in a slash"),
        (json!({"token_registries": {"r": "/"}}), "ends in a slash"),
        (
            json!({"token_registries": {"r": "a/../"}}),
            "ends in a slash",
        ),
        (json!({"token_registries": {"r": 1}}), "ends in a slash"),
    ] {
        let error = section(more).unwrap_err();
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn notarys_token_options_are_understood_and_refused_in_its_words() {
    let all = json!({"Realm": "https://auth/token", "issuer": "i", "service": "s",
        "rootCertBundle": "ca.pem", "autoredirect": true, "other": 1});
    let config = auth(json!({"type": "token", "options": all}), &[ADMIN]).unwrap();
    let SchemeSettings::OutsideTokens(outside) = &config.authentication.scheme else {
        panic!("{config:?}")
    };
    assert_eq!(outside.realm, "https://auth/token");
    assert!(outside.autoredirect);
    assert_eq!(
        outside.issuers[0].bundle.as_deref(),
        Some("ca.pem".as_ref())
    );
    assert_eq!(outside.issuers[0].audience, "s");
    assert!(warns(&config, "NOTARY_AUTH has no effect"));
    assert!(warns(&config, "auth.options.other"));

    let error = auth(json!({"type": "token"}), &[]).unwrap_err();
    assert!(
        error.contains("needs a section with realm, service, issuer"),
        "{error}"
    );
    let mut options = json!({});
    for name in ["realm", "issuer", "service", "rootcertbundle"] {
        for wrong in [Value::Null, json!(""), json!(7)] {
            options[name] = wrong;
            let error = auth(json!({"type": "token", "options": options}), &[]).unwrap_err();
            let expected = format!("token auth requires a valid option string: {name:?}");
            assert!(error.contains(&expected), "{error}");
        }
        options[name] = json!("x");
    }
    options["autoredirect"] = json!("true");
    let error = auth(json!({"type": "token", "options": options}), &[]).unwrap_err();
    assert!(
        error.contains("token auth requires a valid option bool: autoredirect"),
        "{error}"
    );
}

#[test]
fn several_issuers_may_stand_beside_or_instead_of_the_one() {
    let issuers = json!([
        {"Issuer": "a", "rootcertbundle": "a.pem"},
        {"issuer": "b", "service": "t", "jwks": "https://b.example.com/keys", "jwks_ca_file": "ca.pem"},
        {"issuer": "c", "jwks": "c.json", "rootcertbundle": "c.pem"}]);
    let read = |more: Value, rules: bool| {
        let mut options = json!({"realm": "r", "service": "s", "issuers": issuers});
        options
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        let rules = rules.then_some("rules.yaml");
        auth(
            json!({"type": "token", "options": options, "rules_file": rules}),
            &[],
        )
    };
    let issuers_of = |config: Config| match config.authentication.scheme {
        SchemeSettings::OutsideTokens(outside) => outside.issuers,
        other => panic!("{other:?}"),
    };
    let found = issuers_of(read(json!({}), true).unwrap());
    let names: Vec<_> = found
        .iter()
        .map(|issuer| (&*issuer.name, &*issuer.audience))
        .collect();
    assert_eq!(names, [("a", "s"), ("b", "t"), ("c", "s")]);
    assert!(matches!(
        &found[1].jwks,
        Some(JwksSettings::Url { ca: Some(_), .. })
    ));
    assert!(matches!(&found[2].jwks, Some(JwksSettings::File(_))));
    let open_id: Vec<_> = found.iter().map(IssuerSettings::is_open_id).collect();
    assert_eq!(open_id, [false, true, false]);
    let one = json!({"issuer": "z", "rootcertbundle": "z.pem"});
    assert_eq!(issuers_of(read(one, true).unwrap())[0].name, "z");

    let refuse = |case: &str, more: Value, why: &str| {
        let error = read(more, true).expect_err(case);
        assert!(error.contains(why), "{case}: {error}");
        assert!(!error.contains("hunter2"), "{case}: {error}");
    };
    let error = read(json!({}), false).unwrap_err();
    assert!(
        error.contains("name a file of rules in auth.rules_file"),
        "{error}"
    );
    let one = json!({"rootcertbundle": "z.pem"});
    refuse("keys without an issuer", one, "option string: \"issuer\"");
    let twice = json!({"issuer": "a", "rootcertbundle": "z.pem"});
    refuse("an issuer twice", twice, "\"a\" is there twice");
    refuse("a number", json!({"issuers": [7]}), "list of sections");
    refuse("a section", json!({"issuers": {}}), "list of sections");

    let issuer = |members: Value| {
        let mut issuer = json!({"issuer": "a"});
        let issuer_members = issuer.as_object_mut().unwrap();
        issuer_members.extend(members.as_object().unwrap().clone());
        json!({"issuers": [issuer]})
    };
    let why = "option string: \"rootcertbundle\"";
    refuse("an issuer without keys", issuer(json!({})), why);
    refuse("a typo", issuer(json!({"jwk": "x"})), "jwk is unknown");
    for address in [
        "http://idp.example.com/",
        "file:///etc/passwd",
        "https://u:hunter2@b/",
    ] {
        refuse(address, issuer(json!({"jwks": address})), "https://");
    }
    let needless = issuer(json!({"jwks": "f", "jwks_ca_file": "x"}));
    refuse("a CA for a file", needless, "jwks_ca_file");
    let local = json!({"issuers": [{"issuer": "a", "jwks": "http://127.0.0.1:8080/keys"}]});
    assert!(read(local, true).is_ok());
}

#[test]
fn passwords_over_plain_http_are_a_warning_unless_a_proxy_is_known_of() {
    const CLEAR: &str = "passwords cross the network unencrypted";
    assert!(warns(&read(MINIMAL, &[ADMIN]).unwrap(), CLEAR));
    assert!(!warns(&read(MINIMAL, &[]).unwrap(), CLEAR));
    for server in [
        json!({"public_url": "https://notary.example.com"}),
        json!({"trusted_proxies": ["10.0.0.0/8"]}),
        json!({"tls_cert_file": "a", "tls_key_file": "b"}),
    ] {
        let config = with(json!({"server": server}), &[ADMIN]).unwrap();
        assert!(!warns(&config, CLEAR), "{server}");
    }
}

#[test]
fn what_stands_in_front_of_the_server_is_parsed() {
    let server = json!({"public_url": "https://Notary.Example.com:4443/",
        "trusted_proxies": ["10.0.0.7", "fd00::/8"], "monitoring_addr": ":9090",
        "key_requests_per_minute": 0});
    let config = with(json!({"server": server}), &[]).unwrap();
    assert_eq!(
        config.public_url.as_deref(),
        Some("https://notary.example.com:4443")
    );
    assert_eq!(config.trusted_proxies.len(), 2);
    assert!(config.trusted_proxies[0].contains(&"10.0.0.7".parse::<std::net::IpAddr>().unwrap()));
    assert_eq!(config.key_requests_per_minute, 0);
    assert_eq!(read(MINIMAL, &[]).unwrap().key_requests_per_minute, 600);
    for (key, value) in [
        ("public_url", json!("http://notary.example.com")),
        ("public_url", json!("https://notary.example.com/notary")),
        ("public_url", json!("https://u:p@notary.example.com")),
        ("public_url", json!("notary.example.com")),
        ("trusted_proxies", json!(["proxy.example.com"])),
        ("trusted_proxies", json!(["10.0.0.0/33"])),
        ("monitoring_addr", json!("localhost")),
        ("key_requests_per_minute", json!(-1)),
        ("client_ca_optional", json!(true)),
    ] {
        let error = with(json!({"server": {key: value}}), &[]).unwrap_err();
        assert!(error.contains(&format!("server.{key}")), "{error}");
    }
}

/// Values of every shape, with the names that mean something among their members.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        "[a-z/:.]{0,12}".prop_map(Value::from),
        Just(json!("https://[::1")),
    ];
    let name = prop_oneof![
        Just("realm"),
        Just("issuer"),
        Just("service"),
        Just("rootcertbundle"),
        Just("autoredirect"),
        Just("jwks"),
        Just("jwks_ca_file"),
        Just("issuers"),
        Just("x"),
    ];
    leaf.prop_recursive(4, 32, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(str::to_owned), inner, 0..6)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn whatever_the_options_are_they_are_refused_or_name_an_issuer_with_keys(options in any_json()) {
        let section = json!({"type": "token", "options": options, "rules_file": "r"});
        if let Ok(config) = auth(section, &[]) {
            let SchemeSettings::OutsideTokens(outside) = config.authentication.scheme else {
                panic!("it was to be tokens")
            };
            prop_assert!(!outside.issuers.is_empty());
            for issuer in outside.issuers {
                prop_assert!(!issuer.name.is_empty() && !issuer.audience.is_empty());
                prop_assert!(issuer.bundle.is_some() || issuer.jwks.is_some());
            }
        }
    }
}
