//! Password files and the hashes in them.

use std::time::{Duration, Instant};

use access::{
    Credentials, Hashing, InvalidHash, InvalidPassword, InvalidPasswordFile, PasswordFile, hash,
};
use proptest::prelude::*;
use secrecy::SecretString;

/// What `htpasswd` of Apache 2.4 writes for alice's password `s3cret`, by its options.
mod apache {
    pub(super) const BCRYPT: &str =
        "alice:$2y$05$FW6VqRAx37qAH08Lutah4./Nswoay/v5O9dv8lt6hXdG8/e5V74Wu";
    pub(super) const BCRYPT_COST_10: &str =
        "alice:$2y$10$7xqrFIRai.TADDL8oKK9ZuBP6ktdE99CBuZdZi5mDfsMEeGAEgqgC";
    pub(super) const BCRYPT_COST_4: &str =
        "alice:$2y$04$CErWK9ywwzVMoexDsXwMKum5mtrhrbEqqFsVmUf6yzmXidzsxWcxO";
    pub(super) const MD5: &str = "alice:$apr1$IKqxqGrU$O9E9LHTlMxFuBmSkX5Tj41";
    pub(super) const SHA1: &str = "alice:{SHA}/vNB+F2HQ559kaLUZbmHHvZrXpg=";
    pub(super) const CRYPT: &str = "alice:f4Ixlon2UirUU";
    pub(super) const PLAIN: &str = "alice:s3cret";
    pub(super) const SHA256: &str =
        "alice:$5$NNLCAAhWjFNP4naI$xdPbJS59NQPcxfxAzvBBRkiPAgM.gVOOuu6M3iKg.o3";
    pub(super) const SHA512: &str = "alice:$6$WUcKkdhQcmYqSZXi$53b8RVSnKKKIqe7iv6O.CD8/wJzZf3FCmfgr1AO5bBYduGvtw2CGG9SQimTLu4eB5JSwvEqCcKhBGu.1fKIzK.";
    /// `pässwörd`
    pub(super) const UMLAUTS: &str =
        "jürgen:$2y$04$wcEwN4lDEqSWTLWFAA7ww.EB.VeufLl05t5q0csolpeKu0OZwasHy";
    /// Eighty times `a`; it warned that it takes notice of 72 alone.
    pub(super) const TOO_LONG: &str =
        "alice:$2y$04$Q5AeQlK0ZYDWyAm3SBt2zuFqTEVm1pioX1HDydVqmsGqpFIekqIam";
}

/// What the reference implementation's `argon2` writes for `s3cret`, with `-id`, `-i` and `-d`.
const ARGON2ID: &str = "$argon2id$v=19$m=256,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$hLwTChqVUz/Fa9SYe9xJDRVIe9hhPw9goR+CJ6xRQt4";
const ARGON2I: &str = "$argon2i$v=19$m=256,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$7CGVxvOqYg0SJMR4o5ZVYqreSHUo+Z4+5tKIGrh5ojs";
const ARGON2D: &str = "$argon2d$v=19$m=256,t=1,p=1$c29tZXNhbHQxNmJ5dGVzIQ$dD9hTV10314AwC2YwZlzQLM04fCUBSYiCUIJcm1Aoig";

fn file(text: &str) -> PasswordFile {
    PasswordFile::parse(text).unwrap()
}

fn refused(text: &str) -> InvalidPasswordFile {
    PasswordFile::parse(text).unwrap_err()
}

/// What is wrong with the hash in the first line.
fn fault(hash: &str) -> InvalidHash {
    match refused(&format!("alice:{hash}")) {
        InvalidPasswordFile::Hash { line: 1, fault, .. } => fault,
        other => panic!("{other}"),
    }
}

fn is_right(file: &PasswordFile, user: &str, password: &str) -> bool {
    file.verify(&Credentials {
        user: user.to_owned(),
        password: password.into(),
    })
}

#[test]
fn passwords_that_apache_hashed_are_right_and_others_are_not() {
    for line in [
        apache::BCRYPT,
        apache::BCRYPT_COST_10,
        apache::BCRYPT_COST_4,
    ] {
        let file = file(line);
        assert!(is_right(&file, "alice", "s3cret"), "{line}");
        for wrong in ["", "s3cre", "s3cret ", "S3cret", "s3crets", "s3cret\0"] {
            assert!(!is_right(&file, "alice", wrong), "{line} {wrong:?}");
        }
    }
    assert!(is_right(&file(apache::UMLAUTS), "jürgen", "pässwörd"));
}

#[test]
fn the_three_spellings_of_bcrypt_mean_the_same() {
    for spelling in ["$2a$", "$2b$", "$2y$"] {
        assert!(is_right(
            &file(&apache::BCRYPT_COST_4.replace("$2y$", spelling)),
            "alice",
            "s3cret"
        ));
    }
}

