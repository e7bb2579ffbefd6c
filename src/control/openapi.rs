//! The OpenAPI 3.1 document, made from the table of routes and the types that they take and give.

use schemars::SchemaGenerator;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::problem::Problem;
use super::routes::{Answer, Route, SchemaOf, routes};

/// The document.
pub fn openapi() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let mut paths: Map<String, Value> = Map::new();
    for route in routes() {
        let operation = operation(&route, &mut generator);
        let at = paths.entry(route.path).or_insert_with(|| json!({}));
        at[route.method.as_str().to_lowercase()] = operation;
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "mitmlab control API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "What is in force in a running lab, read and changed. On loopback or a Unix socket, with a bearer token.",
        },
        "security": [{ "token": [] }],
        "paths": paths,
        "components": {
            "securitySchemes": { "token": { "type": "http", "scheme": "bearer" } },
            "schemas": generator.take_definitions(true),
        },
    })
}

fn operation(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let mut parameters = in_path(route.path);
    parameters.extend(route.query.map(|query| in_query(query, generator)).unwrap_or_default());
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.about,
        "parameters": parameters,
        "responses": responses(route, generator),
    });
    if let Some(body) = route.body {
        let schema = body(generator);
        operation["requestBody"] = json!({ "required": true, "content": { "application/json": { "schema": schema } } });
    }
    operation
}

fn responses(route: &Route, generator: &mut SchemaGenerator) -> Value {
    let success = match &route.answer {
        Answer::Json(schema) => {
            json!({ "description": "done", "content": { "application/json": { "schema": schema(generator) } } })
        }
        Answer::File(kind) if *kind == "application/octet-stream" => {
            json!({ "description": "the file", "content": { "*/*": {} } })
        }
        Answer::File(kind) => json!({ "description": "the file", "content": { *kind: {} } }),
        Answer::Nothing => json!({ "description": "done" }),
    };
    let mut responses = Map::new();
    responses.insert(route.success.to_string(), success);
    let problem = generator.subschema_for::<Problem>();
    let of_body: &[u16] = if route.body.is_some() { &[413, 422] } else { &[] };
    for status in ALWAYS.iter().chain(of_body).chain(route.fails).chain(route.query.map(|_| &422)) {
        let content = json!({ "application/problem+json": { "schema": problem } });
        responses.insert(status.to_string(), json!({ "description": meaning(*status), "content": content }));
    }
    Value::Object(responses)
}

fn in_path(path: &str) -> Vec<Value> {
    let named = path.split('/').filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'));
    named
        .map(|name| {
            let schema = match name {
                "id" => json!({ "type": "integer", "minimum": 0, "maximum": u32::MAX }),
                _ => json!({ "type": "string", "minLength": 1 }),
            };
            json!({ "name": name, "in": "path", "required": true, "schema": schema })
        })
        .collect()
}

/// The fields of a query's type, one parameter each.
fn in_query(query: SchemaOf, generator: &mut SchemaGenerator) -> Vec<Value> {
    let schema = query(generator).to_value();
    let named = schema.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next());
    let whole = named.and_then(|name| generator.definitions().get(name)).cloned().unwrap_or(schema);
    let required: Vec<Value> = whole.get("required").and_then(Value::as_array).cloned().unwrap_or_default();
    let fields = whole.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
    fields
        .into_iter()
        .map(|(name, schema)| {
            let needed = required.contains(&Value::String(name.clone()));
            json!({ "name": name, "in": "query", "required": needed, "schema": without_null(schema, generator) })
        })
        .collect()
}

/// A URL cannot say null: what may be left out is not required, and that says it already.
fn without_null(mut schema: Value, generator: &SchemaGenerator) -> Value {
    let named = |one: &Value| Some(generator.definitions().get(one.get("$ref")?.as_str()?.rsplit('/').next()?)?.clone());
    if let Some(Value::Array(kinds)) = schema.get_mut("type") {
        kinds.retain(|kind| kind != "null");
    }
    if let Some(Value::Array(any)) = schema.get_mut("anyOf") {
        any.retain(|one| one.get("type").is_none_or(|kind| kind != "null"));
        if let Some(whole) = any.first().filter(|_| any.len() == 1).and_then(named) {
            schema = whole; // written out, so that its bounds can be told
        }
    }
    if schema.get("format").is_some_and(|format| format == "uint32") {
        schema["maximum"] = json!(u32::MAX);
    }
    schema
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "the request cannot be understood",
        401 => "no token, or another lab's",
        403 => "from a web page of another origin, or not for loopback",
        404 => "there is no such thing",
        409 => "it contradicts what is there",
        413 => "the body is too long",
        422 => "it makes no sense here",
        429 => "too much at once",
        _ => "the lab failed",
    }
}

/// What every route may answer.
const ALWAYS: &[u16] = &[400, 401, 403, 500];
