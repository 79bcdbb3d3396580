//! One repository, as clients would meet it.

use fixtures::{Key, Publisher, clock};
use rcgen::ExtendedKeyUsagePurpose::ServerAuth;
use server::doctor::{Check, Report, Verdict, examine_repository};
use time::{Duration, OffsetDateTime};

use super::{
    only_wrong,
    stage::{Leaf, Stage, keep, key_of, publish, store},
    told,
};

const GUN: &str = "example.com/app";

/// A healthy stage with a repository whose timestamp and snapshot keys the signer holds.
async fn staged() -> (Stage, Publisher) {
    let mut stage = Stage::healthy().await;
    let mut publisher = publish(&store(&stage).await, GUN, clock()).await;
    stage.keys = ["timestamp", "snapshot"]
        .map(|role| key_of(&mut publisher, role))
        .to_vec();
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
    (stage, publisher)
}

async fn next(stage: &Stage, publisher: &mut Publisher, roles: &[&str]) {
    let mut parts = publisher.next(roles);
    parts.extend(publisher.as_server());
    keep(&store(stage).await, GUN, parts, clock()).await;
}

async fn examined(stage: &Stage) -> Report {
    examined_at(stage, None, clock()).await
}

async fn examined_at(stage: &Stage, behind: Option<u32>, now: OffsetDateTime) -> Report {
    examine_repository(&stage.config(), GUN, behind, now).await
}

#[track_caller]
fn has(report: &Report, verdict: Verdict, check: Check, text: &str) {
    let found = told(report, verdict);
    assert!(
        found
            .iter()
            .any(|(about, sentence, _)| *about == check && sentence.contains(text)),
        "no {verdict:?} {text:?} in\n{report}"
    );
}

#[tokio::test]
async fn a_root_whose_threshold_one_public_key_meets_is_named() {
    let (stage, mut publisher) = staged().await;
    let (from, to) = (clock() - Duration::DAY, clock() + Duration::days(900));
    let [one, two] = Key::certified_twice(GUN, from, to);
    publisher.name_keys("root", &[one.public(), two.public()], 2);
    publisher.root.signers.extend([one, two]);
    next(&stage, &mut publisher, &["root"]).await;
    let report = examined(&stage).await;
    has(
        &report,
        Verdict::Warning,
        Check::Repository,
        "root version 2: the threshold of root is 2, but the keys listed for it hold only 1 distinct public keys",
    );
}

#[tokio::test]
async fn a_repository_that_is_well_is_told_so_to_the_version_and_no_key_is_made() {
    let (stage, _) = staged().await;
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    assert_eq!(told(&report, Verdict::Warning), [], "{report}");
    has(
        &report,
        Verdict::Ok,
        Check::Repository,
        "the trust data of example.com/app is whole: root 1, timestamp 1, snapshot 1 and targets 1",
    );
    has(
        &report,
        Verdict::Ok,
        Check::Signer,
        "holds the timestamp key",
    );
    has(
        &report,
        Verdict::Ok,
        Check::Signer,
        "holds the snapshot key",
    );
    has(&report, Verdict::Ok, Check::Clients, "a fresh client takes");
    assert_eq!(stage.keys_made(), 0);
}

#[tokio::test]
async fn a_repository_that_is_unknown_or_not_served_is_told() {
    let mut stage = Stage::healthy().await;
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Repository);
    assert_eq!(sentence, "example.com/app has no trust data here");

    stage.set("repositories", "gun_prefixes", vec!["docker.io/"]);
    let report = examined(&stage).await;
    has(
        &report,
        Verdict::Wrong,
        Check::Repository,
        "example.com/app is not served: repositories.gun_prefixes allows only docker.io/",
    );
}

#[tokio::test]
async fn without_a_database_nothing_is_well() {
    let mut stage = Stage::healthy().await;
    stage.set("storage", "db_url", "/nowhere/server.db");
    let (check, sentence, _) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Repository);
    assert_eq!(
        sentence,
        "the trust data of example.com/app cannot be looked at"
    );
}

