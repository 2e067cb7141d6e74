//! Plots as SVG text: lines over a logarithmic axis, and bars. Called by `plots`.

use std::fmt::Write as _;

const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 320.0;
const LEFT: f64 = 64.0;
const RIGHT: f64 = 130.0;
const TOP: f64 = 36.0;
const BOTTOM: f64 = 44.0;
const COLORS: [&str; 5] = ["#2f6fde", "#d1495b", "#3a9d5d", "#8a63d2", "#e0902f"];

/// A named line.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// What stands around a plot.
pub(super) struct Frame<'a> {
    pub(super) title: &'a str,
    pub(super) x: &'a str,
    pub(super) y: &'a str,
}

/// Draws lines; the x axis is logarithmic, the y axis begins at zero.
pub(super) fn lines(frame: &Frame<'_>, series: &[Series]) -> String {
    let all = || series.iter().flat_map(|series| series.points.iter());
    let (low, high) = all().fold((f64::MAX, 1.0_f64), |(low, high), (x, _)| (low.min(*x), high.max(*x)));
    let top = all().map(|(_, y)| *y).fold(0.0, f64::max) * 1.1;
    let span = (high.ln() - low.ln()).max(f64::EPSILON);
    let place = |(x, y): &(f64, f64)| (LEFT + (x.ln() - low.ln()) / span * plot_width(), y_of(*y, top));
    let mut svg = open(frame, top);
    let mut marks: Vec<f64> = all().map(|(x, _)| *x).collect();
    marks.sort_by(f64::total_cmp);
    marks.dedup();
    for mark in marks {
        label(&mut svg, (place(&(mark, 0.0)).0, HEIGHT - BOTTOM + 16.0), "middle", &mark.to_string());
    }
    for (index, series) in series.iter().enumerate() {
        let color = COLORS.get(index % COLORS.len()).unwrap_or(&"black");
        let points: Vec<_> = series.points.iter().map(place).collect();
        let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        let _ = writeln!(svg, "<polyline points='{}' fill='none' stroke='{color}' stroke-width='2'/>", path.join(" "));
        for (x, y) in &points {
            let _ = writeln!(svg, "<circle cx='{x:.1}' cy='{y:.1}' r='3' fill='{color}'/>");
        }
        legend(&mut svg, index, color, &series.name);
    }
    svg + "</svg>\n"
}

/// Draws bars, one below its name each.
pub(super) fn bars(frame: &Frame<'_>, values: &[(String, f64)]) -> String {
    let top = values.iter().map(|(_, value)| *value).fold(0.0, f64::max) * 1.15;
    let step = (WIDTH - LEFT - 24.0) / values.len().max(1) as f64;
    let mut svg = open(frame, top);
    for (index, (name, value)) in values.iter().enumerate() {
        let color = COLORS.get(index % COLORS.len()).unwrap_or(&"black");
        let (middle, y) = (LEFT + step * (index as f64 + 0.5), y_of(*value, top));
        let (x, width, height) = (middle - step * 0.3, step * 0.6, HEIGHT - BOTTOM - y);
        let _ = writeln!(svg, "<rect x='{x:.1}' y='{y:.1}' width='{width:.1}' height='{height:.1}' fill='{color}'/>");
        label(&mut svg, (middle, y - 5.0), "middle", &super::number(*value));
        label(&mut svg, (middle, HEIGHT - BOTTOM + 16.0), "middle", name);
    }
    svg + "</svg>\n"
}

fn plot_width() -> f64 {
    WIDTH - LEFT - RIGHT
}

fn y_of(value: f64, top: f64) -> f64 {
    HEIGHT - BOTTOM - value / top.max(f64::EPSILON) * (HEIGHT - TOP - BOTTOM)
}

/// Begins a drawing: white ground, title, grid, both axes' names.
fn open(frame: &Frame<'_>, top: f64) -> String {
    let mut svg = format!(
        "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {WIDTH} {HEIGHT}' font-family='sans-serif' font-size='12'>\n\
         <rect width='100%' height='100%' fill='white'/>\n"
    );
    label(&mut svg, (LEFT, 20.0), "start", frame.title);
    label(&mut svg, (LEFT + plot_width() / 2.0, HEIGHT - 10.0), "middle", frame.x);
    label(&mut svg, (8.0, 20.0), "start", frame.y);
    for part in 0..=4 {
        let value = top * f64::from(part) / 4.0;
        let (y, right) = (y_of(value, top), WIDTH - 24.0);
        let _ = writeln!(svg, "<line x1='{LEFT}' y1='{y:.1}' x2='{right}' y2='{y:.1}' stroke='#ddd'/>");
        label(&mut svg, (LEFT - 6.0, y + 4.0), "end", &super::number(value));
    }
    svg
}

fn legend(svg: &mut String, index: usize, color: &str, name: &str) {
    let (x, y) = (WIDTH - RIGHT + 14.0, TOP + 18.0 * index as f64);
    let _ = writeln!(svg, "<rect x='{x}' y='{y}' width='10' height='10' fill='{color}'/>");
    label(svg, (x + 15.0, y + 10.0), "start", name);
}

fn label(svg: &mut String, at: (f64, f64), anchor: &str, text: &str) {
    let text = text.replace('&', "&amp;").replace('<', "&lt;");
    let _ = writeln!(svg, "<text x='{:.1}' y='{:.1}' text-anchor='{anchor}'>{text}</text>", at.0, at.1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_drawing_holds_its_lines_and_escapes_its_words() {
        let frame = Frame { title: "a < b", x: "x", y: "y" };
        let series = Series { name: "ours & theirs".to_owned(), points: vec![(1.0, 2.0), (1000.0, 4.0)] };
        let svg = lines(&frame, &[series]);
        assert!(svg.starts_with("<svg ") && svg.ends_with("</svg>\n"));
        assert!(svg.contains("a &lt; b") && svg.contains("ours &amp; theirs"));
        assert_eq!(svg.matches("<circle").count(), 2);
        // The far right of the axis, and the highest point below the top.
        assert!(svg.contains("cx='510.0'"), "{svg}");
    }

    #[test]
    fn bars_of_nothing_are_still_a_drawing() {
        let svg = bars(&Frame { title: "t", x: "", y: "" }, &[]);
        assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"));
    }
}
