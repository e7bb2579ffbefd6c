//! The result of a test case in JUnit XML, the form that most test frameworks write.

use quick_xml::Reader;
use quick_xml::events::{BytesStart, Event};

use super::Unreadable;

/// The result of the case of this name; without a name the worst of all. In growing order: skipped, passed, failed, error.
pub(super) fn result(case: &str, xml: &str) -> Result<String, Unreadable> {
    let mut reader = Reader::from_str(xml);
    let (mut worst, mut open) = (None, None);
    loop {
        match reader.read_event().map_err(|e| Unreadable::NoJunit(e.to_string()))? {
            Event::Eof => break,
            Event::Start(tag) if is(&tag, "testcase") => open = wanted(&tag, case).then_some(Outcome::Passed),
            Event::Empty(tag) if is(&tag, "testcase") => worst = worst.max(wanted(&tag, case).then_some(Outcome::Passed)),
            Event::End(tag) if tag.local_name().as_ref() == b"testcase" => worst = worst.max(open.take()),
            Event::Start(tag) | Event::Empty(tag) => open = open.map(|before| outcome(&tag).unwrap_or(before)),
            _ => {}
        }
    }
    let missing = || match case {
        "" => Unreadable::NoJunit("it has no test case".to_owned()),
        case => Unreadable::NoJunit(format!("it has no test case called `{case}`")),
    };
    worst.map(|worst| worst.as_str().to_owned()).ok_or_else(missing)
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Outcome {
    Skipped,
    Passed,
    Failed,
    Error,
}

impl Outcome {
    fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Passed => "passed",
            Self::Failed => "failed",
            Self::Error => "error",
        }
    }
}

fn outcome(tag: &BytesStart<'_>) -> Option<Outcome> {
    match tag.local_name().as_ref() {
        b"failure" => Some(Outcome::Failed),
        b"error" => Some(Outcome::Error),
        b"skipped" => Some(Outcome::Skipped),
        _ => None,
    }
}

fn is(tag: &BytesStart<'_>, name: &str) -> bool {
    tag.local_name().as_ref() == name.as_bytes()
}

fn wanted(tag: &BytesStart<'_>, case: &str) -> bool {
    case.is_empty() || tag.try_get_attribute("name").ok().flatten().is_some_and(|name| *name.value == *case.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    const XML: &str = r#"<?xml version="1.0"?><testsuites><testsuite name="s"><testcase name="chain"><failure>other issuer</failure>
        <system-out>x</system-out></testcase><testcase name="dates"/><testcase name="later"><skipped/></testcase></testsuite></testsuites>"#;

    #[test]
    fn a_case_has_its_result_and_all_have_the_worst() {
        for (case, said) in [("chain", "failed"), ("dates", "passed"), ("later", "skipped"), ("", "failed")] {
            assert_eq!(result(case, XML).as_deref(), Ok(said), "{case}");
        }
    }

    #[test]
    fn what_is_no_result_is_an_error() {
        for (case, xml) in [("pins", XML), ("", "<testsuite/>"), ("", ""), ("", "no xml"), ("", "<a></b>")] {
            assert!(matches!(result(case, xml), Err(Unreadable::NoJunit(_))), "{xml}");
        }
    }
}
