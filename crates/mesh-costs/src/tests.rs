//! What must hold for every lesson.

use proptest::prelude::*;

use crate::lesson::Lesson;
use crate::price::{Deployment, Price};
use crate::prices::Region;
use crate::units::Units;

fn price(deployment: Deployment, lesson: &Lesson) -> Price {
    Price::new(deployment, lesson, Region::Tokyo, &Units::measured())
}

fn dollars(deployment: Deployment, lesson: &Lesson) -> f64 {
    price(deployment, lesson).lesson_dollars
}

fn part(deployment: Deployment, lesson: &Lesson, what: &str) -> f64 {
    let price = price(deployment, lesson);
    price
        .parts
        .iter()
        .find(|part| part.what == what)
        .expect("the part")
        .dollars
}

fn lessons() -> impl Strategy<Value = Lesson> {
    let numbers = (
        1_u32..200,
        1_u32..200,
        0.0..100.0,
        0.0..20.0,
        0_u32..=100,
        any::<bool>(),
    );
    numbers.prop_map(
        |(pupils, minutes, reports, events, polling_percent, push)| Lesson {
            pupils,
            minutes,
            reports_per_second: reports,
            events_per_second: events,
            polling_percent,
            push,
        },
    )
}

#[test]
fn a_class_costs_what_the_plan_says() {
    let class = Lesson::CLASS;
    let appsync = dollars(Deployment::Appsync, &class);
    assert!((3.9..4.2).contains(&appsync), "{appsync}");
    let fan_out = part(Deployment::Appsync, &class, "messages to subscribers") / appsync;
    assert!((0.88..0.93).contains(&fan_out), "{fan_out}");
    let server = dollars(Deployment::ServerDynamodb, &class);
    let polling = dollars(Deployment::ServerDynamodb, &class.with_polling(100));
    assert!(
        server > 0.02 && server < polling && polling < 0.14,
        "{server} {polling}"
    );
    let embedded = dollars(Deployment::Embedded, &class);
    assert!((0.004..0.01).contains(&embedded), "{embedded}");
}

#[test]
fn push_costs_a_mutation_for_each_recorded_call_and_its_messages() {
    let polling = Lesson::CLASS.with_polling(50);
    let off = Lesson {
        push: false,
        ..polling
    };
    let more = dollars(Deployment::Appsync, &polling) - dollars(Deployment::Appsync, &off);
    let messages = polling.recorded() * 20.0 * 2e-6;
    let mutations = polling.recorded() * 4e-6;
    assert!(
        more > messages + mutations && more < (messages + mutations) * 1.2,
        "{more}"
    );
    for deployment in [
        Deployment::Fargate,
        Deployment::ServerDynamodb,
        Deployment::Embedded,
    ] {
        assert_eq!(price(deployment, &polling), price(deployment, &off));
    }
}

#[test]
fn a_class_that_polls_as_a_whole_gets_nothing_pushed() {
    let polling = Lesson::CLASS.with_polling(100);
    let off = Lesson {
        push: false,
        ..polling
    };
    let on_appsync = |lesson| price(Deployment::Appsync, lesson).parts;
    assert_eq!(on_appsync(&polling), on_appsync(&off));
}

#[test]
fn the_group_s_end_is_a_message_to_each_subscriber() {
    let quiet = Lesson {
        reports_per_second: 0.0,
        events_per_second: 0.0,
        ..Lesson::CLASS
    };
    let messages = &price(Deployment::Appsync, &quiet).parts[0];
    // Beside the connections.
    assert!((messages.amount - 80.0).abs() < 1e-9, "{messages:?}");
}

#[test]
fn a_month_pays_once_for_what_runs_day_and_night() {
    let embedded = price(Deployment::Embedded, &Lesson::CLASS);
    assert!((embedded.month_dollars(1) - embedded.month_dollars(200)).abs() < 1e-9);
    let appsync = price(Deployment::Appsync, &Lesson::CLASS);
    let month = appsync.month_without_lessons_dollars + appsync.lesson_dollars * 20.0;
    assert!((appsync.month_dollars(20) - month).abs() < 1e-9);
}

proptest! {
    #[test]
    fn parts_add_up_to_the_price(lesson in lessons()) {
        for deployment in Deployment::ALL {
            for region in [Region::Tokyo, Region::Virginia] {
                let price = Price::new(deployment, &lesson, region, &Units::measured());
                let sum: f64 = price.parts.iter().map(|part| part.dollars).sum();
                prop_assert!(price.parts.iter().all(|part| part.dollars >= 0.0 && part.amount >= 0.0));
                prop_assert!((sum - price.lesson_dollars).abs() < 1e-9 && sum.is_finite() && sum > 0.0);
                prop_assert!(price.month_dollars(1) + 1e-9 >= price.month_without_lessons_dollars);
            }
        }
    }

    // Without push a further poller takes messages from subscribers, and may save money.
    #[test]
    fn more_of_anything_is_never_cheaper(lesson in lessons()) {
        let lesson = Lesson { push: true, ..lesson };
        let more = [
            Lesson { pupils: lesson.pupils + 1, ..lesson },
            Lesson { minutes: lesson.minutes + 1, ..lesson },
            Lesson { reports_per_second: lesson.reports_per_second + 1.0, ..lesson },
            Lesson { events_per_second: lesson.events_per_second + 1.0, ..lesson },
        ];
        // A recorded event reads a unit less than a fired one: one more pupil may be one more of
        // those who record.
        let read_unit = 0.3e-6;
        let saved = lesson.events_per_second * f64::from(lesson.minutes) * 60.0 * read_unit;
        for deployment in Deployment::ALL {
            let price = dollars(deployment, &lesson);
            for more in &more {
                prop_assert!(dollars(deployment, more) >= price - saved - 1e-9, "{deployment:?} {more:?}");
            }
        }
    }
}
