//! When a group or a node counts as alive (contract sections 1.2 and 3).
//!
//! Nothing here waits or reads the clock: every rule is given its `now`. Every store
//! and every read uses these functions, so there is one truth about liveness.

use std::time::Duration;

use thiserror::Error;

use crate::model::error::ClientError;
use crate::model::event::{CURSOR_PREFIX, Since};
use crate::model::group::{Delivery, EndReason, Group, GroupKey, Tombstone};
use crate::model::ids::NodeId;
use crate::model::time::Timestamp;

/// A stage's times, in seconds; defaults are the contract's (section 3) for stage stg.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timings {
    /// How often a host is told to send its heartbeat.
    pub host_interval: u32,
    /// How long a group lives after its host's last heartbeat.
    pub host_ttl: u32,
    /// How often a member is told to send its heartbeat.
    pub member_interval: u32,
    /// How long a membership and a status are told after the node's last sign of life.
    pub member_ttl: u32,
    /// The life of a group whose host asks for none, as no editor does.
    pub default_connection: u32,
    /// The longest life that a host may ask for.
    pub max_connection: u32,
    /// How long an event can be polled.
    pub event_ttl: u32,
    /// How often members of a polling group are told to poll.
    pub polling_interval: u32,
}

impl Timings {
    /// The times of the stages stg and stg2.
    pub const STG: Self = Self {
        host_interval: 15,
        host_ttl: 60,
        member_interval: 15,
        member_ttl: 60,
        default_connection: 300,
        max_connection: 300,
        event_ttl: 10,
        polling_interval: 2,
    };

    /// The times of the stage prod.
    pub const PROD: Self = Self {
        host_interval: 60,
        host_ttl: 150,
        member_interval: 120,
        member_ttl: 600,
        default_connection: 2100,
        max_connection: 6000,
        event_ttl: 10,
        polling_interval: 2,
    };
}

/// Timings that cannot work together.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum BadTimings {
    /// Somebody who beats on time would still be counted out.
    #[error(
        "{who} heartbeat TTL ({ttl} s) must be longer than its interval ({interval} s): raise \
         MESH_{prefix}_HEARTBEAT_TTL_SECONDS or lower MESH_{prefix}_HEARTBEAT_INTERVAL_SECONDS"
    )]
    TtlWithinInterval {
        /// Host or member.
        who: &'static str,
        /// The same as the settings spell it.
        prefix: &'static str,
        /// The TTL.
        ttl: u32,
        /// The interval.
        interval: u32,
    },
    /// A time must be at least a second.
    #[error("{0} must be at least 1 second")]
    Zero(&'static str),
    /// Whoever asks for nothing would get more than anybody may ask for.
    #[error(
        "a group's life ({default} s) cannot be longer than the longest that may be asked for \
         ({max} s): raise MESH_MAX_CONNECTION_TIME_SECONDS or lower \
         MESH_DEFAULT_CONNECTION_TIME_SECONDS"
    )]
    DefaultBeyondMax {
        /// The life of a group whose host asks for none.
        default: u32,
        /// The longest life.
        max: u32,
    },
    /// Pollers would miss events.
    #[error(
        "the event TTL ({ttl} s) must be longer than the polling interval ({interval} s): raise \
         MESH_EVENT_TTL_SECONDS or lower MESH_POLLING_INTERVAL_SECONDS"
    )]
    EventsGoneBeforePolled {
        /// The event TTL.
        ttl: u32,
        /// The polling interval.
        interval: u32,
    },
}

/// A group that is alive: made only by [`Rules::admit`].
#[derive(Debug)]
pub struct LiveGroup<'a>(&'a Group);

impl<'a> LiveGroup<'a> {
    /// The group.
    pub fn group(&self) -> &'a Group {
        self.0
    }

    /// The group as its host sees it; `Err` holds the group's real host.
    pub fn hosted_by(self, who: &NodeId) -> Result<HostedGroup<'a>, &'a NodeId> {
        if self.0.host == *who {
            Ok(HostedGroup(self.0))
        } else {
            Err(&self.0.host)
        }
    }
}

