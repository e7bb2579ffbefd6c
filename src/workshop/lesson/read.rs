//! Reading a lesson's file. Every mistake has its line.

use serde::de::DeserializeOwned;

use super::{Do, Front, Lesson, LessonError, Question, Step};

/// Reads a lesson from its text. `file` names it in messages and gives it its name and language.
///
/// # Errors
/// The first mistake, with its line.
pub fn read(file: &str, text: &str) -> Result<Lesson, LessonError> {
    let (name, lang) = name_of(file);
    let mut reader = Reader { file, lines: text.lines().collect(), at: 0 };
    let front = reader.front()?;
    let (steps, trainer) = reader.steps()?;
    Ok(Lesson { name, lang, front, steps, trainer, file: file.to_owned() })
}

/// `lab/workshop/mail.ru.md` is the lesson `mail` in Russian.
fn name_of(file: &str) -> (String, String) {
    let base = file.rsplit(['/', '\\']).next().unwrap_or(file);
    let base = base.strip_suffix(".md").unwrap_or(base);
    match base.rsplit_once('.') {
        Some((name, lang)) if lang.len() == 2 => (name.to_owned(), lang.to_owned()),
        _ => (base.to_owned(), "en".to_owned()),
    }
}

struct Reader<'a> {
    file: &'a str,
    lines: Vec<&'a str>,
    at: usize,
}

impl Reader<'_> {
    fn front(&mut self) -> Result<Front, LessonError> {
        if self.lines.first().map(|line| line.trim_end()) != Some(FRONT) {
            return Err(self.wrong(1, "a lesson begins with a line `+++` and its front matter\nhint: `mitmlab lesson new NAME` writes one to start from"));
        }
        let end = self.lines.iter().skip(1).position(|line| line.trim_end() == FRONT);
        let Some(end) = end.map(|end| end + 1) else {
            return Err(self.wrong(1, "the front matter has no end: a second line `+++`"));
        };
        self.at = end + 1;
        let front: Front = self.toml(1, end)?;
        if front.sources.is_empty() {
            return Err(self.wrong(1, "a lesson says where its facts come from: `sources = [\"...\"]`"));
        }
        Ok(front)
    }

    fn steps(&mut self) -> Result<(Vec<Step>, String), LessonError> {
        let (mut steps, mut trainer): (Vec<Step>, String) = (Vec::new(), String::new());
        while let Some(line) = self.lines.get(self.at).copied() {
            let number = self.at + 1;
            self.at += 1;
            if let Some(title) = line.strip_prefix("## ") {
                steps.push(empty(title.trim(), number));
                continue;
            }
            let fence = line.strip_prefix("```").map(str::trim);
            let Some(step) = steps.last_mut() else {
                if line.trim().is_empty() {
                    continue;
                }
                return Err(self.wrong(number, "text before the first step\nhint: a step begins with `## ` and its title"));
            };
            match fence {
                Some("do") => step.todo.push((number, self.block::<Do>(number)?)),
                Some("question") => step.questions.push((number, self.block::<Question>(number)?)),
                Some("hint") => step.hints.push(self.fenced(number)?.0.join("\n")),
                Some("trainer") => trainer.push_str(&format!("{}\n\n", self.fenced(number)?.0.join("\n"))),
                Some(_) => {
                    let (inside, _) = self.fenced(number)?;
                    step.text.push_str(&format!("{line}\n{}\n```\n", inside.join("\n")));
                }
                None => step.text.push_str(&format!("{line}\n")),
            }
        }
        if steps.is_empty() {
            return Err(self.wrong(self.lines.len(), "a lesson without steps\nhint: a step begins with `## ` and its title"));
        }
        Ok((steps, trainer))
    }

    /// The TOML of a fenced block.
    fn block<T: DeserializeOwned>(&mut self, opened: usize) -> Result<T, LessonError> {
        let end = self.fenced(opened)?.1;
        self.toml(opened, end)
    }

    /// The lines of a fenced block, and the index of the line that closes it.
    fn fenced(&mut self, opened: usize) -> Result<(Vec<String>, usize), LessonError> {
        let length = self.lines[self.at..].iter().position(|line| line.trim_end() == "```");
        let Some(length) = length else { return Err(self.wrong(opened, "this block has no end: a line of three backquotes")) };
        let (from, end) = (self.at, self.at + length);
        self.at = end + 1;
        Ok((self.lines[from..end].iter().map(|line| (*line).to_owned()).collect(), end))
    }

    /// Reads the lines `from..to` (from 0) as TOML.
    fn toml<T: DeserializeOwned>(&self, from: usize, to: usize) -> Result<T, LessonError> {
        let text = self.lines[from..to].join("\n");
        toml::from_str(&text).map_err(|error| {
            let before = error.span().map_or(0, |span| text[..span.start.min(text.len())].matches('\n').count());
            self.wrong(from + 1 + before, error.message())
        })
    }

    fn wrong(&self, line: usize, told: &str) -> LessonError {
        LessonError { file: self.file.to_owned(), line, told: told.to_owned() }
    }
}

fn empty(title: &str, line: usize) -> Step {
    let text = String::new();
    Step { title: title.to_owned(), text, todo: Vec::new(), questions: Vec::new(), hints: Vec::new(), line }
}

const FRONT: &str = "+++";

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "+++\ntitle = \"T\"\ngoal = \"G\"\nminutes = 5\nscenario = \"s\"\nsources = [\"x\"]\n+++\n";

    fn line_of(text: &str) -> usize {
        read("x.md", text).expect_err("it is broken").line
    }

    #[test]
    fn a_lesson_is_read() {
        let text = format!(
            "{HEAD}\n## One\nHello.\n```do\nkind = \"phase\"\nphase = \"p\"\ntitle = \"Go\"\n```\n```sh\nls\n```\n## Two\n"
        );
        let lesson = read("lab/workshop/a-b.ru.md", &text).expect("sound");
        assert_eq!((lesson.name.as_str(), lesson.lang.as_str(), lesson.steps.len()), ("a-b", "ru", 2));
        assert_eq!(lesson.steps[0].text, "Hello.\n```sh\nls\n```\n");
        assert_eq!(lesson.steps[0].todo[0].0, 11);
    }

    #[test]
    fn a_mistake_has_its_line() {
        assert_eq!(line_of("# no front matter"), 1);
        assert_eq!(line_of("+++\ntitle = \"T\"\n"), 1);
        assert_eq!(line_of(&HEAD.replace("minutes = 5", "minutes = \"five\"")), 4);
        assert_eq!(line_of(&format!("{HEAD}\nlost words\n")), 9);
        assert_eq!(line_of(&format!("{HEAD}## One\n```question\nid = \"q\"\nask = 3\n```\n")), 11);
        assert_eq!(line_of(&format!("{HEAD}## One\n```hint\nnever closed\n")), 9);
        assert_eq!(line_of(HEAD), 7);
    }
}
