//! Who is alive: the rules (pure), the one clock, the reaper that tidies, and the hold
//! after a start.
//!
//! A read decides whether a group or node is alive; nothing depends on when the
//! reaper runs, except how soon subscribers are told of a group's end (decision D7).

pub mod clock;
pub mod hold;
pub mod reaper;
pub mod rules;
