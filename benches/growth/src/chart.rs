//! A chart: some lines over one axis, both axes logarithmic.

use std::path::Path;

use plotters::prelude::*;

use crate::Failure;

const COLOURS: [RGBColor; 4] = [
    RGBColor(0, 90, 181),
    RGBColor(220, 90, 20),
    RGBColor(0, 130, 90),
    RGBColor(110, 60, 160),
];

pub struct Chart {
    pub title: &'static str,
    /// What grows.
    pub x: &'static str,
    /// What is measured, with its unit.
    pub y: &'static str,
    pub lines: Vec<Line>,
}

pub struct Line {
    pub name: &'static str,
    pub points: Vec<(f64, f64)>,
}

impl Chart {
    pub const fn new(title: &'static str, x: &'static str, y: &'static str) -> Self {
        Self {
            title,
            x,
            y,
            lines: Vec::new(),
        }
    }

    pub fn add(&mut self, name: &'static str, x: usize, y: f64) {
        let point = (x as f64, y);
        match self.lines.iter_mut().find(|line| line.name == name) {
            Some(line) => line.points.push(point),
            None => self.lines.push(Line {
                name,
                points: vec![point],
            }),
        }
    }

    pub fn print(&self, name: &str) {
        println!("\n{name}: {} ({})", self.title, self.y);
        for line in &self.lines {
            let points = line.points.iter();
            let points: Vec<_> = points.map(|(x, y)| format!("{x}: {y:.1}")).collect();
            println!("  {}: {}", line.name, points.join(", "));
        }
    }

    /// From the lowest to the highest of one coordinate, to the next power of ten of each.
    fn range(&self, of: impl Fn(&(f64, f64)) -> f64) -> (f64, f64) {
        let all = || self.lines.iter().flat_map(|line| &line.points).map(&of);
        let (low, high) = (
            all().fold(f64::INFINITY, f64::min),
            all().fold(0.0, f64::max),
        );
        let ten = |exponent: f64| 10_f64.powf(exponent);
        (ten(low.log10().floor()), ten(high.log10().ceil()))
    }

    pub fn draw(&self, file: &Path) -> Result<(), Failure> {
        let root = SVGBackend::new(file, (720, 440)).into_drawing_area();
        root.fill(&WHITE)?;
        let ((left, right), (low, high)) = (self.range(|at| at.0), self.range(|at| at.1));
        let mut chart = ChartBuilder::on(&root)
            .caption(self.title, ("sans-serif", 18))
            .margin(12)
            .x_label_area_size(44)
            .y_label_area_size(72)
            .build_cartesian_2d((left..right).log_scale(), (low..high).log_scale())?;
        chart
            .configure_mesh()
            .x_desc(self.x)
            .y_desc(self.y)
            .x_label_formatter(&|x| number(*x))
            .y_label_formatter(&|y| number(*y))
            .light_line_style(WHITE)
            .draw()?;
        for (at, line) in self.lines.iter().enumerate() {
            let colour = COLOURS[at % COLOURS.len()];
            let series = LineSeries::new(line.points.iter().copied(), colour.stroke_width(2));
            chart
                .draw_series(series.point_size(2))?
                .label(line.name)
                .legend(move |(x, y)| {
                    PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2))
                });
        }
        chart
            .configure_series_labels()
            .position(SeriesLabelPosition::UpperLeft)
            .background_style(WHITE.mix(0.8))
            .border_style(BLACK.mix(0.3))
            .draw()?;
        root.present()?;
        Ok(())
    }
}

/// `10 k` for 10,000.
fn number(value: f64) -> String {
    match value {
        1e6.. => format!("{} M", value / 1e6),
        1e3.. => format!("{} k", value / 1e3),
        _ => format!("{value}"),
    }
}
