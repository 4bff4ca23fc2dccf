//! What the code of a TorchScript file may call: `src/cpp/code.cpp`.
//!
//! TorchScript is a language of its own without Python's library, and little of it does more than compute. Files are
//! written by `torch.save`, mapped and made by `torch.from_file`; others are asked by `torch.distributed.rpc`. None of
//! these has a place in a network, and a file may come from a stranger. So code that has one of their names is not loaded;
//! nor code with `getattr`, which no exporter leaves in it and which could make up a name.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use crate::export;

/// Names that code must not have.
const FORBIDDEN: [&str; 7] =
    ["save", "from_file", "load_tensor", "rpc_async", "rpc_sync", "rpc_remote", "getattr"];

/// Why the module in the bytes of a file must not be loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// It is no archive, in the words of the reader.
    Unreadable(String),
    /// Its code has this name.
    Forbidden(&'static str),
}

/// Refuses a file whose code could do more than compute.
pub(crate) fn check(bytes: &[u8]) -> Result<(), Refusal> {
    let mut found: Option<&'static str> = None;
    #[expect(unsafe_code, reason = "C++ is called")]
    // SAFETY: the bytes and `found` outlive the call, during which C++ gives `found` back to `see` alone.
    let message =
        unsafe { bertillon_code(bytes.as_ptr().cast(), bytes.len(), see, (&raw mut found).cast()) };
    match (export::free(message), found) {
        (Some(message), _) => Err(Refusal::Unreadable(message)),
        (None, Some(name)) => Err(Refusal::Forbidden(name)),
        (None, None) => Ok(()),
    }
}

/// Notes the first forbidden name of some code in `found`.
extern "C" fn see(found: *mut c_void, code: *const c_char, size: usize) {
    if size == 0 {
        return;
    }
    #[expect(unsafe_code, reason = "C++ calls back")]
    // SAFETY: `check` gave `found`, which is nobody else's meanwhile, and C++ so many bytes of code.
    let (found, code) = unsafe {
        (&mut *found.cast::<Option<&'static str>>(), slice::from_raw_parts(code.cast::<u8>(), size))
    };
    *found = found.or_else(|| forbidden(code));
}

/// The first forbidden name in some code, even within its texts: whoever hides one may have his own idea of where a text
/// ends.
fn forbidden(code: &[u8]) -> Option<&'static str> {
    let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
    let mut words = code.split(|byte| !is_name(byte));
    words.find_map(|word| FORBIDDEN.into_iter().find(|name| name.as_bytes() == word))
}

#[expect(unsafe_code, reason = "declared in src/cpp/code.cpp")]
unsafe extern "C" {
    fn bertillon_code(
        data: *const c_char,
        size: usize,
        see: extern "C" fn(*mut c_void, *const c_char, usize),
        context: *mut c_void,
    ) -> *mut c_char;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_whole_words_wherever_they_stand() {
        assert_eq!(forbidden(b"torch . \\\n save(x, \"f\")"), Some("save"));
        assert_eq!(forbidden(b"ops.aten.from_file(\"f\")"), Some("from_file"));
        assert_eq!(forbidden(b"getattr(torch, \"sa\" \"ve\")"), Some("getattr"));
        assert_eq!(forbidden(b"self.saved = unsave(x, save_it, _save)"), None);
        assert_eq!(forbidden(b""), None);
    }

    #[test]
    fn what_is_no_archive_is_told_in_words() {
        for bytes in [&b""[..], b"PK\x03\x04", b"hello"] {
            let refusal = check(bytes).unwrap_err();
            assert!(
                matches!(&refusal, Refusal::Unreadable(said) if !said.is_empty()),
                "{refusal:?}"
            );
        }
    }
}
