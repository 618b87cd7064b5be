//! A report as lines of fields with tabs between, in pieces. No field has a tab or a line feed in it:
//! what a peer sent is escaped.

use std::fmt::{Result, Write};

use crate::report::capture::{Item, What};
use crate::report::captured::name;
use crate::report::layout::parts;
use crate::report::trouble::{kind, trouble};
use crate::report::{Place, Report, Row, Settings, stream};

/// How many rows are returned at once.
const ROWS: usize = 200;

/// What was read last.
pub(crate) struct Page(Vec<Row>);

impl Page {
    pub(crate) const EMPTY: Self = Self(Vec::new());

    /// Reads options of `inspect` up to a line feed, and the file behind it. The line has the number of
    /// rows, of bytes at the end that were not read, of packets and of what is none; or only a failure.
    pub(crate) fn new(input: &[u8]) -> (Self, String) {
        match report(input) {
            Ok((Report { rows, .. }, unread)) => {
                let count = |what: fn(&Row) -> bool| rows.iter().filter(|row| what(row)).count();
                let items = count(|row| matches!(row, Row::Item(..)));
                let (all, bad) = (rows.len(), count(|row| !row.is_good()));
                (
                    Self(rows),
                    format!("{all}\t{unread}\t{}\t{bad}", items - bad),
                )
            }
            Err(failure) => (Self::EMPTY, failure),
        }
    }

    /// A line for each row, behind those for the parts of its packet.
    pub(crate) fn rows(&self, from: usize) -> String {
        let mut out = String::new();
        for row in self.0.iter().skip(from).take(ROWS) {
            // Writing to a string does not fail.
            let _ = match row {
                Row::Item(place, item) => write_item(&mut out, *place, item),
                Row::Event(place, event) => {
                    out.push_str("event");
                    write_place(&mut out, Some(*place)).and_then(|()| writeln!(out, "\t{event}"))
                }
                Row::Note(note) => writeln!(out, "note\t{note}"),
            };
        }
        out
    }
}

fn report(input: &[u8]) -> std::result::Result<(Report, usize), String> {
    let end = input.iter().position(|&byte| byte == b'\n');
    let (options, file) = input.split_at(end.unwrap_or_default());
    let file = file.get(1..).unwrap_or_default();
    let options = std::str::from_utf8(options).unwrap_or_default();
    let (mut settings, mut words) = (Settings::DEFAULT, options.split(' '));
    while let (Some(name), Some(value)) = (words.next(), words.next()) {
        settings.set(name, value)?;
    }
    let report = Report::new(&settings, file).map_err(|error| error.to_string())?;
    let unread = match report.rows.last() {
        Some(Row::Item(None, item)) => {
            let len = stream(file).map_or(0, |stream| stream.len());
            len.saturating_sub(item.at + item.bytes.len())
        }
        _ => 0,
    };
    Ok((report, unread))
}

/// Writes connection and seconds since the start, empty where there is no place.
fn write_place(out: &mut String, place: Option<Place>) -> Result {
    match place {
        Some(Place {
            connection,
            since_start: time,
            ..
        }) => {
            write!(
                out,
                "\t{connection}\t{}.{:09}",
                time.as_secs(),
                time.subsec_nanos()
            )
        }
        None => out.write_str("\t\t"),
    }
}

/// Writes the parts, then the row: what it is; connection and time; sender, offset, address, length, version,
/// type; what is wrong; its offset in the packet, answer, statement, rule; the rules let go.
fn write_item(out: &mut String, place: Option<Place>, item: &Item) -> Result {
    for part in parts(item) {
        writeln!(
            out,
            "part\t{}\t{}\t{}",
            part.bytes.len(),
            part.name,
            part.value
        )?;
    }
    let (what, error) = match &item.what {
        What::Packet(_) => ("packet", None),
        What::Skipped(error) => ("skipped", Some(error)),
        What::Broken(error) => ("error", Some(error)),
        What::Incomplete(_) | What::Gap(_) | What::Stray => ("missing", None),
    };
    out.push_str(what);
    write_place(out, place)?;
    let (side, at, len, version) = (name(item.side), item.at, item.bytes.len(), item.version);
    write!(
        out,
        "\t{side}\t{at}\t{}\t{len}\t{version}\t",
        item.bytes.as_ptr() as usize
    )?;
    if let Some(kind) = kind(item) {
        write!(out, "{kind}")?;
    }
    write!(out, "\t{}\t", trouble(item))?;
    match error {
        Some(error) => {
            let (statement, rule) = (error.statement(), error.rule().map(|rule| rule.name()));
            let [statement, rule] = [statement, rule].map(Option::unwrap_or_default);
            write!(
                out,
                "{}\t{}\t{statement}\t{rule}\t",
                error.offset(),
                error.reason_code()
            )?;
        }
        None => out.push_str("\t\t\t\t"),
    }
    for rule in &item.let_go {
        write!(out, "{} ", rule.name())?;
    }
    writeln!(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(input: &[u8], from: usize) -> Vec<String> {
        let (page, _) = Page::new(input);
        page.rows(from).lines().map(str::to_owned).collect()
    }

    #[test]
    fn divides_by_tabs_what_a_peer_has_filled_with_them() {
        let mut file = b"--version 3.1.1\n\x30\x06\0\x03\t\n\xC3\t".to_vec();
        file.extend(b"\x30\x06\0\x02\t\n\t\n");
        let lines = lines(&file, 0);
        let columns: Vec<_> = lines
            .iter()
            .map(|line| line.matches('\t').count())
            .collect();
        assert_eq!(columns, [3, 3, 3, 3, 14, 3, 3, 3, 3, 14], "{lines:?}");
        assert!(
            lines.iter().any(|line| line == r#"part	2	payload	"\t\n""#),
            "{lines:?}"
        );
    }

    #[test]
    fn tells_an_error_with_its_answer_statement_and_rule() {
        let lines = lines(b"--version 5.0\n30080003612f23006869", 0);
        let last = lines
            .last()
            .map(|line| line.split('\t').collect::<Vec<_>>());
        let last = last.unwrap_or_default();
        assert_eq!(last.first(), Some(&"error"));
        let end = [
            "6",
            "0x81 Malformed Packet",
            "MQTT-3.3.2-2",
            "publish-text",
            "",
        ];
        assert!(last.ends_with(&end), "{last:?}");
    }

    #[test]
    fn returns_rows_in_pieces() {
        let mut file = b"--version 3.1.1\n".to_vec();
        file.extend(b"\xC0\0".repeat(450));
        let (page, line) = Page::new(&file);
        assert_eq!(line, "450\t0\t450\t0");
        let rows = |from| {
            page.rows(from)
                .lines()
                .filter(|line| !line.starts_with("part"))
                .count()
        };
        assert_eq!([0, 200, 400, 450].map(rows), [200, 200, 50, 0]);
    }

    #[test]
    fn counts_what_it_does_not_read() {
        assert_eq!(Page::new(b"\n\xC0\0\xC0\0").1, "1\t3\t0\t1");
        assert_eq!(Page::new(b"\nc000c000").1, "1\t3\t0\t1");
        assert_eq!(Page::new(b"\nc00").1, "an odd number of hex digits");
        assert_eq!(Page::new(b"--port x\nc000").1, "no port x");
        assert_eq!(Page::new(b"").1, "0\t0\t0\t0");
    }
}
