//! The recording of a participant's lab, file by file: what opens in Wireshark, and all else that the lab keeps. A lab writes its packets and
//! keys when it ends; then they lie here until another lab comes in its place.

use std::path::Path;

use axum::extract::Path as InUrl;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use super::people::Joined;
use crate::control::Problem;
use crate::control::body::Json;

/// Every file, those in folders too.
pub(super) async fn list(Joined(participant): Joined) -> Result<Json<Value>, Problem> {
    participant.touch();
    let up = participant.lab.recorded()?;
    let mut files = Vec::new();
    collect(up.record.path(), "", DEEPEST, &mut files).map_err(|e| Problem::failed(format!("read the recording: {e}")))?;
    files.sort();
    let all: Vec<_> = files.into_iter().map(|(name, bytes)| json!({ "name": name, "bytes": bytes })).collect();
    Ok(Json(json!({ "files": all })))
}

/// One of them.
pub(super) async fn file(Joined(participant): Joined, InUrl(name): InUrl<String>) -> Result<Response, Problem> {
    participant.touch();
    let up = participant.lab.recorded()?;
    let missing = || Problem::not_found("the recording has no such file");
    if !name.split('/').all(is_plain) {
        return Err(missing());
    }
    let path = up.record.path().join(&name);
    let about = tokio::fs::symlink_metadata(&path).await.map_err(|_| missing())?;
    if !about.is_file() || about.len() > LARGEST {
        return Err(missing());
    }
    let bytes = tokio::fs::read(&path).await.map_err(|_| missing())?;
    let own = name.rsplit('/').next().unwrap_or_default();
    let kept = format!("attachment; filename=\"{own}\"");
    let head = [(header::CONTENT_TYPE, "application/octet-stream".to_owned()), (header::CONTENT_DISPOSITION, kept)];
    Ok((head, bytes).into_response())
}

/// Files below a folder, by their path from the top; no link is followed.
fn collect(folder: &Path, above: &str, deeper: usize, files: &mut Vec<(String, u64)>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(folder)?.flatten() {
        let (Ok(about), Ok(name)) = (entry.metadata(), entry.file_name().into_string()) else { continue };
        if !is_plain(&name) || files.len() >= MOST {
            continue;
        }
        let path = format!("{above}{name}");
        if about.is_file() {
            files.push((path, about.len()));
        } else if about.is_dir() && deeper > 0 {
            collect(&entry.path(), &format!("{path}/"), deeper - 1, files)?;
        }
    }
    Ok(())
}

/// A file's own name, and not a hidden one.
fn is_plain(name: &str) -> bool {
    !name.is_empty()
        && !name.starts_with('.')
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
}

/// Folders in folders.
const DEEPEST: usize = 3;
/// Files that are listed.
const MOST: usize = 500;
/// Bytes of a file that is handed out in one piece.
const LARGEST: u64 = 256 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_in_folders_are_listed_and_links_are_not() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::create_dir_all(folder.path().join("chains/c1")).expect("folders");
        for name in ["events.jsonl", "chains/c1/forged.pem", ".hidden"] {
            std::fs::write(folder.path().join(name), "x").expect("written");
        }
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", folder.path().join("link")).expect("a link");
        let mut files = Vec::new();
        collect(folder.path(), "", DEEPEST, &mut files).expect("read");
        files.sort();
        assert_eq!(files, [("chains/c1/forged.pem".to_owned(), 1), ("events.jsonl".to_owned(), 1)]);
    }
}
