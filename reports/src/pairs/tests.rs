use std::{fs, sync::Arc};

use bertillon_measure::results::{PAIRS_SCHEMA, PairsFile};
use parquet::{
    column::writer::ColumnWriter, file::writer::SerializedFileWriter,
    schema::parser::parse_message_type,
};

use super::*;
use crate::fixture;

/// A file of this schema with two rows for each fingerprint given, in a row group each.
fn file(schema: &str, fingerprints: &[[&str; 2]]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(schema).unwrap());
    let mut bytes = Vec::new();
    let mut writer = SerializedFileWriter::new(&mut bytes, schema.clone(), Arc::default()).unwrap();
    for names in fingerprints {
        let mut group = writer.next_row_group().unwrap();
        let mut fields = schema.get_fields().iter();
        while let Some(mut column) = group.next_column().unwrap() {
            let field = fields.next().unwrap();
            let words = match field.name() {
                "fingerprint" => *names,
                "owner" => ["a", "b"],
                other => [other, other],
            };
            // Of optional columns the second row has none.
            let (levels, count) = match field.is_optional() {
                true => (Some(&[1_i16, 0][..]), 1),
                false => (None, 2),
            };
            let written = match column.untyped() {
                ColumnWriter::ByteArrayColumnWriter(writer) => {
                    let words = words.map(|word| word.as_bytes().to_vec().into());
                    writer.write_batch(&words[..count], levels, None)
                }
                ColumnWriter::Int32ColumnWriter(writer) => {
                    writer.write_batch(&[100, 100], None, None)
                }
                ColumnWriter::DoubleColumnWriter(writer) => {
                    writer.write_batch(&[0.25, f64::INFINITY], None, None)
                }
                ColumnWriter::BoolColumnWriter(writer) => {
                    writer.write_batch(&[true, false], None, None)
                }
                _ => unreachable!("no such column"),
            };
            written.unwrap();
            column.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.close().unwrap();
    bytes
}

fn read_file(bytes: &[u8], results: &Results) -> Result<Vec<Group>, ReportError> {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join(FILE_NAME), bytes).unwrap();
    read(folder.path(), results)
}

fn refusal(bytes: &[u8]) -> String {
    read_file(bytes, &fixture::results()).unwrap_err().to_string()
}

#[test]
fn columns_come_back_as_they_were_written() {
    let groups =
        read_file(&file(PAIRS_SCHEMA, &[["FBI 30/70"; 2], ["Entropy"; 2]]), &fixture::results());
    let groups = groups.unwrap();
    assert_eq!(groups.len(), 2);
    let one = &groups[1];
    assert_eq!((one.fingerprint.as_str(), one.budget), ("Entropy", 100));
    assert_eq!(
        (one.owner.get(0), one.owner.get(1), one.owner.get(2)),
        (Some("a"), Some("b"), None)
    );
    assert_eq!((one.detail.get(0), one.detail.get(1)), (Some("detail"), None));
    assert_eq!((one.detail.len(), one.detail.is_empty()), (2, false));
    assert_eq!(one.distance, [0.25, f64::INFINITY]);
    assert_eq!((&one.positive[..], &one.draw[..]), (&[true, false][..], &[100, 100][..]));
}

#[test]
fn pairs_of_another_run_are_refused_with_both_digests() {
    let bytes = file(PAIRS_SCHEMA, &[["FBI 30/70"; 2]]);
    let digest = blake3::hash(&bytes).to_hex().to_string();
    let mut results = fixture::results();
    results.pairs = Some(PairsFile { blake3: digest.clone(), rows: 2 });
    assert_eq!(read_file(&bytes, &results).unwrap().len(), 1);
    let cut = &bytes[..bytes.len() - 1];
    for other in [cut, &file(PAIRS_SCHEMA, &[["Entropy"; 2]])] {
        let error = read_file(other, &results).unwrap_err().to_string();
        assert!(error.contains("does not belong to the results.json") && error.contains(&digest));
    }
    // Results without a digest at least know their fingerprints.
    let error = refusal(&file(PAIRS_SCHEMA, &[["somebody else's"; 2]]));
    assert!(error.contains("know no fingerprint `somebody else's`"), "{error}");
}

#[test]
fn files_of_another_form_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let missing = read(folder.path(), &fixture::results()).unwrap_err().to_string();
    assert!(missing.contains("no results at") && missing.contains(FILE_NAME), "{missing}");
    let bytes = file(PAIRS_SCHEMA, &[["Entropy"; 2]]);
    for end in [0, 3, 100, bytes.len() / 2, bytes.len() - 1] {
        assert!(refusal(&bytes[..end]).contains("holds no results of bertillon"));
    }
    for (from, to, expected) in [
        ("DOUBLE distance", "INT32 distance", "column `distance` is of another type"),
        ("DOUBLE distance", "DOUBLE nearness", "column `distance` is missing"),
        ("BOOLEAN positive", "BYTE_ARRAY positive", "column `positive` is of another type"),
        ("REQUIRED BYTE_ARRAY fingerprint", "OPTIONAL BYTE_ARRAY fingerprint", "has gaps"),
    ] {
        let error = refusal(&file(&PAIRS_SCHEMA.replace(from, to), &[["Entropy"; 2]]));
        assert!(error.contains(expected), "{error}");
    }
    let mixed = refusal(&file(PAIRS_SCHEMA, &[["Entropy", "FBI 30/70"]]));
    assert!(mixed.contains("`fingerprint` differs within a row group"), "{mixed}");
}
