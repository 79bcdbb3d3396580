//! What holds for any input.

use std::sync::LazyLock;

use bytes::Bytes;
use fixtures::{Key, clock};
use proptest::{collection::vec, prelude::*};
use serde_json::Value;
use tuf::{
    File, Gun, Limits, MetadataFormat, Role, SnapshotView, Stored, TimestampView, Uploaded,
    canonical, check,
};

use crate::given::{GUN, Server, role_named, update, uploaded};

/// JSON of every kind, with whole numbers that floats hold.
fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-(1_i64 << 53)..(1 << 53)).prop_map(Value::from),
        any::<String>().prop_map(Value::from),
    ];
    leaf.prop_recursive(6, 64, 8, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..8).prop_map(Value::from),
            vec((any::<String>(), inner), 0..8)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

fn object() -> impl Strategy<Value = Value> {
    vec((any::<String>(), json()), 0..8)
        .prop_map(|members| Value::Object(members.into_iter().collect()))
}

/// The files of a real publish, to be damaged.
static FILES: LazyLock<Vec<(String, Vec<u8>)>> = LazyLock::new(|| {
    let mut owner = Server::new().independent_owner();
    owner.add_target("targets", "v1", b"content");
    owner.delegate("targets", "a", &[Key::throw_away_ecdsa()], &["p/"], 1);
    let mut files = owner.first_publish();
    files.extend(owner.as_server());
    files
});

/// Looks at a file in every way that a server does.
fn look_at(role: &Role, bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    _ = (
        TimestampView::parse(MetadataFormat::NOTARY, &bytes),
        SnapshotView::parse(MetadataFormat::NOTARY, &bytes),
    );
    let Ok(file) = File::parse(MetadataFormat::NOTARY, role.clone(), bytes.clone()) else {
        return;
    };
    _ = tuf::role_keys(&file, &Role::Timestamp);
    let mut stored = Stored::default();
    stored.insert_bytes(Role::Root, FILES[0].1.clone().into());
    stored.insert_bytes(role.clone(), bytes.clone());
    _ = file.check_reading();
    let mut update = update(&FILES);
    if let Ok(file) = Uploaded::read(role.clone(), bytes.clone(), &Limits::default()) {
        update.insert(file);
    }
    let mut only_root = Stored::default();
    only_root.insert_bytes(Role::Root, bytes);
    for stored in [stored, Stored::default(), only_root] {
        _ = check(&GUN, &stored, update.clone(), clock());
    }
}

proptest! {
    #[test]
    fn canonical_json_is_its_own_canonical_form_where_it_is_json(value in object()) {
        let once = canonical::encode(value.to_string().as_bytes()).expect("whole numbers only");
        // Control characters stay raw, which no parser takes back.
        if once.iter().all(|byte| *byte >= 0x20) {
            prop_assert_eq!(canonical::encode(&once), Ok(once.clone()));
            let again: Value = serde_json::from_slice(&once).expect("canonical JSON is JSON");
            prop_assert_eq!(again, value);
        }
    }

    #[test]
    fn canonical_json_does_not_depend_on_white_space_or_escapes(value in object()) {
        let pretty = serde_json::to_string_pretty(&value).unwrap();
        let escaped: String = value.to_string().encode_utf16().map(|unit| match u8::try_from(unit) {
            Ok(byte) if byte.is_ascii() => char::from(byte).to_string(),
            _ => format!("\\u{unit:04x}"),
        }).collect();
        let canonical = canonical::encode(value.to_string().as_bytes());
        prop_assert_eq!(&canonical::encode(pretty.as_bytes()), &canonical);
        prop_assert_eq!(&canonical::encode(escaped.as_bytes()), &canonical);
    }

    #[test]
    fn role_names_read_back_as_the_role_they_name(name in "(root|targets(/[-a-z0-9_]{1,9}){0,5}|snapshot|timestamp)") {
        let role = Role::parse(&name).expect("a valid name");
        prop_assert_eq!(role.as_str(), &name);
        prop_assert_eq!(Role::parse(&role.to_string()), Ok(role.clone()));
        if let Role::Delegation(_) = &role {
            let (above, _) = name.rsplit_once('/').expect("a delegation is below another role");
            prop_assert!(Role::parse(above).expect("the name of a role") < role);
            prop_assert!(Role::Root < role && role < Role::Snapshot);
        }
    }

    #[test]
    fn any_text_is_a_repository_or_not_but_never_another(name in any::<String>()) {
        let expected = !name.is_empty() && name.chars().count() <= 255 && !name.contains(['*', '\0']);
        let gun = Gun::parse(&name);
        prop_assert_eq!(gun.is_ok(), expected);
        if let Ok(gun) = gun {
            prop_assert_eq!(gun.to_string(), name);
        }
    }

    #[test]
    fn no_bytes_panic_the_reader(bytes in vec(any::<u8>(), 0..200)) {
        _ = canonical::encode(&bytes);
        look_at(&Role::Targets, &bytes);
    }

    #[test]
    fn no_json_panics_the_checks(value in json(), role in 0..4_usize) {
        let role = [Role::Root, Role::Targets, Role::Snapshot, role_named("targets/a")][role].clone();
        look_at(&role, value.to_string().as_bytes());
        let envelope = serde_json::json!({"signed": value, "signatures": [value]});
        look_at(&role, envelope.to_string().as_bytes());
    }

    #[test]
    fn no_damage_to_a_real_file_panics_the_checks_or_passes_for_it(
        which in 0..5_usize, at in any::<prop::sample::Index>(), byte in any::<u8>(), truncate in any::<bool>(),
    ) {
        let (role, original) = &FILES[which];
        let mut damaged = original.clone();
        let at = at.index(original.len());
        if truncate { damaged.truncate(at) } else { damaged[at] = byte }
        look_at(&role_named(role), &damaged);
        let mut parts = FILES.clone();
        parts[which].1.clone_from(&damaged);
        let is_timestamp = role == "timestamp";
        let accepted = uploaded(role, &damaged).is_ok()
            && check(&GUN, &Stored::default(), update(&parts), clock()).is_ok();
        // The snapshot pins every byte of the others, and its own signature all but its envelope.
        let harmless = damaged == *original || is_timestamp || role == "snapshot";
        prop_assert!(!accepted || harmless);
    }
}