#[tokio::test]
async fn a_signer_that_is_away_is_told_and_does_not_hide_the_rest() {
    let (mut stage, _) = staged().await;
    stage.set("trust_service", "hostname", "no-such-host.invalid");
    let report = examined(&stage).await;
    let (check, ..) = only_wrong(&report);
    assert_eq!(check, Check::Signer);
    has(&report, Verdict::Ok, Check::Clients, "a fresh client takes");
}

#[tokio::test]
async fn a_row_that_is_gone_stops_all_clients_and_is_named() {
    let (stage, _) = staged().await;
    let pool = database::connect_sqlite(stage.path("server.db").to_str().unwrap())
        .await
        .unwrap();
    sqlx::query("DELETE FROM tuf_files WHERE role = 'targets'")
        .execute(&pool)
        .await
        .unwrap();
    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Repository);
    assert!(
        sentence.starts_with("no client can follow example.com/app: version with checksum ")
            && sentence.ends_with(" of targets is missing"),
        "{sentence}"
    );
    assert!(cure.contains("backup"), "{cure}");
}

#[tokio::test]
async fn what_expires_within_a_month_is_a_warning_and_what_has_expired_is_wrong() {
    let (stage, mut publisher) = staged().await;
    publisher.expire("targets", clock() + Duration::days(20));
    publisher.expire("root", clock() + Duration::days(25));
    next(&stage, &mut publisher, &["root", "targets"]).await;
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    let warning = Verdict::Warning;
    has(
        &report,
        warning,
        Check::Repository,
        "targets version 2 expires in 20 days (2026-12-12)",
    );
    has(
        &report,
        warning,
        Check::Repository,
        "root version 2 expires in 25 days (2026-12-17)",
    );

    let later = clock() + Duration::days(22);
    let report = examined_at(&stage, None, later).await;
    let (check, sentence, cure) = only_wrong(&report);
    assert_eq!(check, Check::Repository);
    assert_eq!(sentence, "targets version 2 has expired (2026-12-12)");
    assert!(cure.contains("notary witness NAME targets"), "{cure}");
}

#[tokio::test]
async fn a_timestamp_that_should_have_been_renewed_is_told() {
    let (stage, mut publisher) = staged().await;
    publisher.expire("timestamp", clock() + Duration::days(14));
    next(&stage, &mut publisher, &["targets"]).await;
    assert_eq!(
        told(&examined(&stage).await, Verdict::Warning),
        [],
        "two weeks are what a timestamp has"
    );

    let report = examined_at(&stage, None, clock() + Duration::days(12)).await;
    has(
        &report,
        Verdict::Warning,
        Check::Repository,
        "the timestamp expires in 2 days, and a running server would have renewed it",
    );
}

#[tokio::test]
async fn a_timestamp_key_that_the_signer_lost_is_wrong_and_a_snapshot_key_may_be_the_publishers() {
    let (mut stage, _) = staged().await;
    stage.keys.clear();
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
    let report = examined(&stage).await;
    let (check, sentence, _) = only_wrong(&report);
    assert_eq!(check, Check::Signer);
    assert!(
        sentence.starts_with("the signer does not hold the timestamp key that root names"),
        "{sentence}"
    );
    has(
        &report,
        Verdict::Ok,
        Check::Signer,
        "the snapshot key is its publisher's",
    );
}

#[tokio::test]
async fn keys_that_were_made_for_another_repository_are_told_and_those_of_unknown_origin_are_not() {
    let (mut stage, _) = staged().await;
    assert!(!examined(&stage).await.to_string().contains("is shared"));

    "example.com/other".clone_into(&mut stage.made_for);
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    for role in ["timestamp", "snapshot"] {
        has(
            &report,
            Verdict::Warning,
            Check::Signer,
            &format!("the {role} key "),
        );
    }
    let text = report.to_string();
    assert!(text.contains("made it for example.com/other"), "{text}");
    let cure = "rotate it: `notary key rotate example.com/app timestamp -r`";
    assert!(text.contains(cure), "{text}");

    GUN.clone_into(&mut stage.made_for);
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;
    assert!(!examined(&stage).await.to_string().contains("is shared"));
}