/// A live group in the hands of its host.
#[derive(Debug)]
pub struct HostedGroup<'a>(&'a Group);

impl<'a> HostedGroup<'a> {
    /// The group.
    pub fn group(&self) -> &'a Group {
        self.0
    }
}

/// The rules of one stage.
#[derive(Clone, Copy, Debug)]
pub struct Rules {
    timings: Timings,
}

impl Rules {
    /// Takes timings that can work.
    pub fn new(timings: Timings) -> Result<Self, BadTimings> {
        let Timings {
            host_interval,
            host_ttl,
            member_interval,
            member_ttl,
            default_connection,
            max_connection,
            event_ttl,
            polling_interval,
        } = timings;
        for (name, value) in [
            ("MESH_HOST_HEARTBEAT_INTERVAL_SECONDS", host_interval),
            ("MESH_MEMBER_HEARTBEAT_INTERVAL_SECONDS", member_interval),
            ("MESH_DEFAULT_CONNECTION_TIME_SECONDS", default_connection),
            ("MESH_MAX_CONNECTION_TIME_SECONDS", max_connection),
            ("MESH_POLLING_INTERVAL_SECONDS", polling_interval),
        ] {
            if value == 0 {
                return Err(BadTimings::Zero(name));
            }
        }
        for (who, prefix, ttl, interval) in [
            ("host", "HOST", host_ttl, host_interval),
            ("member", "MEMBER", member_ttl, member_interval),
        ] {
            if ttl <= interval {
                return Err(BadTimings::TtlWithinInterval {
                    who,
                    prefix,
                    ttl,
                    interval,
                });
            }
        }
        if default_connection > max_connection {
            return Err(BadTimings::DefaultBeyondMax {
                default: default_connection,
                max: max_connection,
            });
        }
        if event_ttl <= polling_interval {
            return Err(BadTimings::EventsGoneBeforePolled {
                ttl: event_ttl,
                interval: polling_interval,
            });
        }
        Ok(Self { timings })
    }

    /// The stage's times.
    pub fn timings(&self) -> &Timings {
        &self.timings
    }

