//! Any texts as join codes: what is read is read again from each of its forms.

use super::*;
use crate::fuzz::{Fuzz, Outcome};

fn target(input: &[u8]) -> Outcome {
    let mut outcome = Outcome::default();
    for line in String::from_utf8_lossy(input).split('\n') {
        let Ok(code) = JoinCode::parse("code", line) else {
            continue;
        };
        let digits = code.to_string();
        let digit = |c: char| c.to_digit(16).expect("a digit") as usize;
        let hiragana: String = digits.chars().map(|c| HIRAGANA[digit(c)]).collect();
        let is_hiragana = line.contains(&hiragana);
        outcome.passed(if is_hiragana { "hiragana" } else { "digits" });
        for form in [
            digits.to_uppercase(),
            format!("\u{3000}{hiragana} "),
            serde_json::to_value(code).unwrap().as_str().unwrap().into(),
            digits,
        ] {
            assert_eq!(JoinCode::parse("code", &form), Ok(code), "{form}");
        }
    }
    outcome
}

#[test]
fn codes() {
    let fuzz = Fuzz {
        target: "codes",
        tokens: "codes",
        kinds: &["digits", "hiragana"],
    };
    fuzz.run(target);
}
