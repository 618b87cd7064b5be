//! Prints the public API that a file of rustdoc describes, a line an item. What every type implements, the
//! automatic `Send` and the like, and the functions of derived traits are left out.
//!
//! The exit code is 3 if the file is of another format than this program knows: the nightly toolchain is
//! older or newer.

use std::collections::HashSet;
use std::process::ExitCode;

use public_api::{Builder, Error};

fn main() -> ExitCode {
    let file = std::env::args().nth(1).unwrap_or_default();
    match print(&file) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            match error {
                Error::SerdeJsonError(_) => ExitCode::from(3),
                _ => ExitCode::FAILURE,
            }
        }
    }
}

fn print(file: &str) -> Result<(), Error> {
    let items = |derived: bool| {
        let builder = Builder::from_rustdoc_json(file)
            .omit_blanket_impls(true)
            .omit_auto_trait_impls(true)
            .omit_auto_derived_impls(!derived);
        let api = builder.build()?;
        Ok::<Vec<_>, Error>(api.items().map(ToString::to_string).collect())
    };
    let written: HashSet<String> = items(false)?.into_iter().collect();
    for item in items(true)? {
        let derived = item.starts_with("impl") && !item.contains("::StructuralPartialEq");
        if derived || written.contains(&item) {
            println!("{item}");
        }
    }
    Ok(())
}
