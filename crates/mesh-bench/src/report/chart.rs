//! Charts as inline SVG, drawn by plotters. The page's style maps their colours to its own,
//! light or dark; what the mouse reveals is laid over the drawing.

use std::fmt::Write as _;

use plotters::coord::Shift;
use plotters::prelude::*;

/// Pixels are whole numbers, so a chart is drawn at twice its usual size.
const SIZE: (u32, u32) = (1280, 440);
const LABEL_SIZE: u32 = 30;
const X_LABELS: u32 = 56;
const Y_LABELS: u32 = 150;
const TICK: u32 = 12;
/// The page's style knows these by their value.
const SERIES: [RGBColor; 2] = [RGBColor(0x1a, 0x66, 0xc9), RGBColor(0xc2, 0x41, 0x0c)];
const GRID: RGBColor = RGBColor(0xdf, 0xe4, 0xea);
const LABEL: RGBColor = RGBColor(0x5b, 0x66, 0x75);
/// Points of a line that are drawn as such: more would hide it.
const POINTS_SHOWN: usize = 60;
/// The value axis ends this much above the highest value.
const HEADROOM: f64 = 1.06;

type Drawing = Result<(), Box<dyn std::error::Error>>;

/// A line: its name, and its points from left to right.
pub struct Line {
    /// What it shows.
    pub name: &'static str,
    /// Where it goes.
    pub points: Vec<(f64, f64)>,
}

/// A bar: its name at the axis, its text under the mouse, and its height.
pub struct Column {
    /// At the axis.
    pub name: String,
    /// Under the mouse.
    pub title: String,
    /// Its height.
    pub value: f64,
}

/// Lines over seconds; `format` writes a value.
pub fn lines(label: &str, lines: &[Line], format: impl Fn(f64) -> String) -> String {
    let points = || lines.iter().flat_map(|line| &line.points);
    let end = points().map(|(x, _)| *x).fold(1.0, f64::max);
    let top = top(points().map(|(_, y)| *y));
    svg(label, |svg, overlay| {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = chart_on(&area).build_cartesian_2d(0.0..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(2))
            .axis_style(GRID.stroke_width(2))
            .label_style(("sans-serif", LABEL_SIZE).into_font().color(&LABEL))
            .set_all_tick_mark_size(TICK)
            .y_labels(6)
            .x_label_formatter(&|second| format!("{} s", tenths(*second)))
            .y_label_formatter(&|value| format(*value))
            .draw()?;
        for (number, (line, colour)) in lines.iter().zip(SERIES).enumerate() {
            let points = line.points.iter().copied();
            chart.draw_series(LineSeries::new(points, colour.stroke_width(4)))?;
            let many = if line.points.len() > POINTS_SHOWN {
                " many"
            } else {
                ""
            };
            for (second, value) in &line.points {
                let (x, y) = chart.backend_coord(&(*second, *value));
                let (name, value) = (line.name, format(*value));
                write!(
                    overlay,
                    "<circle class=\"dot c{number}{many}\" cx=\"{x}\" cy=\"{y}\" r=\"6\"><title>{name}, {second:.0} s: {value}</title></circle>"
                )?;
            }
        }
        Ok(area.present()?)
    })
}

/// Bars from left to right; `format` writes a value.
pub fn columns(label: &str, columns: &[Column], format: impl Fn(f64) -> String) -> String {
    let top = top(columns.iter().map(|column| column.value));
    // The bar number `n` is centred at `n`.
    let places = (0_u32..).map(f64::from).zip(columns);
    let end = places.clone().last().map_or(0.5, |(last, _)| last + 0.5);
    let name = |place: f64| {
        let at = places.clone().find(|(at, _)| (at - place).abs() < 0.01);
        at.map_or("", |(_, column)| &column.name).to_owned()
    };
    svg(label, |svg, overlay| {
        let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        let mut chart = chart_on(&area).build_cartesian_2d(-0.5..end, 0.0..top)?;
        chart
            .configure_mesh()
            .disable_x_mesh()
            .light_line_style(TRANSPARENT)
            .bold_line_style(GRID.stroke_width(2))
            .axis_style(GRID.stroke_width(2))
            .label_style(("sans-serif", LABEL_SIZE).into_font().color(&LABEL))
            .x_labels(9)
            .set_all_tick_mark_size(TICK)
            .y_labels(6)
            .x_label_formatter(&|place| name(*place))
            .y_label_formatter(&|value| format(*value))
            .draw()?;
        for (place, column) in places.clone() {
            let corners = [(place - 0.43, column.value), (place + 0.43, 0.0)];
            let bar = Rectangle::new(corners, SERIES[0].filled());
            chart.draw_series([bar])?;
            let [(left, up), (right, down)] = corners.map(|corner| chart.backend_coord(&corner));
            let (width, height, title) = (right - left, down - up, &column.title);
            write!(
                overlay,
                "<rect class=\"hover\" x=\"{left}\" y=\"{up}\" width=\"{width}\" height=\"{height}\"><title>{title}</title></rect>"
            )?;
        }
        Ok(area.present()?)
    })
}

fn chart_on<'b, DB: DrawingBackend>(area: &DrawingArea<DB, Shift>) -> ChartBuilder<'_, 'b, DB> {
    let mut chart = ChartBuilder::on(area);
    chart
        .margin_top(16)
        .margin_right(28)
        .x_label_area_size(X_LABELS)
        .y_label_area_size(Y_LABELS);
    chart
}

/// What `draw` drew, named `label`, with its overlay on top.
fn svg(label: &str, draw: impl FnOnce(&mut String, &mut String) -> Drawing) -> String {
    let (mut svg, mut overlay) = (String::new(), String::new());
    draw(&mut svg, &mut overlay).expect("a string takes every drawing");
    let svg = svg.trim_end().trim_end_matches("</svg>");
    let svg = svg.replacen(
        "<svg ",
        &format!("<svg role=\"img\" aria-label=\"{label}\" "),
        1,
    );
    format!("{svg}{overlay}</svg>")
}

/// Where the value axis ends.
fn top(values: impl Iterator<Item = f64>) -> f64 {
    let highest = values.fold(0.0, f64::max);
    if highest > 0.0 {
        highest * HEADROOM
    } else {
        1.0
    }
}

/// A number with one digit after the point, or none.
pub fn tenths(value: f64) -> f64 {
    (value * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chart_of_nothing_is_still_a_chart() {
        let line = Line {
            name: "nothing",
            points: vec![],
        };
        assert!(lines("nothing", &[line], |v| v.to_string()).ends_with("</svg>"));
        assert!(columns("nothing", &[], |v| v.to_string()).ends_with("</svg>"));
    }

    #[test]
    fn the_style_of_the_page_knows_every_colour() {
        let style = include_str!("page.css");
        for RGBColor(red, green, blue) in [SERIES[0], SERIES[1], GRID] {
            let colour = format!("\"#{red:02X}{green:02X}{blue:02X}\"");
            assert!(style.contains(&colour), "{colour}");
        }
    }
}
