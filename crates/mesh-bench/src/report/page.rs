//! The report as one HTML page: no script, no font, no other host.

use mesh_costs::dollars;

use crate::measure::SeriesPoint;
use crate::report::Report;
use crate::report::chart::{Column, Line, columns, lines, tenths};
use crate::report::figures::Latency;
use crate::report::lesson::Played;
use crate::report::units::{bytes, duration, grouped, ratio, round};

const STYLE: &str = include_str!("page.css");

/// The whole page.
pub fn page(report: &Report) -> String {
    let title = escaped(&report.title());
    let place = escaped(&report.place());
    let verdict = if report.problems.is_empty() {
        "<p class=\"verdict\">Nothing lost, duplicated, reordered or misrouted.</p>".to_owned()
    } else {
        let problems = escaped(&report.problems.join("; "));
        format!("<p class=\"verdict bad\">{problems}</p>")
    };
    let notes = notes(report);
    let (tiles, charts, tables) = (tiles(report), charts(report), tables(report));
    let started = &report.started_at;
    format!(
        "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>mesh-v2 bench: {title}</title>\n\
         <style>\n{STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n<p>{place}; {started}</p>\n{verdict}\n{notes}\
         <div class=\"tiles\">\n{tiles}</div>\n<div class=\"charts\">\n{charts}</div>\n{tables}</body>\n</html>\n"
    )
}

/// How busy the machine was, and the lesson in words.
fn notes(report: &Report) -> String {
    let busy = match &report.machine_load {
        Some(load) => load.warning(),
        None => Some("How busy the machine was besides is unknown here.".to_owned()),
    };
    let busy = busy.map(|text| format!("<p class=\"note\">Machine: {}</p>\n", escaped(&text)));
    let lesson = report.lesson.as_ref().map(lesson);
    busy.unwrap_or_default() + &lesson.unwrap_or_default()
}

fn lesson(lesson: &Played) -> String {
    let sentences = lesson.sentences.iter();
    let sentences = sentences.map(|text| format!("<li>{}</li>\n", escaped(text)));
    let sentences: String = sentences.collect();
    let prices = lesson.costs.deployments.iter();
    let prices = prices.map(|entry| {
        let price = &entry.price;
        vec![price.name.to_owned(), dollars(price.lesson_dollars)]
    });
    format!(
        "<ul class=\"lesson\">\n{sentences}</ul>\n{}",
        table(&["such a lesson costs", "US dollars"], prices)
    )
}

fn tiles(report: &Report) -> String {
    let mut tiles = Vec::new();
    if !report.settings.is_idle() {
        tiles.push((
            per_second(report.delivered.per_second),
            "messages delivered",
        ));
        tiles.push((
            per_second(report.published.per_second),
            "messages published",
        ));
    }
    if let Some(latency) = report.delivered.latency_us {
        tiles.push((duration(latency.p50), "from sending to receiving, median"));
        tiles.push((duration(latency.p99), "99 of 100 within"));
    }
    if let Some(server) = &report.server {
        if let Some(cpu) = server.cpu_us_per_delivered {
            tiles.push((format!("{cpu:.2} µs"), "server CPU per delivered message"));
        }
        if let Some(each) = server.rss_per_connection_bytes {
            tiles.push((bytes(each), "server memory per idle connection"));
        }
        if let Some(rss) = server.rss_end_bytes {
            tiles.push((bytes(ratio(rss, 1)), "server memory"));
        }
    }
    let tiles = tiles.iter().map(|(figure, what)| {
        format!("<div class=\"tile\"><b>{figure}</b><span>{what}</span></div>\n")
    });
    tiles.collect()
}

