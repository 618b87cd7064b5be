//! Panics as values: some are what is expected.

use std::cell::RefCell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// What the last panic said, on a thread where nobody else prints it.
    static SAID: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Runs it and prints no panic, but returns what it says and where.
pub(crate) fn of(run: impl FnOnce()) -> Result<(), String> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let default = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let kept = SAID.with_borrow_mut(|said| match said {
                Some(said) => {
                    *said = info.to_string();
                    true
                }
                None => false,
            });
            if !kept {
                default(info);
            }
        }));
    });
    SAID.set(Some(String::new()));
    let outcome = panic::catch_unwind(AssertUnwindSafe(run));
    let said = SAID.take().unwrap_or_default();
    outcome.map_err(|_| said)
}
