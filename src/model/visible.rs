//! What can be seen of a name (docs/api.md, Ids). Two names that look the same and differ would
//! let one child take another's place; characters that turn the direction of text would show
//! a name, and what stands around it, as something else.

use std::iter::Peekable;
use std::str::Chars;

use unicode_normalization::UnicodeNormalization as _;

use crate::model::ids::MAX_CHARACTERS;

/// Whether each character can be seen, or changes in its place how a neighbour looks: joiners in
/// emoji and in scripts that join letters, and variants of emoji and ideographs.
pub fn is_visible(text: &str) -> bool {
    let (mut chars, mut before) = (text.chars().peekable(), None);
    while let Some(c) = chars.next() {
        if !is_visible_after(before, c, &mut chars) {
            return false;
        }
        before = Some(c);
    }
    true
}

/// The form by which names are searched: composed, in the usual width (Unicode's NFKC).
pub fn search_form(text: &str) -> String {
    // One character may become eighteen.
    text.nfkc().take(MAX_CHARACTERS).collect()
}

fn is_visible_after(before: Option<char>, c: char, after: &mut Peekable<Chars<'_>>) -> bool {
    let after = after.peek().copied();
    match c {
        // Joiners.
        '\u{200c}' | '\u{200d}' => match (before, after) {
            (Some(before), Some(after)) => {
                (is_emoji(after) && (is_emoji(before) || before == '\u{fe0f}'))
                    || (joins_letters(before) && joins_letters(after))
            }
            _ => false,
        },
        // How an emoji is shown, and keycaps: a digit, this selector and a frame.
        '\u{fe0e}' | '\u{fe0f}' => before.is_some_and(|before| {
            is_emoji(before) || (matches!(before, '0'..='9' | '*') && after == Some('\u{20e3}'))
        }),
        // Variants of ideographs, which Japanese names have.
        '\u{fe00}'..='\u{fe0d}' | '\u{e0100}'..='\u{e01ef}' => before.is_some_and(is_ideograph),
        // Flags of regions: a black flag and letters that are not shown.
        '\u{e0020}'..='\u{e007f}' => {
            matches!(before, Some('\u{1f3f4}' | '\u{e0020}'..='\u{e007e}'))
        }
        c => !is_invisible(c),
    }
}

/// Characters that take no place, or turn the direction of text, wherever they stand.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{34f}'
            | '\u{61c}'
            | '\u{115f}'
            | '\u{1160}'
            | '\u{17b4}'
            | '\u{17b5}'
            | '\u{180b}'..='\u{180f}'
            | '\u{200b}'
            | '\u{200e}'
            | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{3164}'
            | '\u{feff}'
            | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{e0fff}'
    )
}

/// Emoji and other symbols.
fn is_emoji(c: char) -> bool {
    matches!(
        c,
        '\u{a9}' | '\u{ae}' | '\u{203c}'..='\u{2bff}' | '\u{3030}' | '\u{303d}' | '\u{3297}' | '\u{3299}'
            | '\u{1f000}'..='\u{1faff}'
    )
}

/// Letters of scripts in which joiners change how letters look: Arabic, those of India and its
/// neighbours, Khmer and Mongolian.
fn joins_letters(c: char) -> bool {
    matches!(c, '\u{600}'..='\u{109f}' | '\u{1780}'..='\u{18af}')
}

fn is_ideograph(c: char) -> bool {
    matches!(c, '\u{3400}'..='\u{9fff}' | '\u{f900}'..='\u{faff}' | '\u{20000}'..='\u{3ffff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_children_use_are_visible() {
        for text in [
            "ねこ",
            "が",
            "か\u{3099}",
            "ｶﾞ",
            "学校 １年 3組",
            "葛\u{e0100}飾",
            "👩\u{200d}👩\u{200d}👧",
            "❤\u{fe0f}\u{200d}🔥",
            "🏳\u{fe0f}\u{200d}🌈",
            "🧑🏽\u{200d}🚀",
            "🏴\u{e0067}\u{e0062}\u{e0065}\u{e006e}\u{e0067}\u{e007f}",
            "1\u{fe0f}\u{20e3}",
            "☎\u{fe0e}",
            "me@home",
            "100%",
            "שלום",
            "سلام",
            "می\u{200c}خواهم",
            "क्\u{200d}ष",
            "e\u{301}",
        ] {
            assert!(is_visible(text), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn what_cannot_be_seen_is_not() {
        for text in [
            "\u{200b}",
            "ね\u{200b}こ",
            "ね\u{200d}こ",
            "a\u{200c}b",
            "\u{200d}🐱",
            "🐱\u{200d}",
            "🐱\u{200d}a",
            "🐱\u{200d}\u{200d}🐱",
            "می\u{200c}",
            "a\u{fe0f}",
            "ね\u{fe00}",
            "1\u{fe0f}",
            "🐱\u{fe0f}\u{fe0f}",
            "a\u{e0100}",
            "\u{e0067}",
            "🐱\u{e0067}",
            "abc\u{202e}cba",
            "\u{2066}a\u{2069}",
            "a\u{200e}",
            "a\u{61c}",
            "\u{feff}a",
            "a\u{ad}b",
            "a\u{2060}b",
            "\u{3164}",
            "\u{ffa0}",
            "a\u{2028}b",
            "\u{fff9}a\u{fffb}",
        ] {
            assert!(!is_visible(text), "{}", text.escape_unicode());
        }
    }

    #[test]
    fn names_of_one_look_have_one_search_form() {
        for (one, other) in [
            ("が", "か\u{3099}"),
            ("ｶﾞｯｺｳ", "ガッコウ"),
            ("ＡＢＣ１２３", "ABC123"),
            ("é", "e\u{301}"),
            ("葛\u{3000}飾", "葛 飾"),
        ] {
            assert_eq!(search_form(one), search_form(other));
        }
        assert_ne!(search_form("か"), search_form("が"));
        assert_ne!(search_form("ね"), search_form("ネ"));
        assert_ne!(search_form("a"), search_form("A"));
        let long = "\u{fdfa}".repeat(MAX_CHARACTERS);
        assert!(search_form(&long).len() <= 1024, "a key of a table");
    }
}
