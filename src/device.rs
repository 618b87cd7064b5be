//! What differs on a device without an operating system, where code is dearer than time.

/// Whether there are quick paths for what is common; the general paths do the same.
pub(crate) const QUICK: bool = !cfg!(target_os = "none");

/// Reads what was checked when it was made. `Result::expect` would print the error, and so link the
/// texts of all errors into a device that prints none.
#[inline]
pub(crate) fn checked<T, E>(read: Result<T, E>) -> T {
    match read {
        Ok(value) => value,
        Err(_) => unreachable!("checked when it was made"),
    }
}
