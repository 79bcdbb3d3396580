//! What is wrong with a file in the words of Notary 0.7, blanks and all: its clients show them, and
//! scripts match them. What only this server refuses, it says in words of its own.

use time::{OffsetDateTime, UtcOffset, Weekday};

use crate::{
    encoding::{
        base64::Base64Error,
        canonical::CanonicalError,
        json::{self, DecodeError, Misreading, Place, ReadingProblem, SyntaxError},
    },
    fault::{
        CertificateFault, DelegationFault, EnvelopeFault, Fault, MalformedJson, MetaFault,
        RootFault, SignatureFault, StructureFault, StructureProblem, UpdateFault,
    },
    role::Role,
};

/// The text for a fault.
pub(super) fn of(fault: &Fault) -> String {
    match fault {
        Fault::Envelope(fault) => of_envelope(fault),
        Fault::Structure(fault) => of_structure(fault),
        Fault::Signatures(fault) => of_signatures(fault),
        Fault::Root(fault) => of_root(fault),
        Fault::Delegation(fault) => of_delegation(fault),
        Fault::Meta(fault) => of_meta(fault),
        Fault::Update(fault) => of_update(fault),
        Fault::Reading { role, reason } => {
            format!(
                "{role} metadata cannot be published: {}",
                of_misreading(reason)
            )
        }
        Fault::Expired { role, expires } => format!("{role} expired at {}", date(*expires)),
        Fault::VersionOutOfReach { .. } | Fault::LastVersion(_) => fault.to_string(),
    }
}

fn of_envelope(fault: &EnvelopeFault) -> String {
    match fault {
        EnvelopeFault::Malformed(fault) => of_malformed(fault),
        EnvelopeFault::Trailing(fault) => of_syntax(*fault),
        EnvelopeFault::NotCanonical(fault) => of_canonical(fault),
        EnvelopeFault::Undecodable(fault) => of_decoding(fault),
        EnvelopeFault::UnexpectedMember(_) | EnvelopeFault::NothingSigned => fault.to_string(),
    }
}

fn of_malformed(fault: &MalformedJson) -> String {
    match fault {
        MalformedJson::Undecodable(fault) => of_decoding(fault),
        MalformedJson::Misreading(fault) => of_misreading(fault),
    }
}

fn of_structure(StructureFault { role, problem }: &StructureFault) -> String {
    let problem = match problem {
        StructureProblem::Empty => format!("{role} file contained an empty payload"),
        StructureProblem::OtherKind => "not a file of this role".to_owned(),
        StructureProblem::Type { expected, found } => {
            format!("expected type {expected}, not {found}")
        }
        StructureProblem::Version if *role == Role::Root => {
            "version cannot be less than 1".to_owned()
        }
        StructureProblem::Version => "version cannot be less than one".to_owned(),
        StructureProblem::MissingRole(role) => format!("missing {role} role specification"),
        // The blank at the end is Notary's.
        StructureProblem::Threshold { role, threshold } => {
            format!("invalid threshold specified for {role}: {threshold} ")
        }
        StructureProblem::MissingKey { role, id } => {
            format!("key ID {id} specified in {role} without corresponding key")
        }
        StructureProblem::DelegationName(name) => format!("delegation role {name} invalid"),
        StructureProblem::MissingChecksum(name) => {
            format!("missing {name} sha256 checksum information")
        }
        StructureProblem::ChecksumLength { name, algorithm } => {
            format!("invalid {name} checksum information, {algorithm} checksum invalid")
        }
    };
    format!("{role} type metadata invalid: {problem}")
}

fn of_signatures(fault: &SignatureFault) -> String {
    match fault {
        SignatureFault::Unsigned => "tuf: data has no signatures".to_owned(),
        SignatureFault::FalseKeyId(_) => "key ID is not valid for key content".to_owned(),
        SignatureFault::Threshold { threshold, .. } if *threshold < 1 => {
            "valid signatures did not meet threshold".to_owned()
        }
        SignatureFault::Threshold { role, .. } => {
            format!("valid signatures did not meet threshold for {role}")
        }
        SignatureFault::TooMuchWork => fault.to_string(),
    }
}

