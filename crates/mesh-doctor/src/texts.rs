//! The texts in both languages, which the page /doctor embeds as well: `texts.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

/// The language of the result.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Lang {
    /// Japanese
    Ja,
    /// English
    En,
}

/// What a finding says about a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// Nothing is in the way.
    Ok,
    /// A lesson works, but not as it should.
    Warning,
    /// This way does not work.
    Blocked,
    /// It was not tried, or does not apply.
    Skipped,
}

/// A text in both languages.
#[derive(Debug, Deserialize)]
pub struct Both<T> {
    en: T,
    ja: T,
}

/// What a finding means for a lesson, and what to do.
#[derive(Debug, Deserialize)]
pub struct Advice {
    /// What it means.
    pub means: String,
    /// What to do; empty if there is nothing to do.
    pub todo: String,
}

/// A finding's text.
#[derive(Debug, Deserialize)]
pub struct FindingText {
    /// Its state.
    pub state: State,
    /// What it means and what to do.
    #[serde(flatten)]
    pub advice: Both<Advice>,
}

/// The letter to the network department.
#[derive(Debug, Deserialize)]
pub struct LetterText {
    /// Its first lines.
    pub greeting: Vec<String>,
    /// What to allow.
    pub items: Vec<String>,
    /// Encryption of an https address.
    pub tls: String,
    /// Encryption of an http address.
    pub plain: String,
    /// Before the findings.
    pub found: String,
    /// If there are none.
    pub nothing: String,
    /// The result.
    pub way: String,
    /// Its last lines.
    pub closing: Vec<String>,
}

/// The report's own words.
#[derive(Debug, Deserialize)]
pub struct FrameText {
    /// The heading.
    pub title: String,
    /// For which editor it was made.
    pub origin: String,
}

/// All texts.
#[derive(Debug, Deserialize)]
pub struct Texts {
    /// Names of checks.
    pub checks: BTreeMap<String, Both<String>>,
    /// Names of states.
    pub states: BTreeMap<String, Both<String>>,
    /// Results.
    pub ways: BTreeMap<String, Both<Advice>>,
    /// Findings.
    pub findings: BTreeMap<String, FindingText>,
    /// The letter.
    pub letter: Both<LetterText>,
    /// The report.
    pub frame: Both<FrameText>,
}

/// The texts of `texts.json`.
pub static TEXTS: LazyLock<Texts> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../texts.json")).expect("a test reads the texts")
});

impl<T> Both<T> {
    /// The text in one language.
    pub fn of(&self, lang: Lang) -> &T {
        match lang {
            Lang::Ja => &self.ja,
            Lang::En => &self.en,
        }
    }
}

/// Puts values in the place of their names in braces.
pub fn fill(text: &str, values: &BTreeMap<&str, String>) -> String {
    let mut filled = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('{') {
        filled.push_str(before);
        let Some((name, after)) = after.split_once('}') else {
            break;
        };
        filled.push_str(values.get(name).map_or("?", String::as_str));
        rest = after;
    }
    filled + rest
}

impl Lang {
    /// The language of the environment: `LC_ALL`, `LC_MESSAGES`, `LANG`.
    pub fn of_environment() -> Self {
        let variables = ["LC_ALL", "LC_MESSAGES", "LANG"];
        let set = variables.iter().filter_map(|name| std::env::var(name).ok());
        let first = set.into_iter().find(|value| !value.is_empty());
        if first.is_some_and(|value| value.starts_with("ja")) {
            Self::Ja
        } else {
            Self::En
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Names in braces, sorted.
    fn names(text: &str) -> Vec<&str> {
        let mut names: Vec<_> = text
            .split('{')
            .skip(1)
            .filter_map(|part| part.split('}').next())
            .collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    #[test]
    fn both_languages_have_the_same_values() {
        for (id, text) in &TEXTS.findings {
            let of = |lang| {
                let advice = text.advice.of(lang);
                format!("{} {}", advice.means, advice.todo)
            };
            assert_eq!(names(&of(Lang::En)), names(&of(Lang::Ja)), "{id}");
            let check = id.split('-').next().unwrap_or_default();
            assert!(TEXTS.checks.contains_key(check), "{id}");
            let todo = &text.advice.of(Lang::En).todo;
            let needs_help = [State::Warning, State::Blocked].contains(&text.state);
            assert!(
                !needs_help || !todo.is_empty(),
                "{id} does not say what to do"
            );
        }
        let items = [Lang::En, Lang::Ja].map(|lang| TEXTS.letter.of(lang).items.concat());
        assert_eq!(names(&items[0]), names(&items[1]));
    }

    #[test]
    fn values_are_not_filled_twice() {
        let values = BTreeMap::from([("a", "{b}".to_owned()), ("b", "x".to_owned())]);
        assert_eq!(fill("{a} {b} {c}", &values), "{b} x ?");
    }
}