#[test]
fn an_argon2id_hash_of_the_reference_implementation_is_checked() {
    let file = file(&format!("alice:{ARGON2ID}"));
    assert!(is_right(&file, "alice", "s3cret"));
    assert!(!is_right(&file, "alice", "s3cret\0"));
    assert!(!is_right(&file, "alice", ""));
}

#[test]
fn bcrypt_takes_notice_of_72_bytes() {
    let file = file(apache::TOO_LONG);
    assert!(is_right(&file, "alice", &"a".repeat(80)));
    assert!(is_right(&file, "alice", &"a".repeat(72)));
    assert!(!is_right(&file, "alice", &"a".repeat(71)));
}

#[test]
fn no_password_with_nul_is_right_under_bcrypt() {
    let file = file(apache::BCRYPT_COST_4);
    // To the algorithm this is the same 72 bytes as `s3cret`.
    assert!(!is_right(&file, "alice", "s3cret\0s3cret"));
}

#[test]
fn only_a_user_gets_in_with_their_password() {
    let file = file(apache::BCRYPT_COST_4);
    for user in ["bob", "", "Alice", "alice ", "alic"] {
        assert!(!is_right(&file, user, "s3cret"), "{user:?}");
    }
}

/// The least of three, so that other work on the machine counts for little.
fn time_of(file: &PasswordFile, user: &str, password: &str) -> Duration {
    let once = || {
        let start = Instant::now();
        let _ = is_right(file, user, password);
        start.elapsed()
    };
    [once(), once(), once()].into_iter().min().unwrap()
}

#[test]
fn what_cannot_be_right_takes_as_long_as_what_is() {
    let file = file(apache::BCRYPT_COST_10);
    let right = time_of(&file, "alice", "s3cret");
    for (user, password) in [
        ("bob", "s3cret"),
        ("alice", ""),
        ("bob", ""),
        ("alice", "s3cret\0"),
    ] {
        // Without the work it would be thousands of times less.
        assert!(
            time_of(&file, user, password) * 3 > right,
            "{user:?} {password:?}"
        );
    }
}

#[test]
fn an_empty_password_is_never_right() {
    // Of the empty password: `htpasswd -nbBC 4 alice ''`.
    let file = file("alice:$2y$04$a.CQpd/UXYiJv6CZWlNTn.ZrouC47xBc/VXf31j0w6KlipEwUrTpC");
    assert!(!is_right(&file, "alice", ""));
}

#[test]
fn users_are_known_by_name_and_listed_in_order() {
    let hash = ARGON2ID;
    let file = file(&format!("zoe:{hash}\nalice:{hash}\nBob:{hash}\n"));
    assert_eq!(file.users().collect::<Vec<_>>(), ["Bob", "alice", "zoe"]);
    assert!(file.has_user("zoe") && !file.has_user("bob"));
}

#[test]
fn comments_empty_lines_line_ends_of_windows_and_a_byte_order_mark_are_passed_over() {
    let text = format!(
        "\u{feff}# users\r\n\r\n  \n  # more\r\n{}\r\n\tcarol:{ARGON2ID} \n",
        apache::BCRYPT_COST_4
    );
    assert_eq!(refused(&text), InvalidPasswordFile::UserName { line: 6 });
    let file = file(&text.replace('\t', ""));
    assert_eq!(file.users().collect::<Vec<_>>(), ["alice", "carol"]);
    assert!(is_right(&file, "alice", "s3cret") && is_right(&file, "carol", "s3cret"));
}

#[test]
fn a_file_without_users_is_refused() {
    for text in ["", "\n\n", "# alice:x\n", "\u{feff}"] {
        assert_eq!(refused(text), InvalidPasswordFile::NoUsers, "{text:?}");
    }
}

#[test]
fn a_user_who_is_there_twice_is_refused_with_both_lines() {
    let text = format!(
        "# users\n{}\nbob:{ARGON2ID}\nalice:{ARGON2ID}\n",
        apache::BCRYPT
    );
    assert_eq!(
        refused(&text).to_string(),
        "line 4 names the user \"alice\" again, who is already in line 2: keep one of them"
    );
}

#[test]
fn a_line_of_another_form_is_refused_and_not_quoted() {
    let error = refused("hunter2\n");
    assert_eq!(error, InvalidPasswordFile::NoColon { line: 1 });
    assert!(!error.to_string().contains("hunter2"));
    for user in ["", " ", "bob ", "nul\0", "tab\t", "\u{85}"] {
        let text = format!("{}\n{user}:{ARGON2ID}", apache::BCRYPT);
        assert_eq!(
            refused(&text),
            InvalidPasswordFile::UserName { line: 2 },
            "{user:?}"
        );
    }
}

