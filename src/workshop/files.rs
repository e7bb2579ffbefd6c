//! The console's files, in the program itself: no network, no build step, nothing from elsewhere.

use std::path::{Component, Path, PathBuf};

use axum::extract::State;
use axum::http::{StatusCode, Uri, header};
use axum::response::{IntoResponse as _, Response};

use super::serve::App;
use crate::control::Problem;

/// Answers a path with the file that it names.
pub(super) async fn file(State(app): State<App>, uri: Uri) -> Response {
    let found = match wanted(uri.path()) {
        Some(name) => match &app.settings().console {
            Some(folder) => tokio::fs::read(folder.join(&name)).await.ok().map(|bytes| (name, bytes)),
            None => embedded(&name).map(|bytes| (name, bytes.to_vec())),
        },
        None => None,
    };
    match found {
        Some((name, bytes)) => ([(header::CONTENT_TYPE, kind(&name))], bytes).into_response(),
        None => Problem::new(StatusCode::NOT_FOUND, "the console has no such file").into_response(),
    }
}

/// The file that a path means: plain names only, no way up, nothing hidden.
fn wanted(path: &str) -> Option<PathBuf> {
    let name = path.strip_prefix('/').filter(|rest| !rest.is_empty()).unwrap_or("index.html");
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'))
    };
    let path = PathBuf::from(name);
    let inside = path.components().all(|part| matches!(part, Component::Normal(_)));
    (inside && name.split('/').all(plain)).then_some(path)
}

fn embedded(name: &Path) -> Option<&'static [u8]> {
    FILES.iter().find(|(own, _)| Path::new(own) == name).map(|(_, bytes)| *bytes)
}

fn kind(name: &Path) -> &'static str {
    match name.extension().and_then(|ending| ending.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("woff2") => "font/woff2",
        _ => "text/plain; charset=utf-8",
    }
}

macro_rules! console {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/console/", $file)))),*]
    };
}

/// `lab/console`.
static FILES: &[(&str, &[u8])] = console![
    "app.js",
    "connections.js",
    "days/kazakhstan-2019.json",
    "element.js",
    "events.js",
    "index.html",
    "lang/en.json",
    "lang/kk.json",
    "lang/ru.json",
    "language.js",
    "mark.svg",
    "outcome.js",
    "server.js",
    "style/base.css",
    "style/lab.css",
    "style/lesson.css",
    "style/list.css",
    "style/network.css",
    "style/shell.css",
    "style/story.css",
    "theme.js",
    "view/bench.js",
    "view/certificates.js",
    "view/common.js",
    "view/join.js",
    "view/lab.js",
    "view/lesson.js",
    "view/lessons.js",
    "view/list.js",
    "view/network.js",
    "view/places.js",
    "view/reports.js",
    "view/question.js",
    "view/story.js",
    "view/timeline.js",
    "view/trainer.js",
    "view/verdicts.js",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_out_of_the_folder() {
        for path in ["/../x", "/a/../../x", "/.git", "/a//b", "/a%2e", "/a\\b", "//etc/passwd", "/%2e%2e/x"] {
            assert_eq!(wanted(path), None, "{path}");
        }
        assert_eq!(wanted("/").as_deref(), Some(Path::new("index.html")));
        assert_eq!(wanted("/i18n/ru.json").as_deref(), Some(Path::new("i18n/ru.json")));
    }

    #[test]
    fn no_file_of_the_console_is_forgotten() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/console");
        let (mut folders, mut missing) = (vec![root.clone()], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder") {
                let path = entry.expect("an entry").path();
                let name = path.strip_prefix(&root).expect("inside").to_path_buf();
                if path.is_dir() {
                    folders.push(path);
                } else if embedded(&name).is_none() && path.extension().is_none_or(|ending| ending != "md") {
                    missing.push(name);
                }
            }
        }
        assert!(missing.is_empty(), "not in the list of src/workshop/files.rs: {missing:?}");
    }
}
