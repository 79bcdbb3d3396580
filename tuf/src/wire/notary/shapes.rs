//! What Notary's clients decode of each file: the members that its Go structures name.
//!
//! `data.Signed` and `data.Signature` are the envelope; `data.Root`, `data.Targets`,
//! `data.Snapshot` and `data.Timestamp` the signed parts, each with `data.SignedCommon`. What
//! `data.SignedMeta` decodes, Notary's server reads when a file arrives: wrong types there make it
//! malformed. `custom` is kept as it stands by clients, and decoded by others.

use crate::{
    encoding::json::{Count, Field, Form, Shape},
    role::Role,
};

const TEXT: Shape = Shape::Text(Form::Any);
const BASE64: Shape = Shape::Text(Form::Base64);

/// The largest `int` on all of the clients' platforms.
const MAX_INT: i64 = i32::MAX as i64;

const TYPE: Field = envelope("_type", TEXT);
const EXPIRES: Field = envelope("expires", Shape::Text(Form::Time));
/// How far a version may go is another rule's.
const VERSION: Field = envelope("version", Shape::Integer(i64::MAX));

/// `data.RootRole`.
const KEYIDS: Field = field("keyids", Shape::List(&TEXT, Some(Count::RoleKeys)));
const THRESHOLD: Field = field("threshold", Shape::Integer(MAX_INT));
const ROOT_ROLE: Shape = Shape::NotNull(&Shape::Struct(&[KEYIDS, THRESHOLD]));

/// `data.Role`.
const DELEGATION: Shape = Shape::NotNull(&Shape::Struct(&[
    KEYIDS,
    field("name", TEXT),
    field("paths", Shape::List(&TEXT, None)),
    THRESHOLD,
]));

/// `data.TUFKey` and `data.KeyPair`.
const KEY: Shape = Shape::Struct(&[
    field("keytype", TEXT),
    field(
        "keyval",
        Shape::Struct(&[field("private", BASE64), field("public", BASE64)]),
    ),
]);
const KEYS: Field = field("keys", Shape::Map(&KEY, Some(Count::Keys)));

/// `data.FileMeta`.
pub(super) const FILE: Shape = Shape::Struct(&[
    field("custom", Shape::Free),
    field("hashes", Shape::Map(&BASE64, None)),
    field("length", Shape::Integer(i64::MAX)),
]);
pub(super) const FILES: Shape = Shape::Map(&FILE, None);

static ROOT: Shape = file(&[
    signatures(),
    signed_part(&[
        TYPE,
        field("consistent_snapshot", Shape::Bool),
        EXPIRES,
        KEYS,
        field("roles", Shape::Map(&ROOT_ROLE, Some(Count::Roles))),
        VERSION,
    ]),
]);

static TARGETS: Shape = file(&[
    signatures(),
    signed_part(&[
        TYPE,
        field(
            "delegations",
            Shape::Struct(&[
                KEYS,
                field("roles", Shape::List(&DELEGATION, Some(Count::Roles))),
            ]),
        ),
        EXPIRES,
        field("targets", FILES),
        VERSION,
    ]),
]);

static META: Shape = file(&[
    signatures(),
    signed_part(&[
        TYPE,
        EXPIRES,
        field("meta", Shape::Map(&FILE, Some(Count::MetaFiles))),
        VERSION,
    ]),
]);

/// What clients decode of the file of `role`.
pub(super) fn of(role: &Role) -> &'static Shape {
    match role {
        Role::Root => &ROOT,
        Role::Targets | Role::Delegation(_) => &TARGETS,
        Role::Snapshot | Role::Timestamp => &META,
    }
}

const fn file(members: &'static [Field]) -> Shape {
    Shape::Struct(members)
}

const fn signed_part(members: &'static [Field]) -> Field {
    envelope("signed", Shape::Struct(members))
}

const fn signatures() -> Field {
    const SIGNATURE: Shape = Shape::Struct(&[
        envelope("keyid", TEXT),
        envelope("method", TEXT),
        envelope("sig", BASE64),
    ]);
    envelope(
        "signatures",
        Shape::List(&SIGNATURE, Some(Count::Signatures)),
    )
}

const fn field(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_envelope: false,
    }
}

const fn envelope(name: &'static str, shape: Shape) -> Field {
    Field {
        name,
        shape,
        is_envelope: true,
    }
}
