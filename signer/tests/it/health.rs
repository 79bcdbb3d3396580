//! Health tells the truth.

use proto::{KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH};
use tonic::Code;
use tonic_health::{
    ServingStatus,
    pb::{HealthCheckRequest, health_client::HealthClient},
};

use crate::support::{TestSigner, environment, recorded_environment};

async fn status(signer: &TestSigner, name: &str) -> Result<i32, Code> {
    let request = HealthCheckRequest {
        service: name.to_owned(),
    };
    let answer = HealthClient::new(signer.router.clone())
        .check(request)
        .await;
    answer
        .map(|answer| answer.into_inner().status)
        .map_err(|status| status.code())
}

async fn assert_all(signer: &TestSigner, expected: ServingStatus) {
    let expected = match expected {
        ServingStatus::Serving => 1,
        ServingStatus::NotServing => 2,
        ServingStatus::Unknown => 0,
    };
    for name in ["", KEY_MANAGEMENT_HEALTH, SIGNER_HEALTH] {
        assert_eq!(status(signer, name).await, Ok(expected), "{name}");
    }
}

#[tokio::test]
async fn the_names_that_notarys_server_asks_for_are_known_and_others_are_not() {
    let signer = TestSigner::start().await;
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
    assert!(signer.health.failing().is_empty());
    for name in ["proto.Signer", "grpc.health.v1.Health.Overall"] {
        assert_eq!(status(&signer, name).await, Err(Code::NotFound), "{name}");
    }
}

#[tokio::test]
async fn while_the_database_is_away_nothing_is_served_and_afterwards_all_is() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.forget(&id);
    signer
        .execute("ALTER TABLE private_keys RENAME TO away")
        .await;
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::NotServing).await;
    assert!(signer.health.failing().contains_key("DB operational"));

    let statuses = [
        signer
            .create("ecdsa", "b", "timestamp")
            .await
            .map(|_| ())
            .unwrap_err(),
        signer.describe(&id).await.map(|_| ()).unwrap_err(),
        signer.sign(&id, b"x").await.map(|_| ()).unwrap_err(),
        signer.delete(&id).await.unwrap_err(),
    ];
    for status in statuses {
        assert_eq!(status.code(), Code::Unavailable, "{status}");
        assert_eq!(status.message(), "the key database is not available");
    }

    signer
        .execute("ALTER TABLE away RENAME TO private_keys")
        .await;
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
    signer.sign(&id, b"x").await.unwrap();
}

#[tokio::test]
async fn keys_in_memory_that_have_signed_before_go_on_signing_without_the_database() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.sign(&id, b"x").await.unwrap();
    signer
        .execute("ALTER TABLE private_keys RENAME TO away")
        .await;
    signer.sign(&id, b"x").await.unwrap();
}

#[tokio::test]
async fn the_first_signature_of_a_key_needs_the_database() {
    let signer = TestSigner::start().await;
    let id = signer.create_id("a").await;
    signer.describe(&id).await.unwrap();
    signer
        .execute("ALTER TABLE private_keys RENAME TO away")
        .await;
    assert_eq!(
        signer.sign(&id, b"x").await.unwrap_err().code(),
        Code::Unavailable
    );
    signer
        .execute("ALTER TABLE away RENAME TO private_keys")
        .await;
    assert_eq!(signer.create_id("a").await, id, "still pending");
}

#[tokio::test]
async fn an_alias_that_is_not_that_of_new_keys_stops_nobody_else_by_having_no_passphrase() {
    let signer = TestSigner::recorded().await;
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
    let mut environment = recorded_environment();
    environment.retain(|(name, _)| name != "NOTARY_SIGNER_TIMESTAMP_2");
    let signer = signer.restarted(environment).await;
    signer::open::check_keys(&signer.keys).await.unwrap();
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
    let report = signer.keys.check().await.unwrap();
    assert!(
        report.faults.is_empty() && report.keys.is_empty(),
        "{report:?}"
    );
    let problem = report.warnings[0].to_string();
    assert!(
        problem.contains("alias timestamp_2: set NOTARY_SIGNER_TIMESTAMP_2"),
        "{problem}"
    );
}