#[test]
fn each_other_way_to_keep_passwords_is_refused_by_its_name_and_with_the_cure() {
    let others = [
        (apache::MD5, "Apache's MD5 (apr1)"),
        (apache::SHA1, "unsalted SHA-1"),
        (apache::CRYPT, "plain text or DES crypt"),
        (apache::PLAIN, "plain text or in an unknown way"),
        (apache::SHA256, "SHA-256 crypt"),
        (apache::SHA512, "SHA-512 crypt"),
        ("alice:", "nothing at all"),
        ("alice:$unknown$x", "a hash of an unknown kind"),
        (
            &format!("alice:{ARGON2I}"),
            "argon2i (argon2id is accepted)",
        ),
        (
            &format!("alice:{ARGON2D}"),
            "argon2d (argon2id is accepted)",
        ),
        (
            &apache::BCRYPT.replace("$2y$", "$2x$"),
            "bcrypt by a faulty old program ($2x$)",
        ),
    ];
    for (line, kind) in others {
        let text = format!("# users\nbob:{ARGON2ID}\n{line}\n");
        assert_eq!(
            refused(&text).to_string(),
            format!(
                "line 3: the password of \"alice\" is stored as {kind}, which is not accepted; \
                 hash it again with `htpasswd -B FILE USER` or `notary-server auth hash USER`"
            )
        );
    }
}

#[test]
fn no_error_and_no_debug_shows_a_hash() {
    for line in [
        apache::MD5,
        apache::SHA1,
        apache::PLAIN,
        apache::CRYPT,
        "alice:$2y$99$secret",
    ] {
        let hash = line.split_once(':').unwrap().1;
        let error = refused(line);
        assert!(!format!("{error} {error:?}").contains(hash), "{error:?}");
    }
    assert_eq!(
        format!("{:?}", file(apache::BCRYPT)),
        r#"PasswordFile { users: ["alice"], .. }"#
    );
}

#[test]
fn bcrypt_costs_that_would_stop_the_server_are_refused() {
    let with_cost = |cost: &str| {
        apache::BCRYPT
            .replace("alice:", "")
            .replace("$05$", &format!("${cost}$"))
    };
    for (cost, number) in [("00", 0), ("03", 3), ("18", 18), ("31", 31), ("99", 99)] {
        assert_eq!(fault(&with_cost(cost)), InvalidHash::Cost(number));
    }
    for cost in ["04", "17"] {
        assert!(PasswordFile::parse(&format!("alice:{}", with_cost(cost))).is_ok());
    }
}

#[test]
fn a_damaged_bcrypt_hash_is_refused() {
    let hash = apache::BCRYPT.replace("alice:", "");
    let cut = &hash[..59];
    for damaged in [
        cut,
        &format!("{hash}x"),
        &format!("{hash}:comment"),
        &hash.replace("$05$", "$5$"),
        &hash.replace("$05$", "$+5$"),
        &hash.replace("$05$", "$05"),
        &hash.replace("FW6", "F!6"),
        &hash.replace("FW6", "Fä6"),
        "$2y$",
        "$2y$05$",
    ] {
        assert_eq!(fault(damaged), InvalidHash::Damaged("bcrypt"), "{damaged}");
    }
}

#[test]
fn argon2id_parameters_that_would_stop_the_server_are_refused() {
    let with = |parameters: &str| ARGON2ID.replace("m=256,t=1,p=1", parameters);
    for parameters in [
        "m=1048577,t=1,p=1",
        "m=256,t=21,p=1",
        "m=256,t=1,p=17",
        "m=7,t=1,p=1",
        "m=256,t=0,p=1",
        "m=256,t=1,p=0",
        "m=4294967295,t=4294967295,p=4294967295",
    ] {
        assert_eq!(
            fault(&with(parameters)),
            InvalidHash::Parameters,
            "{parameters}"
        );
    }
    assert!(PasswordFile::parse(&format!("alice:{}", with("m=1048576,t=20,p=16"))).is_ok());
}

