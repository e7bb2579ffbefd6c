//! Certificates and the variables by which a client comes to use and trust the lab. Never a key.

use std::collections::BTreeMap;

use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};

use super::body::{Asked, InPath, Json};
use super::handle::Material;
use super::problem::Problem;
use super::serve::App;
use super::words::{Environment, EnvironmentQuery};
use crate::scenario::Trust;

pub(super) async fn environment(
    State(app): State<App>,
    Asked(query): Asked<EnvironmentQuery>,
) -> Result<Json<Environment>, Problem> {
    let variables = app.lab().environment(query.trust.unwrap_or_default(), query.vantage.unwrap_or_default()).await?;
    Ok(Json(Environment { variables: variables.into_iter().collect::<BTreeMap<_, _>>() }))
}

pub(super) async fn file(State(app): State<App>, InPath(name): InPath<String>) -> Result<Response, Problem> {
    let Some((_, of, kind)) = FILES.iter().find(|(known, ..)| *known == name) else {
        let known: Vec<_> = FILES.iter().map(|(known, ..)| *known).collect();
        let name: String = name.chars().take(80).collect();
        return Err(Problem::not_found(format!("no certificate file `{name}`")).hint(format!("there are {}", known.join(", "))));
    };
    let bytes = app.lab().material(*of).await?;
    Ok(([(header::CONTENT_TYPE, *kind)], bytes).into_response())
}

pub(super) const ABOUT: &str = "Certificates: `root.pem`, `root.der`, `root.p12` (the authority's root), `web.pem`, `web+authority.pem`, \
    `web.p12`, `web+authority.p12` (trust stores), `blocklist.txt`, `ct-logs.json`. PKCS #12 password: `changeit`";

const PEM: &str = "application/x-pem-file";
const P12: &str = "application/x-pkcs12";

/// Name, what it is, and its media type.
const FILES: &[(&str, Material, &str)] = &[
    ("root.pem", Material::RootPem, PEM),
    ("root.der", Material::RootDer, "application/pkix-cert"),
    ("root.p12", Material::RootPkcs12, P12),
    ("web.pem", Material::Bundle(Trust::Web), PEM),
    ("web+authority.pem", Material::Bundle(Trust::WebAuthority), PEM),
    ("web.p12", Material::Pkcs12(Trust::Web), P12),
    ("web+authority.p12", Material::Pkcs12(Trust::WebAuthority), P12),
    ("blocklist.txt", Material::Blocklist, "text/plain; charset=utf-8"),
    ("ct-logs.json", Material::CtLogs, "application/json"),
];
