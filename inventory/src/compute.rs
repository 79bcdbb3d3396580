//! From the files of one repository to what is kept of it.

use std::{collections::HashSet, sync::Arc};

use time::OffsetDateTime;
use trust::{
    clients,
    memory::SnapshotLine,
    store::{Head, StoreError, TrustStore},
};
use tuf::{Gun, Overview, Role, RoleOverview, Severity};

use crate::{
    Detail, Entry, Health, NextExpiry, Owner, ProblemDetail, RoleDetail, Row, Signer, Tag,
};

/// The widest names of roles, key ids and algorithms that the tables have room for. Files that are
/// stored on a server have no wider ones; what is only named in them may.
const WIDEST_ROLE: usize = 1020;
const WIDEST_KEY_ID: usize = 64;
const WIDEST_ALGORITHM: usize = 32;

/// What is to be kept of `gun`, whose newest timestamp is `head`.
pub(crate) async fn compute(
    store: &Arc<dyn TrustStore>,
    line: &SnapshotLine,
    gun: &Gun,
    head: &Head,
    now: OffsetDateTime,
) -> Result<Entry, StoreError> {
    let timestamp = store
        .by_checksum(gun, &Role::Timestamp, &head.sha256)
        .await?;
    let published_at = timestamp.map_or(OffsetDateTime::UNIX_EPOCH, |file| file.created_at);
    let format = head.format;
    let overview = clients::look(Arc::clone(store), line, gun, move |gun, files| {
        tuf::overview(format, gun, files, now)
    });
    Ok(entry(gun, head, published_at, &overview.await?, now))
}

fn entry(
    gun: &Gun,
    head: &Head,
    published_at: OffsetDateTime,
    overview: &Overview,
    now: OffsetDateTime,
) -> Entry {
    let tags = tags(overview);
    let signers = signers(overview);
    let row = Row {
        gun: gun.as_str().to_owned(),
        version: head.version,
        sha256: head.sha256.to_vec(),
        format: head.format.name().to_owned(),
        published_at,
        computed_at: now,
        next: next(overview),
        health: overview.severity().map_or(Health::Whole, health),
        tags: tags.len() as u64,
        signers: signers.len() as u64,
        bytes: overview.roles.iter().map(|role| role.bytes).sum(),
        detail: detail(overview),
    };
    Entry {
        row,
        stale_at: stale_at(overview, now),
        tags,
        signers,
    }
}

fn health(severity: Severity) -> Health {
    match severity {
        Severity::Warning => Health::Warning,
        Severity::Broken => Health::Broken,
    }
}

/// What expires first of all that people may have to renew.
fn next(overview: &Overview) -> Option<NextExpiry> {
    let roles = overview
        .roles
        .iter()
        .filter(|role| !role.is_skipped && Owner::of(role.role.as_str()) != Owner::Server);
    roles
        .map(|role| NextExpiry {
            expires: role.expires.unwrap_or(OffsetDateTime::UNIX_EPOCH),
            role: role.role.as_str().to_owned(),
        })
        .min_by(|one, other| one.expires.cmp(&other.expires))
}

/// When something expires next, which changes what is wrong although nothing is published.
fn stale_at(overview: &Overview, now: OffsetDateTime) -> i64 {
    let roles = overview.roles.iter().filter_map(|role| role.expires);
    let certificates = overview
        .signers
        .iter()
        .filter_map(|signer| signer.certificate.as_ref())
        .map(|certificate| certificate.expires);
    let next = roles.chain(certificates).filter(|end| *end >= now).min();
    next.map_or(i64::MAX, |end| end.unix_timestamp().saturating_add(1))
}

fn tags(overview: &Overview) -> Vec<Tag> {
    let mut known = HashSet::new();
    overview
        .tags
        .iter()
        .filter(|tag| tag.role.as_str().len() <= WIDEST_ROLE)
        .filter(|tag| known.insert((tag.role.as_str(), tag.name.as_str())))
        .map(|tag| Tag {
            role: tag.role.as_str().to_owned(),
            name: tag.name.clone(),
            digest: tag.digest.to_string(),
            length: tag.length,
        })
        .collect()
}

fn signers(overview: &Overview) -> Vec<Signer> {
    let mut known = HashSet::new();
    overview
        .signers
        .iter()
        .filter(|signer| {
            signer.role.as_str().len() <= WIDEST_ROLE
                && signer.key.as_str().len() <= WIDEST_KEY_ID
                && signer.algorithm.as_str().len() <= WIDEST_ALGORITHM
        })
        .filter(|signer| known.insert((signer.role.as_str(), signer.key.as_str())))
        .map(|signer| Signer {
            role: signer.role.as_str().to_owned(),
            key_id: signer.key.as_str().to_owned(),
            algorithm: signer.algorithm.as_str().to_owned(),
            certificate: signer
                .certificate
                .as_ref()
                .map(|certificate| certificate.common_name.to_string()),
            expires: signer
                .certificate
                .as_ref()
                .map(|certificate| certificate.expires),
        })
        .collect()
}

fn detail(overview: &Overview) -> Detail {
    let problems = overview.problems.iter().map(|problem| ProblemDetail {
        health: health(problem.severity),
        role: Some(problem.role.as_str().to_owned()),
        text: problem.to_string(),
        cure: problem.cure(),
    });
    let mut known = HashSet::new();
    let roles = overview.roles.iter();
    let roles = roles.filter(|role| role.role.as_str().len() <= WIDEST_ROLE);
    Detail {
        roles: roles
            .filter(|role| known.insert(role.role.as_str()))
            .map(role_detail)
            .collect(),
        problems: problems.collect(),
    }
}

fn role_detail(role: &RoleOverview) -> RoleDetail {
    let ids = |keys: &[tuf::KeyId]| keys.iter().map(|key| key.as_str().to_owned()).collect();
    RoleDetail {
        role: role.role.as_str().to_owned(),
        version: role.version,
        expires: role.expires.map(OffsetDateTime::unix_timestamp),
        sha256: hex::encode(role.sha256),
        bytes: role.bytes,
        threshold: role.threshold,
        keys: ids(&role.keys),
        signed_by: ids(&role.signed_by),
        paths: role.paths.clone(),
        is_skipped: role.is_skipped,
        is_believed: role.is_believed,
    }
}
