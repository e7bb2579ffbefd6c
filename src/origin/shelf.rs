//! Files of the sites: a folder on disk that the scenario names, else the shelf built into the program.

use std::path::{Component, Path, PathBuf};

/// A file that was found.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) bytes: Vec<u8>,
    pub(super) kind: &'static str,
}

/// Finds `path` (of a request) in the site's folder `pages`. None if there is no such file.
pub(super) async fn find(disk: Option<&Path>, pages: Option<&Path>, path: &str) -> Option<Found> {
    let pages = pages?;
    let file = wanted(path)?;
    let kind = kind(&file);
    if let Some(bytes) = from_disk(disk, pages, &file).await {
        return Some(Found { bytes, kind });
    }
    let name = format!("{}/{}", pages.to_str()?, file.to_str()?);
    if let Some(page) = portal(&name) {
        return Some(Found { bytes: page.as_bytes().to_vec(), kind });
    }
    let (_, bytes) = SHELF.iter().find(|(own, _)| *own == name)?;
    Some(Found { bytes: bytes.to_vec(), kind })
}

/// The portal's pages live in a folder of their own, `lab/portal`.
fn portal(name: &str) -> Option<&'static str> {
    let (folder, file) = name.split_once('/').filter(|(folder, _)| *folder == PORTAL)?;
    crate::scenario::embedded()
        .iter()
        .find(|(own, _)| own.strip_prefix("lab/").is_some_and(|own| own == format!("{folder}/{file}")))
        .map(|(_, page)| *page)
}

/// What a site names as its `pages` to be a portal.
pub(super) const PORTAL: &str = "portal";

/// The file that a request path means: plain names only, no way up, nothing hidden.
fn wanted(path: &str) -> Option<PathBuf> {
    let path = path.strip_prefix('/')?;
    let path = if path.is_empty() || path.ends_with('/') { format!("{path}index.html") } else { path.to_owned() };
    let plain = |part: &str| {
        !part.is_empty()
            && !part.starts_with('.')
            && part.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_'))
    };
    path.split('/').all(plain).then(|| PathBuf::from(path))
}

async fn from_disk(disk: Option<&Path>, pages: &Path, file: &Path) -> Option<Vec<u8>> {
    let folder = match disk {
        Some(disk) => disk.join(pages),
        None if pages.is_absolute() => pages.to_owned(),
        None => return None,
    };
    if pages.components().any(|part| part == Component::ParentDir) {
        return None;
    }
    // A symbolic link may not lead out of the folder.
    let folder = tokio::fs::canonicalize(folder).await.ok()?;
    let file = tokio::fs::canonicalize(folder.join(file)).await.ok()?;
    let is_small = tokio::fs::metadata(&file).await.is_ok_and(|m| m.is_file() && m.len() <= MOST);
    if file.starts_with(&folder) && is_small { tokio::fs::read(file).await.ok() } else { None }
}

fn kind(file: &Path) -> &'static str {
    match file.extension().and_then(|e| e.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("js") => "text/javascript; charset=utf-8",
        Some("json") => "application/json",
        Some("txt") => "text/plain; charset=utf-8",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("ico") => "image/x-icon",
        _ => "application/octet-stream",
    }
}

/// 16 MiB: larger downloads are what `/bytes/N` is for.
const MOST: u64 = 16 << 20;

macro_rules! shelf {
    ($($file:literal),* $(,)?) => {
        &[$(($file, include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/sites/", $file)))),*]
    };
}

/// `lab/sites`, built in.
static SHELF: &[(&str, &[u8])] = shelf![
    "bank/index.html",
    "bystander/index.html",
    "government/index.html",
    "mail/index.html",
    "news/index.html",
    "search/index.html",
    "social/index.html",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_way_out_of_a_folder() {
        for path in ["/../x", "/a/../../x", "/.git", "/a//b", "/a%2e", "relative", "/a\\b"] {
            assert_eq!(wanted(path), None, "{path}");
        }
        assert_eq!(wanted("/").as_deref(), Some(Path::new("index.html")));
        assert_eq!(wanted("/css/a.css").as_deref(), Some(Path::new("css/a.css")));
    }

    #[tokio::test]
    async fn the_disk_wins_over_the_shelf() {
        let disk = tempfile::tempdir().expect("a folder");
        let bank = Some(Path::new("bank"));
        assert!(find(Some(disk.path()), bank, "/").await.expect("built in").bytes.len() > 500);
        std::fs::create_dir(disk.path().join("bank")).expect("made");
        std::fs::write(disk.path().join("bank/index.html"), "mine").expect("written");
        assert_eq!(find(Some(disk.path()), bank, "/").await.expect("found").bytes, b"mine");
        #[cfg(unix)]
        std::os::unix::fs::symlink("/etc/passwd", disk.path().join("bank/leak.txt")).expect("linked");
        assert!(find(Some(disk.path()), bank, "/leak.txt").await.is_none());
    }

    #[test]
    fn every_page_says_that_it_is_a_simulation() {
        for (name, bytes) in SHELF {
            let text = std::str::from_utf8(bytes).expect("text");
            assert!(text.contains("simulation"), "{name}");
            assert!(text.contains("{{host}}"), "{name}");
        }
    }
}
