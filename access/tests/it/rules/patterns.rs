//! Patterns of GUNs and roles.

use std::time::{Duration, Instant};

use access::{GunPattern, InvalidPattern, RolePattern};
use proptest::prelude::*;

fn matches(pattern: &str, gun: &str) -> bool {
    GunPattern::parse(pattern).unwrap().matches(gun)
}

fn gun_refused(pattern: &str) -> InvalidPattern {
    GunPattern::parse(pattern).unwrap_err()
}

fn role_matches(pattern: &str, role: &str) -> bool {
    RolePattern::parse(pattern).unwrap().matches(role)
}

#[test]
fn a_pattern_without_a_star_means_one_gun_byte_for_byte() {
    assert!(matches(
        "docker.io/library/alpine",
        "docker.io/library/alpine"
    ));
    for other in [
        "docker.io/library/alpin",
        "docker.io/library/alpine2",
        "docker.io/library/alpine/",
        "docker.io/library/Alpine",
        "docker.io.library/alpine",
        "x/docker.io/library/alpine",
        "",
    ] {
        assert!(!matches("docker.io/library/alpine", other), "{other}");
    }
}

#[test]
fn a_pattern_that_ends_in_a_slash_means_all_below() {
    assert!(matches("docker.io/library/", "docker.io/library/alpine"));
    assert!(matches("docker.io/library/", "docker.io/library/a/b"));
    assert!(!matches("docker.io/library/", "docker.io/library"));
    assert!(!matches("docker.io/library/", "docker.io/library2/alpine"));
    assert!(!matches("docker.io/library/", "x/docker.io/library/alpine"));
}

#[test]
fn one_star_stays_within_a_segment() {
    assert!(matches("r.io/team/*", "r.io/team/app"));
    assert!(matches("r.io/team-*/app", "r.io/team-a/app"));
    assert!(matches("r.io/team-*/app", "r.io/team-/app"));
    assert!(!matches("r.io/team/*", "r.io/team/app/extra"));
    assert!(!matches("r.io/*/app", "r.io/a/b/app"));
}

#[test]
fn two_stars_cross_segments() {
    assert!(matches("r.io/**/app", "r.io/a/b/app"));
    assert!(matches("r.io/**", "r.io/a/b/c"));
    assert!(!matches("r.io/**/app", "r.io/app"));
    assert!(!matches("r.io/**/app", "r.io/a/b/app2"));
}

#[test]
fn a_prefix_may_hold_stars() {
    assert!(matches("r.io/team-*/", "r.io/team-a/app"));
    assert!(matches("r.io/team-*/", "r.io/team-a/app/extra"));
    assert!(!matches("r.io/team-*/", "r.io/other/app"));
    assert!(!matches("r.io/team-*/", "r.io/team-a"));
}

#[test]
fn stars_alone_mean_everything_and_nothing_else_does() {
    for everything in ["*", "**"] {
        let pattern = GunPattern::parse(everything).unwrap();
        assert!(pattern.is_everything());
        assert!(pattern.matches("a/b\n/c"));
    }
    for something in ["a", "a/", "*/", "**/", "*/*", "**/**", "*a", "**a", "a**"] {
        let pattern = GunPattern::parse(something).unwrap();
        assert!(!pattern.is_everything(), "{something}");
    }
}

#[test]
fn other_wildcards_stand_for_themselves() {
    assert!(matches("a?[b]{c,d}\\*", "a?[b]{c,d}\\x"));
    assert!(!matches("a?", "ab"));
    assert!(!matches("[ab]", "a"));
}

#[test]
fn a_pattern_that_no_gun_could_match_is_refused() {
    let text = |text: &str| text.to_owned();
    assert_eq!(gun_refused(""), InvalidPattern::Empty);
    assert_eq!(gun_refused("/a"), InvalidPattern::LeadingSlash(text("/a")));
    assert_eq!(gun_refused("/"), InvalidPattern::LeadingSlash(text("/")));
    assert_eq!(
        gun_refused("a//b"),
        InvalidPattern::EmptySegment(text("a//b"))
    );
    assert_eq!(
        gun_refused("a//"),
        InvalidPattern::EmptySegment(text("a//"))
    );
    assert_eq!(gun_refused("a b"), InvalidPattern::Character(text("a b")));
    assert_eq!(gun_refused("a\n"), InvalidPattern::Character(text("a\n")));
    assert_eq!(
        gun_refused("a\u{a0}b"),
        InvalidPattern::Character(text("a\u{a0}b"))
    );
    assert_eq!(gun_refused("a/\0"), InvalidPattern::Character(text("a/\0")));
    assert_eq!(gun_refused("a***"), InvalidPattern::Stars(text("a***")));
}

