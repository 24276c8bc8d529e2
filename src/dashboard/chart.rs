//! Lines with bands around them, over time, as SVG and PNG.
//!
//! plotters draws both, so that they show the same. Texts are drawn with the font in `data/`, which has the letters of
//! western Europe; others show as boxes in a PNG.

use std::fmt::Display;
use std::sync::LazyLock;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plotters::coord::Shift;
use plotters::prelude::{
    BitMapBackend, ChartBuilder, Color, DrawingArea, DrawingBackend, IntoDrawingArea, IntoFont, LineSeries,
    PathElement, RGBColor, SVGBackend, WHITE,
};
use plotters::style::{FontStyle, register_font};

const SIZE: (u32, u32) = (720, 360);
const FONT: &str = "sans-serif";
static FONT_FILE: &[u8] = include_bytes!("data/DejaVuSans.ttf");
const INK: RGBColor = RGBColor(60, 60, 60);
/// Okabe and Ito's colours, which the colour-blind tell apart.
const COLOURS: [RGBColor; 7] = [
    RGBColor(0, 114, 178),
    RGBColor(213, 94, 0),
    RGBColor(0, 158, 115),
    RGBColor(204, 121, 167),
    RGBColor(86, 180, 233),
    RGBColor(230, 159, 0),
    RGBColor(0, 0, 0),
];

/// A picture that could not be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the picture could not be drawn ({0})")]
pub struct Undrawn(String);

fn undrawn(error: impl Display) -> Undrawn {
    Undrawn(error.to_string())
}

/// A line with a band around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Band {
    pub name: String,
    /// Time, value, and the ends of its interval; in order of time.
    pub points: Vec<(Timestamp, f64, (f64, f64))>,
}

/// Bands over time.
#[derive(Debug, Clone, PartialEq)]
pub struct Chart {
    pub title: String,
    /// Of the values; empty where they have none.
    pub unit: &'static str,
    pub bands: Vec<Band>,
}

impl Chart {
    /// Draws as SVG.
    pub fn svg(&self) -> Result<String, Undrawn> {
        let mut text = String::new();
        self.draw(&SVGBackend::with_string(&mut text, SIZE).into_drawing_area())?;
        Ok(text)
    }

    /// Draws as PNG.
    pub fn png(&self) -> Result<Vec<u8>, Undrawn> {
        let (width, height) = SIZE;
        let mut pixels = vec![0; 3 * width as usize * height as usize];
        self.draw(&BitMapBackend::with_buffer(&mut pixels, SIZE).into_drawing_area())?;
        let mut file = Vec::new();
        let mut encoder = png::Encoder::new(&mut file, width, height);
        encoder.set_color(png::ColorType::Rgb);
        let mut writer = encoder.write_header().map_err(undrawn)?;
        writer.write_image_data(&pixels).map_err(undrawn)?;
        writer.finish().map_err(undrawn)?;
        Ok(file)
    }

    fn draw<B: DrawingBackend>(&self, area: &DrawingArea<B, Shift>) -> Result<(), Undrawn> {
        static IS_REGISTERED: LazyLock<bool> =
            LazyLock::new(|| register_font(FONT, FontStyle::Normal, FONT_FILE).is_ok());
        if !*IS_REGISTERED {
            return Err(undrawn("the font is unreadable"));
        }
        area.fill(&WHITE).map_err(undrawn)?;
        let (from, to) = self.times().ok_or_else(|| undrawn("there is nothing to draw"))?;
        let (low, high) = self.values();
        let mut chart = ChartBuilder::on(area)
            .caption(&self.title, (FONT, 16).into_font().color(&INK))
            .margin(12)
            .x_label_area_size(32)
            .y_label_area_size(84)
            .build_cartesian_2d(from..to, low..high)
            .map_err(undrawn)?;
        let form = time_form(to - from);
        chart
            .configure_mesh()
            .light_line_style(WHITE)
            .bold_line_style(INK.mix(0.12))
            .axis_style(INK.mix(0.5))
            .label_style((FONT, 12).into_font().color(&INK))
            .x_labels(6)
            .x_label_formatter(&|seconds| at(*seconds, form))
            .y_labels(7)
            .y_label_formatter(&|value| amount(*value))
            .y_desc(self.unit)
            .draw()
            .map_err(undrawn)?;
        chart.draw_series(LineSeries::new([(from, 0.0), (to, 0.0)], INK.stroke_width(1))).map_err(undrawn)?;
        for (band, colour) in self.bands.iter().zip(COLOURS.iter().cycle()) {
            let time = |at: &Timestamp| at.as_millisecond() as f64 / 1e3;
            let upper = band.points.iter().map(|(at, _, (_, high))| (time(at), *high));
            let lower = band.points.iter().rev().map(|(at, _, (low, _))| (time(at), *low));
            let outline: Vec<(f64, f64)> = upper.chain(lower).collect();
            chart
                .draw_series([plotters::element::Polygon::new(outline, colour.mix(0.18).filled())])
                .map_err(undrawn)?;
            let line = band.points.iter().map(|(at, value, _)| (time(at), *value));
            chart
                .draw_series(LineSeries::new(line, colour.stroke_width(2)))
                .map_err(undrawn)?
                .label(&band.name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 16, y)], colour.stroke_width(2)));
        }
        chart
            .configure_series_labels()
            .border_style(INK.mix(0.3))
            .background_style(WHITE.mix(0.8))
            .label_font((FONT, 12).into_font().color(&INK))
            .draw()
            .map_err(undrawn)?;
        area.present().map_err(undrawn)
    }

    /// Gives the first and the last time, in seconds; never the same.
    fn times(&self) -> Option<(f64, f64)> {
        let times = || self.bands.iter().flat_map(|band| &band.points).map(|(at, ..)| at.as_millisecond());
        let (from, to) = (times().min()? as f64 / 1e3, times().max()? as f64 / 1e3);
        Some((from, to.max(from + 1.0)))
    }

    /// Gives the range of values that is shown. Early intervals are wide; what is beyond three times the last ones is cut.
    fn values(&self) -> (f64, f64) {
        let last = self.bands.iter().filter_map(|band| band.points.last());
        let widest = last
            .map(|(_, value, (low, high))| value.abs().max(low.abs()).max(high.abs()).max(high - low))
            .fold(0.0, f64::max);
        let most = if widest > 0.0 && widest.is_finite() { 3.0 * widest } else { 1.0 };
        let ends =
            || self.bands.iter().flat_map(|band| &band.points).flat_map(|(_, _, (low, high))| [*low, *high]);
        let low = ends().fold(0.0, f64::min).max(-most);
        let high = ends().fold(0.0, f64::max).min(most);
        let room = 0.05 * (high - low).max(f64::MIN_POSITIVE);
        (low - room, high + room)
    }
}

/// How times are written over a span of so many seconds.
const fn time_form(span: f64) -> &'static str {
    if span < 600.0 {
        "%H:%M:%S"
    } else if span < 86_400.0 {
        "%H:%M"
    } else {
        "%m-%d %H:%M"
    }
}

fn at(seconds: f64, form: &str) -> String {
    let at = Timestamp::from_second(seconds as i64).unwrap_or(Timestamp::UNIX_EPOCH);
    at.to_zoned(TimeZone::UTC).strftime(form).to_string()
}

/// Writes a value with three significant digits.
fn amount(value: f64) -> String {
    if value == 0.0 {
        return "0".to_owned();
    }
    let places = (2.0 - value.abs().log10().floor()).clamp(0.0, 9.0) as usize;
    let text = format!("{value:.places$}");
    let short = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { &text };
    short.to_owned()
}
