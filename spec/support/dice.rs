//! Pseudo-random numbers, and numbers of the environment.

/// A number of the environment.
pub fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

/// Pseudo-random numbers (`SplitMix64`): the same for the same seed.
pub struct Dice(pub u64);

impl Dice {
    /// From 1 to `sides`.
    pub fn rolls(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % sides + 1
    }
}
