//! Values that change as a whole while others read them.
//!
//! # Invariants
//!
//! 1. Whoever has loaded a value goes on with all of it, however often it is replaced meanwhile: a
//!    reader that loads once never mixes two generations.

use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;

/// A value in force, shared by all its clones.
pub struct Live<T>(Arc<ArcSwap<T>>);

impl<T> Live<T> {
    /// `value`, in force.
    pub fn new(value: T) -> Live<T> {
        Live(Arc::new(ArcSwap::from_pointee(value)))
    }

    /// The value in force now. Load it once for everything that belongs together.
    pub fn load(&self) -> Arc<T> {
        self.0.load_full()
    }

    /// Puts `value` in force, for whoever loads from now on.
    pub fn replace(&self, value: Arc<T>) {
        self.0.store(value);
    }
}

impl<T> From<Arc<T>> for Live<T> {
    /// A value that others hold already, in force.
    fn from(value: Arc<T>) -> Live<T> {
        Live(Arc::new(ArcSwap::new(value)))
    }
}

impl<T> Clone for Live<T> {
    fn clone(&self) -> Live<T> {
        Live(Arc::clone(&self.0))
    }
}

impl<T: fmt::Debug> fmt::Debug for Live<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.load().fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_loaded_keeps_what_was_in_force() {
        let live = Live::new((1, 1));
        let clone = live.clone();
        let held = live.load();
        clone.replace(Arc::new((2, 2)));
        assert_eq!(*held, (1, 1));
        assert_eq!(*live.load(), (2, 2));
    }
}
