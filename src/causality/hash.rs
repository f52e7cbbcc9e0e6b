//! Maps and sets whose keys are good hashes already: they are not hashed again.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasherDefault, Hasher};

/// Takes a key as its own hash.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Itself(u64);

impl Hasher for Itself {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        self.0 = xxhash_rust::xxh3::xxh3_64_with_seed(bytes, self.0);
    }

    fn write_u64(&mut self, key: u64) {
        self.0 = key;
    }

    fn write_usize(&mut self, number: usize) {
        // spread over all bits: a map looks at the highest, too
        self.0 = (number as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// By a hash.
pub(super) type ByHash<T> = HashMap<u64, T, BuildHasherDefault<Itself>>;
/// By the number of a step.
pub(super) type ByStep<T> = HashMap<usize, T, BuildHasherDefault<Itself>>;
/// Hashes.
pub(super) type Hashes = HashSet<u64, BuildHasherDefault<Itself>>;
