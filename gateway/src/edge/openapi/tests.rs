//! The frozen document, and the rules of the national checker restated.
//!
//! Names of rules are those of `italia/api-oas-checker-rules`; those of severity *error* are all
//! here, and the ones on limits and headers that only warn as well.

use serde_json::Value;

use super::*;

const FROZEN: &str = include_str!("../../../openapi.json");

#[test]
fn the_description_is_the_frozen_one() {
    assert!(
        text() == FROZEN,
        "the API has changed. If that is meant, freeze it anew and review the difference:\n\
         cargo run -q -p gateway -- openapi > gateway/openapi.json"
    );
}

/// Every object in the document with the path that leads to it.
fn objects(value: &Value, at: String, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(fields) => {
            found.push((at.clone(), value.clone()));
            for (name, field) in fields {
                objects(field, format!("{at}/{name}"), found);
            }
        }
        Value::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                objects(item, format!("{at}/{index}"), found);
            }
        }
        _ => {}
    }
}

fn everything() -> Vec<(String, Value)> {
    let mut found = Vec::new();
    objects(&document(), String::new(), &mut found);
    found
}

fn is_type(schema: &Value, name: &str) -> bool {
    match &schema["type"] {
        Value::String(one) => one == name,
        Value::Array(several) => several.iter().any(|one| one == name),
        _ => false,
    }
}

/// Every answer: its operation, its status and itself.
fn answers() -> Vec<(String, String, Value)> {
    let document = document();
    let mut found = Vec::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            for (status, answer) in operation["responses"].as_object().unwrap() {
                found.push((format!("{method} {path}"), status.clone(), answer.clone()));
            }
        }
    }
    found
}

#[test]
fn info_has_contact_summary_terms_and_a_semantic_version() {
    let document = document();
    let info = &document["info"];
    assert_eq!(document["openapi"], "3.1.0");
    for field in ["contact", "x-summary", "termsOfService", "title", "license"] {
        assert!(!info[field].is_null(), "{field}");
    }
    assert!(!info["contact"]["url"].is_null());
    let version: Vec<_> = info["version"].as_str().unwrap().split('.').collect();
    assert!(version.len() == 3 && version.iter().all(|part| part.parse::<u32>().is_ok()));
}

#[test]
fn whoever_takes_an_address_declares_what_is_pushed_there() {
    let document = document();
    let mut declared = 0;
    for operation in operations(&mut document.clone()) {
        let callback = &operation.get("callbacks").cloned().unwrap_or_default()["event"];
        let post = &callback["{$request.header.X-ReplyTo}"]["post"];
        assert_eq!(takes(operation, "X-ReplyTo"), post.is_object());
        declared += usize::from(post.is_object());
    }
    assert_eq!(declared, 2, "writing and cancelling");
}

#[test]
fn servers_use_https_and_are_described() {
    let document = document();
    let servers = document["servers"].as_array().unwrap();
    assert!(!servers.is_empty());
    for server in servers {
        assert!(server["url"].as_str().unwrap().starts_with("https://"));
        assert!(!server["description"].as_str().unwrap().is_empty());
    }
}

#[test]
fn paths_status_exists_and_speaks_json_up_and_problem_down() {
    let document = document();
    let responses = &document["paths"]["/status"]["get"]["responses"];
    let media: Vec<_> = responses["200"]["content"]
        .as_object()
        .unwrap()
        .keys()
        .collect();
    assert_eq!(media, ["application/problem+json"]);
    assert!(!responses["503"].is_null());
    let problem = &document["components"]["schemas"]["Problem"]["properties"];
    for field in ["status", "title", "detail"] {
        assert!(!problem[field].is_null(), "{field}");
    }
}

#[test]
fn errors_are_problems_and_nothing_else() {
    for (operation, status, answer) in answers() {
        if !status.starts_with(['4', '5']) {
            continue;
        }
        let content = answer["content"].as_object().unwrap();
        let media: Vec<_> = content.keys().collect();
        assert_eq!(media, ["application/problem+json"], "{operation} {status}");
        let schema = &content["application/problem+json"]["schema"]["$ref"];
        assert_eq!(
            schema, "#/components/schemas/Problem",
            "{operation} {status}"
        );
    }
}

#[test]
fn every_answer_declares_the_quota_and_429_and_503_when_to_come_back() {
    for (operation, status, answer) in answers() {
        let headers = answer["headers"].as_object().unwrap();
        for name in ["Limit", "Remaining", "Reset"] {
            let name = format!("X-RateLimit-{name}");
            assert!(headers.contains_key(&name), "{operation} {status} {name}");
        }
        if matches!(status.as_str(), "429" | "503") {
            assert!(headers.contains_key("Retry-After"), "{operation} {status}");
        }
        for (name, header) in headers {
            let target = header["$ref"].as_str().unwrap().trim_start_matches('#');
            assert!(document().pointer(target).is_some(), "{name} leads nowhere");
        }
    }
    for (path, methods) in document()["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            assert!(!operation["responses"]["429"].is_null(), "{method} {path}");
        }
    }
}

