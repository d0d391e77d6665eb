//! No route is without a kind.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::*;

/// Every method and template that a `routes` of the edge registers, as its source has them: actix tells
/// nobody what it has registered.
fn registered() -> BTreeSet<(String, String)> {
    let edge = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/edge");
    let mut files = vec![edge.with_extension("rs")];
    files.extend(
        fs::read_dir(&edge)
            .unwrap()
            .map(|file| file.unwrap().path()),
    );
    let mut found = BTreeSet::new();
    for path in files.iter().filter(|path| path.is_file()) {
        let source = fs::read_to_string(path).unwrap();
        let scope = match path.ends_with("ops.rs") {
            true => "/ops/v1",
            false => "/v1",
        };
        let resources = source.split("web::resource(\"").skip(1);
        for resource in resources {
            let (template, rest) = resource.split_once('"').unwrap();
            let rest = rest.split("\n}").next().unwrap();
            for method in ["get", "post", "put", "delete", "patch", "head", "method"] {
                if rest.contains(&format!("web::{method}(")) {
                    found.insert((method.to_uppercase(), format!("{scope}{template}")));
                }
            }
        }
        let others = ["web::route(", ".service(fs::", "default_service("];
        assert!(
            !others.iter().any(|other| source.contains(other)),
            "{path:?}"
        );
    }
    found
}

#[test]
fn every_route_has_a_kind() {
    let registered = registered();
    for (method, route) in &registered {
        let kind = kind(method, route);
        assert!(kind.is_some(), "how is {method} {route} recorded?");
    }
    assert_eq!(registered, described(), "and is described");
}

/// The same as the description of the API has them.
fn described() -> BTreeSet<(String, String)> {
    let description: serde_json::Value =
        serde_json::from_str(&crate::edge::openapi::text()).unwrap();
    let mut found = BTreeSet::new();
    for (path, methods) in description["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            if ["get", "post", "put", "delete"].contains(&method.as_str()) {
                let servers = [&methods["servers"], &operation["servers"]];
                let is_ops = servers.iter().any(|servers| servers.is_array());
                let path = format!("{}{path}", if is_ops { "/ops/v1" } else { "/v1" });
                found.insert((method.to_uppercase(), path));
            }
        }
    }
    found
}
