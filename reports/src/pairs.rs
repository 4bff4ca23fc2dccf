//! Reading `pairs.parquet`, the distances behind the rates of detection.

use std::{collections::HashMap, io, panic, path::Path};

use bertillon_measure::{results::Results, untrusted};
use bytes::Bytes;
use parquet::{
    basic::Type,
    column::reader::{ColumnReader, ColumnReaderImpl},
    data_type::DataType,
    errors::ParquetError,
    file::reader::{FileReader, RowGroupReader, SerializedFileReader},
};

use crate::ReportError;

/// Name of the file in the folder of a run.
pub const FILE_NAME: &str = "pairs.parquet";

/// Largest file that is read, in bytes.
const LARGEST: u64 = 16 << 30;

/// Most rows that are read; each takes some 60 bytes of memory.
const MOST_ROWS: i64 = 1 << 28;

/// Rows that are read at once, so that memory is taken for those that there are.
const BLOCK: usize = 1 << 16;

/// The pairs of one fingerprint at one budget, all draws: columns of one length.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// The user's name for the fingerprint.
    pub fingerprint: String,
    /// Queries, L.
    pub budget: usize,
    /// Draw, from 0.
    pub draw: Vec<u32>,
    /// Name of the vanilla whose owner asks.
    pub owner: Words,
    /// Name of the model asked.
    pub suspect: Words,
    /// Name of the suspect's vanilla.
    pub family: Words,
    /// Kind of variant, `vanilla` for the head of a family.
    pub kind: Words,
    /// Detail of the kind.
    pub detail: Words,
    /// Parameter within the kind.
    pub parameter: Words,
    /// Whether the owner knows no model of the suspect's family.
    pub stranger: Vec<bool>,
    /// Whether the owner rehearsed variants of the suspect's group.
    pub rehearsed: Vec<bool>,
    /// Distance, small means mine; `+inf` where there is none.
    pub distance: Vec<f64>,
    /// Whether the suspect is of the owner's family.
    pub positive: Vec<bool>,
}

/// A column of words, each kept once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Words {
    distinct: Vec<String>,
    of_row: Vec<Option<u32>>,
}

impl Words {
    /// The word of a row; none where there is none.
    pub fn get(&self, row: usize) -> Option<&str> {
        let word = (*self.of_row.get(row)?)?;
        self.distinct.get(word as usize).map(String::as_str)
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.of_row.len()
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.of_row.is_empty()
    }
}

/// Reads the pairs in the folder of a run whose results were read from there: a group a fingerprint and budget.
///
/// # Errors
/// When there are none, they are not those of `results`, or of another form.
pub fn read(folder: &Path, results: &Results) -> Result<Vec<Group>, ReportError> {
    let path = folder.join(FILE_NAME);
    let bytes = match untrusted::read(&path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(ReportError::Missing { path });
        }
        Err(source) => return Err(ReportError::File { path, source }),
    };
    if let Some(written) = &results.pairs {
        let found = blake3::hash(&bytes).to_hex().to_string();
        if found != written.blake3 {
            let expected = written.blake3.clone();
            return Err(ReportError::ForeignPairs { path, expected, found });
        }
    }
    let malformed = |problem| ReportError::Malformed { path: path.clone(), problem };
    let groups = parse(bytes).map_err(malformed)?;
    // Results of before the digest: names and budgets at least have to be theirs.
    let judged = |group: &&Group| {
        let mut fingerprints = results.fingerprints.iter();
        fingerprints.any(|fingerprint| fingerprint.name == group.fingerprint)
    };
    match groups.iter().find(|group| !judged(group)) {
        Some(Group { fingerprint, .. }) => {
            Err(malformed(format!("the results beside it know no fingerprint `{fingerprint}`")))
        }
        None => Ok(groups),
    }
}

/// Reads pairs from the bytes of their file.
///
/// # Errors
/// With what is wrong, in words, when they are none, or more than 2^28 rows.
pub fn parse(bytes: Vec<u8>) -> Result<Vec<Group>, String> {
    // The decoder trusts the lengths within pages and panics where they are wrong.
    match panic::catch_unwind(|| groups(bytes.into())) {
        Ok(groups) => groups.map_err(|error| untrusted::abridged(&error.to_string())),
        Err(_) => Err("its pages are damaged".to_owned()),
    }
}

fn groups(bytes: Bytes) -> Result<Vec<Group>, ParquetError> {
    let reader = SerializedFileReader::new(bytes)?;
    // A few bytes may stand for any number of equal rows.
    let rows = reader.metadata().file_metadata().num_rows();
    let all = reader.metadata().row_groups().iter().map(|group| group.num_rows());
    if rows > MOST_ROWS || all.fold(0, i64::saturating_add) > MOST_ROWS {
        return Err(ParquetError::General(format!("it has more than {MOST_ROWS} rows")));
    }
    let mut groups = Vec::new();
    for index in 0..reader.num_row_groups() {
        let rows = reader.get_row_group(index)?;
        // A fingerprint of which every pair was lost.
        if rows.metadata().num_rows() > 0 {
            groups.push(group(&*rows)?);
        }
    }
    Ok(groups)
}

