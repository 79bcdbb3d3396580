//! How much work verifying signatures may take.

use std::cell::Cell;

use crate::{fault::SignatureFault, files::Limits, key::Material};

/// How many signed bytes are hashed at the cost of one P-256 verification.
const BYTES_PER_UNIT: usize = 32 << 10;

/// The work that is left for verifying signatures.
///
/// It is spent before each verification, so a file that asks for too much is refused before it has
/// cost more than the limit.
#[derive(Debug)]
pub(crate) struct Effort {
    left: Cell<Option<u32>>,
    spare: Cell<u32>,
}

/// The work, beside the limit, for telling who signed beyond the threshold: for the audit log and
/// the overview alone.
const SPARE_EFFORT: u32 = 64;

impl Effort {
    /// The work that an upload may cost.
    pub(crate) fn of(limits: Limits) -> Self {
        Self {
            left: Cell::new(Some(limits.verifications)),
            spare: Cell::new(SPARE_EFFORT),
        }
    }

    /// As much as it takes: for stored files, which were within the limits when they were taken.
    pub(crate) fn unlimited() -> Self {
        Self {
            left: Cell::new(None),
            spare: Cell::new(0),
        }
    }

    /// As much as it takes, and what it costs to tell who signed beyond the threshold.
    pub(crate) fn unlimited_and_spare() -> Self {
        Self {
            left: Cell::new(None),
            spare: Cell::new(SPARE_EFFORT),
        }
    }

    /// Takes `cost` away.
    pub(crate) fn spend(&self, cost: u32) -> Result<(), SignatureFault> {
        let Some(left) = self.left.get() else {
            return Ok(());
        };
        let less = left.checked_sub(cost).ok_or(SignatureFault::TooMuchWork)?;
        self.left.set(Some(less));
        Ok(())
    }

    /// Takes `cost` away from what is to spare; false if that is not enough.
    pub(crate) fn spend_spare(&self, cost: u32) -> bool {
        match self.spare.get().checked_sub(cost) {
            Some(less) => {
                self.spare.set(less);
                true
            }
            None => false,
        }
    }
}

/// The cost of one verification with a key over a message of `length` bytes.
pub(crate) fn cost(material: &Material, length: usize) -> u32 {
    let hashing = u32::try_from(length / BYTES_PER_UNIT).unwrap_or(u32::MAX);
    material.cost().saturating_add(hashing)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_is_spent_up_to_the_limit_and_refused_beyond_it() {
        let effort = Effort::of(Limits {
            verifications: 30,
            ..Limits::default()
        });
        assert_eq!(effort.spend(25), Ok(()));
        assert!(effort.spend(6).is_err());
        assert_eq!(effort.spend(5), Ok(()));
        assert!(effort.spend(1).is_err());
        assert_eq!(Effort::unlimited().spend(u32::MAX), Ok(()));
    }

    #[test]
    fn spare_work_is_counted_apart_from_the_limit() {
        let effort = Effort::of(Limits {
            verifications: 1,
            ..Limits::default()
        });
        assert!(effort.spend_spare(SPARE_EFFORT - 1));
        assert!(!effort.spend_spare(2));
        assert!(effort.spend_spare(1));
        assert_eq!(effort.spend(1), Ok(()));
        assert!(!Effort::unlimited().spend_spare(1));
    }
}
