//! Whether a lesson can be taught: its scenario, phases, hosts and clients exist, and every question can be answered.

use super::{Do, Filter, Kind, Lesson, LessonError, Question, Step};
use crate::scenario::{Plan, load};
use crate::workshop::bench::by_id;
use crate::workshop::words::Words;

/// Every mistake of a lesson, with its line; a translation is compared with the English one.
pub fn check(lesson: &Lesson, english: Option<&Lesson>) -> Vec<LessonError> {
    let mut checker = Checker { lesson, wrong: Vec::new() };
    match scenario(&lesson.front.scenario) {
        Ok(plan) => checker.all(&plan),
        Err(told) => checker.tell(1, told),
    }
    if let Some(english) = english {
        checker.compare(english);
    }
    checker.wrong
}

fn scenario(name: &str) -> Result<Plan, String> {
    let profiles: Vec<&str> = crate::forge::profiles().iter().map(|profile| profile.name).collect();
    load(name, &profiles).map_err(|wrong| format!("its scenario `{name}` cannot be used: {}", wrong.render(false)))
}

struct Checker<'a> {
    lesson: &'a Lesson,
    wrong: Vec<LessonError>,
}

impl Checker<'_> {
    fn all(&mut self, plan: &Plan) {
        if let Some(phase) = &self.lesson.front.phase {
            self.phase(plan, 1, phase);
        }
        let mut seen: Vec<&str> = Vec::new();
        for step in &self.lesson.steps {
            self.step(plan, step);
            for (line, question) in &step.questions {
                if seen.contains(&question.id.as_str()) {
                    self.tell(*line, format!("two questions are called `{}`", question.id));
                }
                seen.push(&question.id);
                self.question(plan, *line, question);
            }
        }
    }

    fn step(&mut self, plan: &Plan, step: &Step) {
        if step.text.trim().is_empty() && step.questions.is_empty() && step.todo.is_empty() {
            self.tell(step.line, format!("the step `{}` is empty", step.title));
        }
        for (line, todo) in &step.todo {
            match todo {
                Do::Client { client, host, .. } => self.client(plan, *line, client, host.as_deref()),
                Do::Phase { phase, .. } => self.phase(plan, *line, phase),
                Do::Clock { at, .. } => {
                    let read = time::OffsetDateTime::parse(at, &time::format_description::well_known::Rfc3339);
                    if read.ok().and_then(|at| plan.phase_at(at)).is_none() {
                        self.tell(*line, format!("`{at}` is no time in any phase of the scenario"));
                    }
                }
                Do::Open { .. } => {}
            }
        }
    }

    fn question(&mut self, plan: &Plan, line: usize, question: &Question) {
        match &question.answer {
            Kind::Choice { choices, right, why } => {
                if *right >= choices.len() || choices.len() < 2 {
                    self.tell(line, format!("`right = {right}` is none of {} choices, counted from 0", choices.len()));
                }
                if !why.is_empty() && why.len() != choices.len() {
                    self.tell(line, format!("`why` has {} words for {} choices", why.len(), choices.len()));
                }
            }
            Kind::Choices { choices, right } if right.is_empty() || right.iter().any(|index| *index >= choices.len()) => {
                self.tell(line, format!("`right` names none, or one that is not there, of {} choices", choices.len()));
            }
            Kind::Choices { .. } => {}
            Kind::Text { one_of } if one_of.is_empty() => self.tell(line, "no answer is right: `one_of` is empty".to_owned()),
            Kind::Field { one_of, .. } => {
                let known = Words::of(None);
                for field in one_of.iter().filter(|field| !known.knows(&format!("label.{field}"))) {
                    self.tell(line, format!("no certificate has a field `{field}`"));
                }
            }
            Kind::Value { pointer, .. } if !pointer.starts_with('/') => {
                self.tell(line, format!("`{pointer}` is no JSON pointer: it begins with `/`"));
            }
            _ => {}
        }
        if let Some(filter) = question.filter() {
            self.filter(plan, line, filter);
        }
    }

    fn filter(&mut self, plan: &Plan, line: usize, filter: &Filter) {
        if let Some(phase) = &filter.phase {
            self.phase(plan, line, phase);
        }
        match &filter.client {
            Some(client) => self.client(plan, line, client, filter.host.as_deref()),
            None => {
                if let Some(host) = filter.host.as_deref().filter(|host| plan.world.named(host).is_none()) {
                    self.tell(line, format!("the scenario's world has no host `{host}`"));
                }
            }
        }
        if let Some(outcome) = filter.outcome.as_deref().filter(|word| !OUTCOMES.contains(word)) {
            self.tell(line, format!("`{outcome}` is no outcome\nhint: one of {}", OUTCOMES.join(", ")));
        }
    }

    fn client(&mut self, plan: &Plan, line: usize, client: &str, host: Option<&str>) {
        match by_id(client) {
            None => self.tell(line, format!("the bench has no client `{client}`")),
            Some(client) => {
                if let Err(problem) = client.opens(plan, host) {
                    self.tell(line, problem);
                }
            }
        }
    }

    fn phase(&mut self, plan: &Plan, line: usize, phase: &str) {
        if plan.phase_named(phase).is_none() {
            let names: Vec<_> = plan.phases.iter().map(|phase| phase.name.as_str()).collect();
            self.tell(line, format!("the scenario has no phase `{phase}`\nhint: it has {}", names.join(", ")));
        }
    }

    /// A translation has the same steps and asks the same.
    fn compare(&mut self, english: &Lesson) {
        let ids = |lesson: &Lesson| lesson.questions().map(|q| (q.id.clone(), q.kind())).collect::<Vec<_>>();
        if self.lesson.steps.len() != english.steps.len() {
            self.tell(1, format!("it has {} steps, the English lesson {}", self.lesson.steps.len(), english.steps.len()));
        }
        if ids(self.lesson) != ids(english) {
            self.tell(1, "its questions are not those of the English lesson, in that order".to_owned());
        }
        for (own, other) in self.lesson.questions().zip(english.questions()).filter(|(own, other)| own.id == other.id) {
            let many = |question: &Question| question.choices().map(<[String]>::len);
            if many(own) != many(other) || own.right_ones() != other.right_ones() {
                let told =
                    format!("the choices of `{}`, or which of them are right, are not those of the English lesson", own.id);
                let line = self.lesson.steps.iter().flat_map(|step| &step.questions).find(|(_, q)| q.id == own.id);
                self.wrong.push(LessonError { file: self.lesson.file.clone(), line: line.map_or(1, |(line, _)| *line), told });
            }
        }
        let (own, other) = (&self.lesson.front, &english.front);
        if (&own.scenario, &own.phase) != (&other.scenario, &other.phase) {
            self.tell(1, "its scenario or phase is not that of the English lesson".to_owned());
        }
    }

    fn tell(&mut self, line: usize, told: String) {
        self.wrong.push(LessonError { file: self.lesson.file.clone(), line, told });
    }
}

const OUTCOMES: [&str; 8] =
    ["exposed", "exposed-in-clear", "refused", "handshake-only", "untouched", "blocked", "open", "unclear"];
