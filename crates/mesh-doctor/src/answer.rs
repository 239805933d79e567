//! An HTTP response, and texts of the network that people read.

use serde_json::Value;

/// An HTTP response.
#[derive(Clone, Debug, Default)]
pub struct Answer {
    /// The status code.
    pub status: u16,
    /// Names in small letters, and values.
    pub headers: Vec<(String, String)>,
    /// The body's beginning.
    pub body: String,
}

impl Answer {
    /// A header's value.
    pub fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(known, _)| known == name);
        found.map(|(_, value)| value.as_str())
    }

    /// The body, if it is JSON.
    pub fn json(&self) -> Option<Value> {
        serde_json::from_str(&self.body).ok()
    }

    /// Whether it is a page for people.
    pub fn is_page(&self) -> bool {
        let kind = self.header("content-type").unwrap_or_default();
        kind.contains("html") || self.body.trim_start().starts_with('<')
    }

    /// The title of the page, or a stand-in.
    pub fn title(&self) -> String {
        let lower = self.body.to_ascii_lowercase();
        let title = lower.find("<title").and_then(|at| {
            let begin = at + lower[at..].find('>')? + 1;
            let end = begin + lower[begin..].find("</title")?;
            self.body.get(begin..end)
        });
        let title = title.map(str::trim).filter(|title| !title.is_empty());
        title.map_or_else(|| "-".into(), |title| format!("“{}”", plain(title)))
    }
}

/// A text of the network for a terminal or a letter: one line, short, without control characters.
pub fn plain(text: &str) -> String {
    const CHARACTERS: usize = 200;
    let text = text.trim().chars();
    let shown = text.map(|c| if is_hidden(c) { ' ' } else { c });
    shown.take(CHARACTERS).collect()
}

/// Control characters, those without width, and those that turn the direction of text.
fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_filters_page_has_a_title_and_no_control_characters() {
        let page = |body: &str| Answer {
            body: body.into(),
            ..Answer::default()
        };
        let filter = page("<html><TITLE lang=x>\n Access \u{1b}[31mdenied </TITLE>");
        assert!(filter.is_page());
        assert_eq!(filter.title(), "“Access  [31mdenied”");
        assert_eq!(page("<html>").title(), "-");
        assert!(!page("{\"data\":null}").is_page());
    }
}
