//! Pictures for the page: horizontal bars, one for each contestant, and lines over a logarithmic axis.

use anyhow::{Result, anyhow};
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};
use serde::{Deserialize, Serialize};

use crate::stats::number;

#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Plot {
    /// Name of the file, without its ending.
    pub file: String,
    pub title: String,
    pub unit: String,
    pub kind: Kind,
}

#[derive(Clone, Debug, Serialize, Deserialize)]
pub enum Kind {
    /// Least is best; the first is ours.
    Bars(Vec<(String, f64)>),
    /// Named lines of points.
    Lines { x: String, lines: Vec<(String, Vec<(f64, f64)>)> },
}

const INK: RGBColor = RGBColor(40, 40, 40);
const PAPER: RGBColor = RGBColor(255, 255, 255);
const OURS: RGBColor = RGBColor(15, 110, 86);
const THEIRS: RGBColor = RGBColor(160, 170, 178);
/// Told apart by people who do not see all colours (Okabe and Ito).
const LINES: [RGBColor; 6] = [
    OURS,
    RGBColor(213, 94, 0),
    RGBColor(0, 114, 178),
    RGBColor(204, 121, 167),
    RGBColor(230, 159, 0),
    RGBColor(86, 180, 233),
];
const WIDTH: u32 = 760;
const FONT: &str = "sans-serif";

impl Plot {
    pub fn svg(&self) -> Result<String> {
        let mut text = String::new();
        let drawn = match &self.kind {
            Kind::Bars(bars) => self.bars(&mut text, bars),
            Kind::Lines { x, lines } => self.lines(&mut text, x, lines),
        };
        drawn.map_err(|error| anyhow!("{}: {error}", self.file))?;
        Ok(text)
    }

    fn bars(&self, text: &mut String, bars: &[(String, f64)]) -> Result<(), Box<dyn std::error::Error + '_>> {
        const LINE: i32 = 30;
        const NAMES: i32 = 230;
        const TOP: i32 = 44;
        let height = TOP + LINE * bars.len() as i32 + 12;
        let area = SVGBackend::with_string(text, (WIDTH, height as u32)).into_drawing_area();
        area.fill(&PAPER)?;
        let heading = format!("{} ({})", self.title, self.unit);
        area.draw(&Text::new(heading, (12, 12), (FONT, 17).into_font().color(&INK)))?;
        let most =
            bars.iter().map(|(_, value)| *value).filter(|value| value.is_finite()).fold(f64::MIN_POSITIVE, f64::max);
        let width = WIDTH as i32 - NAMES - 130;
        for (at, (name, value)) in bars.iter().enumerate() {
            let top = TOP + LINE * at as i32;
            let right = TextStyle::from((FONT, 14).into_font()).color(&INK).pos(Pos::new(HPos::Right, VPos::Center));
            area.draw(&Text::new(name.clone(), (NAMES - 10, top + LINE / 2), right))?;
            let end = NAMES + ((value / most) * f64::from(width)).round().max(1.0) as i32;
            let colour = if name.starts_with("Rowkeeper") { OURS } else { THEIRS };
            area.draw(&Rectangle::new([(NAMES, top + 4), (end, top + LINE - 4)], colour.filled()))?;
            let left = TextStyle::from((FONT, 14).into_font()).color(&INK).pos(Pos::new(HPos::Left, VPos::Center));
            area.draw(&Text::new(number(*value), (end + 8, top + LINE / 2), left))?;
        }
        area.present()?;
        drop(area);
        Ok(())
    }

    fn lines(
        &self,
        text: &mut String,
        x: &str,
        lines: &[(String, Vec<(f64, f64)>)],
    ) -> Result<(), Box<dyn std::error::Error + '_>> {
        let area = SVGBackend::with_string(text, (WIDTH, 380)).into_drawing_area();
        area.fill(&PAPER)?;
        let points = || lines.iter().flat_map(|(_, points)| points);
        let most = |pick: fn(&(f64, f64)) -> f64| points().map(pick).fold(f64::MIN_POSITIVE, f64::max);
        let least_x = points().map(|point| point.0).fold(f64::MAX, f64::min);
        let mut chart = ChartBuilder::on(&area)
            .caption(&self.title, TextStyle::from((FONT, 17).into_font()).color(&INK))
            .margin(14)
            // Half of the last label stands beyond the axis.
            .margin_right(36)
            .x_label_area_size(42)
            .y_label_area_size(70)
            .build_cartesian_2d(
                (least_x..most(|point| point.0) * 1.02).log_scale(),
                0.0..most(|point| point.1) * 1.45,
            )?;
        chart
            .configure_mesh()
            .light_line_style(PAPER)
            .bold_line_style(RGBColor(225, 228, 230))
            .x_desc(x)
            .y_desc(&self.unit)
            .x_label_formatter(&|value| number(*value))
            .y_label_formatter(&|value| number(*value))
            .label_style(TextStyle::from((FONT, 13).into_font()).color(&INK))
            .draw()?;
        for (at, (name, points)) in lines.iter().enumerate() {
            let colour = LINES[at % LINES.len()];
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            chart.draw_series(points.iter().map(|point| Circle::new(*point, 4, colour.filled())))?;
        }
        chart
            .configure_series_labels()
            .background_style(PAPER.mix(0.9))
            .border_style(RGBColor(200, 200, 200))
            .label_font(TextStyle::from((FONT, 13).into_font()).color(&INK))
            .position(SeriesLabelPosition::UpperLeft)
            .draw()?;
        area.present()?;
        drop(chart);
        Ok(())
    }
}
