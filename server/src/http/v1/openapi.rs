//! The description of the API (`OpenAPI` 3.1): paths from the table of routes, schemas from the
//! types of the answers.

use serde_json::{Map, Value, json};
use utoipa::{
    ToSchema,
    openapi::{ComponentsBuilder, RefOr, Schema},
};

use super::{
    problem::{Kind, ProblemView},
    table::{DEFAULT_LIMIT, Form, Holds, LONGEST_WAIT, MOST, Parameter, Row, TABLE},
    view,
};

/// The whole description.
pub(super) fn document() -> Value {
    let mut schemas = Schemas::new();
    add::<view::Repositories>(&mut schemas);
    add::<view::Repository>(&mut schemas);
    add::<view::Tags>(&mut schemas);
    add::<view::Signers>(&mut schemas);
    add::<view::OneKey>(&mut schemas);
    add::<view::Expiring>(&mut schemas);
    add::<view::Changes>(&mut schemas);
    add::<view::Status>(&mut schemas);
    add::<view::Audit>(&mut schemas);
    add::<ProblemView>(&mut schemas);
    let components = ComponentsBuilder::new().schemas_from_iter(schemas);
    let mut components = json!(components.build());
    components["securitySchemes"] = json!({
        "password": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer"},
        "certificate": {"type": "mutualTLS"},
    });
    let paths: Map<String, Value> = TABLE
        .iter()
        .map(|row| (row.doc.path.to_owned(), json!({"get": operation(row)})))
        .collect();
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Countersign: what is stored, who signs it, what expires",
            "version": env!("CARGO_PKG_VERSION"),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
            "description": "It reads and never writes. A caller sees what the rules let them pull \
                            or see; administrators see everything.",
        },
        "servers": [{"url": "/", "description": "This server"}],
        "security": [{"password": []}, {"token": []}, {"certificate": []}, {}],
        "paths": paths,
        "components": components,
    })
}

type Schemas = Vec<(String, RefOr<Schema>)>;

/// Adds a schema, and those that it refers to.
fn add<T: ToSchema>(schemas: &mut Schemas) {
    schemas.push((T::name().into_owned(), T::schema()));
    T::schemas(schemas);
}

fn operation(row: &Row) -> Value {
    let mut parameters: Vec<Value> = row.parameters.iter().map(describe).collect();
    if row.path().contains('{') {
        parameters.push(json!({
            "name": "id",
            "in": "path",
            "required": true,
            "description": "The id of a key, 64 hexadecimal digits.",
            "schema": {"type": "string"},
        }));
    }
    let content = match row.answer {
        Form::Json(name) => {
            let schema = json!({"$ref": format!("#/components/schemas/{name}")});
            json!({"application/json": {"schema": schema}})
        }
        Form::Object => json!({"application/json": {"schema": {"type": "object"}}}),
        Form::Calendar => json!({"text/calendar": {"schema": {"type": "string"}}}),
    };
    let kinds: Vec<_> = Kind::ALL.iter().map(|kind| kind.name()).collect();
    let problem = json!({"$ref": "#/components/schemas/Problem"});
    json!({
        "operationId": format!("{:?}", row.name),
        "summary": row.doc.summary.join(" "),
        "description": format!("Permission: {}.", row.doc.permission),
        "parameters": parameters,
        "responses": {
            "200": {"description": "The answer.", "content": content},
            "304": {"description": "The client has this answer already."},
            "default": {
                "description": format!("A problem: one of {}.", kinds.join(", ")),
                "content": {"application/problem+json": {"schema": problem}},
            },
        },
    })
}

fn describe(parameter: &Parameter) -> Value {
    let schema = match parameter.holds {
        Holds::Text | Holds::Cursor => json!({"type": "string", "minLength": 1}),
        Holds::KeyId => json!({"type": "string", "pattern": "^[0-9A-Fa-f]{64}$"}),
        Holds::Digest => {
            json!({"type": "string", "pattern": "^([Ss][Hh][Aa]256:)?[0-9A-Fa-f]{64}$"})
        }
        Holds::Time => {
            json!({"type": "string", "examples": ["2026-11-22", "2026-11-22T10:20:30Z"]})
        }
        Holds::Days => json!({"type": "string", "pattern": "^[0-9]+[dw]?$", "default": "90d"}),
        Holds::Flag => json!({"type": "boolean", "default": false}),
        Holds::Sort => json!({"type": "string", "enum": ["name", "expires", "published"]}),
        Holds::Limit => {
            json!({"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT_LIMIT})
        }
        Holds::Wait => json!({
            "type": "string",
            "pattern": "^[0-9]+s?$",
            "default": "0s",
            "description": format!("At most {LONGEST_WAIT}s."),
        }),
    };
    json!({
        "name": parameter.name,
        "in": "query",
        "required": parameter.is_required,
        "description": parameter.text,
        "schema": schema,
    })
}
