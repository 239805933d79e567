//! Quotas: how much of a limit one holder may use, so that holders that come later still find
//! some of it free.

/// A limit that many holders share.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Quota {
    /// What all holders may use together.
    pub limit: usize,
    /// What one holder may use.
    pub share: usize,
    /// The last part of the limit, which only small holders may use.
    pub reserve: usize,
    /// What a small holder uses at most.
    pub small: usize,
}

impl Quota {
    /// Whether a holder may use `own` when all together, it included, use `all`.
    pub fn admits(&self, all: usize, own: usize) -> bool {
        all <= self.limit && own <= self.share && (all <= self.open() || own <= self.small)
    }

    /// What all may use together, for a holder that is small or has a claim on the reserve, or
    /// for another.
    pub fn most(&self, reserve: bool) -> usize {
        if reserve { self.limit } else { self.open() }
    }

    /// What any holder may use: the limit without the reserve.
    pub fn open(&self) -> usize {
        self.limit - self.reserve.min(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_part_of_a_limit_is_for_small_holders() {
        let quota = Quota {
            limit: 10,
            share: 6,
            reserve: 2,
            small: 1,
        };
        assert!(quota.admits(6, 6));
        assert!(!quota.admits(7, 7), "more than its share");
        assert!(quota.admits(8, 2));
        assert!(!quota.admits(9, 2), "from the reserve");
        assert!(quota.admits(10, 1));
        assert!(!quota.admits(11, 1), "the limit");
    }

    #[test]
    fn a_flood_of_any_few_holders_leaves_some_to_others() {
        let quota = Quota {
            limit: 100,
            share: 50,
            reserve: 20,
            small: 2,
        };
        for floods in 1..8 {
            let (mut all, mut own) = (0, vec![0; floods]);
            for n in 0..1000 {
                let of = &mut own[n % floods];
                if quota.admits(all + 1, *of + 1) {
                    (all, *of) = (all + 1, *of + 1);
                }
            }
            assert!(quota.admits(all + 2, 2), "{floods} holders use {all}");
        }
    }
}