#[test]
fn no_forbidden_and_no_unusual_header_is_declared() {
    let mut names: Vec<String> = Vec::new();
    for (_, object) in everything() {
        if object["in"] == "header" {
            names.extend(object["name"].as_str().map(str::to_owned));
        }
    }
    for (_, _, answer) in answers() {
        names.extend(answer["headers"].as_object().unwrap().keys().cloned());
    }
    assert!(names.iter().any(|name| name == "Idempotency-Key"));
    for name in names {
        let small = name.to_ascii_lowercase();
        assert!(
            !["accept", "content-type", "authorization"].contains(&small.as_str()),
            "{name}"
        );
        let is_of_modi = ["x-replyto", "x-correlation-id"].contains(&small.as_str());
        assert!(
            !small.starts_with("x-") || small.contains("ratelimit-") || is_of_modi,
            "{name}"
        );
    }
}

#[test]
fn nothing_secret_or_personal_stands_in_a_path_or_a_query() {
    for (at, object) in everything() {
        let place = object["in"].as_str().unwrap_or_default();
        if place == "path" || place == "query" {
            let name = object["name"].as_str().unwrap();
            let banned = ["password", "secret", "apikey", "tax_code", "nre", "token"];
            assert!(
                !banned.iter().any(|word| name.contains(word)),
                "{at}: {name}"
            );
        }
    }
}

#[test]
fn reads_take_no_body_and_answers_are_objects() {
    let document = document();
    for (path, methods) in document["paths"].as_object().unwrap() {
        assert_eq!(path, &path.to_ascii_lowercase(), "kebab-case");
        assert!(!path.contains('_'), "kebab-case");
        for method in ["get", "delete"] {
            assert!(methods[method]["requestBody"].is_null(), "{method} {path}");
        }
    }
    for (operation, status, answer) in answers() {
        if status == "204" {
            assert!(answer["content"].is_null(), "{operation}");
            continue;
        }
        for (media, content) in answer["content"].as_object().unwrap() {
            let mut schema = &content["schema"];
            if let Some(name) = schema["$ref"].as_str() {
                schema = document.pointer(name.trim_start_matches('#')).unwrap();
            }
            assert!(
                !media.ends_with("json") || is_type(schema, "object"),
                "{operation} {status}"
            );
        }
    }
}

#[test]
fn numbers_strings_and_lists_have_limits() {
    for (at, schema) in everything() {
        if is_type(&schema, "integer") || is_type(&schema, "number") {
            for field in ["format", "minimum", "maximum"] {
                assert!(!schema[field].is_null(), "{at} lacks {field}");
            }
        }
        if is_type(&schema, "string") {
            let bounded = ["maxLength", "enum", "format"].map(|field| !schema[field].is_null());
            assert!(bounded.contains(&true), "{at} has no longest length");
        }
        if is_type(&schema, "array") {
            for field in ["minItems", "maxItems"] {
                assert!(!schema[field].is_null(), "{at} lacks {field}");
            }
        }
    }
}

#[test]
fn requests_refuse_fields_they_do_not_know() {
    let document = document();
    for name in [
        "NewPrescription",
        "Patient",
        "Prescriber",
        "Row",
        "Address",
        "Search",
        "PersonSearch",
        "BreakGlass",
        "CardToVerify",
    ] {
        let schema = &document["components"]["schemas"][name];
        assert_eq!(schema["additionalProperties"], false, "{name}");
    }
}

#[test]
fn both_proofs_are_required_everywhere_but_for_the_service_itself() {
    let document = document();
    let schemes = &document["components"]["securitySchemes"];
    assert_eq!(schemes["mutual_tls"]["type"], "mutualTLS");
    assert_eq!(schemes["token"]["type"], "http");
    assert_eq!(schemes["token"]["scheme"], "bearer");
    let global = document["security"].as_array().unwrap();
    assert_eq!(global.len(), 1, "both together, not one or the other");
    let names: Vec<_> = global[0].as_object().unwrap().keys().collect();
    assert_eq!(names, ["mutual_tls", "token"]);
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let is_service = matches!(path.as_str(), "/status" | "/openapi.json");
            assert_eq!(
                operation["security"].is_null(),
                !is_service,
                "{method} {path}"
            );
            assert!(
                !is_service || method == "get",
                "an unsafe method needs both"
            );
        }
    }
}

#[test]
fn every_route_of_the_server_is_described() {
    let described: Vec<_> = document()["paths"]
        .as_object()
        .unwrap()
        .keys()
        .cloned()
        .collect();
    let expected = [
        "/assisted-persons/search",
        "/events",
        "/health-cards/verify",
        "/keys",
        "/keys/rotate",
        "/openapi.json",
        "/persons/purge",
        "/policies",
        "/prescriptions",
        "/prescriptions/search",
        "/prescriptions/{id}",
        "/prescriptions/{id}/acknowledge",
        "/prescriptions/{id}/cancel",
        "/prescriptions/{id}/events",
        "/prescriptions/{id}/paper",
        "/prescriptions/{id}/reminder",
        "/status",
        "/toggles",
        "/toggles/withdraw",
    ];
    assert_eq!(described, expected);
}
