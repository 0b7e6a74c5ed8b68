//! The distribution of a call's latency as a picture.

use std::{io, path::Path};

use plotters::prelude::*;

use crate::{failure::Failure, figures::Samples};

const SIZE: (u32, u32) = (960, 540);
const BINS: usize = 48;
const BAR: RGBColor = RGBColor(70, 130, 180);
const MEDIAN: RGBColor = RGBColor(20, 110, 60);
const P99: RGBColor = RGBColor(190, 60, 30);

/// Writes an SVG of how long cached calls took, with median and p99 marked.
pub(super) fn latency(file: &Path, spec: &str, board: &str, samples: &Samples) -> Result<(), Failure> {
    let mut svg = String::new();
    draw(&mut svg, spec, board, samples)
        .map_err(|error| Failure::system("the plot", io::Error::other(error.to_string())))?;
    std::fs::write(file, svg).map_err(|error| Failure::system(format!("cannot write {}", file.display()), error))
}

fn draw(svg: &mut String, spec: &str, board: &str, samples: &Samples) -> Result<(), Box<dyn std::error::Error>> {
    let (median, p99) = (samples.quantile(0.5), samples.quantile(0.99));
    let bins = samples.bins(BINS);
    // What is slower than the p99 is told in words: it would push everything else together at the left.
    let (shown, slower) = bins.split_at(bins.len().min(BINS));
    let slower: usize = slower.iter().map(|(_, _, count)| count).sum();
    let tallest = shown.iter().map(|(_, _, count)| *count).max().unwrap_or(0).max(1) as f64;
    let (from, to) = (samples.quantile(0.0), p99);
    let margin = ((to - from) * 0.05).max(0.001);

    let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    root.fill(&WHITE)?;
    let title = format!("How long a cached call takes on {spec}");
    let facts = format!(
        "{board}, {} calls; {slower} of them took longer than the p99, at most {:.3} ms",
        samples.len(),
        samples.quantile(1.0)
    );
    let (head, body) = root.split_vertically(76);
    head.draw(&Text::new(title, (24, 16), ("sans-serif", 24).into_font().color(&BLACK)))?;
    head.draw(&Text::new(facts, (24, 50), ("sans-serif", 15).into_font().color(&BLACK.mix(0.7))))?;
    let mut chart = ChartBuilder::on(&body)
        .margin(16)
        .x_label_area_size(48)
        .y_label_area_size(64)
        .build_cartesian_2d((from - margin)..(to + margin), 0.0..tallest * 1.15)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(TRANSPARENT)
        .x_desc("milliseconds from the call to its result")
        .y_desc("calls")
        .x_labels(10)
        .x_label_formatter(&|ms| format!("{ms:.3}"))
        .y_label_formatter(&|count| format!("{count:.0}"))
        .label_style(("sans-serif", 14))
        .draw()?;
    chart.draw_series(shown.iter().filter(|(_, _, count)| *count > 0).map(|(from, to, count)| {
        // Calls that all took the same time are a line, not nothing.
        let to = to.max(from + margin / 50.0);
        Rectangle::new([(*from, 0.0), (to, *count as f64)], BAR.filled())
    }))?;
    for (name, ms, colour, height) in [("median", median, MEDIAN, 1.12), ("p99", p99, P99, 1.05)] {
        let top = tallest * height;
        chart.draw_series([PathElement::new([(ms, 0.0), (ms, top)], colour.stroke_width(2))])?;
        // Left of the line where the picture ends behind it.
        let at = if ms > (from + to) / 2.0 { ms - (to - from) * 0.14 - margin * 0.2 } else { ms + margin * 0.2 };
        let style = ("sans-serif", 16).into_font().color(&colour);
        chart.draw_series([Text::new(format!("{name} {ms:.3} ms"), (at, top), style)])?;
    }
    root.present()?;
    Ok(())
}
