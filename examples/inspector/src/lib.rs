//! What `inspect` shows of a file, for a page in a browser: functions over linear memory.
//!
//! The page writes options and a file at [`input`] and calls [`inspect`], then [`rows`]. Both return the
//! length of the text that stands at [`output`] until the next call.

#[cfg(target_family = "wasm")]
mod heap;
mod page;
#[expect(dead_code, reason = "inspect shows more of a file")]
#[path = "../../inspect/report/mod.rs"]
mod report;

use std::cell::RefCell;

use page::Page;

thread_local! {
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static PAGE: RefCell<Page> = const { RefCell::new(Page::EMPTY) };
    static OUTPUT: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Makes room for an input of `len` bytes.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn input(len: usize) -> *mut u8 {
    INPUT.with_borrow_mut(|input| {
        *input = vec![0; len];
        input.as_mut_ptr()
    })
}

/// Reads the input.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn inspect() -> usize {
    let (page, text) = Page::new(&INPUT.take());
    PAGE.set(page);
    put(text)
}

/// Writes rows from a number on, as many as a page shows at once.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn rows(from: usize) -> usize {
    put(PAGE.with_borrow(|page| page.rows(from)))
}

/// The text that was written last.
#[cfg_attr(target_family = "wasm", unsafe(no_mangle))]
pub extern "C" fn output() -> *const u8 {
    OUTPUT.with_borrow(|output| output.as_ptr())
}

fn put(text: String) -> usize {
    let len = text.len();
    OUTPUT.set(text);
    len
}
