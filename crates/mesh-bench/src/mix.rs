//! What kinds of messages `mesh-v2 bench` sends, in parts.

use std::str::FromStr;

/// What messages are: the parts of each kind in a publisher's stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mix {
    /// Calls of reportDataByNode.
    pub reports: u32,
    /// Calls of fireEventsByNode, one event each.
    pub fires: u32,
    /// Calls of recordEventsByNode, one event each.
    pub records: u32,
}

impl Mix {
    /// The largest part.
    const MAX_PART: u32 = 1000;

    /// All parts together.
    pub fn parts(self) -> u32 {
        self.reports + self.fires + self.records
    }

    /// Whether pollers receive anything of it: they receive events.
    pub fn has_events(self) -> bool {
        self.fires + self.records > 0
    }
}

impl FromStr for Mix {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut mix = Self {
            reports: 0,
            fires: 0,
            records: 0,
        };
        for part in text.split(',') {
            let (kind, parts) = part.split_once('=').unwrap_or((part, "1"));
            let parts = parts
                .parse()
                .ok()
                .filter(|parts| *parts <= Self::MAX_PART)
                .ok_or_else(|| format!("{kind} takes 0 to {} parts", Self::MAX_PART))?;
            match kind {
                "reports" => mix.reports = parts,
                "fires" => mix.fires = parts,
                "records" => mix.records = parts,
                _ => return Err("kinds are reports, fires and records".into()),
            }
        }
        if mix.parts() == 0 {
            return Err("at least one kind needs a part".into());
        }
        Ok(mix)
    }
}

impl std::fmt::Display for Mix {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kinds = [
            ("reports", self.reports),
            ("fires", self.fires),
            ("records", self.records),
        ];
        let named = kinds.iter().filter(|(_, parts)| *parts > 0);
        let named: Vec<_> = named
            .map(|(kind, parts)| format!("{kind}={parts}"))
            .collect();
        f.write_str(&named.join(","))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mix_names_parts_of_kinds() {
        let mix: Mix = "reports=15,fires=2".parse().expect("a mix");
        assert_eq!((mix.parts(), mix.has_events()), (17, true));
        assert_eq!(mix.to_string(), "reports=15,fires=2");
        let alone: Mix = "records".parse().expect("a mix");
        assert_eq!(alone.to_string(), "records=1");
        for bad in ["", "reports=0", "songs=1", "fires=x", "fires=1001"] {
            assert!(bad.parse::<Mix>().is_err(), "{bad}");
        }
    }
}
