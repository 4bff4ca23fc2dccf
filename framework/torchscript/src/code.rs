//! What the code of a TorchScript file may call: `src/cpp/code.cpp`.
//!
//! TorchScript is a language of its own without Python's library, and little of it does more than compute. Files are
//! written by `torch.save`, mapped and made by `torch.from_file`; others are asked by `torch.distributed.rpc`. None of
//! these has a place in a network, and a file may come from a stranger. So code that has one of their names is not loaded;
//! nor code that could make one up: exporters write `getattr(self.features, "0")` where a name is no identifier, and any other
//! `getattr` is refused.

use std::{
    ffi::{c_char, c_void},
    slice,
};

use crate::export;

/// Names that code must not have.
const FORBIDDEN: [&str; 6] =
    ["save", "from_file", "load_tensor", "rpc_async", "rpc_sync", "rpc_remote"];

/// Looks a name up.
const LOOKUP: &str = "getattr";

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
/// ends. A look-up of a name that is not there in full counts as one.
fn forbidden(code: &[u8]) -> Option<&'static str> {
    let mut words = code.split(|byte| !is_name(byte));
    let named = words.find_map(|word| FORBIDDEN.into_iter().find(|name| name.as_bytes() == word));
    named.or_else(|| makes_up_a_name(code).then_some(LOOKUP))
}

fn is_name(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'_'
}

/// Whether some look-up is not of the form that exporters write: something, a comma, one plain text.
fn makes_up_a_name(code: &[u8]) -> bool {
    let lookups = code.windows(LOOKUP.len()).enumerate();
    let lookups = lookups.filter(|(at, word)| {
        let (before, after) = (&code[..*at], &code[at + LOOKUP.len()..]);
        *word == LOOKUP.as_bytes()
            && !before.last().is_some_and(is_name)
            && !after.first().is_some_and(is_name)
    });
    lookups.map(|(at, _)| &code[at + LOOKUP.len()..]).any(|rest| !is_plain_lookup(rest))
}

/// Whether this begins with `(…, "name")`, every text in it of name characters only.
fn is_plain_lookup(rest: &[u8]) -> bool {
    let Some(arguments) = rest.trim_ascii_start().strip_prefix(b"(") else { return false };
    let (mut depth, mut last) = (1_usize, None);
    let mut at = 0;
    while let Some(&byte) = arguments.get(at) {
        match byte {
            b'(' => depth += 1,
            b')' => depth -= 1,
            b',' if depth == 1 => last = Some(at + 1),
            b'"' => {
                let text = &arguments[at + 1..];
                let length = text.iter().take_while(|byte| is_name(byte)).count();
                if length == 0 || text.get(length) != Some(&b'"') {
                    return false;
                }
                at += length + 1;
            }
            b'\'' | b'\\' | b'#' => return false,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            let name = last.map(|last| arguments[last..at - 1].trim_ascii());
            let name = name.and_then(|name| name.strip_prefix(b"\"")?.strip_suffix(b"\""));
            return name.is_some_and(|name| name.iter().all(is_name));
        }
    }
    false
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
        assert_eq!(forbidden(b"self.saved = unsave(x, save_it, _save)"), None);
        assert_eq!(forbidden(b""), None);
    }

    #[test]
    fn a_name_is_looked_up_in_full_or_not_at_all() {
        for exported in [
            &b"_0 = getattr(self.features, \"0\")"[..],
            b"(getattr((getattr(self.m, \"0\")).n, \"1\")).forward(x, )",
            b"my_getattr(x)",
        ] {
            assert_eq!(forbidden(exported), None, "{}", exported.escape_ascii());
        }
        for made_up in [
            &b"getattr(torch, \"sa\" \"ve\")"[..],
            b"getattr(torch, \"sa\\x76e\")",
            b"getattr(torch, 'sav' 'e')",
            b"getattr(torch, name)",
            b"getattr(torch, \"a\" + \")\")",
            b"getattr(torch)",
            b"f = getattr",
            b"getattr(torch, \"a\"",
        ] {
            assert_eq!(forbidden(made_up), Some("getattr"), "{}", made_up.escape_ascii());
        }
        assert_eq!(forbidden(b"getattr(torch, \"save\")"), Some("save"));
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
