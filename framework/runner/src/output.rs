//! The files of a finished run: `results.json`, `pairs.parquet`, `provenance.json`.

use std::{fs, path::Path, sync::Arc, time::Duration};

use bertillon::results::Results;
use parquet::{
    basic::Compression,
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type},
    errors::ParquetError,
    file::{
        properties::WriterProperties, writer::SerializedFileWriter,
        writer::SerializedRowGroupWriter,
    },
    schema::parser::parse_message_type,
};
use serde::Serialize;

use crate::{
    Options, RunError,
    cache::write_whole,
    context::Context,
    judgement::{Pairs, Scored},
    plan::Plan,
};

/// Makes the results folder and tries it, before anything is computed.
pub(crate) fn check_writable(folder: &Path) -> Result<(), RunError> {
    fs::create_dir_all(folder).and_then(|()| tempfile::tempfile_in(folder)).map(drop).map_err(
        |error| RunError::File {
            path: folder.to_owned(),
            problem: format!("results can't be written here ({error}); choose a folder with --out"),
        },
    )
}

/// Writes all files, each whole or not at all, `results.json` last.
pub(crate) fn write(
    context: &Context<'_>,
    options: &Options,
    results: &Results,
    pairs: &Pairs,
    elapsed: Duration,
) -> Result<(), RunError> {
    let folder = &options.out;
    let table = encode(context.plan, pairs).map_err(|error| RunError::File {
        path: folder.join("pairs.parquet"),
        problem: error.to_string(),
    })?;
    write_whole(&folder.join("pairs.parquet"), &table)?;
    let provenance = Provenance::of(context, options, elapsed);
    write_whole(&folder.join("provenance.json"), &json(&provenance))?;
    write_whole(&folder.join("results.json"), &json(results))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    let mut text = serde_json::to_vec_pretty(value).expect("plain data serialises");
    text.push(b'\n');
    text
}

/// What a run was made of; it differs between two runs with equal results.
#[derive(Serialize)]
struct Provenance {
    bertillon: &'static str,
    source: &'static str,
    libtorch: &'static str,
    suite: String,
    data: String,
    models: Vec<[String; 2]>,
    plugins: Vec<[String; 3]>,
    device: String,
    threads: usize,
    seconds: f64,
    finished_unix_s: u64,
}

impl Provenance {
    fn of(context: &Context<'_>, options: &Options, elapsed: Duration) -> Self {
        let plan = context.plan;
        let recipes = plan.variants.iter().map(|variant| &variant.recipe);
        let methods = plan.fingerprints.iter().map(|fingerprint| &fingerprint.recipe);
        #[expect(clippy::disallowed_methods, reason = "provenance says when, and enters no result")]
        let now = std::time::SystemTime::now();
        Self {
            bertillon: env!("CARGO_PKG_VERSION"),
            source: bertillon::SOURCE_DIGEST,
            libtorch: "2.11.0",
            suite: plan.suite.text.to_string(),
            data: plan.split.digest.clone(),
            models: plan
                .families
                .iter()
                .map(|family| [family.vanilla.name.clone(), family.vanilla.digest.clone()])
                .collect(),
            plugins: recipes
                .chain(methods)
                .map(|r| [r.plugin.clone(), r.parameters.clone(), r.source.clone()])
                .collect(),
            device: format!("{:?}", options.device),
            threads: options.threads,
            seconds: elapsed.as_secs_f64(),
            finished_unix_s: now
                .duration_since(std::time::UNIX_EPOCH)
                .map(|since| since.as_secs())
                .unwrap_or_default(),
        }
    }
}

const SCHEMA: &str = "message pairs {
    REQUIRED BYTE_ARRAY task (UTF8);
    REQUIRED BYTE_ARRAY fingerprint (UTF8);
    REQUIRED INT32 budget;
    REQUIRED INT32 draw;
    REQUIRED BYTE_ARRAY owner (UTF8);
    REQUIRED BYTE_ARRAY suspect (UTF8);
    REQUIRED BYTE_ARRAY family (UTF8);
    REQUIRED BYTE_ARRAY kind (UTF8);
    OPTIONAL BYTE_ARRAY detail (UTF8);
    OPTIONAL BYTE_ARRAY parameter (UTF8);
    REQUIRED BOOLEAN stranger;
    REQUIRED BOOLEAN rehearsed;
    REQUIRED DOUBLE distance;
    REQUIRED BOOLEAN positive;
}";