fn charts(report: &Report) -> String {
    let line = |name, value: &dyn Fn(&SeriesPoint) -> Option<f64>| Line {
        name,
        points: report
            .series
            .iter()
            .filter_map(|second| Some((second.second, value(second)?)))
            .collect(),
    };
    let mut charts = Vec::new();
    let mut figure = |title: &str, names: &[&str], svg: String| {
        let keys = names.iter().enumerate();
        let keys = keys.map(|(n, name)| format!("<i class=\"key c{n}\"></i>{name}"));
        let keys: String = keys.collect();
        charts.push(format!(
            "<figure><h2>{title} <span class=\"legend\">{keys}</span></h2>{svg}</figure>\n"
        ));
    };
    if !report.settings.is_idle() {
        let delivered = line("delivered", &|second| Some(second.delivered_per_second));
        let title = "Delivered per second";
        figure(
            title,
            &[],
            lines(title, &[delivered], |value| grouped(round(value))),
        );
        let quantiles = [
            line("p50", &|second| second.p50_us),
            line("p99", &|second| second.p99_us),
        ];
        let title = "From sending to receiving";
        figure(title, &["p50", "p99"], lines(title, &quantiles, duration));
        let title = "How many took how long";
        figure(
            title,
            &[],
            columns(title, &distribution(report), |value| {
                format!("{} %", tenths(value))
            }),
        );
    }
    if report.server.is_some() {
        let cpu = line("CPU", &|second| second.server_cpu_percent);
        let title = "Server CPU, of one core";
        figure(
            title,
            &[],
            lines(title, &[cpu], |value| format!("{value:.0} %")),
        );
        let rss = line("memory", &|second| Some(ratio(second.server_rss_bytes?, 1)));
        let title = "Server memory";
        figure(title, &[], lines(title, &[rss], bytes));
    }
    charts.concat()
}

fn distribution(report: &Report) -> Vec<Column> {
    let buckets = &report.delivered.distribution;
    let all: u64 = buckets.iter().map(|bucket| bucket.messages).sum();
    let columns = buckets.iter().map(|bucket| {
        let name = duration(bucket.up_to_us);
        Column {
            title: format!("up to {name}: {} messages", grouped(bucket.messages)),
            name,
            value: ratio(bucket.messages, all.max(1)) * 100.0,
        }
    });
    columns.collect()
}

fn tables(report: &Report) -> String {
    let checked = &report.checked;
    let counts = [
        ("published", checked.published),
        (
            "refused or unanswered",
            checked.refused + checked.unanswered,
        ),
        ("deliveries expected", checked.deliveries_expected),
        ("deliveries received", checked.deliveries_received),
        ("polled events expected", checked.polls_expected),
        ("polled events received", checked.polls_received),
        ("lost", checked.lost),
        ("duplicated", checked.duplicated),
        ("reordered", checked.reordered),
        ("misrouted or strange", checked.misrouted + checked.strange),
        ("subscriptions cut", checked.cut),
    ];
    let counts = counts.map(|(name, count)| vec![name.to_owned(), grouped(count)]);
    let polled = report.polled.as_ref().and_then(|polled| polled.latency_us);
    let times = [
        ("received", report.delivered.latency_us),
        ("polled", polled),
        ("answered", report.published.answer_us),
    ];
    let times = times.into_iter().filter_map(|(name, latency)| {
        let Latency {
            mean,
            p50,
            p90,
            p99,
            p99_9,
            max,
        } = latency?;
        let times = [mean, p50, p90, p99, p99_9, max].map(duration);
        Some([vec![name.to_owned()], times.to_vec()].concat())
    });
    let heads = ["", "mean", "p50", "p90", "p99", "p99.9", "max"];
    let whole = ["the whole run, warm-up included", "messages"];
    table(&heads, times) + &table(&whole, counts.into_iter())
}

fn table(heads: &[&str], rows: impl Iterator<Item = Vec<String>>) -> String {
    let row = |cells: Vec<String>| format!("<tr>{}</tr>\n", cells.concat());
    let rows: Vec<_> = rows
        .map(|cells| {
            row(cells
                .iter()
                .map(|cell| format!("<td>{cell}</td>"))
                .collect())
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let heads = row(heads
        .iter()
        .map(|head| format!("<th>{head}</th>"))
        .collect());
    let rows = rows.concat();
    format!("<div class=\"table\"><table>\n{heads}{rows}</table></div>\n")
}

fn per_second(rate: f64) -> String {
    format!("{}/s", grouped(round(rate)))
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('"', "&quot;")
}
