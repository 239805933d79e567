//! Which trials the command line selects.

use libtest_mimic::Arguments;

/// The filters of a command line.
pub struct Selection {
    filters: Vec<String>,
    skip: Vec<String>,
    exact: bool,
}

impl Selection {
    pub fn new(filters: Vec<String>, arguments: &Arguments) -> Self {
        Self {
            filters,
            skip: arguments.skip.clone(),
            exact: arguments.exact,
        }
    }

    /// Whether trials are chosen by name at all.
    pub fn has_filters(&self) -> bool {
        !self.filters.is_empty()
    }

    /// Whether the trial of this name is selected.
    pub fn selects(&self, name: &str) -> bool {
        let matches = |filter: &String| name == filter || !self.exact && name.contains(filter);
        (self.filters.is_empty() || self.filters.iter().any(matches))
            && !self.skip.iter().any(matches)
    }

    /// The sentence for filters that select no trial, which would pass as "0 of 0".
    pub fn nothing(&self) -> String {
        let mut sentence = format!("no case matches {}", self.filters.join(" or "));
        if !self.skip.is_empty() {
            sentence = format!("{sentence} without {}", self.skip.join(" and "));
        }
        sentence
    }
}
