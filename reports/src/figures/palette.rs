//! Colours, light and dark, told apart by readers with any colour vision (after Okabe and Ito, made darker or lighter
//! until each stands 3:1 against its ground).
//!
//! Static drawings use the light ones; in a page each becomes a CSS variable, so that they follow the reader's theme.

use std::fmt::Write as _;

use plotters::style::RGBColor;

/// A colour: the name of its CSS variable, its light and its dark value.
#[derive(Debug, Clone, Copy)]
pub(super) struct Colour {
    name: &'static str,
    light: RGBColor,
    dark: RGBColor,
}

const fn colour(name: &'static str, light: u32, dark: u32) -> Colour {
    Colour { name, light: rgb(light), dark: rgb(dark) }
}

const fn rgb(hex: u32) -> RGBColor {
    let [_, red, green, blue] = hex.to_be_bytes();
    RGBColor(red, green, blue)
}

/// Ground.
pub(super) const PAPER: Colour = colour("paper", 0xFFFFFF, 0x15161A);
/// Text and axes.
pub(super) const INK: Colour = colour("ink", 0x1B1C20, 0xE9E9EE);
/// Lesser text.
pub(super) const MUTED: Colour = colour("muted", 0x5A5C66, 0xA8AAB5);
/// Lines behind all else.
pub(super) const GRID: Colour = colour("grid", 0xE1E2E8, 0x33353D);

/// Series that are told apart, in this order.
pub(super) const SERIES: [Colour; 8] = [
    colour("series-0", 0x0072B2, 0x58A8EE),
    colour("series-1", 0xD55E00, 0xFF8F50),
    colour("series-2", 0x00876A, 0x2FCB9D),
    colour("series-3", 0xA84A86, 0xE79BC9),
    colour("series-4", 0x9A6B00, 0xEDBB45),
    colour("series-5", 0x2E9CCB, 0x9FE0F7),
    colour("series-6", 0x7A4B2A, 0xCFA07C),
    colour("series-7", 0x6B6D78, 0xB3B5C0),
];

/// From 0 to 100 %, in tenths.
pub(super) const HEAT: [Colour; 10] = [
    colour("heat-0", 0xF4F8FC, 0x1C222B),
    colour("heat-1", 0xE3EEF8, 0x1F2C3B),
    colour("heat-2", 0xCFE2F2, 0x22374C),
    colour("heat-3", 0xB6D3EA, 0x26445F),
    colour("heat-4", 0x98C1E0, 0x2B5273),
    colour("heat-5", 0x2F78AD, 0x6FA3CE),
    colour("heat-6", 0x276FA4, 0x83B5DC),
    colour("heat-7", 0x1E6399, 0x98C6E8),
    colour("heat-8", 0x13588B, 0xAED7F3),
    colour("heat-9", 0x084573, 0xC8E8FC),
];
/// Text in the lower half of [`HEAT`].
pub(super) const HEAT_INK_LOW: Colour = colour("heat-ink-low", 0x1B1C21, 0xE9E9EF);
/// Text in the upper half.
pub(super) const HEAT_INK_HIGH: Colour = colour("heat-ink-high", 0xFEFEFE, 0x0B1016);

impl Colour {
    /// For `plotters`.
    pub(super) fn ink(self) -> RGBColor {
        self.light
    }

    /// For Vega and CSS: the variable.
    pub(super) fn variable(self) -> String {
        format!("var(--{})", self.name)
    }
}

/// Strokes and gaps, in pixels, by which series are told apart as well as by their colour; no gap is no dash.
pub(super) fn dashes(place: usize) -> [u32; 2] {
    [[1, 0], [7, 3], [2, 3], [12, 4]][place % 4]
}

/// A drawing whose lines, all of this width, have the dashes of their colour: plotters would draw each dash apart, which
/// doubles a page.
pub(super) fn with_dashes(svg: &str, width: u32) -> String {
    SERIES.iter().enumerate().fold(svg.to_owned(), |svg, (place, colour)| match dashes(place) {
        [_, 0] => svg,
        [stroke, gap] => {
            let line = format!("stroke=\"{}\" stroke-width=\"{width}\"", hex(colour.light));
            svg.replace(&line, &format!("{line} stroke-dasharray=\"{stroke} {gap}\""))
        }
    })
}

fn hex(RGBColor(red, green, blue): RGBColor) -> String {
    format!("#{red:02X}{green:02X}{blue:02X}")
}