fn of_root(fault: &RootFault) -> String {
    let untrusted = |text: &str| format!("could not validate the path to a trusted root: {text}");
    match fault {
        RootFault::VersionSkipped { current, sent } => {
            format!("Root modifications must increment the version. Current {current}, new {sent}")
        }
        RootFault::NoCertificate { dates } => {
            let text = untrusted("unable to retrieve valid leaf certificates");
            match dates {
                Some(dates) => format!("{text}: {dates}"),
                None => text,
            }
        }
        RootFault::NoPreviousCertificate => {
            untrusted("could not retrieve trusted certs from previous root role data")
        }
        RootFault::NotSignedByPrevious => {
            "could not rotate trust to a new trusted root: failed to validate data with current \
             trusted certificates"
                .to_owned()
        }
        RootFault::NotSignedByItself => untrusted("failed to validate integrity of roots"),
        RootFault::SharedKeys(shared) => format!("root type metadata invalid: {shared}"),
        // The two blanks are Notary's.
        RootFault::NoTimestampKey => "no  timestamp keys exist on the server".to_owned(),
        RootFault::ForeignKey { role, gun, .. } => format!(
            "{fault}: ask for a key of this repository (`notary key rotate {gun} {role} -r`)"
        ),
        RootFault::Gone | RootFault::NotTheListed | RootFault::StoredAs(_) => fault.to_string(),
    }
}

fn of_delegation(fault: &DelegationFault) -> String {
    match fault {
        DelegationFault::NoTargets => "targets must be loaded first".to_owned(),
        DelegationFault::NotDelegated(role) => {
            format!("tuf: invalid role {role}. delegation does not exist")
        }
        DelegationFault::Certificate(fault) => of_certificate(fault),
    }
}

fn of_certificate(fault: &CertificateFault) -> String {
    match fault {
        CertificateFault::Validity => "certificate validity window is invalid".to_owned(),
        CertificateFault::Sha1 { common_name } => {
            format!("certificate with CN {common_name} uses invalid SHA1 signature algorithm")
        }
        CertificateFault::ShortRsaKey => "RSA bit length is too short".to_owned(),
    }
}

fn of_meta(fault: &MetaFault) -> String {
    match fault {
        MetaFault::NotListed(role) => {
            format!("no checksums for supported algorithms were provided for {role}")
        }
        MetaFault::Checksum {
            role,
            algorithm,
            expected,
        } => format!(
            "{algorithm} checksum for {role} did not match: expected {}",
            hex::encode(expected)
        ),
        MetaFault::Version { .. } | MetaFault::Length { .. } => fault.to_string(),
    }
}

fn of_update(fault: &UpdateFault) -> String {
    match fault {
        UpdateFault::NoRoot => "no pre-existing root and no root provided in update.".to_owned(),
        UpdateFault::NoTargets => "targets must be loaded first".to_owned(),
        UpdateFault::NoSnapshot => "no snapshot was included in update and server does not hold \
                                    current snapshot key for repository"
            .to_owned(),
        UpdateFault::OtherFormat { .. } | UpdateFault::TooManyFiles(_) => fault.to_string(),
    }
}

fn of_misreading(fault: &Misreading) -> String {
    match &fault.problem {
        ReadingProblem::Base64(problem) => format!(
            "{}{}{}",
            fault.place,
            json::at_byte(fault.at),
            of_base64(*problem)
        ),
        _ => fault.to_string(),
    }
}

pub(super) fn of_decoding(fault: &DecodeError) -> String {
    match fault {
        DecodeError::Syntax(fault) => of_syntax(*fault),
        DecodeError::Kind { found, expected } => {
            format!("json: cannot unmarshal {found} into Go value of type {expected}")
        }
        DecodeError::Integer(literal) => {
            format!("json: cannot unmarshal number {literal} into Go value of type int")
        }
        DecodeError::Time(text) => format!("parsing time {text:?}: not an RFC 3339 time"),
        DecodeError::Base64(fault) => of_base64(*fault),
    }
}

