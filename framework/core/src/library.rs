//! Plugins in a shared library: what it says of itself before any Rust type crosses, and how it hands its plugins over.
//!
//! A library is a crate of plugins built as a `cdylib` whose `lib.rs` ends with
//!
//! ```text
//! #[cfg(feature = "library")]
//! bertillon::export_plugins!();
//! ```
//!
//! It exports one C symbol, [`SYMBOL`], a function without arguments that gives a [`Handshake`]. A program compares it
//! with its own ([`differences`]), and only then calls [`Handshake::entries`]: Rust has no stable binary interface, so both
//! must come from the same compiler and the same source of this crate.

use std::{
    ffi::{CStr, c_char},
    mem::{align_of, size_of},
    sync::OnceLock,
};

use crate::{
    Derived, Entry, Error, Fingerprint, Owner, Recorded, Split, Stream, Suspects, Vanilla,
    Variation, Workbench, registry,
};

/// Name of the exported function, with a closing zero: `extern "C" fn() -> *const Handshake`.
pub const SYMBOL: &[u8] = b"bertillon_plugins\0";

/// Revision of [`Handshake`] itself; a change of its fields raises it.
pub const REVISION: u32 = 1;

/// Digest of the source of this crate and of `bertillon-measure`, which must be the same on both sides.
pub const INTERFACE_DIGEST: &str = env!("BERTILLON_INTERFACE_DIGEST");

/// What is compared, in the order of [`Handshake::texts`].
const NAMES: [&str; 7] =
    ["rustc", "bertillon", "source of bertillon", "tch", "libtorch", "target", "panics"];

/// How this crate was built; each ends with a zero.
const TEXTS: [&str; 7] = [
    concat!(env!("BERTILLON_RUSTC"), "\0"),
    concat!(env!("CARGO_PKG_VERSION"), "\0"),
    concat!(env!("BERTILLON_INTERFACE_DIGEST"), "\0"),
    // Exact in the manifest.
    "0.24.0\0",
    concat!(env!("BERTILLON_LIBTORCH"), "\0"),
    concat!(env!("BERTILLON_TARGET"), "\0"),
    if cfg!(panic = "unwind") { "unwind\0" } else { "abort\0" },
];

/// What a library says of itself, laid out as in C.
#[repr(C)]
#[derive(Debug)]
pub struct Handshake {
    /// [`REVISION`]; all that follows is only as described here when it is equal.
    pub revision: u32,
    /// Size of this struct in bytes.
    pub size: u32,
    /// Digest of the sizes and alignments of the types that cross.
    pub layout: u64,
    /// C strings: compiler, version and source of this crate, tch, libtorch, target, how panics end.
    pub texts: [*const c_char; 7],
    /// C string: the library's crate with its version.
    pub built_from: *const c_char,
    /// Hands the plugins over.
    pub entries: extern "C" fn() -> Registered,
}

// SAFETY: its pointers are to string literals, which nobody changes.
#[expect(unsafe_code, reason = "pointers to literals may be shared")]
unsafe impl Sync for Handshake {}

/// The plugins of a library: a slice as pointer and length.
#[repr(C)]
#[derive(Debug)]
pub struct Registered {
    /// The first.
    pub first: *const &'static Entry,
    /// How many.
    pub count: usize,
}

impl Handshake {
    /// What a library built from a crate says; `built_from` ends with a zero. For [`export_plugins!`](crate::export_plugins).
    pub const fn new(built_from: &'static str) -> Self {
        let mut texts = [TEXTS[0].as_ptr().cast(); 7];
        let mut i = 0;
        while i < texts.len() {
            texts[i] = TEXTS[i].as_ptr().cast();
            i += 1;
        }
        #[expect(clippy::cast_possible_truncation, reason = "a hundred bytes")]
        let size = size_of::<Self>() as u32;
        let built_from = built_from.as_ptr().cast();
        Self { revision: REVISION, size, layout: layout(), texts, built_from, entries: registered }
    }

    /// Reads what a library says.
    ///
    /// # Errors
    /// When it is of another revision, so that nothing more of it can be read.
    ///
    /// # Safety
    /// `handshake` must have come from the function [`SYMBOL`] of a library that stays loaded.
    #[expect(unsafe_code, reason = "a library's C strings are read")]
    pub unsafe fn read(handshake: *const Self) -> Result<(&'static Self, Built), String> {
        if handshake.is_null() {
            return Err("it says nothing of itself".to_owned());
        }
        // SAFETY: the first two fields are those of every revision, and aligned.
        let (revision, size) =
            unsafe { (*handshake.cast::<u32>(), *handshake.cast::<u32>().add(1)) };
        if revision != REVISION || size as usize != size_of::<Self>() {
            return Err(format!(
                "it speaks revision {revision} of the plugin interface, this program revision {REVISION}: build it \
                 against the bertillon that you run"
            ));
        }
        // SAFETY: of our revision and size, so it is as described, with strings that end with a zero.
        let (handshake, text) = unsafe {
            (&*handshake, |text: *const c_char| CStr::from_ptr(text).to_string_lossy().into_owned())
        };
        let built = Built {
            layout: handshake.layout,
            texts: handshake.texts.map(text),
            built_from: text(handshake.built_from),
        };
        Ok((handshake, built))
    }
}

/// How a program or a library was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    layout: u64,
    texts: [String; 7],
    /// Its crate, with version.
    pub built_from: String,
}

impl Built {
    /// How this program was built.
    pub fn here() -> Self {
        let text = |text: &str| text.trim_end_matches('\0').to_owned();
        Self { layout: layout(), texts: TEXTS.map(text), built_from: String::new() }
    }

