//! What could not be kept of a run, told once: many files of one folder that fail for the same reason are one loss.

use std::io;
use std::path::{Path, PathBuf};

/// Losses, in the order in which they were found.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    words: Vec<String>,
    files: Vec<Files>,
}

/// Files of one folder that could not be written, and why.
#[derive(Clone, Debug)]
struct Files {
    folder: PathBuf,
    reason: String,
    names: Vec<String>,
}

impl Lost {
    /// Something was lost; said again, it is the same loss.
    pub(super) fn say(&mut self, words: String) {
        if !self.words.contains(&words) {
            self.words.push(words);
        }
    }

    /// A file could not be written.
    pub(super) fn file(&mut self, path: &Path, error: &io::Error) {
        let folder = path.parent().unwrap_or(Path::new("")).to_owned();
        let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
        let reason = error.to_string();
        match self.files.iter_mut().find(|files| files.folder == folder && files.reason == reason) {
            Some(files) if files.names.contains(&name) => {}
            Some(files) => files.names.push(name),
            None => self.files.push(Files { folder, reason, names: vec![name] }),
        }
    }

    /// All of it, one text for each loss.
    pub(super) fn told(&self) -> Vec<String> {
        self.words.iter().cloned().chain(self.files.iter().map(Files::told)).collect()
    }
}

impl Files {
    fn told(&self) -> String {
        let Self { folder, reason, names } = self;
        match names.as_slice() {
            [one] => format!("`{}` cannot be written: {reason}", folder.join(one).display()),
            many => format!("in `{}` {} files cannot be written ({}): {reason}", folder.display(), many.len(), many.join(", ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_reason_is_told_once() {
        let (full, denied) = (|| io::Error::other("full"), || io::Error::other("denied"));
        let mut lost = Lost::default();
        lost.say("2 lines were lost".to_owned());
        lost.say("2 lines were lost".to_owned());
        for name in ["/r/a", "/r/b", "/r/b"] {
            lost.file(Path::new(name), &full());
        }
        lost.file(Path::new("/r/c"), &denied());
        lost.file(Path::new("one.har"), &denied());
        let told = lost.told();
        assert_eq!(
            told,
            [
                "2 lines were lost",
                "in `/r` 2 files cannot be written (a, b): full",
                "`/r/c` cannot be written: denied",
                "`one.har` cannot be written: denied",
            ]
        );
    }
}