/// The colour of a series by its place.
pub(super) fn series(place: usize) -> Colour {
    SERIES[place % SERIES.len()]
}

/// The colour of a percentage and that of the text upon it.
pub(super) fn heat(percent: f64) -> (Colour, Colour) {
    let step = HEAT.iter().enumerate().rev().find(|(step, _)| percent >= 10.0 * *step as f64);
    let (step, &ground) = step.unwrap_or((0, &HEAT[0]));
    (ground, if step < HEAT.len() / 2 { HEAT_INK_LOW } else { HEAT_INK_HIGH })
}

fn all() -> impl Iterator<Item = Colour> {
    let others = [PAPER, INK, MUTED, GRID, HEAT_INK_LOW, HEAT_INK_HIGH];
    others.into_iter().chain(SERIES).chain(HEAT)
}

/// CSS that sets all variables, light ones by default and on paper, dark ones on dark screens.
pub(crate) fn css() -> String {
    let set = |value: fn(Colour) -> RGBColor| {
        all().fold(String::new(), |mut out, colour| {
            let _ = write!(out, "--{}:{};", colour.name, hex(value(colour)));
            out
        })
    };
    let (light, dark) = (set(|colour| colour.light), set(|colour| colour.dark));
    format!(":root{{{light}}}\n@media screen and (prefers-color-scheme:dark){{:root{{{dark}}}}}\n")
}

/// A static drawing with variables for its colours.
///
/// Only whole attribute values are replaced: text holds no quote that is not escaped.
pub(crate) fn with_variables(svg: &str) -> String {
    all().fold(svg.to_owned(), |svg, colour| {
        svg.replace(&format!("\"{}\"", hex(colour.light)), &format!("\"{}\"", colour.variable()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Contrast by WCAG 2.2.
    fn contrast(a: RGBColor, b: RGBColor) -> f64 {
        let channel = |value: u8| {
            let value = f64::from(value) / 255.0;
            if value <= 0.040_45 { value / 12.92 } else { ((value + 0.055) / 1.055).powf(2.4) }
        };
        let luminance = |RGBColor(red, green, blue): RGBColor| {
            0.2126 * channel(red) + 0.7152 * channel(green) + 0.0722 * channel(blue)
        };
        let (a, b) = (luminance(a), luminance(b));
        (a.max(b) + 0.05) / (a.min(b) + 0.05)
    }

    #[test]
    fn text_and_lines_stand_out_in_both_themes() {
        assert!((contrast(rgb(0xFFFFFF), rgb(0)) - 21.0).abs() < 1e-9);
        for theme in [|colour: Colour| colour.light, |colour: Colour| colour.dark] {
            for text in [INK, MUTED] {
                assert!(contrast(theme(text), theme(PAPER)) >= 4.5, "{text:?}");
            }
            for series in SERIES {
                let found = contrast(theme(series), theme(PAPER));
                assert!(found >= 3.0, "{series:?}: {found}");
            }
            for tenth in 0..10 {
                let (ground, text) = heat(10.0 * f64::from(tenth) + 5.0);
                let found = contrast(theme(ground), theme(text));
                assert!(found >= 4.5, "{ground:?}: {found}");
            }
        }
    }

    #[test]
    fn every_light_colour_has_one_variable() {
        let mut values: Vec<String> = all().map(|colour| hex(colour.light)).collect();
        values.sort();
        values.dedup();
        assert_eq!(values.len(), all().count());
        assert_eq!(
            with_variables("<a fill=\"#FFFFFF\">#FFFFFF</a>"),
            "<a fill=\"var(--paper)\">#FFFFFF</a>"
        );
    }

    #[test]
    fn lines_have_the_dashes_of_their_colour() {
        let line = |rest| format!("<polyline stroke=\"#D55E00\" stroke-width=\"{rest}/>");
        assert_eq!(with_dashes(&line("2\""), 2), line("2\" stroke-dasharray=\"7 3\""));
        assert_eq!(with_dashes(&line("1\""), 2), line("1\""));
        // Colours come again after a whole number of dashes, so that both follow from the place.
        assert_eq!(SERIES.len() % 4, 0);
    }

    #[test]
    fn shares_have_a_step_of_their_own() {
        let step = |percent| heat(percent).0.name;
        assert_eq!(
            [0.0, 9.9, 10.0, 55.0, 100.0].map(step),
            ["heat-0", "heat-0", "heat-1", "heat-5", "heat-9"]
        );
    }
}