fn of_base64(Base64Error { at }: Base64Error) -> String {
    format!("illegal base64 data at input byte {at}")
}

fn of_canonical(fault: &CanonicalError) -> String {
    match fault {
        CanonicalError::Syntax(fault) => of_syntax(*fault),
        CanonicalError::NotAnObject { found } => {
            format!(
                "json: cannot unmarshal {found} into Go value of type map[string]interface {{}}"
            )
        }
        CanonicalError::TooLarge(literal) => {
            format!("json: cannot unmarshal number {literal} into Go value of type float64")
        }
        CanonicalError::Fraction(literal) => {
            let float: f64 = literal.parse().expect("the parser took it for a number");
            format!("json: unsupported value: {}", shortest(float))
        }
    }
}

fn of_syntax(fault: SyntaxError) -> String {
    match fault {
        SyntaxError::End => "unexpected end of JSON input".to_owned(),
        SyntaxError::Character { byte, place } => {
            format!("invalid character {} {}", quote(byte), of_place(place))
        }
        SyntaxError::TooDeep => "exceeded max depth".to_owned(),
        SyntaxError::TooManyValues => fault.to_string(),
    }
}

fn of_place(place: Place) -> String {
    let text = match place {
        Place::Value => "looking for beginning of value",
        Place::Name => "looking for beginning of object key string",
        Place::AfterName => "after object key",
        Place::AfterMember => "after object key:value pair",
        Place::AfterItem => "after array element",
        Place::AfterText => "after top-level value",
        Place::Literal { word, expected } => {
            return format!("in literal {word} (expecting {})", quote(expected));
        }
        Place::Number => "in numeric literal",
        Place::Fraction => "after decimal point in numeric literal",
        Place::Exponent => "in exponent of numeric literal",
        Place::String => "in string literal",
        Place::Escape => "in string escape code",
        Place::Unicode => "in \\u hexadecimal character escape",
    };
    text.to_owned()
}

/// A byte as Go's scanner quotes it: taken for a character of Latin-1.
fn quote(byte: u8) -> String {
    match byte {
        b'\'' => "'\\''".to_owned(),
        b'\\' => "'\\\\'".to_owned(),
        b'\n' => "'\\n'".to_owned(),
        b'\r' => "'\\r'".to_owned(),
        b'\t' => "'\\t'".to_owned(),
        7 => "'\\a'".to_owned(),
        8 => "'\\b'".to_owned(),
        11 => "'\\v'".to_owned(),
        12 => "'\\f'".to_owned(),
        0..=0x1f | 0x7f => format!("'\\x{byte:02x}'"),
        0x80..=0xa0 | 0xad => format!("'\\u00{byte:02x}'"),
        _ => format!("'{}'", char::from(byte)),
    }
}

/// A fraction in Go's shortest form (`%g`): with an exponent below 1e-4 and from 1e6 on.
fn shortest(float: f64) -> String {
    let scientific = format!("{float:e}");
    let (digits, exponent) = scientific
        .split_once('e')
        .expect("the format writes an exponent");
    let exponent: i32 = exponent.parse().expect("the format writes a number");
    if (-4..6).contains(&exponent) {
        return format!("{float}");
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{digits}e{sign}{:02}", exponent.abs())
}

/// Writes a time as Notary's messages do: `Thu Jan 2 03:04:05 UTC 2020`, in the zone that the file
/// names.
///
/// A missing expiry is Go's zero time.
fn date(at: Option<OffsetDateTime>) -> String {
    let Some(at) = at else {
        return "Mon Jan 1 00:00:00 UTC 0001".to_owned();
    };
    let (year, month, day) = at.to_calendar_date();
    let (hour, minute, second) = at.to_hms();
    let month = &month.to_string()[..3];
    format!(
        "{} {month} {day} {hour:02}:{minute:02}:{second:02} {} {year:04}",
        weekday(at.weekday()),
        zone(at.offset())
    )
}

fn weekday(day: Weekday) -> &'static str {
    ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"][usize::from(day.number_days_from_monday())]
}

