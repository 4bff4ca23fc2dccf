//! Keys of cached objects: what was done to what, never what came of it.

use std::fmt;

/// Key of an object: a BLAKE3 of its recipe.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Key([u8; 32]);

impl Key {
    /// Starts the recipe of a kind of object.
    pub(crate) fn recipe(kind: &str) -> Recipe {
        let mut hasher = blake3::Hasher::new_derive_key("bertillon 2026 cache key");
        frame(&mut hasher, kind.as_bytes());
        Recipe(hasher)
    }

    /// Where it is noted why this object could not be computed.
    pub(crate) fn failure(self) -> Self {
        Self::recipe("failure").key(self).finish()
    }

    /// A number below `bound` that depends on nothing else.
    pub(crate) fn below(self, bound: u64) -> u64 {
        let (head, _) = self.0.split_first_chunk().expect("a key has 32 bytes");
        u64::from_le_bytes(*head) % bound
    }

    /// 64 hexadecimal digits.
    pub(crate) fn to_hex(self) -> String {
        blake3::Hash::from_bytes(self.0).to_hex().to_string()
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_hex())
    }
}

/// A recipe in the making: every part is framed by its length, so that parts can't run into each other.
#[derive(Debug, Clone)]
pub(crate) struct Recipe(blake3::Hasher);

impl Recipe {
    pub(crate) fn text(mut self, part: &str) -> Self {
        frame(&mut self.0, part.as_bytes());
        self
    }

    pub(crate) fn bytes(mut self, part: &[u8]) -> Self {
        frame(&mut self.0, part);
        self
    }

    pub(crate) fn number(self, part: usize) -> Self {
        self.bytes(&(part as u64).to_le_bytes())
    }

    pub(crate) fn key(self, part: Key) -> Self {
        self.bytes(&part.0)
    }

    pub(crate) fn finish(self) -> Key {
        Key(*self.0.finalize().as_bytes())
    }
}

fn frame(hasher: &mut blake3::Hasher, part: &[u8]) {
    hasher.update(&(part.len() as u64).to_le_bytes());
    hasher.update(part);
}