#[tokio::test]
async fn the_alias_of_new_keys_without_its_passphrase_is_a_failing_check() {
    let signer = TestSigner::recorded().await;
    let mut environment = recorded_environment();
    environment.retain(|(name, _)| name != "NOTARY_SIGNER_TIMESTAMP_1");
    let signer = signer.restarted(environment).await;
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::NotServing).await;
    signer
        .execute("ALTER TABLE private_keys RENAME TO away")
        .await;
    signer.health.check(&signer.keys).await;
    assert_eq!(
        signer.health.failing().len(),
        2,
        "the passphrase is still missing"
    );
    let problem = &signer.health.failing()["Passphrases"];
    assert!(
        problem.contains("alias timestamp_1: set NOTARY_SIGNER_TIMESTAMP_1"),
        "{problem}"
    );
}

#[tokio::test]
async fn a_start_with_a_wrong_passphrase_is_refused_naming_alias_and_variable_only() {
    let signer = TestSigner::start().await;
    signer.create_id("a").await;
    signer::open::check_keys(&signer.keys).await.unwrap();
    let wrong = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "not-the-one")]);
    let signer = signer.restarted(wrong).await;
    let error = signer::open::check_keys(&signer.keys)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("timestamp_1") && error.contains("NOTARY_SIGNER_TIMESTAMP_1"),
        "{error}"
    );
    assert!(!error.contains("not-the-one"), "{error}");
}

#[tokio::test]
async fn a_start_without_the_passphrase_of_new_keys_is_refused_and_of_old_ones_is_not() {
    let signer = TestSigner::with(Vec::new()).await;
    let error = signer::open::check_keys(&signer.keys)
        .await
        .unwrap_err()
        .to_string();
    assert!(error.contains("set NOTARY_SIGNER_TIMESTAMP_1"), "{error}");

    let signer = TestSigner::recorded().await;
    let only = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "throwaway-pass-1")]);
    let signer = signer.restarted(only).await;
    signer::open::check_keys(&signer.keys).await.unwrap();
}

#[tokio::test]
async fn one_damaged_row_is_not_taken_for_a_wrong_passphrase() {
    let signer = TestSigner::start().await;
    signer.create_id("a").await;
    signer.create_id("b").await;
    signer
        .execute("UPDATE private_keys SET private = 'garbage' WHERE gun = 'a'")
        .await;
    signer::open::check_keys(&signer.keys).await.unwrap();
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
}

#[tokio::test]
async fn keys_of_before_a_passphrase_was_changed_in_place_do_not_keep_the_signer_from_starting() {
    let signer = TestSigner::start().await;
    for gun in ["a", "b", "c", "d"] {
        signer.create_id(gun).await;
    }
    let changed = environment(&[("NOTARY_SIGNER_TIMESTAMP_1", "changed")]);
    let signer = signer.restarted(changed.clone()).await;
    signer::open::check_keys(&signer.keys).await.unwrap_err();
    // Notary 0.7 made new keys nevertheless; this one does so only where there are no others.
    signer
        .execute("UPDATE private_keys SET passphrase_alias = 'aside'")
        .await;
    let signer = signer.restarted(changed).await;
    let id = signer.create_id("e").await;
    signer
        .execute("UPDATE private_keys SET passphrase_alias = 'timestamp_1'")
        .await;
    signer::open::check_keys(&signer.keys).await.unwrap();
    let report = signer.keys.check().await.unwrap();
    assert_eq!(report.keys.len(), 1, "but it is told: {report:?}");
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::Serving).await;
    signer.sign(&id, b"x").await.unwrap();
}

#[tokio::test]
async fn a_database_file_that_was_removed_is_a_failing_check() {
    let signer = TestSigner::start().await;
    std::fs::remove_file(signer.file()).unwrap();
    signer.health.check(&signer.keys).await;
    assert_all(&signer, ServingStatus::NotServing).await;
    let problem = &signer.health.failing()["DB operational"];
    assert!(
        problem.contains("signer.db was moved or removed"),
        "{problem}"
    );
}