fn zone(offset: UtcOffset) -> String {
    if offset.is_utc() {
        return "UTC".to_owned();
    }
    let (hours, minutes, _) = offset.as_hms();
    let sign = if offset.is_negative() { '-' } else { '+' };
    format!(
        "{sign}{:02}{:02}",
        hours.unsigned_abs(),
        minutes.unsigned_abs()
    )
}

#[cfg(test)]
mod tests {
    use time::macros::datetime;

    use super::*;
    use crate::{
        encoding::{canonical, date::parse},
        fault::{CertificateDates, SharedKey},
        gun::Gun,
        key::KeyId,
    };

    fn structure(role: Role, problem: StructureProblem) -> Fault {
        StructureFault { role, problem }.into()
    }

    fn threshold(threshold: i64) -> Fault {
        let role = "targets".to_owned();
        SignatureFault::Threshold {
            role,
            valid: 0,
            threshold,
        }
        .into()
    }

    #[track_caller]
    fn assert_words(table: Vec<(Fault, &str)>) {
        for (fault, words) in table {
            assert_eq!(of(&fault), words, "{fault:?}");
        }
    }

    #[test]
    fn envelope_faults_have_notarys_words() {
        let unexpected = SyntaxError::Character {
            byte: b'x',
            place: Place::AfterText,
        };
        assert_words(vec![
            (
                EnvelopeFault::Trailing(unexpected).into(),
                "invalid character 'x' after top-level value",
            ),
            (
                EnvelopeFault::NotCanonical(CanonicalError::Fraction("1.5".to_owned())).into(),
                "json: unsupported value: 1.5",
            ),
            (
                EnvelopeFault::Undecodable(DecodeError::Kind {
                    found: "number",
                    expected: "data.Files",
                })
                .into(),
                "json: cannot unmarshal number into Go value of type data.Files",
            ),
            (
                EnvelopeFault::Undecodable(DecodeError::Integer("1.5".to_owned())).into(),
                "json: cannot unmarshal number 1.5 into Go value of type int",
            ),
            (
                EnvelopeFault::Undecodable(DecodeError::Base64(Base64Error { at: 4 })).into(),
                "illegal base64 data at input byte 4",
            ),
        ]);
    }

    #[test]
    fn structure_faults_have_notarys_words() {
        assert_words(vec![
            (
                structure(Role::Targets, StructureProblem::Empty),
                "targets type metadata invalid: targets file contained an empty payload",
            ),
            (
                structure(
                    Role::Root,
                    StructureProblem::Type {
                        expected: "Root",
                        found: "root".to_owned(),
                    },
                ),
                "root type metadata invalid: expected type Root, not root",
            ),
            (
                structure(Role::Root, StructureProblem::Version),
                "root type metadata invalid: version cannot be less than 1",
            ),
            (
                structure(Role::Snapshot, StructureProblem::Version),
                "snapshot type metadata invalid: version cannot be less than one",
            ),
            (
                structure(Role::Root, StructureProblem::MissingRole(Role::Timestamp)),
                "root type metadata invalid: missing timestamp role specification",
            ),
            (
                structure(
                    Role::Targets,
                    StructureProblem::Threshold {
                        role: "targets/a".to_owned(),
                        threshold: 0,
                    },
                ),
                "targets type metadata invalid: invalid threshold specified for targets/a: 0 ",
            ),
            (
                structure(
                    Role::Root,
                    StructureProblem::MissingKey {
                        role: "timestamp".to_owned(),
                        id: KeyId::from("zz"),
                    },
                ),
                "root type metadata invalid: key ID zz specified in timestamp without \
                 corresponding key",
            ),
            (
                structure(
                    Role::Targets,
                    StructureProblem::DelegationName("targets/A".to_owned()),
                ),
                "targets type metadata invalid: delegation role targets/A invalid",
            ),
            (
                structure(Role::Snapshot, StructureProblem::MissingChecksum("root")),
                "snapshot type metadata invalid: missing root sha256 checksum information",
            ),
            (
                structure(
                    Role::Snapshot,
                    StructureProblem::ChecksumLength {
                        name: "root",
                        algorithm: "sha512",
                    },
                ),
                "snapshot type metadata invalid: invalid root checksum information, sha512 \
                 checksum invalid",
            ),
        ]);
    }

