//! Colours, for a terminal.

use std::env;
use std::ffi::OsString;
use std::io::{self, IsTerminal};

/// Whether to colour.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Paint(bool);

#[derive(Clone, Copy)]
#[repr(u8)]
pub(crate) enum Ink {
    Faint = 2,
    Error = 31,
    Server = 32,
    Note = 33,
    Client = 36,
}

impl Paint {
    pub(crate) const NONE: Self = Self(false);

    pub(crate) fn for_stdout() -> Self {
        Self::choose(io::stdout().is_terminal(), |name| {
            env::var_os(name).unwrap_or_default()
        })
    }

    /// Colours on a terminal that has them, unless `NO_COLOR` is set (no-color.org).
    fn choose(terminal: bool, variable: impl Fn(&str) -> OsString) -> Self {
        Self(terminal && variable("NO_COLOR").is_empty() && variable("TERM") != "dumb")
    }

    pub(crate) fn ink(self, ink: Ink, text: &str) -> String {
        match self.0 {
            true => format!("\x1b[{}m{text}\x1b[0m", ink as u8),
            false => text.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_only_where_told() {
        assert_eq!(Paint::NONE.ink(Ink::Error, "no"), "no");
        assert_eq!(Paint(true).ink(Ink::Error, "no"), "\x1b[31mno\x1b[0m");
        let choose = |terminal, set: &'static str| {
            Paint::choose(terminal, move |name| {
                let value = set
                    .strip_prefix(name)
                    .and_then(|rest| rest.strip_prefix('='));
                value.unwrap_or_default().into()
            })
        };
        assert_eq!(choose(true, ""), Paint(true));
        assert_eq!(choose(true, "TERM=xterm"), Paint(true));
        assert_eq!(choose(true, "NO_COLOR="), Paint(true));
        for none in [
            choose(false, ""),
            choose(true, "NO_COLOR=1"),
            choose(true, "TERM=dumb"),
        ] {
            assert_eq!(none, Paint::NONE);
        }
    }
}
