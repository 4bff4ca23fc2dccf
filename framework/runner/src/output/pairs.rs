//! `pairs.parquet`: every distance, a row group for each fingerprint and budget.
//!
//! Most columns say the same in every group (who is judged by whom), so each is encoded once and its bytes are
//! appended again: only the distances differ.

use std::{
    collections::{HashMap, hash_map::Entry},
    sync::Arc,
};

use bertillon::{evaluation::Suspect, results::PAIRS_SCHEMA};
use bytes::Bytes;
use parquet::{
    basic::Compression,
    column::writer::{ColumnCloseResult, get_column_writer, get_typed_column_writer},
    data_type::{BoolType, ByteArray, ByteArrayType, DataType, DoubleType, Int32Type},
    errors::ParquetError,
    file::{
        properties::{WriterProperties, WriterPropertiesPtr},
        writer::{SerializedFileWriter, SerializedPageWriter, TrackedWrite},
    },
    schema::{parser::parse_message_type, types::SchemaDescriptor},
};
use rayon::prelude::*;

use crate::{
    judgement::{Pairs, Scored},
    plan::{Plan, PlannedFingerprint},
};

/// The column that no two groups share.
const DISTANCE: &str = "distance";

/// A file of pairs.
pub(super) struct Table {
    pub(super) bytes: Vec<u8>,
    pub(super) rows: u64,
}

/// The table of all pairs.
pub(super) fn encode(
    plan: &Plan,
    pairs: &Pairs,
    workers: &rayon::ThreadPool,
) -> Result<Table, ParquetError> {
    let schema = Arc::new(parse_message_type(PAIRS_SCHEMA)?);
    let format = Format {
        descriptor: SchemaDescriptor::new(schema.clone()),
        properties: Arc::new(
            WriterProperties::builder().set_compression(Compression::SNAPPY).build(),
        ),
    };
    let names: Vec<String> =
        format.descriptor.columns().iter().map(|column| column.name().to_owned()).collect();
    let place = names.iter().position(|name| name == DISTANCE).unwrap_or_default();
    let groups: Vec<Group<'_>> = pairs
        .scored
        .iter()
        .enumerate()
        .flat_map(|(index, scored)| {
            (0..scored.distances.len()).map(move |budget| Group::new(plan, pairs, index, budget))
        })
        .collect();
    let distances: Vec<Chunk> = workers.install(|| {
        let encode = |group: &Group<'_>| format.encode(place, &group.values(DISTANCE));
        groups.par_iter().map(encode).collect::<Result<_, _>>()
    })?;
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, format.properties.clone())?;
    let mut shared = HashMap::new();
    for (group, distances) in groups.iter().zip(&distances) {
        let mut row_group = writer.next_row_group()?;
        for (column, name) in names.iter().enumerate() {
            let chunk = if name == DISTANCE {
                distances
            } else {
                match shared.entry((column, group.key(name))) {
                    Entry::Occupied(known) => known.into_mut(),
                    Entry::Vacant(place) => {
                        place.insert(format.encode(column, &group.values(name))?)
                    }
                }
            };
            row_group.append_column(&chunk.bytes, chunk.close.clone())?;
        }
        row_group.close()?;
    }
    let rows = writer.close()?.file_metadata().num_rows();
    Ok(Table { bytes, rows: rows.unsigned_abs() })
}

/// How columns are encoded.
struct Format {
    descriptor: SchemaDescriptor,
    properties: WriterPropertiesPtr,
}

/// A column of a row group, encoded.
struct Chunk {
    bytes: Bytes,
    close: ColumnCloseResult,
}

/// The values of a column.
enum Values {
    Text(Vec<ByteArray>),
    OptionalText(Vec<Option<ByteArray>>),
    Number(Vec<i32>),
    Flag(Vec<bool>),
    Distance(Vec<f64>),
}

impl Values {
    /// The same again for every draw.
    fn repeated(self, draws: usize) -> Self {
        fn again<T: Clone>(values: &[T], draws: usize) -> Vec<T> {
            std::iter::repeat_n(values, draws).flatten().cloned().collect()
        }
        match self {
            Self::Text(values) => Self::Text(again(&values, draws)),
            Self::OptionalText(values) => Self::OptionalText(again(&values, draws)),
            Self::Number(values) => Self::Number(again(&values, draws)),
            Self::Flag(values) => Self::Flag(again(&values, draws)),
            Self::Distance(values) => Self::Distance(again(&values, draws)),
        }
    }
}

impl Format {
    fn encode(&self, column: usize, values: &Values) -> Result<Chunk, ParquetError> {
        match values {
            Values::Text(values) => self.write::<ByteArrayType>(column, values, None),
            Values::OptionalText(values) => {
                let levels: Vec<i16> = values.iter().map(|v| i16::from(v.is_some())).collect();
                let present: Vec<ByteArray> = values.iter().flatten().cloned().collect();
                self.write::<ByteArrayType>(column, &present, Some(&levels))
            }
            Values::Number(values) => self.write::<Int32Type>(column, values, None),
            Values::Flag(values) => self.write::<BoolType>(column, values, None),
            Values::Distance(values) => self.write::<DoubleType>(column, values, None),
        }
    }

