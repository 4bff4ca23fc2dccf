//! The queries of a fingerprint as files, to be put to a suspect by hand or by a script.

use std::{
    fs::{self, File},
    io::{self, BufWriter},
    path::Path,
};

use bertillon::{Images, npy};
use bertillon_runner::Enrolled;

use super::answers::label;
use crate::{failure::Failure, output};

/// Writes `answers.csv`, to be filled in, and, where there are images, `queries.npy` and a PNG for each that is grey or
/// coloured; tells what was written.
pub(super) fn write(enrolled: &Enrolled, folder: &Path) -> Result<String, Failure> {
    let failed =
        |error: io::Error| Failure::User(format!("{} can't be written: {error}", folder.display()));
    if fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Failure::User(format!(
            "{} is not empty; give --export a folder that is, or that does not exist",
            folder.display()
        )));
    }
    fs::create_dir_all(folder).map_err(failed)?;
    let colour = enrolled.queries.as_ref().and_then(colour);
    let name = |query: usize| colour.map_or_else(String::new, |_| format!("{query:04}.png"));
    if let Some(images) = &enrolled.queries {
        let shape = images.shape();
        let shape = [images.len(), shape.channels, shape.height, shape.width];
        fs::write(folder.join("queries.npy"), npy::encode("|u1", &shape, images.as_bytes()))
            .map_err(failed)?;
        if let Some(colour) = colour {
            for query in 0..images.len() {
                let png = write_png(&folder.join(name(query)), images, query, colour);
                png.map_err(|error| failed(error.into()))?;
            }
        }
    }
    let labels: Vec<String> = (1..=enrolled.card.ranks).map(label).collect();
    let mut table = format!("query,image,file,{}\n", labels.join(","));
    for query in 0..enrolled.len() {
        let image = enrolled.fingerprint.queries.pool.get(query).map(u32::to_string);
        let blank = ",".repeat(labels.len());
        table.push_str(&format!("{query},{},{}{blank}\n", image.unwrap_or_default(), name(query)));
    }
    fs::write(folder.join("answers.csv"), table).map_err(failed)?;
    Ok(format!(
        "{} in {}; fill in answers.csv (labels are classes, counted from 0) and give it to `bertillon verify`",
        output::counted(enrolled.len(), "query", "queries"),
        folder.display()
    ))
}

fn colour(images: &Images) -> Option<png::ColorType> {
    match images.shape().channels {
        1 => Some(png::ColorType::Grayscale),
        3 => Some(png::ColorType::Rgb),
        _ => None,
    }
}

fn write_png(
    path: &Path,
    images: &Images,
    index: usize,
    colour: png::ColorType,
) -> Result<(), png::EncodingError> {
    let shape = images.shape();
    let side = |pixels: usize| u32::try_from(pixels).unwrap_or(u32::MAX);
    let file = BufWriter::new(File::create(path)?);
    let mut encoder = png::Encoder::new(file, side(shape.width), side(shape.height));
    encoder.set_color(colour);
    encoder.set_depth(png::BitDepth::Eight);
    let image = images.image(index);
    let plane = shape.height * shape.width;
    // A PNG has the channels of a pixel beside each other.
    let pixels = (0..plane).flat_map(|pixel| image[pixel..].iter().step_by(plane).copied());
    let mut writer = encoder.write_header()?;
    writer.write_image_data(&pixels.collect::<Vec<u8>>())?;
    writer.finish()
}