#[test]
fn a_host_without_a_repository_is_refused_with_the_prefix_to_write() {
    for host in [
        "registry.example.com",
        "localhost",
        "localhost:5000",
        "[::1]:5000",
    ] {
        let error = gun_refused(host);
        assert_eq!(error, InvalidPattern::HostAlone(host.to_owned()));
        let error = error.to_string();
        assert!(error.contains(&format!("write {host}/ for all")), "{error}");
    }
    for accepted in [
        "registry.example.com/",
        "registry.example.com/app",
        "*.example.com/",
    ] {
        GunPattern::parse(accepted).unwrap();
    }
    // The notary CLI takes any name; one without a dot is taken for a repository.
    assert!(matches("app", "app"));
}

#[test]
fn roles_are_matched_like_guns() {
    assert!(role_matches("targets", "targets"));
    assert!(!role_matches("targets", "targets/releases"));
    assert!(role_matches("targets/releases", "targets/releases"));
    assert!(role_matches("targets/*", "targets/releases"));
    assert!(!role_matches("targets/*", "targets"));
    assert!(!role_matches("targets/*", "targets/a/b"));
    assert!(role_matches("targets/", "targets/a/b"));
    assert!(role_matches("*", "targets/a/b"));
    assert!(role_matches("**", "targets"));
}

#[test]
fn a_role_that_is_never_pushed_is_refused() {
    let too_long = format!("targets/{}", "a".repeat(248));
    for role in [
        "root",
        "snapshot",
        "timestamp",
        "target",
        "targetsx",
        "targets*",
        "t*",
        "releases",
        "targets/Releases",
        "targets/a.b",
        "targets/é",
        &too_long,
    ] {
        let refused = RolePattern::parse(role).unwrap_err();
        assert_eq!(refused, InvalidPattern::NotTargets(role.to_owned()));
    }
    assert!(RolePattern::parse("targets//a").is_err());
    assert!(RolePattern::parse("").is_err());
}

#[test]
fn fifty_stars_against_a_long_name_cost_no_more_than_their_product() {
    let started = Instant::now();
    for star in ["*", "**"] {
        let pattern = format!("{}b", format!("{star}a").repeat(50));
        assert!(!matches(&pattern, &"a".repeat(10_000)));
    }
    // Trying one way after the other would take longer than the age of the universe.
    assert!(started.elapsed() < Duration::from_secs(20));
}

/// What a pattern means, as slow and plain as can be.
fn reference(pattern: &[u8], name: &[u8]) -> bool {
    match pattern {
        [] => name.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=name.len()).any(|taken| reference(rest, &name[taken..])),
        [b'*', rest @ ..] => (0..=name.len())
            .take_while(|taken| !name[..*taken].contains(&b'/'))
            .any(|taken| reference(rest, &name[taken..])),
        [byte, rest @ ..] => name.first() == Some(byte) && reference(rest, &name[1..]),
    }
}

fn reference_of_text(pattern: &str, name: &str) -> bool {
    if pattern == "*" {
        true
    } else if pattern.ends_with('/') {
        reference(format!("{pattern}**").as_bytes(), name.as_bytes())
    } else {
        reference(pattern.as_bytes(), name.as_bytes())
    }
}

proptest! {
    #[test]
    fn patterns_mean_what_the_plain_reference_says(
        pattern in "[ab/*é]{1,8}", name in "[ab/é]{0,10}",
    ) {
        if let Ok(parsed) = GunPattern::parse(&pattern) {
            prop_assert_eq!(parsed.matches(&name), reference_of_text(&pattern, &name));
        }
    }

    #[test]
    fn a_prefix_matches_what_begins_with_it(prefix in "[a-c]{1,3}(/[a-c]{1,3}){0,2}/", name in "[a-c/]{0,12}") {
        prop_assert_eq!(matches(&prefix, &name), name.starts_with(&prefix));
        let below = format!("{prefix}{name}");
        prop_assert!(matches(&prefix, &below));
    }

    #[test]
    fn what_holds_no_star_is_compared_exactly(exact in "[a-c]{1,3}(/[a-c]{1,3}){0,2}", name in "[a-c/]{0,12}") {
        prop_assert_eq!(matches(&exact, &name), name == exact);
        prop_assert!(matches(&exact, &exact));
    }

    #[test]
    fn no_text_makes_a_pattern_panic(text in any::<String>(), name in any::<String>()) {
        if let Ok(pattern) = GunPattern::parse(&text) {
            prop_assert_eq!(pattern.to_string(), text.as_str());
            let _ = pattern.matches(&name);
        }
        if let Ok(pattern) = RolePattern::parse(&text) {
            prop_assert_eq!(pattern.to_string(), text.as_str());
            let _ = pattern.matches(&name);
        }
    }
}
