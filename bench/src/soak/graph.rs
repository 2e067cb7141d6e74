//! The soak's graph: five curves over one time axis, with the steps marked.

use std::fmt::Write as _;

use super::{samples::Sample, steps::Outcome};

const WIDTH: f64 = 900.0;
const LEFT: f64 = 78.0;
const RIGHT: f64 = 16.0;
const TOP: f64 = 64.0;
const PANEL: f64 = 92.0;
const GAP: f64 = 30.0;

/// One curve: its name, its colour, and its value in a sample.
type Curve = (&'static str, &'static str, fn(&Sample) -> Option<f64>);

const CURVES: [Curve; 5] = [
    ("memory, MiB", "#2f6fde", |sample| sample.resident_mib),
    ("descriptors", "#8a63d2", |sample| sample.descriptors),
    ("open watches", "#3a9d5d", |sample| Some(sample.watches)),
    ("events per second", "#e0902f", |sample| Some(sample.events)),
    ("longest delay, ms", "#d1495b", |sample| Some(sample.longest.as_secs_f64() * 1e3)),
];

/// Draws it.
pub(super) fn render(outcome: &Outcome) -> String {
    let height = TOP + CURVES.len() as f64 * (PANEL + GAP) + 10.0;
    let last = outcome.samples.last().map_or(1.0, |sample| sample.at.as_secs_f64().max(1.0));
    let x = |seconds: f64| LEFT + seconds / last * (WIDTH - LEFT - RIGHT);
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {height}' font-family='sans-serif' font-size='11'>\n\
         <rect width='100%' height='100%' fill='white'/>\n"
    );
    text(&mut svg, (LEFT, 18.0), "start", "The soak over time; numbers are the steps of the table");
    for (index, step) in outcome.steps.iter().enumerate() {
        let (from, to) = (x(step.from.as_secs_f64()), x(step.to.as_secs_f64()));
        let shade = if index % 2 == 0 { "#f4f4f4" } else { "#ffffff" };
        let (width, down) = ((to - from).max(0.0), height - TOP + 6.0);
        let _ = writeln!(
            svg,
            "<rect x='{from:.1}' y='{:.1}' width='{width:.1}' height='{down:.1}' fill='{shade}'/>",
            TOP - 16.0
        );
        // Narrow steps stand on two lines.
        let y = if index % 2 == 0 { TOP - 20.0 } else { TOP - 32.0 };
        text(&mut svg, (f64::midpoint(from, to), y), "middle", &(index + 1).to_string());
    }
    for (index, curve) in CURVES.iter().enumerate() {
        panel(&mut svg, TOP + index as f64 * (PANEL + GAP), curve, &outcome.samples, &x);
    }
    text(&mut svg, (LEFT, height - 8.0), "middle", "0 s");
    text(&mut svg, (WIDTH - RIGHT, height - 8.0), "end", &format!("{last:.0} s"));
    svg + "</svg>\n"
}

fn panel(svg: &mut String, top: f64, (name, color, value): &Curve, samples: &[Sample], x: &dyn Fn(f64) -> f64) {
    let most = samples.iter().filter_map(value).fold(0.0, f64::max).max(1.0);
    let y = |value: f64| top + PANEL - value / most * PANEL;
    text(svg, (LEFT, top - 4.0), "start", name);
    for share in [0.0, 0.5, 1.0] {
        let (at, right) = (y(most * share), WIDTH - RIGHT);
        let _ = writeln!(svg, "<line x1='{LEFT}' y1='{at:.1}' x2='{right}' y2='{at:.1}' stroke='#ccc'/>");
        text(svg, (LEFT - 6.0, at + 4.0), "end", &format!("{:.0}", most * share));
    }
    // Where there is no value, no process was there: the line is broken.
    let mut line = String::new();
    let mut draw = |line: &mut String| {
        if !line.is_empty() {
            let _ = writeln!(svg, "<polyline points='{line}' fill='none' stroke='{color}' stroke-width='1.5'/>");
            line.clear();
        }
    };
    for sample in samples {
        match value(sample) {
            Some(value) => {
                let _ = write!(line, "{:.1},{:.1} ", x(sample.at.as_secs_f64()), y(value));
            }
            None => draw(&mut line),
        }
    }
    draw(&mut line);
}

fn text(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let _ = writeln!(svg, "<text x='{:.1}' y='{:.1}' text-anchor='{anchor}'>{text}</text>", at.0, at.1);
}
