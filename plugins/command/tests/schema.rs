//! The published schema of the protocol is the one that is spoken.

#![allow(clippy::unwrap_used, reason = "a test may stop at what it does not expect")]

use std::{env, fs, path::Path};

use bertillon_command::protocol::Protocol;

#[test]
fn the_schema_in_docs_is_that_of_the_messages() {
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/command-protocol.schema.json");
    let schema = serde_json::to_string_pretty(&schemars::schema_for!(Protocol)).unwrap() + "\n";
    if env::var_os("BERTILLON_UPDATE").is_some() {
        fs::write(&path, &schema).unwrap();
    }
    let published = fs::read_to_string(&path).unwrap_or_default();
    assert!(published == schema, "run this test with BERTILLON_UPDATE=1 and commit the file");
}
