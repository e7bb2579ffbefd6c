//! The lessons that come with mitmlab, in the program itself; and one of the user's own beside them.

use std::path::Path;

use super::{Lesson, LessonError, check, read};

/// Every lesson in every language.
#[derive(Clone, Debug)]
pub struct Lessons(Vec<Lesson>);

impl Lessons {
    /// Those that come with mitmlab.
    ///
    /// # Errors
    /// One of them is broken: a bug.
    pub fn built_in() -> Result<Self, LessonError> {
        FILES.iter().map(|(file, text)| read(file, text)).collect::<Result<_, _>>().map(Self)
    }

    /// With a lesson of the user's own, and its translations beside it: `my.md`, `my.ru.md`.
    ///
    /// # Errors
    /// It cannot be read, or is broken.
    pub fn with_file(mut self, path: &Path) -> Result<Self, LessonError> {
        let own = read_file(path)?;
        let broken = check(&own, None);
        if let Some(first) = broken.into_iter().next() {
            return Err(first);
        }
        let (name, folder) = (own.name.clone(), path.parent().unwrap_or(Path::new(".")));
        self.0.retain(|known| known.name != name);
        self.0.insert(0, own);
        for lang in LANGUAGES {
            let other = folder.join(format!("{name}.{lang}.md"));
            if other.is_file() && other != path {
                self.0.push(read_file(&other)?);
            }
        }
        Ok(self)
    }

    /// The lessons, each in the language that is asked for, else in English, in their order.
    pub fn in_language(&self, lang: &str) -> Vec<&Lesson> {
        let english = self.0.iter().filter(|lesson| self.languages(&lesson.name).first() == Some(&lesson.lang.as_str()));
        english.map(|lesson| self.get(&lesson.name, lang).unwrap_or(lesson)).collect()
    }

    /// A lesson in a language, else in the one that it was written in.
    pub fn get(&self, name: &str, lang: &str) -> Option<&Lesson> {
        let mut all = self.0.iter().filter(|lesson| lesson.name == name);
        let first = all.clone().next();
        all.find(|lesson| lesson.lang == lang).or(first)
    }

    /// The languages of a lesson, the first one being that of the original.
    pub fn languages(&self, name: &str) -> Vec<&str> {
        self.0.iter().filter(|lesson| lesson.name == name).map(|lesson| lesson.lang.as_str()).collect()
    }

    /// Every lesson in every language.
    pub fn all(&self) -> &[Lesson] {
        &self.0
    }
}

/// The text of a lesson that comes with mitmlab.
pub fn text(name: &str, lang: &str) -> Option<&'static str> {
    let find =
        |file: String| FILES.iter().find(|(path, _)| path.rsplit('/').next() == Some(file.as_str())).map(|(_, text)| *text);
    find(format!("{name}.{lang}.md")).or_else(|| find(format!("{name}.md")))
}

fn read_file(path: &Path) -> Result<Lesson, LessonError> {
    let file = path.display().to_string();
    let text = std::fs::metadata(path).and_then(|about| {
        if about.len() > LARGEST {
            return Err(std::io::Error::other("it is larger than a lesson"));
        }
        std::fs::read_to_string(path)
    });
    let text = text.map_err(|e| LessonError { file: file.clone(), line: 0, told: format!("cannot be read: {e}") })?;
    read(&file, &text)
}

/// A lesson to start from.
pub const NEW: &str = include_str!("new.md");

/// Bytes.
const LARGEST: u64 = 1 << 20;
/// Languages besides English that are looked for beside a file.
const LANGUAGES: [&str; 2] = ["ru", "kk"];

macro_rules! lessons {
    ($($file:literal),* $(,)?) => {
        &[$((concat!("lab/workshop/", $file), include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/lab/workshop/", $file)))),*]
    };
}

/// `lab/workshop`, in the order in which they are taught; the original before its translations.
static FILES: &[(&str, &str)] = lessons![
    "what-is-a-certificate.md",
    "what-is-a-certificate.ru.md",
    "what-is-a-certificate.kk.md",
    "install-this-or-lose-access.md",
    "install-this-or-lose-access.ru.md",
    "install-this-or-lose-access.kk.md",
    "reading-the-forgery.md",
    "reading-the-forgery.ru.md",
    "reading-the-forgery.kk.md",
    "why-pinned-apps-survived.md",
    "why-pinned-apps-survived.ru.md",
    "why-pinned-apps-survived.kk.md",
    "mail-and-chat-under-the-box.md",
    "mail-and-chat-under-the-box.ru.md",
    "mail-and-chat-under-the-box.kk.md",
    "write-your-own-detector.md",
    "write-your-own-detector.ru.md",
    "write-your-own-detector.kk.md",
    "after-the-halt.md",
    "after-the-halt.ru.md",
    "after-the-halt.kk.md",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_lesson_can_be_taught() {
        let lessons = Lessons::built_in().unwrap_or_else(|e| panic!("{e}"));
        assert!(lessons.in_language("en").len() >= 7);
        let mut wrong = Vec::new();
        for lesson in lessons.all() {
            let english = (lesson.lang != "en").then(|| lessons.get(&lesson.name, "en").expect("an original"));
            wrong.extend(check(lesson, english).iter().map(ToString::to_string));
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        assert_eq!(lessons.get("what-is-a-certificate", "ru").expect("there").lang, "ru");
        assert_eq!(lessons.get("what-is-a-certificate", "tlh").expect("there").lang, "en");
        for lesson in lessons.in_language("en") {
            assert_eq!(lessons.languages(&lesson.name), ["en", "ru", "kk"], "{}", lesson.name);
        }
    }

    #[test]
    fn none_is_forgotten_and_the_template_is_sound() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("lab/workshop");
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let name = entry.expect("an entry").file_name().into_string().expect("text");
            let known = FILES.iter().any(|(path, _)| path.rsplit('/').next() == Some(name.as_str()));
            assert!(known || !name.ends_with(".md") || name == "README.md", "not in src/workshop/lesson/library.rs: {name}");
        }
        let new = read("new.md", NEW).expect("sound");
        assert_eq!(check(&new, None), []);
    }
}
