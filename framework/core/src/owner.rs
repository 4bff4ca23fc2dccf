//! What an owner holds and knows when she enrols her model.

use std::{
    any::Any,
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, PoisonError},
};

use tch::Device;

use crate::{Answers, Error, Images, Model, Result, Variation, guard};

/// Images with labels from which benign queries are drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pool {
    /// The images; none when only answers were recorded.
    pub images: Option<Images>,
    /// True labels, one an image.
    pub truth: Arc<[u16]>,
    /// Number of classes.
    pub classes: usize,
}

impl Pool {
    /// Number of images.
    pub fn len(&self) -> usize {
        self.truth.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.truth.is_empty()
    }

    /// The images themselves.
    ///
    /// # Errors
    /// When only answers were recorded.
    pub fn images(&self) -> Result<&Images> {
        self.images.as_ref().ok_or_else(|| {
            Error::Refused("there are recorded answers only, no images to ask".to_owned())
        })
    }
}

/// Another vanilla that the owner knows.
#[derive(Debug, Clone)]
pub struct Peer {
    /// Its name.
    pub name: String,
    /// Its answers on the pool.
    pub answers: Answers,
}

/// A variant of her own model that the owner derived herself.
#[derive(Debug, Clone)]
pub struct Rehearsal {
    /// How it was derived.
    pub variation: Variation,
    /// Its answers on the pool.
    pub answers: Answers,
}

/// An owner: one vanilla in white box, and what she knows beside it.
///
/// She owns or shares all she holds, so that a cell that runs too long can be abandoned with its thread.
pub struct Owner {
    /// Name of her vanilla.
    pub name: String,
    /// Her model; none with recorded answers.
    pub model: Option<Box<dyn Model>>,
    /// Her model's answers on the pool.
    pub answers: Answers,
    /// The pool.
    pub pool: Arc<Pool>,
    /// Other vanillas she knows.
    pub peers: Vec<Peer>,
    /// Variants she derived herself; never a suspect.
    pub rehearsals: Vec<Rehearsal>,
    /// Where to compute.
    pub device: Device,
    /// What plugins worked out from all of this; see [`remembered`](Self::remembered).
    pub memory: Memory,
}

/// What plugins worked out from what an owner knows, by name: she enrols once for every draw and budget, and a
/// ranking of the pool stays the same. Starts empty (`Memory::default()`).
#[derive(Default)]
pub struct Memory(Mutex<HashMap<String, Kept>>);

/// Something remembered.
struct Kept {
    /// None only while it is dropped.
    value: Option<Arc<dyn Any + Send + Sync>>,
    /// Drops the value with its panics caught, by the code of whoever made it.
    release: fn(Arc<dyn Any + Send + Sync>),
}

impl Drop for Kept {
    fn drop(&mut self) {
        self.value.take().into_iter().for_each(self.release);
    }
}

fn release(value: Arc<dyn Any + Send + Sync>) {
    drop(guard::catch(|| {
        drop(value);
        Ok(())
    }));
}

impl fmt::Debug for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Memory")
    }
}

impl Owner {
    /// What `compute` gave when it was first called for this owner under this name, which says whose it is, what, and by
    /// which parameters (`"entropy: ranking"`): it must follow from these and from what the owner knows, never from a
    /// stream.
    ///
    /// # Errors
    /// What `compute` says, or when the name stands for something of another type.
    pub fn remembered<T: Send + Sync + 'static>(
        &self,
        name: &str,
        compute: impl FnOnce() -> Result<T>,
    ) -> Result<Arc<T>> {
        let mut known = self.memory.0.lock().unwrap_or_else(PoisonError::into_inner);
        let other = || Error::Refused(format!("`{name}` is remembered as something else"));
        if let Some(found) = known.get(name) {
            let found = found.value.clone().ok_or_else(other)?;
            return found.downcast().map_err(|_| other());
        }
        let computed = Arc::new(compute()?);
        known.insert(name.to_owned(), Kept { value: Some(computed.clone()), release });
        Ok(computed)
    }

    /// Her model.
    ///
    /// # Errors
    /// When there are only recorded answers.
    pub fn model(&self) -> Result<&dyn Model> {
        self.model.as_deref().ok_or_else(|| {
            Error::Refused(format!("owner `{}` has recorded answers only, no model", self.name))
        })
    }

    /// The pool's images.
    ///
    /// # Errors
    /// When there are only recorded answers.
    pub fn images(&self) -> Result<&Images> {
        self.pool.images.as_ref().ok_or_else(|| {
            Error::Refused(format!("owner `{}` has recorded answers only, no images", self.name))
        })
    }

    /// Indices of the pool's images that her model answers rightly or wrongly, ascending.
    ///
    /// # Errors
    /// None but those of [`remembered`](Self::remembered).
    pub fn answered(&self, rightly: Rightly) -> Result<Arc<Vec<u32>>> {
        let (name, wanted) = match rightly {
            Rightly::Right => ("answered rightly", true),
            Rightly::Wrong => ("answered wrongly", false),
        };
        self.remembered(name, || {
            let best = self.answers.as_slice().iter().step_by(self.answers.ranks());
            let answered = (0..).zip(best.zip(self.pool.truth.iter()));
            Ok(answered
                .filter(|(_, (answer, truth))| (answer == truth) == wanted)
                .map(|(index, _)| index)
                .collect())
        })
    }
}

/// Whether a model's best label is the true one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rightly {
    /// It is.
    Right,
    /// It is not.
    Wrong,
}

impl fmt::Debug for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Owner")
            .field("name", &self.name)
            .field("white_box", &self.model.is_some())
            .field("pool", &self.pool.len())
            .field("peers", &self.peers.len())
            .field("rehearsals", &self.rehearsals.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testkit;

    #[test]
    fn what_was_worked_out_once_is_not_worked_out_again() {
        let owner = testkit::owner(8);
        let first = owner.remembered("test: seven", || Ok(7_u32)).unwrap();
        let again = owner.remembered("test: seven", || Ok(8_u32)).unwrap();
        assert_eq!((*first, *again), (7, 7));
        assert!(owner.remembered("test: seven", || Ok("seven")).is_err());
        let failed = owner.remembered::<u32>("test: fails", || Err(Error::Refused("no".into())));
        assert!(failed.is_err());
        assert_eq!(*owner.remembered("test: fails", || Ok(1_u32)).unwrap(), 1);
    }

    #[test]
    fn right_and_wrong_answers_share_the_pool_out() {
        let owner = testkit::owner(64);
        let right = owner.answered(Rightly::Right).unwrap();
        let wrong = owner.answered(Rightly::Wrong).unwrap();
        for &image in &*right {
            assert_eq!(owner.answers.label(image as usize), owner.pool.truth[image as usize]);
        }
        let mut all = [right.as_slice(), wrong.as_slice()].concat();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
    }
}