    #[test]
    fn signature_and_root_faults_have_notarys_words() {
        assert_words(vec![
            (
                SignatureFault::Unsigned.into(),
                "tuf: data has no signatures",
            ),
            (
                SignatureFault::FalseKeyId(KeyId::from("zz")).into(),
                "key ID is not valid for key content",
            ),
            (
                threshold(1),
                "valid signatures did not meet threshold for targets",
            ),
            (threshold(0), "valid signatures did not meet threshold"),
            (
                RootFault::VersionSkipped {
                    current: 1,
                    sent: 3,
                }
                .into(),
                "Root modifications must increment the version. Current 1, new 3",
            ),
            (
                RootFault::NoCertificate { dates: None }.into(),
                "could not validate the path to a trusted root: unable to retrieve valid leaf \
                 certificates",
            ),
            (
                RootFault::NoPreviousCertificate.into(),
                "could not validate the path to a trusted root: could not retrieve trusted certs \
                 from previous root role data",
            ),
            (
                RootFault::NotSignedByPrevious.into(),
                "could not rotate trust to a new trusted root: failed to validate data with \
                 current trusted certificates",
            ),
            (
                RootFault::NotSignedByItself.into(),
                "could not validate the path to a trusted root: failed to validate integrity of \
                 roots",
            ),
            (
                RootFault::NoTimestampKey.into(),
                "no  timestamp keys exist on the server",
            ),
        ]);
    }

    #[test]
    fn other_faults_have_notarys_words() {
        let delegation = Role::parse("targets/a").expect("a role");
        assert_words(vec![
            (
                DelegationFault::NoTargets.into(),
                "targets must be loaded first",
            ),
            (
                DelegationFault::NotDelegated(delegation.clone()).into(),
                "tuf: invalid role targets/a. delegation does not exist",
            ),
            (
                DelegationFault::Certificate(CertificateFault::Validity).into(),
                "certificate validity window is invalid",
            ),
            (
                DelegationFault::Certificate(CertificateFault::Sha1 {
                    common_name: "someone".to_owned(),
                })
                .into(),
                "certificate with CN someone uses invalid SHA1 signature algorithm",
            ),
            (
                DelegationFault::Certificate(CertificateFault::ShortRsaKey).into(),
                "RSA bit length is too short",
            ),
            (
                MetaFault::NotListed(delegation).into(),
                "no checksums for supported algorithms were provided for targets/a",
            ),
            (
                MetaFault::Checksum {
                    role: Role::Root,
                    algorithm: "sha512",
                    expected: vec![0, 255],
                }
                .into(),
                "sha512 checksum for root did not match: expected 00ff",
            ),
            (
                UpdateFault::NoRoot.into(),
                "no pre-existing root and no root provided in update.",
            ),
            (
                UpdateFault::NoTargets.into(),
                "targets must be loaded first",
            ),
            (
                UpdateFault::NoSnapshot.into(),
                "no snapshot was included in update and server does not hold current snapshot \
                 key for repository",
            ),
            (
                Fault::Expired {
                    role: Role::Targets,
                    expires: Some(datetime!(2020-01-02 03:04:05 UTC)),
                },
                "targets expired at Thu Jan 2 03:04:05 UTC 2020",
            ),
            (
                Fault::Expired {
                    role: Role::Targets,
                    expires: None,
                },
                "targets expired at Mon Jan 1 00:00:00 UTC 0001",
            ),
        ]);
    }

