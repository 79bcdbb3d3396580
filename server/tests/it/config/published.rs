//! Nothing is open by accident: where the host lets others in, that no caller has to authenticate
//! has to be written.

use proptest::prelude::*;
use serde_json::{Value, json};
use server::config::Config;

use super::{MINIMAL, read};

const VARIABLE: &str = "NOTARY_SERVER_SERVER_PUBLISHED_ADDRESSES";

fn published(addresses: &str, more: &[(&str, &str)]) -> Result<Config, String> {
    let mut variables = vec![(VARIABLE, addresses)];
    variables.extend_from_slice(more);
    read(MINIMAL, &variables)
}

#[test]
fn without_authentication_a_server_that_others_reach_does_not_start() {
    for (addresses, named) in [
        ("192.0.2.7", "192.0.2.7"),
        ("0.0.0.0", "0.0.0.0"),
        ("::", "::"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("127.0.0.1,10.0.0.1", "10.0.0.1"),
        (" ,, 127.0.0.1 ,10.0.0.1,", "10.0.0.1"),
        ("127.0.0.1 10.0.0.1", "10.0.0.1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
    ] {
        let error = published(addresses, &[]).unwrap_err();
        for words in [
            VARIABLE,
            &format!("server.published_addresses: {named} is reachable"),
            "could publish for everybody",
            "NOTARY_AUTH_FILE (or NOTARY_AUTH)",
            "\"htpasswd\" or \"token\"",
            "NOTARY_SERVER_AUTH_TYPE=none",
        ] {
            assert!(error.contains(words), "{addresses}: {error}");
        }
    }
}

#[test]
fn without_authentication_a_server_that_its_own_host_alone_reaches_starts() {
    for addresses in [
        "",
        " , ,",
        "127.0.0.1",
        "127.1.2.3,::1",
        "[::1] , 127.0.0.1",
        "::ffff:127.0.0.1",
    ] {
        published(addresses, &[]).expect(addresses);
    }
}

#[test]
fn a_server_that_others_reach_starts_if_it_asks_who_they_are_or_is_told_in_so_many_words_not_to() {
    for more in [
        ("NOTARY_AUTH", "YWRtaW46c2VjcmV0"),
        ("NOTARY_SERVER_AUTH_TYPE", "none"),
    ] {
        published("192.0.2.7", &[more]).unwrap();
    }
    let mut file: Value = serde_json::from_str(MINIMAL).unwrap();
    file["server"]["published_addresses"] = json!(["127.0.0.1", "192.0.2.7"]);
    let error = read(&file.to_string(), &[]).unwrap_err();
    assert!(error.contains("192.0.2.7 is reachable"), "{error}");
    file["auth"] = json!({"type": "none"});
    read(&file.to_string(), &[]).unwrap();
    file["auth"] = json!({"type": "htpasswd", "htpasswd_file": "users"});
    read(&file.to_string(), &[]).unwrap();
}

#[test]
fn variables_without_content_are_no_authentication() {
    let empty = [
        ("NOTARY_SERVER_AUTH_TYPE", ""),
        ("NOTARY_AUTH", ""),
        ("NOTARY_AUTH_FILE", ""),
        ("NOTARY_AUTH_COMMAND", ""),
        ("NOTARY_SERVER_AUTH_HTPASSWD_FILE", ""),
        ("NOTARY_SERVER_AUTH_RULES_FILE", ""),
    ];
    let error = published("192.0.2.7", &empty).unwrap_err();
    assert!(error.contains("192.0.2.7 is reachable"), "{error}");
    // And they take nothing away that the file says.
    let mut file: Value = serde_json::from_str(MINIMAL).unwrap();
    file["auth"] = json!({"type": "htpasswd", "htpasswd_file": "users"});
    let mut variables = empty.to_vec();
    variables.push((VARIABLE, "192.0.2.7"));
    let config = read(&file.to_string(), &variables).unwrap();
    assert!(config.authentication.takes_passwords());
    variables[0].1 = "none";
    assert!(read(&file.to_string(), &variables).is_err());
}

#[test]
fn what_is_no_address_stops_the_start_whoever_is_asked() {
    for addresses in [
        "localhost",
        "127.0.0.1,example.com",
        "192.0.2.7:4443",
        "192.0.2.0/24",
        "[127.0.0.1]",
        "[::1",
        "0",
        "127.1",
    ] {
        let error = published(addresses, &[("NOTARY_SERVER_AUTH_TYPE", "none")]).unwrap_err();
        assert!(
            error.contains("server.published_addresses") && error.contains("is none"),
            "{addresses}: {error}"
        );
    }
    for value in [json!([1]), json!({"a": "b"}), json!(true), json!([["::1"]])] {
        let mut file: Value = serde_json::from_str(MINIMAL).unwrap();
        file["server"]["published_addresses"] = value;
        let error = read(&file.to_string(), &[]).unwrap_err();
        assert!(error.contains("server.published_addresses"), "{error}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn of_any_addresses_one_that_is_not_loopback_is_enough(
        addresses in prop::collection::vec((any::<std::net::IpAddr>(), "[ ,]{1,3}"), 0..4),
        loopback in "127\\.0\\.0\\.[1-9]",
    ) {
        let mut text = loopback;
        for (address, blank) in &addresses {
            text.push_str(blank);
            text.push_str(&address.to_string());
        }
        let is_open = addresses.iter().any(|(address, _)| !address.to_canonical().is_loopback());
        prop_assert_eq!(published(&text, &[]).is_err(), is_open, "{}", text);
    }

    #[test]
    fn no_list_of_addresses_is_too_strange_to_be_looked_at(text in "[^\\x00]*") {
        let _ = published(&text, &[]);
    }
}
