//! From the files of a repository to its overview.

use std::collections::BTreeSet;

use bytes::Bytes;
use time::OffsetDateTime;

use super::{
    contents::{Overview, RoleOverview, SignerCertificate, SignerOverview, TagOverview},
    inspection::Inspection,
    problem::{Problem, ProblemKind, Severity},
    salvage::Salvage,
    survey::{Standing, Survey, SurveyedFile, delegations},
};
use crate::{
    client::{FileRequest, WalkError, follow},
    encoding::json,
    files::{File, Strictness},
    gun::Gun,
    key::PublicKey,
    metadata::{Body, Listing, Root},
    role::Role,
    rules::{effort::Effort, threshold::Verifier},
    wire::MetadataFormat,
};

/// How many paths of a role are told.
const MOST_PATHS: usize = 100;

/// The fewest bytes of text for each target: without this bound, a file of tiny entries would take
/// many times its own size. A name, a length and a checksum take more.
const SHORTEST_TARGET: usize = 32;

/// What operators see of the repository `gun`, told at `now`.
///
/// `files` is asked as in [`walk`](crate::walk). If clients cannot follow the repository, it is
/// also asked for the newest file of a role, where nothing readable says which one is current.
///
/// It takes the time and the memory of a walk, and for the tags a few times the size of their
/// files.
pub fn overview(
    format: MetadataFormat,
    gun: &Gun,
    files: &dyn Fn(&Role, FileRequest) -> Option<Bytes>,
    now: OffsetDateTime,
) -> Overview {
    match follow(format, gun, files, now, Effort::unlimited_and_spare()) {
        Ok(followed) => {
            let walked = followed.outcome(now);
            let problems = Inspection::today(&walked, now).find_all();
            compose(Survey::follow(&followed), problems)
        }
        Err(error) => {
            let salvage = Salvage {
                format,
                gun,
                files,
                now,
                is_root_refused: matches!(
                    error,
                    WalkError::Refused {
                        role: Role::Root,
                        ..
                    }
                ),
            };
            let problem = Problem::new(Severity::Broken, ProblemKind::Unfollowable(error));
            compose(salvage.survey(), vec![problem])
        }
    }
}

fn compose(survey: Survey, problems: Vec<Problem>) -> Overview {
    let mut overview = Overview {
        signers: list_signers(&survey),
        problems,
        ..Overview::default()
    };
    for found in survey.files {
        overview.list_tags(&found);
        overview.roles.push(describe(found));
    }
    overview
}

fn describe(found: SurveyedFile) -> RoleOverview {
    let SurveyedFile { file, verifier, .. } = found;
    let mut paths = found.paths.into_inner();
    paths.truncate(MOST_PATHS);
    paths.shrink_to_fit();
    RoleOverview {
        role: file.role().clone(),
        version: file.version(),
        expires: file.expires(),
        sha256: file.checksums().sha256,
        bytes: file.checksums().length,
        threshold: u32::try_from(verifier.threshold.max(1)).unwrap_or(u32::MAX),
        keys: list_keys(&verifier).map(|key| key.id().clone()).collect(),
        signed_by: found.signers,
        paths,
        is_skipped: found.standing == Standing::Skipped,
        is_believed: found.standing == Standing::Believed,
    }
}

/// The keys of a role; those under ids that are not their own can never count.
fn list_keys(verifier: &Verifier) -> impl Iterator<Item = &PublicKey> {
    let listed = verifier.keys.iter();
    listed.filter_map(|(id, key)| (key.id() == id).then_some(key))
}

/// Who may sign, as the files say that are believed.
fn list_signers(survey: &Survey) -> Vec<SignerOverview> {
    let believed = survey.files.iter();
    let believed = believed.filter(|found| found.standing == Standing::Believed);
    let mut signers = Vec::new();
    let mut roles = BTreeSet::new();
    for found in believed {
        if let Some(root) = read_root(&found.file) {
            for role in [Role::Root, Role::Timestamp, Role::Snapshot, Role::Targets] {
                add_signers(&mut signers, &role, &root.verifier(&role));
            }
        }
        let Some(delegations) = delegations(&found.file) else {
            continue;
        };
        for delegation in &delegations.roles {
            let role = found.file.format().role(&delegation.name);
            let role = role.ok().filter(|role| matches!(role, Role::Delegation(_)));
            if let Some(role) = role.filter(|role| roles.insert(role.clone())) {
                let keys = &delegation.role_keys;
                let verifier = Verifier::of(keys, role.as_str(), &delegations.keys);
                add_signers(&mut signers, &role, &verifier);
            }
        }
    }
    signers
}

fn add_signers(signers: &mut Vec<SignerOverview>, role: &Role, verifier: &Verifier) {
    let keys = list_keys(verifier).filter(|key| key.is_usable());
    signers.extend(keys.map(|key| SignerOverview {
        role: role.clone(),
        key: key.id().clone(),
        algorithm: key.key_type().clone(),
        certificate: key.certificate().map(|certificate| {
            SignerCertificate {
                common_name: certificate.shared_common_name(),
                expires: OffsetDateTime::from_unix_timestamp(certificate.validity()[1])
                    .unwrap_or(OffsetDateTime::UNIX_EPOCH),
            }
        }),
    }));
}

fn read_root(file: &File) -> Option<&Root> {
    match file.check(Strictness::Lenient).ok()?.body() {
        Ok(Body::Root(root)) => Some(root),
        _ => None,
    }
}

impl Overview {
    /// Adds the targets of a file that is believed, if it is one of the targets tree.
    fn list_tags(&mut self, found: &SurveyedFile) {
        let (file, role) = (&found.file, found.file.role());
        if found.standing != Standing::Believed || !role.is_in_targets_tree() {
            return;
        }
        let text = json::to_text(file.bytes());
        let most = text.len() / SHORTEST_TARGET;
        let spelling = file.format().spelling();
        let (mut count, mut outside, mut example) = (0, 0, None);
        spelling.each_target(&text, &mut |listing| {
            if let Listing::Target { name, .. } = listing {
                if found.paths.cover(name) {
                    count += 1;
                } else {
                    outside += 1;
                    example.get_or_insert_with(|| name.to_owned());
                }
            }
        });
        // Counted before, so that the list takes no more memory than it needs.
        let begin = self.tags.len();
        self.tags.reserve_exact(count.min(most));
        spelling.each_target(&text, &mut |listing| {
            if let Listing::Target {
                name,
                digest,
                length,
            } = listing
                && self.tags.len() - begin < most
                && found.paths.cover(name)
            {
                self.tags.push(TagOverview {
                    role: role.clone(),
                    name: name.to_owned(),
                    digest,
                    length,
                });
            }
        });
        self.tags[begin..].sort_unstable_by(|one, other| one.name.cmp(&other.name));
        if let Some(example) = example {
            let kind = ProblemKind::OutsidePaths {
                role: role.clone(),
                count: outside,
                example,
            };
            self.problems.push(Problem::new(Severity::Warning, kind));
        }
        if count > most {
            let kind = ProblemKind::Crowded {
                role: role.clone(),
                left_out: count - most,
            };
            self.problems.push(Problem::new(Severity::Warning, kind));
        }
    }
}