    /// Lets a request into a living group (contract 1.2): up to the end of the second
    /// in which it ends, both ways.
    pub fn admit<'a>(
        &self,
        group: &'a Group,
        now: Timestamp,
    ) -> Result<LiveGroup<'a>, ClientError> {
        match self.end_of(group, now) {
            None => Ok(LiveGroup(group)),
            Some(EndReason::TimeUp) => Err(ClientError::GroupExpired {
                group: group.key.clone(),
                expires_at: group.expires_at,
            }),
            Some(EndReason::HostSilent | EndReason::Replaced) => {
                Err(ClientError::HostSilent(group.key.clone()))
            }
        }
    }

    /// Why the group has ended, if it has.
    pub fn end_of(&self, group: &Group, now: Timestamp) -> Option<EndReason> {
        if now.seconds() > group.expires_at.seconds() {
            Some(EndReason::TimeUp)
        } else if group.heartbeat_at.seconds() < now.seconds() - i64::from(self.timings.host_ttl) {
            Some(EndReason::HostSilent)
        } else {
            None
        }
    }

    /// What is remembered of a group that ended by itself, from `now` on (decision D30):
    /// for as long as its host and its members may be silent, so that whoever sends a
    /// heartbeat in time learns why.
    pub fn tombstone(&self, group: &Group, end: EndReason, now: Timestamp) -> Tombstone {
        let Timings {
            host_ttl,
            member_ttl,
            ..
        } = self.timings;
        Tombstone {
            end,
            expires_at: group.expires_at,
            until: now.plus_seconds(host_ttl.max(member_ttl)),
        }
    }

    /// What a request to a group that ended by itself is refused with: the same as before
    /// its record was removed, whenever that was.
    pub fn refuse_ended(group: &GroupKey, tombstone: &Tombstone, now: Timestamp) -> ClientError {
        let Tombstone {
            end,
            expires_at,
            until,
        } = *tombstone;
        if until < now {
            ClientError::GroupNotFound(group.clone())
        } else if end == EndReason::TimeUp || now.seconds() > expires_at.seconds() {
            let group = group.clone();
            ClientError::GroupExpired { group, expires_at }
        } else {
            ClientError::HostSilent(group.clone())
        }
    }

    /// Whether listing, searching and createGroup still count the group: a little
    /// stricter than [`Rules::admit`] at the very end (contract 1.3).
    pub fn lists(&self, group: &Group, now: Timestamp) -> bool {
        group.heartbeat_at.seconds() > now.seconds() - i64::from(self.timings.host_ttl)
            && group.expires_at > now
    }

    /// The life of a new group, in seconds.
    pub fn lifetime(&self, asked: Option<i32>) -> Result<u32, ClientError> {
        let max = self.timings.max_connection;
        let Some(asked) = asked else {
            return Ok(self.timings.default_connection);
        };
        let seconds = u32::try_from(asked).unwrap_or(0);
        if seconds < 1 {
            Err(ClientError::LifeTooShort)
        } else if seconds > max {
            Err(ClientError::LifeTooLong(max))
        } else {
            Ok(seconds)
        }
    }

    /// How the members of a group hear each other.
    pub fn delivery(&self, use_websocket: bool) -> Delivery {
        if use_websocket {
            Delivery::WebSocket
        } else {
            Delivery::Polling {
                every_seconds: self.timings.polling_interval,
            }
        }
    }

    /// Until when a node counts after a sign of life at `now`: a whole second.
    pub fn member_until(&self, now: Timestamp) -> Timestamp {
        Timestamp::from_seconds(now.seconds()).plus_seconds(self.timings.member_ttl)
    }

    /// Whether a node that counts until `until` still does.
    pub fn node_alive(until: Timestamp, now: Timestamp) -> bool {
        until.seconds() > now.seconds()
    }

    /// Whether an event taken at `at` can still be polled (decision D14).
    pub fn event_alive(&self, at: Timestamp, now: Timestamp) -> bool {
        at.seconds() + i64::from(self.timings.event_ttl) > now.seconds()
    }

    /// Whether a poll at `polled_at` still counts as a poller being there (decision D13).
    pub fn polls(polled_at: Timestamp, now: Timestamp) -> bool {
        polled_at >= now.minus(Duration::from_mins(1))
    }

    /// Whether a reader's place lies past the clock.
    pub fn is_ahead(since: Since<'_>, now: Timestamp) -> bool {
        cursor(since) >= format!("{CURSOR_PREFIX}{}", now.next())
    }

    /// Where a reader of a group made at `created_at` continues, as a cursor's text
    /// (decision D14). What lies past both the clock and `newest`, the group's last
    /// cursor, counts as two polling intervals before now; a poll's plain time as one
    /// interval earlier, but never before the group.
    pub fn since(
        &self,
        since: Since<'_>,
        created_at: Timestamp,
        newest: Option<&str>,
        now: Timestamp,
    ) -> String {
        let cursor = cursor(since);
        let interval = Duration::from_secs(u64::from(self.timings.polling_interval));
        if Self::is_ahead(since, now) && newest.is_none_or(|newest| cursor.as_str() > newest) {
            return format!("{CURSOR_PREFIX}{}", now.minus(interval * 2));
        }
        let Since::Polled(text) = since else {
            return cursor;
        };
        match Timestamp::parse(text) {
            Some(time) => {
                let earlier = time.minus(interval).max(created_at).min(time);
                format!("{CURSOR_PREFIX}{earlier}")
            }
            None => cursor,
        }
    }
}