    /// Version of the compiler: `1.95.0`.
    pub fn compiler(&self) -> &str {
        self.texts[0].split_whitespace().nth(1).unwrap_or_default()
    }
}

/// What differs between a program and a library, one line each: `rustc: 1.94.0, this program has 1.95.0`.
pub fn differences(program: &Built, library: &Built) -> Vec<String> {
    let short = |text: &str| if text.len() == 64 { text[..16].to_owned() } else { text.to_owned() };
    let mut found: Vec<String> = NAMES
        .iter()
        .zip(program.texts.iter().zip(&library.texts))
        .filter(|(_, (ours, theirs))| ours != theirs)
        .map(|(name, (ours, theirs))| {
            format!("{name}: {}, this program has {}", short(theirs), short(ours))
        })
        .collect();
    if found.is_empty() && program.layout != library.layout {
        found.push(
            "types that cross are laid out otherwise: another version of a dependency".into(),
        );
    }
    found
}

/// The plugins that this library registers.
extern "C" fn registered() -> Registered {
    static ENTRIES: OnceLock<Vec<&'static Entry>> = OnceLock::new();
    let entries = ENTRIES.get_or_init(registry::compiled_in);
    Registered { first: entries.as_ptr(), count: entries.len() }
}

/// FNV-1a of sizes and alignments.
const fn layout() -> u64 {
    let sizes = [
        (size_of::<Entry>(), align_of::<Entry>()),
        (size_of::<Error>(), align_of::<Error>()),
        (size_of::<Owner>(), align_of::<Owner>()),
        (size_of::<Fingerprint>(), align_of::<Fingerprint>()),
        (size_of::<Suspects<'_>>(), align_of::<Suspects<'_>>()),
        (size_of::<Stream>(), align_of::<Stream>()),
        (size_of::<Derived>(), align_of::<Derived>()),
        (size_of::<Workbench>(), align_of::<Workbench>()),
        (size_of::<Variation>(), align_of::<Variation>()),
        (size_of::<Split>(), align_of::<Split>()),
        (size_of::<Vanilla>(), align_of::<Vanilla>()),
        (size_of::<Recorded>(), align_of::<Recorded>()),
        (size_of::<tch::Tensor>(), align_of::<tch::Tensor>()),
    ];
    let mut hash = 0xcbf2_9ce4_8422_2325_u64;
    let mut i = 0;
    while i < sizes.len() {
        hash = (hash ^ sizes[i].0 as u64).wrapping_mul(0x0100_0000_01b3);
        hash = (hash ^ sizes[i].1 as u64).wrapping_mul(0x0100_0000_01b3);
        i += 1;
    }
    hash
}

/// Makes the crate's plugins loadable by a program, as a `cdylib`: ends its `lib.rs`, behind the feature `library`, since
/// two crates that export the same symbol can't be linked into one program.
#[macro_export]
macro_rules! export_plugins {
    () => {
        #[doc(hidden)]
        #[allow(unsafe_code, reason = "the one exported symbol of a library of plugins")]
        #[unsafe(no_mangle)]
        pub extern "C" fn bertillon_plugins() -> *const $crate::library::Handshake {
            static HANDSHAKE: $crate::library::Handshake = $crate::library::Handshake::new(
                concat!(env!("CARGO_PKG_NAME"), " ", env!("CARGO_PKG_VERSION"), "\0"),
            );
            &raw const HANDSHAKE
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_build_differs_in_nothing() {
        static HANDSHAKE: Handshake = Handshake::new("me 1.0.0\0");
        #[expect(unsafe_code, reason = "our own handshake")]
        // SAFETY: it is a static of this program.
        let (_, built) = unsafe { Handshake::read(&raw const HANDSHAKE) }.unwrap();
        assert_eq!(built.built_from, "me 1.0.0");
        assert_eq!(differences(&Built::here(), &built), [""; 0]);
        assert!(built.compiler().split('.').count() == 3, "{}", built.compiler());
    }

    #[test]
    fn every_difference_is_named_with_both_sides() {
        let (program, mut library) = (Built::here(), Built::here());
        library.texts[0] = "rustc 1.80.0 (abc 2024-07-21)".into();
        library.texts[2] = "f".repeat(64);
        library.texts[6] = "abort".into();
        library.layout += 1;
        let found = differences(&program, &library);
        assert_eq!(found.len(), 3, "{found:?}");
        assert!(
            found[0].starts_with("rustc: rustc 1.80.0 (abc 2024-07-21), this program has rustc ")
        );
        assert!(found[1].starts_with("source of bertillon: ffffffffffffffff, this program has "));
        assert_eq!(found[2], "panics: abort, this program has unwind");
        library = Built { layout: library.layout, ..Built::here() };
        assert!(differences(&program, &library)[0].contains("laid out otherwise"));
    }

    #[test]
    fn another_revision_is_refused_before_anything_else_is_read() {
        let other = [REVISION + 1, 8];
        #[expect(unsafe_code, reason = "two numbers in the place of a handshake")]
        // SAFETY: only the first two numbers are read, as of every revision.
        let refused = unsafe { Handshake::read(other.as_ptr().cast()) }.unwrap_err();
        assert!(refused.starts_with("it speaks revision 2 of the plugin interface"), "{refused}");
    }

    #[test]
    fn tch_is_the_version_that_the_lock_file_holds() {
        let lock = include_str!("../../../Cargo.lock");
        let tch = TEXTS[3].trim_end_matches('\0');
        assert!(lock.contains(&format!("name = \"tch\"\nversion = \"{tch}\"")));
    }
}
