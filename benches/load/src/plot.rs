//! Drawings as SVG, plain enough to be read in light and dark.

use std::fmt::Write as _;

use anyhow::Result;

const WIDTH: f64 = 860.0;
const COLOURS: [&str; 8] = [
    "#2f6fb0", "#d1702a", "#3d9a56", "#b33e5c", "#7a5ea8", "#8a6d3b", "#2a9d9d", "#7f7f7f",
];

/// Two bars with a label, and what they are meant to reach.
pub(crate) struct Bars {
    pub(crate) label: String,
    pub(crate) values: [f64; 2],
    pub(crate) goal: Option<[f64; 2]>,
}

/// A line through points.
pub(crate) struct Curve {
    pub(crate) label: String,
    pub(crate) points: Vec<[f64; 2]>,
}

/// By what factor rate and CPU are better than Notary's, and the goals as ticks.
pub(crate) fn bars(bars: &[Bars]) -> Result<String> {
    const LEFT: f64 = 300.0;
    const ROW: f64 = 34.0;
    let values = bars.iter().flat_map(|bar| {
        let goals = bar.goal.into_iter().flatten();
        bar.values.into_iter().chain(goals)
    });
    let most = values.fold(2.0, f64::max);
    // Factors are compared by their logarithms; what is no better than Notary has no bar.
    let at = |factor: f64| LEFT + (WIDTH - LEFT - 60.0) * factor.max(1.0).ln() / most.ln();
    let rows = u32::try_from(bars.len()).map_or(0.0, f64::from);
    let mut svg = begin(rows * ROW + 50.0)?;
    text(
        &mut svg,
        LEFT,
        16.0,
        "start",
        "rate factor (blue), CPU factor (orange); | goal",
    )?;
    let mut y = 30.0;
    for bar in bars {
        text(&mut svg, LEFT - 10.0, y + 16.0, "end", &bar.label)?;
        for (number, value) in bar.values.into_iter().enumerate() {
            let top = y + if number == 0 { 0.0 } else { 13.0 };
            let (colour, width) = (COLOURS[number], at(value) - LEFT);
            writeln!(
                svg,
                r#"<rect x="{LEFT}" y="{top:.1}" width="{width:.1}" height="11" fill="{colour}"/>"#
            )?;
            text(
                &mut svg,
                at(value) + 4.0,
                top + 10.0,
                "start",
                &format!("{value:.1}"),
            )?;
            if let Some(goal) = bar.goal {
                let x = at(goal[number]);
                writeln!(
                    svg,
                    r##"<path d="M{x:.1} {top:.1}v11" stroke="#c00" stroke-width="2"/>"##
                )?;
            }
        }
        y += ROW;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Milliseconds of each operation by size, both axes logarithmic.
pub(crate) fn curves(axis: &str, curves: &[Curve]) -> Result<String> {
    const HEIGHT: f64 = 380.0;
    const LEFT: f64 = 60.0;
    const RIGHT: f64 = 230.0;
    const TOP: f64 = 20.0;
    const BOTTOM: f64 = 50.0;
    let points = || curves.iter().flat_map(|curve| &curve.points);
    let range = |of: usize| {
        let values = || points().map(|point| point[of].max(0.01).log10());
        let low = values().fold(f64::MAX, f64::min).floor();
        let high = values().fold(f64::MIN, f64::max).ceil();
        (low.min(high), high.max(low + 1.0))
    };
    let mut svg = begin(HEIGHT)?;
    if points().next().is_none() {
        svg.push_str("</svg>\n");
        return Ok(svg);
    }
    let ((low_x, high_x), (low_y, high_y)) = (range(0), range(1));
    let x = |value: f64| {
        LEFT + (WIDTH - LEFT - RIGHT) * (value.max(0.01).log10() - low_x) / (high_x - low_x)
    };
    let y = |value: f64| {
        let share = (value.max(0.01).log10() - low_y) / (high_y - low_y);
        HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share
    };
    text(
        &mut svg,
        LEFT,
        HEIGHT - 10.0,
        "start",
        &format!("{axis}; milliseconds, median"),
    )?;
    let mut power = low_x;
    while power <= high_x {
        let place = x(10_f64.powf(power));
        grid(&mut svg, [place, TOP], [place, HEIGHT - BOTTOM])?;
        let label = format!("{:.0}", 10_f64.powf(power));
        text(&mut svg, place, HEIGHT - BOTTOM + 16.0, "middle", &label)?;
        power += 1.0;
    }
    let mut power = low_y;
    while power <= high_y {
        let place = y(10_f64.powf(power));
        grid(&mut svg, [LEFT, place], [WIDTH - RIGHT, place])?;
        let label = format!("{}", 10_f64.powf(power));
        text(&mut svg, LEFT - 6.0, place + 4.0, "end", &label)?;
        power += 1.0;
    }
    let mut row = TOP + 10.0;
    for (number, curve) in curves.iter().enumerate() {
        let colour = COLOURS[number % COLOURS.len()];
        let mut path = String::new();
        for (number, [size, time]) in curve.points.iter().enumerate() {
            let step = if number == 0 { 'M' } else { 'L' };
            write!(path, "{step}{:.1} {:.1}", x(*size), y(*time))?;
        }
        writeln!(
            svg,
            r#"<path d="{path}" fill="none" stroke="{colour}" stroke-width="2"/>"#
        )?;
        let place = WIDTH - RIGHT + 14.0;
        writeln!(
            svg,
            r#"<path d="M{place:.1} {row:.1}h18" stroke="{colour}" stroke-width="3"/>"#
        )?;
        text(&mut svg, place + 24.0, row + 4.0, "start", &curve.label)?;
        row += 18.0;
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

fn begin(height: f64) -> Result<String> {
    let mut svg = String::new();
    writeln!(
        svg,
        r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif" font-size="12">"#
    )?;
    writeln!(
        svg,
        r##"<rect width="{WIDTH}" height="{height}" fill="#fff"/>"##
    )?;
    Ok(svg)
}

fn grid(svg: &mut String, from: [f64; 2], to: [f64; 2]) -> Result<()> {
    let ([x, y], [to_x, to_y]) = (from, to);
    writeln!(
        svg,
        r##"<path d="M{x:.1} {y:.1}L{to_x:.1} {to_y:.1}" stroke="#ddd"/>"##
    )?;
    Ok(())
}

fn text(svg: &mut String, x: f64, y: f64, anchor: &str, words: &str) -> Result<()> {
    let words = words.replace('&', "&amp;").replace('<', "&lt;");
    writeln!(
        svg,
        r##"<text x="{x:.1}" y="{y:.1}" text-anchor="{anchor}" fill="#222">{words}</text>"##
    )?;
    Ok(())
}