#[tokio::test]
async fn a_delegation_that_clients_pass_over_is_a_warning() {
    let (stage, mut publisher) = staged().await;
    let keys = [Key::throw_away_ecdsa()];
    publisher.delegate("targets", "releases", &keys, &[""], 1);
    next(&stage, &mut publisher, &["targets", "targets/releases"]).await;
    assert!(examined(&stage).await.is_well());

    publisher.sign_with("targets/releases", Key::throw_away_ecdsa());
    next(&stage, &mut publisher, &["targets/releases"]).await;
    let report = examined(&stage).await;
    assert!(report.is_well(), "{report}");
    has(
        &report,
        Verdict::Warning,
        Check::Repository,
        "clients pass over targets/releases with all below it",
    );
}

#[tokio::test]
async fn newcomers_and_returning_clients_meet_different_roots() {
    let mut stage = Stage::healthy().await;
    let store = store(&stage).await;
    let mut publisher = Publisher::new(GUN);
    let short = Key::certified(GUN, clock() - Duration::DAY, clock() + Duration::days(20));
    publisher.name_keys("root", &[short.public()], 1);
    publisher.sign_with("root", short);
    let mut parts = publisher.first_publish();
    parts.extend(publisher.as_server());
    keep(&store, GUN, parts, clock()).await;
    stage.keys = vec![key_of(&mut publisher, "timestamp")];
    stage.start_signer(Leaf::for_use(&[ServerAuth]), None).await;

    has(
        &examined(&stage).await,
        Verdict::Warning,
        Check::Repository,
        "the certificate of a root key (example.com/app) expires on 2026-12-12",
    );
    let later = clock() + Duration::days(21);
    let (check, sentence, cure) = only_wrong(&examined_at(&stage, None, later).await);
    assert_eq!(check, Check::Clients);
    assert!(
        sentence.starts_with("a fresh client refuses root version 1: "),
        "{sentence}"
    );
    assert!(cure.contains("notary key rotate NAME root"), "{cure}");

    publisher.rotate_root();
    next(&stage, &mut publisher, &["root"]).await;
    let report = examined_at(&stage, None, later).await;
    has(&report, Verdict::Ok, Check::Clients, "a fresh client takes");
    has(
        &report,
        Verdict::Warning,
        Check::Clients,
        "a client whose root is version 1 cannot get to version 2",
    );
    let current = examined_at(&stage, Some(0), later).await;
    has(
        &current,
        Verdict::Ok,
        Check::Clients,
        "a client whose root is version 2 or later gets to version 2",
    );
    let unborn = examined_at(&stage, Some(2), later).await;
    has(
        &unborn,
        Verdict::Warning,
        Check::Clients,
        "version 0 of root is missing",
    );
}

/// A root as Notary stored it, with a role that makes docker crash.
#[tokio::test]
async fn a_file_that_clients_cannot_read_is_named_with_its_cure_whether_current_or_not() {
    let stage = Stage::healthy().await;
    let mut publisher = Publisher::new(GUN);
    publisher.root.signed["roles"]["x"] = serde_json::json!(null);
    let mut parts = publisher.first_publish();
    parts.extend(publisher.as_server());
    keep(&store(&stage).await, GUN, parts, clock()).await;
    let cause =
        "clients cannot read root version 1, or read it otherwise: signed.roles[\"x\"] at byte";

    let (check, sentence, cure) = only_wrong(&examined(&stage).await);
    assert_eq!(check, Check::Clients);
    assert!(sentence.contains(cause), "{sentence}");
    assert!(
        cure.contains("restore the repository from a backup"),
        "{cure}"
    );

    let roles = publisher.root.signed["roles"].as_object_mut();
    roles.unwrap().remove("x");
    next(&stage, &mut publisher, &["root"]).await;
    let (_, sentence, cure) = only_wrong(&examined(&stage).await);
    assert!(sentence.contains(cause), "{sentence}");
    assert!(cure.contains("only clients with an older one"), "{cure}");
}