#[test]
fn a_damaged_argon2id_hash_is_refused() {
    let damaged = [
        ARGON2ID.replace("m=256", "m=+256"),
        ARGON2ID.replace("m=256", "m="),
        ARGON2ID.replace("m=256", "m=4294967296"),
        ARGON2ID.replace("p=1", "p=1,keyid=AA"),
        ARGON2ID.replace("m=256,t=1", "t=1,m=256"),
        ARGON2ID.replace("v=19$", "v=16$"),
        ARGON2ID.replace("v=19$", ""),
        ARGON2ID.replace("$c2", "$2"),
        ARGON2ID.replace("c29tZXNhbHQxNmJ5dGVzIQ", "c29tZXM"),
        ARGON2ID.replace(
            "hLwTChqVUz/Fa9SYe9xJDRVIe9hhPw9goR+CJ6xRQt4",
            "hLwTChqVUz/Fa9SYe9w",
        ),
        format!("{ARGON2ID}$"),
        format!("{ARGON2ID}="),
        "$argon2id$".to_owned(),
    ];
    for hash in damaged {
        assert_eq!(fault(&hash), InvalidHash::Damaged("argon2id"), "{hash}");
    }
}

#[test]
fn a_fingerprint_changes_with_user_and_hash_and_with_nothing_else() {
    let (before, same) = (
        file(&format!("alice:{ARGON2ID}\nbob:{ARGON2ID}")),
        file(&format!("# new\nalice:{ARGON2ID}\r\n")),
    );
    let after = file(apache::BCRYPT);
    let alice = before.fingerprint("alice");
    assert!(alice.is_some());
    assert_eq!(alice, same.fingerprint("alice"));
    assert_ne!(alice, before.fingerprint("bob"));
    assert_ne!(alice, after.fingerprint("alice"));
    assert_eq!(before.fingerprint("carol"), None);
}

#[test]
fn bcrypt_hashes_are_made_in_apaches_spelling_at_cost_12() {
    let made = hash(&"s3cret".into(), Hashing::Bcrypt).unwrap();
    assert!(made.starts_with("$2y$12$") && made.len() == 60, "{made}");
    assert!(is_right(&file(&format!("alice:{made}")), "alice", "s3cret"));
    assert_eq!(Hashing::default(), Hashing::Bcrypt);
}

#[test]
fn argon2id_hashes_are_made_with_19_mebibytes_and_two_passes() {
    let made = hash(&"s3cret".into(), Hashing::Argon2id).unwrap();
    assert!(
        made.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{made}"
    );
    assert!(is_right(&file(&format!("alice:{made}")), "alice", "s3cret"));
    assert_ne!(
        made,
        hash(&"s3cret".into(), Hashing::Argon2id).unwrap(),
        "salts are random"
    );
}

#[test]
fn passwords_that_could_not_be_sent_or_would_be_cut_off_are_not_hashed() {
    let made = |password: &str, hashing| hash(&SecretString::from(password), hashing);
    for hashing in [Hashing::Bcrypt, Hashing::Argon2id] {
        assert_eq!(made("", hashing), Err(InvalidPassword::Empty));
        for password in ["nul\0", "newline\n", "\u{85}"] {
            assert_eq!(
                made(password, hashing),
                Err(InvalidPassword::ControlCharacter)
            );
        }
    }
    assert_eq!(
        made(&"ä".repeat(37), Hashing::Bcrypt),
        Err(InvalidPassword::TooLong)
    );
    assert!(made(&"ä".repeat(36), Hashing::Bcrypt).is_ok());
    assert!(made(&"ä".repeat(37), Hashing::Argon2id).is_ok());
}

proptest! {
    #[test]
    fn no_password_file_panics(text in "(.{0,20}[:\n$#]){0,8}", hash in "[$,=a-z0-9./+]{0,70}") {
        let _ = PasswordFile::parse(&text);
        for prefix in ["", "$2y$", "$2y$05$", "$argon2id$", "$argon2id$v=19$m=256,t=1,p=1$"] {
            let _ = PasswordFile::parse(&format!("user:{prefix}{hash}"));
        }
    }

    #[test]
    fn no_hash_with_one_thing_changed_panics(place in 0_usize..110, character: char) {
        for hash in [apache::BCRYPT.split_once(':').unwrap().1, ARGON2ID] {
            let changed = |(at, old)| if at == place { character } else { old };
            let hash: String = hash.chars().enumerate().map(changed).collect();
            let _ = PasswordFile::parse(&format!("user:{hash}"));
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(3))]

    #[test]
    fn a_password_that_was_hashed_is_right(user in "[^:#\\pC\\s][^:\\pC\\s]{0,19}", password in "[^\\pC]{1,18}") {
        for hashing in [Hashing::Bcrypt, Hashing::Argon2id] {
            let made = hash(&password.as_str().into(), hashing).unwrap();
            let file = file(&format!("{user}:{made}"));
            prop_assert!(is_right(&file, &user, &password));
            // At most 18 characters of up to 4 bytes: with one more, bcrypt might not take notice
            // of it.
            let longer = format!("{password}x");
            prop_assert!(longer.len() > 72 || !is_right(&file, &user, &longer));
        }
    }
}
