//! The JSON Schema of scenario files, for editors: `#:schema schema.json` on a file's first line turns it on.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use super::written::{Scenario, WorldFile};

/// The JSON Schema of a scenario file. `scenarios/schema.json` is this.
pub fn schema() -> Value {
    tidy(SchemaSettings::draft07().into_generator().into_root_schema_for::<Scenario>().to_value())
}

/// The JSON Schema of a part of the world. `lab/world/schema.json` is this.
pub fn world_schema() -> Value {
    tidy(SchemaSettings::draft07().into_generator().into_root_schema_for::<WorldFile>().to_value())
}

/// TOML has no null: what may be left out is not required, and that says it already.
fn tidy(schema: Value) -> Value {
    match schema {
        Value::Array(list) => Value::Array(list.into_iter().map(tidy).collect()),
        Value::Object(object) => {
            let mut tidied = serde_json::Map::new();
            for (key, value) in object {
                match (key.as_str(), without_null(&key, value)) {
                    ("default", Value::Null) => {}
                    ("anyOf", Value::Array(one)) if one.len() == 1 => merge(&mut tidied, one.into_iter().next().map(tidy)),
                    (_, value) => drop(tidied.insert(key, tidy(value))),
                }
            }
            Value::Object(tidied)
        }
        plain => plain,
    }
}

fn without_null(key: &str, value: Value) -> Value {
    let Value::Array(list) = value else { return value };
    let is_null = |v: &Value| v == "null" || *v == Value::Null || v.get("type").is_some_and(|t| t == "null");
    let mut kept: Vec<Value> = list.into_iter().filter(|v| !is_null(v)).collect();
    match kept.as_slice() {
        [Value::String(_)] if key == "type" => kept.remove(0),
        _ => Value::Array(kept),
    }
}

fn merge(into: &mut serde_json::Map<String, Value>, one: Option<Value>) {
    if let Some(Value::Object(one)) = one {
        into.extend(one);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_may_be_null() {
        for schema in [schema(), world_schema()] {
            assert!(!schema.to_string().contains("\"null\""), "{schema}");
        }
    }

    #[test]
    fn what_must_be_there_is_required() {
        let schema = schema();
        assert_eq!(schema["required"], serde_json::json!(["title"]));
        assert_eq!(schema["additionalProperties"], false);
    }
}
