//! The server's clock, which follows the wall clock, the reaper that removes what expired, and the
//! hold after a start.
//!
//! Every read and write decides by `model::rules` what is alive. Only how soon subscribers are
//! notified of a group's end depends on when the reaper runs (decision D7).

pub mod clock;
pub mod hold;
pub mod reaper;
pub mod wall_clock;