/// A reader's place with its prefix.
fn cursor(since: Since<'_>) -> String {
    match since.text() {
        text if text.starts_with(CURSOR_PREFIX) => text.to_owned(),
        text => format!("{CURSOR_PREFIX}{text}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::ids::GroupName;

    fn group() -> Group {
        Group {
            key: GroupKey::parse("g", "d").unwrap(),
            name: GroupName::parse("name", "n").unwrap(),
            host: NodeId::parse("hostId", "h").unwrap(),
            created_at: Timestamp::from_seconds(1000),
            expires_at: Timestamp::from_seconds(1300),
            heartbeat_at: Timestamp::from_seconds(1000),
            delivery: Delivery::WebSocket,
        }
    }

    fn rules() -> Rules {
        Rules::new(Timings::STG).unwrap()
    }

    fn millis(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_group_admits_until_the_second_of_its_host_ttl_has_passed() {
        assert!(rules().admit(&group(), millis(1_060_999)).is_ok());
        let refusal = rules().admit(&group(), millis(1_061_000)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Group not found: g@d (heartbeat expired)"
        );
    }

    #[test]
    fn a_group_admits_until_the_second_of_its_end_has_passed() {
        let group = Group {
            heartbeat_at: Timestamp::from_seconds(1299),
            ..group()
        };
        assert!(rules().admit(&group, millis(1_300_999)).is_ok());
        let refusal = rules().admit(&group, millis(1_301_000)).unwrap_err();
        assert_eq!(
            refusal.to_string(),
            "Group expired: g@d (expiresAt: 1970-01-01T00:21:40.000Z)"
        );
    }

    #[test]
    fn an_ended_group_is_refused_like_before_it_was_removed_until_it_is_forgotten() {
        let silent = rules().tombstone(&group(), EndReason::HostSilent, millis(1_061_000));
        assert!(silent.until >= millis(1_061_000).plus_seconds(Timings::STG.host_ttl));
        for now in [1_061_000, 1_121_000] {
            let before = rules().admit(&group(), millis(now)).unwrap_err();
            let after = Rules::refuse_ended(&group().key, &silent, millis(now));
            assert_eq!(after, before);
        }
        let forgotten = Rules::refuse_ended(&group().key, &silent, silent.until.next());
        assert_eq!(forgotten.to_string(), "Group not found: g@d");
        let short = Group {
            expires_at: Timestamp::from_seconds(1070),
            ..group()
        };
        for end in [
            EndReason::HostSilent,
            EndReason::TimeUp,
            EndReason::Replaced,
        ] {
            let tombstone = rules().tombstone(&short, end, millis(1_071_000));
            let after = Rules::refuse_ended(&short.key, &tombstone, millis(1_071_000));
            assert_eq!(after, rules().admit(&short, millis(1_071_000)).unwrap_err());
        }
    }

    #[test]
    fn listing_is_strict_about_both_ends() {
        assert!(rules().lists(&group(), millis(1_059_999)));
        assert!(!rules().lists(&group(), millis(1_060_000)));
        let beating = Group {
            heartbeat_at: Timestamp::from_seconds(1299),
            ..group()
        };
        assert!(rules().lists(&beating, millis(1_299_999)));
        assert!(!rules().lists(&beating, millis(1_300_000)));
    }

    #[test]
    fn only_the_host_holds_the_group() {
        let group = group();
        let live = || rules().admit(&group, millis(1_000_000)).unwrap();
        assert!(
            live()
                .hosted_by(&NodeId::parse("hostId", "h").unwrap())
                .is_ok()
        );
        assert_eq!(
            live()
                .hosted_by(&NodeId::parse("hostId", "x").unwrap())
                .unwrap_err()
                .as_str(),
            "h"
        );
    }

    #[test]
    fn a_ttl_within_its_interval_is_refused_with_the_setting_to_change() {
        let refused = |timings| Rules::new(timings).unwrap_err().to_string();
        let host = refused(Timings {
            host_ttl: 15,
            ..Timings::STG
        });
        assert!(host.contains("MESH_HOST_HEARTBEAT_TTL_SECONDS"), "{host}");
        let member = refused(Timings {
            member_ttl: 1,
            ..Timings::STG
        });
        assert!(
            member.contains("MESH_MEMBER_HEARTBEAT_TTL_SECONDS"),
            "{member}"
        );
        let events = refused(Timings {
            event_ttl: 2,
            ..Timings::STG
        });
        assert!(events.contains("MESH_EVENT_TTL_SECONDS"), "{events}");
    }

    #[test]
    fn a_life_is_between_one_second_and_the_stages_most() {
        assert_eq!(rules().lifetime(None), Ok(300));
        assert_eq!(rules().lifetime(Some(1)), Ok(1));
        assert_eq!(rules().lifetime(Some(300)), Ok(300));
        for (asked, text) in [
            (0, "maxConnectionTimeSeconds must be at least 1"),
            (-5, "maxConnectionTimeSeconds must be at least 1"),
            (301, "maxConnectionTimeSeconds cannot exceed 300"),
        ] {
            assert_eq!(rules().lifetime(Some(asked)).unwrap_err().to_string(), text);
        }
    }

    #[test]
    fn a_life_that_is_not_asked_for_is_the_default_and_may_be_shorter_than_the_longest() {
        let rules = Rules::new(Timings::PROD).unwrap();
        assert_eq!(rules.lifetime(None), Ok(2100));
        assert_eq!(rules.lifetime(Some(6000)), Ok(6000));
        assert_eq!(
            rules.lifetime(Some(6001)).unwrap_err().to_string(),
            "maxConnectionTimeSeconds cannot exceed 6000"
        );
    }

    #[test]
    fn a_default_life_beyond_the_longest_is_refused_with_both_settings() {
        let refused = Rules::new(Timings {
            default_connection: 301,
            ..Timings::STG
        });
        let refused = refused.unwrap_err().to_string();
        for setting in [
            "MESH_DEFAULT_CONNECTION_TIME_SECONDS",
            "MESH_MAX_CONNECTION_TIME_SECONDS",
        ] {
            assert!(refused.contains(setting), "{refused}");
        }
    }

    #[test]
    fn a_since_from_the_future_counts_as_two_polls_ago() {
        let now = Timestamp::from_seconds(1_800_000_000);
        let back = format!("EVENT#{}", Timestamp::from_seconds(1_800_000_000 - 4));
        for future in [
            "2999-01-01T00:00:00.000Z",
            "EVENT#2999-01-01T00:00:00.000Z#000000#000000",
            "zzz",
        ] {
            assert_eq!(exactly(future, None, now), back);
            assert_eq!(polled(future, None, now), back);
        }
    }

    #[test]
    fn a_since_up_to_now_or_up_to_the_newest_event_stays() {
        let now = Timestamp::from_seconds(1_800_000_000);
        for past in [
            "",
            "2020-01-01T00:00:00.000Z",
            &now.to_string(),
            &format!("{now}#000009#000000"),
        ] {
            assert_eq!(exactly(past, None, now), format!("EVENT#{past}"));
        }
        let ahead = format!("EVENT#{}#000000#000001", now.plus_seconds(5));
        assert_eq!(exactly(&ahead, Some(&ahead), now), ahead);
        assert_eq!(polled(&ahead, Some(&ahead), now), ahead);
    }

    fn exactly(since: &str, newest: Option<&str>, now: Timestamp) -> String {
        rules().since(Since::Exactly(since), group().created_at, newest, now)
    }

    fn polled(since: &str, newest: Option<&str>, now: Timestamp) -> String {
        rules().since(Since::Polled(since), group().created_at, newest, now)
    }

    #[test]
    fn a_polls_plain_time_counts_from_an_interval_earlier_and_cursors_stay() {
        let now = Timestamp::from_seconds(1_800_000_000);
        for (sent, counts) in [
            (now, now.minus(Duration::from_secs(2))),
            (millis(1_000_500), millis(1_000_000)),
            (millis(1_002_500), millis(1_000_500)),
            (millis(900_000), millis(900_000)),
        ] {
            assert_eq!(
                polled(&sent.to_string(), None, now),
                format!("EVENT#{counts}")
            );
            assert_eq!(
                exactly(&sent.to_string(), None, now),
                format!("EVENT#{sent}")
            );
        }
        let written_otherwise = "2026-11-21T13:40:37+09:00";
        assert_eq!(
            polled(written_otherwise, None, now),
            "EVENT#2026-11-21T04:40:35.000Z"
        );
        for stays in [
            "",
            "2026",
            "EVENT#2026-11-21T04:40:35.740Z",
            "EVENT#2026-11-21T04:40:35.740Z#000000#000001",
            "2026-11-21T04:40:35.740Z#000000#000001",
        ] {
            assert_eq!(polled(stays, None, now), exactly(stays, None, now));
        }
    }
}
