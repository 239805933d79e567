//! Charts as inline SVG: lines over time, and bars. Colours come from the page's style.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 220.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 14.0;
const TOP: f64 = 12.0;
const BOTTOM: f64 = 30.0;
/// Points of a line that are drawn as such.
const CROWD: usize = 60;
/// Steps of a scale at most.
const STEPS: f64 = 5.0;

/// A line: its name, and its points from left to right.
pub struct Line {
    /// What it shows.
    pub name: &'static str,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
}

/// A bar: what it is called at the axis, what it says when looked at, and its height.
pub struct Column {
    /// At the axis.
    pub name: String,
    /// When looked at.
    pub title: String,
    /// Its height.
    pub value: f64,
}

/// Lines over seconds; `write` writes a value.
pub fn lines(label: &str, lines: &[Line], write: impl Fn(f64) -> String) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let top = points().map(|(_, y)| *y).fold(0.0, f64::max);
    let end = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let (mut svg, top) = frame(label, top, &write);
    let x = |second: f64| LEFT + second / end * (WIDTH - LEFT - RIGHT);
    let y = |value: f64| HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
    for second in ticks(end) {
        text(
            &mut svg,
            x(second),
            HEIGHT - 10.0,
            "middle",
            &format!("{second} s"),
        );
    }
    for (number, line) in lines.iter().enumerate() {
        let path: Vec<_> = line
            .points
            .iter()
            .map(|(second, value)| format!("{:.1},{:.1}", x(*second), y(*value)))
            .collect();
        let path = path.join(" ");
        put(
            &mut svg,
            format_args!("<polyline class=\"line c{number}\" points=\"{path}\"/>"),
        );
        // Many points would hide their line; they still say what they are.
        let seen = if line.points.len() > CROWD {
            " many"
        } else {
            ""
        };
        for (second, value) in &line.points {
            let (at, up, said) = (x(*second), y(*value), write(*value));
            let name = line.name;
            put(
                &mut svg,
                format_args!(
                    "<circle class=\"dot c{number}{seen}\" cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"3\"><title>{name}, {second:.0} s: {said}</title></circle>"
                ),
            );
        }
    }
    svg + "</svg>"
}

/// Bars from left to right; `write` writes a value.
pub fn columns(label: &str, columns: &[Column], write: impl Fn(f64) -> String) -> String {
    let top = columns
        .iter()
        .map(|column| column.value)
        .fold(0.0, f64::max);
    let (mut svg, top) = frame(label, top, &write);
    let count = u32::try_from(columns.len().max(1)).unwrap_or(u32::MAX);
    let width = (WIDTH - LEFT - RIGHT) / f64::from(count);
    // As many names as fit beside each other.
    let every = (count / 9 + 1) as usize;
    let mut at = LEFT;
    for (place, column) in columns.iter().enumerate() {
        let height = column.value / top * (HEIGHT - TOP - BOTTOM);
        let (up, inner) = (HEIGHT - BOTTOM - height, width * 0.86);
        put(
            &mut svg,
            format_args!(
                "<rect class=\"bar\" x=\"{at:.1}\" y=\"{up:.1}\" width=\"{inner:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
                column.title
            ),
        );
        if place % every == 0 {
            text(
                &mut svg,
                at + inner / 2.0,
                HEIGHT - 10.0,
                "middle",
                &column.name,
            );
        }
        at += width;
    }
    svg + "</svg>"
}

/// The value axis up to a round number, which is answered as well.
fn frame(label: &str, top: f64, write: &impl Fn(f64) -> String) -> (String, f64) {
    let mut svg =
        format!("<svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">");
    let top = if top > 0.0 { top } else { 1.0 };
    let step = step(top);
    let top = (top / step).ceil() * step;
    for value in ticks(top) {
        let up = HEIGHT - BOTTOM - value / top * (HEIGHT - TOP - BOTTOM);
        let right = WIDTH - RIGHT;
        put(
            &mut svg,
            format_args!(
                "<line class=\"grid\" x1=\"{LEFT}\" x2=\"{right}\" y1=\"{up:.1}\" y2=\"{up:.1}\"/>"
            ),
        );
        text(&mut svg, LEFT - 8.0, up + 4.0, "end", &write(value));
    }
    (svg, top)
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) {
    put(
        svg,
        format_args!("<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\">{words}</text>"),
    );
}

fn put(svg: &mut String, what: std::fmt::Arguments<'_>) {
    svg.write_fmt(what).expect("a string takes everything");
}

/// 1, 2 or 5 times a power of ten, so that a few of them make the whole.
fn step(top: f64) -> f64 {
    let rough = top / STEPS;
    let power = 10_f64.powf(rough.log10().floor());
    let fitting = [1.0, 2.0, 5.0].map(|factor| factor * power);
    fitting
        .into_iter()
        .find(|step| *step >= rough)
        .unwrap_or(10.0 * power)
}

fn ticks(top: f64) -> Vec<f64> {
    let step = step(top);
    let ticks = (0..=20).map(|number| f64::from(number) * step);
    ticks.take_while(|tick| *tick <= top * 1.001).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scales_have_round_steps() {
        assert_eq!(ticks(10.0), [0.0, 2.0, 4.0, 6.0, 8.0, 10.0]);
        assert_eq!(ticks(37.0), [0.0, 10.0, 20.0, 30.0]);
        assert!(ticks(0.0007).len() > 2);
    }

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        let line = Line {
            name: "nothing",
            points: vec![],
        };
        assert!(lines("nothing", &[line], |v| v.to_string()).ends_with("</svg>"));
        assert!(columns("nothing", &[], |v| v.to_string()).ends_with("</svg>"));
    }
}