fn group(rows: &dyn RowGroupReader) -> Result<Group, ParquetError> {
    let columns = Columns { rows };
    let numbers = |name: &str| -> Result<Vec<u32>, ParquetError> {
        let numbers = columns.numbers(name)?.into_iter().map(u32::try_from);
        numbers.collect::<Result<_, _>>().map_err(|_| problem(name, "holds a negative number"))
    };
    let (fingerprints, budgets) = (columns.words("fingerprint")?, numbers("budget")?);
    let ([fingerprint], Some(&budget)) = (&*fingerprints.distinct, budgets.first()) else {
        return Err(problem("fingerprint", "differs within a row group"));
    };
    if fingerprints.of_row.contains(&None) {
        return Err(problem("fingerprint", "has gaps"));
    }
    if budgets.iter().any(|&other| other != budget) {
        return Err(problem("budget", "differs within a row group"));
    }
    Ok(Group {
        fingerprint: fingerprint.clone(),
        budget: budget as usize,
        draw: numbers("draw")?,
        owner: columns.words("owner")?,
        suspect: columns.words("suspect")?,
        family: columns.words("family")?,
        kind: columns.words("kind")?,
        detail: columns.words("detail")?,
        parameter: columns.words("parameter")?,
        stranger: columns.flags("stranger")?,
        rehearsed: columns.flags("rehearsed")?,
        distance: columns.distances("distance")?,
        positive: columns.flags("positive")?,
    })
}

/// The columns of a row group by their names.
struct Columns<'a> {
    rows: &'a dyn RowGroupReader,
}

impl Columns<'_> {
    fn reader(&self, name: &str, expected: Type) -> Result<(ColumnReader, i16), ParquetError> {
        let schema = self.rows.metadata().schema_descr();
        let place = schema.columns().iter().position(|column| column.name() == name);
        let place = place.ok_or_else(|| problem(name, "is missing"))?;
        let column = schema.column(place);
        if column.physical_type() != expected || column.max_rep_level() > 0 {
            return Err(problem(name, "is of another type"));
        }
        Ok((self.rows.get_column_reader(place)?, column.max_def_level()))
    }

    /// Values, none where the column has none.
    fn values<T: DataType>(
        &self,
        mut reader: ColumnReaderImpl<T>,
        levels: i16,
    ) -> Result<Vec<Option<T::T>>, ParquetError> {
        let count = usize::try_from(self.rows.metadata().num_rows())
            .map_err(|_| ParquetError::General("a row group has a negative length".to_owned()))?;
        let (mut present, mut values) = (Vec::new(), Vec::new());
        while values.len().max(present.len()) < count {
            let missing = count - values.len().max(present.len());
            let levels = (levels > 0).then_some(&mut present);
            let (records, ..) =
                reader.read_records(missing.min(BLOCK), levels, None, &mut values)?;
            if records == 0 {
                return Err(ParquetError::General("a column is shorter than its rows".to_owned()));
            }
        }
        if levels == 0 {
            return Ok(values.into_iter().map(Some).collect());
        }
        let mut values = values.into_iter();
        Ok(present.into_iter().map(|at| (at == levels).then(|| values.next()).flatten()).collect())
    }

    fn required<T: DataType>(
        &self,
        name: &str,
        reader: ColumnReaderImpl<T>,
        levels: i16,
    ) -> Result<Vec<T::T>, ParquetError> {
        let values = self.values(reader, levels)?.into_iter().collect::<Option<_>>();
        values.ok_or_else(|| problem(name, "has gaps"))
    }

    fn numbers(&self, name: &str) -> Result<Vec<i32>, ParquetError> {
        match self.reader(name, Type::INT32)? {
            (ColumnReader::Int32ColumnReader(reader), levels) => {
                self.required(name, reader, levels)
            }
            _ => Err(problem(name, "is of another type")),
        }
    }

    fn flags(&self, name: &str) -> Result<Vec<bool>, ParquetError> {
        match self.reader(name, Type::BOOLEAN)? {
            (ColumnReader::BoolColumnReader(reader), levels) => self.required(name, reader, levels),
            _ => Err(problem(name, "is of another type")),
        }
    }

    fn distances(&self, name: &str) -> Result<Vec<f64>, ParquetError> {
        match self.reader(name, Type::DOUBLE)? {
            (ColumnReader::DoubleColumnReader(reader), levels) => {
                self.required(name, reader, levels)
            }
            _ => Err(problem(name, "is of another type")),
        }
    }

    fn words(&self, name: &str) -> Result<Words, ParquetError> {
        let (ColumnReader::ByteArrayColumnReader(reader), levels) =
            self.reader(name, Type::BYTE_ARRAY)?
        else {
            return Err(problem(name, "is of another type"));
        };
        let mut words = Words::default();
        let mut known: HashMap<String, u32> = HashMap::new();
        for value in self.values(reader, levels)? {
            let word = match value {
                None => None,
                Some(value) => {
                    let text = std::str::from_utf8(value.data());
                    let text = text.map_err(|_| problem(name, "is no text"))?;
                    Some(match known.get(text) {
                        Some(&word) => word,
                        None => {
                            let word = u32::try_from(words.distinct.len())
                                .map_err(|_| problem(name, "has too many words"))?;
                            words.distinct.push(text.to_owned());
                            known.insert(text.to_owned(), word);
                            word
                        }
                    })
                }
            };
            words.of_row.push(word);
        }
        Ok(words)
    }
}

fn problem(column: &str, what: &str) -> ParquetError {
    ParquetError::General(format!("column `{column}` {what}"))
}

#[cfg(test)]
mod tests;