    fn write<T: DataType>(
        &self,
        column: usize,
        values: &[T::T],
        levels: Option<&[i16]>,
    ) -> Result<Chunk, ParquetError> {
        let mut sink = TrackedWrite::new(Vec::new());
        let pages = Box::new(SerializedPageWriter::new(&mut sink));
        let writer =
            get_column_writer(self.descriptor.column(column), self.properties.clone(), pages);
        let mut writer = get_typed_column_writer::<T>(writer);
        writer.write_batch(values, levels, None)?;
        let close = writer.close()?;
        Ok(Chunk { bytes: sink.into_inner()?.into(), close })
    }
}

/// One fingerprint at one budget.
struct Group<'a> {
    plan: &'a Plan,
    pairs: &'a Pairs,
    scored: &'a Scored,
    fingerprint: &'a PlannedFingerprint,
    budget: usize,
}

impl<'a> Group<'a> {
    fn new(plan: &'a Plan, pairs: &'a Pairs, index: usize, budget: usize) -> Self {
        let (scored, fingerprint) = (&pairs.scored[index], &plan.fingerprints[index]);
        Self { plan, pairs, scored, fingerprint, budget }
    }

    fn spent(&self) -> usize {
        self.plan.suite.evaluation.budgets[self.budget].value
    }

    /// Digest of all that the values of a column depend on.
    fn key(&self, name: &str) -> blake3::Hash {
        let mut hasher = blake3::Hasher::new();
        let mut flags = |flags: &[bool]| {
            hasher.update(&(flags.len() as u64).to_le_bytes());
            hasher.update(&flags.iter().map(|&flag| u8::from(flag)).collect::<Vec<u8>>());
        };
        flags(&self.scored.judged[self.budget]);
        match name {
            "fingerprint" => {
                hasher.update(self.fingerprint.name.as_bytes());
            }
            "budget" => {
                hasher.update(&(self.spent() as u64).to_le_bytes());
            }
            "rehearsed" => flags(&self.scored.rehearsed),
            "stranger" => {
                for peers in &self.fingerprint.peers {
                    hasher.update(&(peers.len() as u64).to_le_bytes());
                    for &peer in peers {
                        hasher.update(&(peer as u64).to_le_bytes());
                    }
                }
            }
            _ => {}
        }
        hasher.finalize()
    }

    /// The values of a column, draw by draw and owner by owner.
    fn values(&self, name: &str) -> Values {
        let Self { plan, pairs, .. } = *self;
        let judged = &self.scored.judged[self.budget];
        let draws = &self.scored.distances[self.budget];
        let suspects = pairs.suspects.len();
        let cells = (0..judged.len()).filter(|&cell| judged[cell]);
        let owner = |cell: usize| cell / suspects;
        let family = |cell: usize| pairs.suspects[cell % suspects].family;
        let number = |n: usize| i32::try_from(n).unwrap_or(i32::MAX);
        let text = |value: &str| ByteArray::from(value.as_bytes().to_vec());
        let same = |value: &str| Values::Text(vec![text(value); cells.clone().count()]);
        // One buffer a name, shared by all its rows.
        let of_family = |family: &dyn Fn(usize) -> usize| {
            let names: Vec<ByteArray> =
                plan.families.iter().map(|known| text(&known.vanilla.name)).collect();
            Values::Text(cells.clone().map(|cell| names[family(cell)].clone()).collect())
        };
        let of_suspect = |values: Vec<ByteArray>| {
            Values::Text(cells.clone().map(|cell| values[cell % suspects].clone()).collect())
        };
        let maybe_of_suspect = |value: &dyn Fn(&Suspect) -> Option<ByteArray>| {
            let values: Vec<Option<ByteArray>> = pairs.suspects.iter().map(value).collect();
            Values::OptionalText(cells.clone().map(|c| values[c % suspects].clone()).collect())
        };
        let flag = |value: &dyn Fn(usize) -> bool| Values::Flag(cells.clone().map(value).collect());
        let once = match name {
            "task" => same("detection"),
            "fingerprint" => same(&self.fingerprint.name),
            "budget" => Values::Number(vec![number(self.spent()); cells.clone().count()]),
            "owner" => of_family(&owner),
            "suspect" => of_suspect(pairs.names.iter().map(|name| text(name)).collect()),
            "family" => of_family(&family),
            "kind" => of_suspect(pairs.suspects.iter().map(|s| text(&s.kind)).collect()),
            "detail" => maybe_of_suspect(&|s| s.detail.as_deref().map(text)),
            "parameter" => maybe_of_suspect(&|s| s.parameter.as_deref().map(text)),
            "stranger" => flag(&|cell| {
                let peers = &self.fingerprint.peers[owner(cell)];
                family(cell) != owner(cell) && !peers.contains(&family(cell))
            }),
            "rehearsed" => flag(&|cell| self.scored.rehearsed[cell % suspects]),
            "positive" => flag(&|cell| family(cell) == owner(cell)),
            "draw" => {
                let numbers = (0..draws.len()).map(number);
                let rows = cells.count();
                return Values::Number(
                    numbers.flat_map(|draw| std::iter::repeat_n(draw, rows)).collect(),
                );
            }
            _ => {
                let of_draw = |draw: &'a Vec<f64>| cells.clone().map(|cell| draw[cell]);
                return Values::Distance(draws.iter().flat_map(of_draw).collect());
            }
        };
        once.repeated(draws.len())
    }
}
