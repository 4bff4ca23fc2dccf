//! What a program answers to a `command` plugin: a line of JSON.

use std::fmt::Debug;

use bertillon_command::protocol::{
    Answered, Derived, Description, Enrolled, Judged, Reply, Selected, Transformed,
};
use serde::{Serialize, de::DeserializeOwned};

/// Reads the line as every kind of answer; whether it is any.
///
/// # Panics
/// When an answer is another one once it was written and read.
pub fn run(bytes: &[u8]) -> bool {
    let read = [
        is::<Description>(bytes),
        is::<Transformed>(bytes),
        is::<Derived>(bytes),
        is::<Selected>(bytes),
        is::<Enrolled>(bytes),
        is::<Judged>(bytes),
        is::<Answered>(bytes),
    ];
    read.contains(&true)
}

fn is<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) -> bool {
    let Ok(reply) = serde_json::from_slice::<Reply<T>>(bytes) else { return false };
    let written = serde_json::to_vec(&reply).expect("plain data serialises");
    let again: Reply<T> = serde_json::from_slice(&written).expect("what was written is read");
    assert_eq!(reply, again);
    true
}
