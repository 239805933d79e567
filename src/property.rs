//! How much property tests try.

use proptest::test_runner::Config;

/// The usual number of cases of a test that takes another one than 256, in proportion to
/// `PROPTEST_CASES`.
pub fn cases(usual: u32) -> u32 {
    (u64::from(usual) * u64::from(Config::default().cases))
        .div_ceil(256)
        .try_into()
        .unwrap()
}