/// The table of all pairs, a row group for each fingerprint and budget.
fn encode(plan: &Plan, pairs: &Pairs) -> Result<Vec<u8>, ParquetError> {
    let schema = Arc::new(parse_message_type(SCHEMA)?);
    let properties =
        Arc::new(WriterProperties::builder().set_compression(Compression::SNAPPY).build());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties)?;
    for (index, scored) in pairs.scored.iter().enumerate() {
        for budget in 0..scored.distances.len() {
            let mut group = writer.next_row_group()?;
            write_group(&mut group, plan, pairs, index, scored, budget)?;
            group.close()?;
        }
    }
    writer.close()?;
    Ok(bytes)
}

/// One pair of one draw.
#[derive(Clone, Copy)]
struct Row {
    draw: usize,
    owner: usize,
    suspect: usize,
}

fn write_group<W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    plan: &Plan,
    pairs: &Pairs,
    index: usize,
    scored: &Scored,
    budget: usize,
) -> Result<(), ParquetError> {
    let (columns, owners) = (pairs.suspects.len(), plan.families.len());
    let planned = &plan.fingerprints[index];
    let draws = &scored.distances[budget];
    let rows: Vec<Row> = (0..draws.len())
        .flat_map(|draw| (0..owners).map(move |owner| (draw, owner)))
        .flat_map(|(draw, owner)| (0..columns).map(move |suspect| Row { draw, owner, suspect }))
        .filter(|row| scored.judged[budget][row.owner * columns + row.suspect])
        .collect();
    let text = |value: &str| ByteArray::from(value.as_bytes().to_vec());
    let family_names: Vec<ByteArray> =
        plan.families.iter().map(|family| text(&family.vanilla.name)).collect();
    let names: Vec<ByteArray> = pairs.names.iter().map(|name| text(name)).collect();
    let kinds: Vec<ByteArray> = pairs.suspects.iter().map(|s| text(&s.kind)).collect();
    let family = |row: &Row| pairs.suspects[row.suspect].family;
    let (task, fingerprint) = (text("detection"), text(&planned.name));
    let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
    let spent = number(plan.suite.evaluation.budgets[budget].value);

    column::<ByteArrayType, _>(group, &rows, |_| task.clone())?;
    column::<ByteArrayType, _>(group, &rows, |_| fingerprint.clone())?;
    column::<Int32Type, _>(group, &rows, |_| spent)?;
    column::<Int32Type, _>(group, &rows, |row| number(row.draw))?;
    column::<ByteArrayType, _>(group, &rows, |row| family_names[row.owner].clone())?;
    column::<ByteArrayType, _>(group, &rows, |row| names[row.suspect].clone())?;
    column::<ByteArrayType, _>(group, &rows, |row| family_names[family(row)].clone())?;
    column::<ByteArrayType, _>(group, &rows, |row| kinds[row.suspect].clone())?;
    optional(group, &rows, |row| pairs.suspects[row.suspect].detail.as_deref())?;
    optional(group, &rows, |row| pairs.suspects[row.suspect].parameter.as_deref())?;
    column::<BoolType, _>(group, &rows, |row| {
        family(row) != row.owner && !planned.peers[row.owner].contains(&family(row))
    })?;
    column::<BoolType, _>(group, &rows, |row| scored.rehearsed[row.suspect])?;
    column::<DoubleType, _>(group, &rows, |row| {
        draws[row.draw][row.owner * columns + row.suspect]
    })?;
    column::<BoolType, _>(group, &rows, |row| family(row) == row.owner)
}

fn column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    value: impl Fn(&Row) -> T::T,
) -> Result<(), ParquetError> {
    let values: Vec<T::T> = rows.iter().map(value).collect();
    write_column::<T, W>(group, &values, None)
}

fn optional<'a, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    rows: &[Row],
    value: impl Fn(&Row) -> Option<&'a str>,
) -> Result<(), ParquetError> {
    let levels: Vec<i16> = rows.iter().map(|row| i16::from(value(row).is_some())).collect();
    let present: Vec<ByteArray> = rows
        .iter()
        .filter_map(|row| value(row).map(|text| ByteArray::from(text.as_bytes().to_vec())))
        .collect();
    write_column::<ByteArrayType, W>(group, &present, Some(&levels))
}

fn write_column<T: DataType, W: std::io::Write + Send>(
    group: &mut SerializedRowGroupWriter<'_, W>,
    values: &[T::T],
    levels: Option<&[i16]>,
) -> Result<(), ParquetError> {
    let mut column = group
        .next_column()?
        .ok_or_else(|| ParquetError::General("more columns than the schema has".into()))?;
    column.typed::<T>().write_batch(values, levels, None)?;
    column.close()
}
