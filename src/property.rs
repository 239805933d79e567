//! What property tests share: the number of cases, and names.

use proptest::strategy::Strategy;
use proptest::test_runner::Config;

use crate::model::visible::is_visible;

/// The number of cases of a test that usually runs `usual` and not proptest's 256, in
/// proportion to `PROPTEST_CASES`.
pub fn cases(usual: u32) -> u32 {
    (u64::from(usual) * u64::from(Config::default().cases))
        .div_ceil(256)
        .try_into()
        .unwrap()
}

/// A name of any script, of up to twenty characters, as the API takes it.
pub fn name() -> impl Strategy<Value = String> {
    "[^#\\p{C}]{1,20}".prop_filter("it has what cannot be seen", |name| is_visible(name))
}