    #[test]
    fn refusals_of_our_own_have_our_words() {
        let gun = Gun::parse("example.com/app").expect("a GUN");
        assert_words(vec![
            (
                EnvelopeFault::UnexpectedMember("x".to_owned()).into(),
                "unexpected member \"x\" in the envelope",
            ),
            (
                EnvelopeFault::NothingSigned.into(),
                "there is nothing to sign: signed is null",
            ),
            (
                SignatureFault::TooMuchWork.into(),
                "verifying the signatures of this update takes more work than the server allows",
            ),
            (
                RootFault::NoCertificate {
                    dates: Some(Box::new(CertificateDates {
                        common_name: "example.com/app".to_owned(),
                        not_before: 0,
                        not_after: 1,
                        now: 2,
                    })),
                }
                .into(),
                "could not validate the path to a trusted root: unable to retrieve valid leaf \
                 certificates: the certificate example.com/app expired at 1970-01-01T00:00:01Z, \
                 and the clock of the server says 1970-01-01T00:00:02Z",
            ),
            (
                RootFault::SharedKeys(SharedKey {
                    role: Role::Targets,
                    public_keys: 1,
                    threshold: 2,
                })
                .into(),
                "root type metadata invalid: the threshold of targets is 2, but the keys listed \
                 for it hold only 1 distinct public keys",
            ),
            (
                RootFault::ForeignKey {
                    role: Role::Timestamp,
                    id: KeyId::from("zz"),
                    gun,
                }
                .into(),
                "the timestamp key zz is the server's and was not made for the timestamp of \
                 example.com/app: ask for a key of this repository (`notary key rotate \
                 example.com/app timestamp -r`)",
            ),
            (
                UpdateFault::TooManyFiles(3).into(),
                "the snapshot would list more than 3 files",
            ),
            (
                Fault::VersionOutOfReach {
                    version: 20_000,
                    current: 4,
                },
                "version 20000 is too far above the current version 4",
            ),
            (
                Fault::Reading {
                    role: Role::Targets,
                    reason: Box::new(Misreading {
                        place: "signed.delegations.roles[0]".to_owned(),
                        at: Some(63),
                        problem: ReadingProblem::Null,
                    }),
                },
                "targets metadata cannot be published: signed.delegations.roles[0] at byte 63 is \
                 null",
            ),
            (
                Fault::Reading {
                    role: Role::Root,
                    reason: Box::new(Misreading {
                        place: "signatures[0].sig".to_owned(),
                        at: Some(9),
                        problem: ReadingProblem::Base64(Base64Error { at: 0 }),
                    }),
                },
                "root metadata cannot be published: signatures[0].sig at byte 9 illegal base64 \
                 data at input byte 0",
            ),
        ]);
    }

    fn words_for(text: &str) -> String {
        of_canonical(&canonical::encode(text.as_bytes()).expect_err("it cannot be signed"))
    }

    #[test]
    fn odd_bytes_are_quoted_as_go_quotes_them() {
        for (text, quoted) in [
            ("\u{1}", r"'\x01'"),
            ("\u{7f}", r"'\x7f'"),
            ("'", r"'\''"),
            ("\\", r"'\\'"),
            ("\"", "'\"'"),
        ] {
            let expected = format!("invalid character {quoted} after array element");
            assert_eq!(words_for(&format!("[1 {text}")), expected);
        }
    }

    #[test]
    fn fractions_are_named_as_go_prints_them() {
        for (literal, printed) in [
            ("1.5", "1.5"),
            ("1e-1", "0.1"),
            ("0.00012", "0.00012"),
            ("0.0000125", "1.25e-05"),
            ("1234567.5", "1.2345675e+06"),
        ] {
            let text = format!(r#"{{"x":{literal}}}"#);
            assert_eq!(
                words_for(&text),
                format!("json: unsupported value: {printed}")
            );
        }
    }

    #[test]
    fn dates_name_the_zone_of_the_file() {
        for (text, written) in [
            ("2020-01-02T03:04:05Z", "Thu Jan 2 03:04:05 UTC 2020"),
            ("2020-01-02T03:04:05-02:30", "Thu Jan 2 03:04:05 -0230 2020"),
        ] {
            assert_eq!(date(parse(text)), written);
        }
    }
}
