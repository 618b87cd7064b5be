//! Choices for targets without an operating system, where small code matters more than speed.

/// Whether common cases take a fast path. The general path gives the same result.
pub(crate) const QUICK: bool = !cfg!(target_os = "none");

/// Returns a value that was checked when it was made, so that reading it cannot fail.
/// `Result::expect` would print the error, and so link the texts of all errors into firmware that
/// prints none.
#[inline]
pub(crate) fn checked<T, E>(read: Result<T, E>) -> T {
    match read {
        Ok(value) => value,
        Err(_) => unreachable!("checked when it was made"),
    }
}
