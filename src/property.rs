//! The number of cases of property tests.

use proptest::test_runner::Config;

/// The number of cases of a test that usually runs `usual` and not proptest's 256, in
/// proportion to `PROPTEST_CASES`.
pub fn cases(usual: u32) -> u32 {
    (u64::from(usual) * u64::from(Config::default().cases))
        .div_ceil(256)
        .try_into()
        .unwrap()
}
