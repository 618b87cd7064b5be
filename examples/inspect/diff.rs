//! The packets of two captures side by side.

use std::env;
use std::io::Write;

use mqtt_sansio::Side;

use crate::Failure;
use crate::json::{bytes_json, members, quoted};
use crate::paint::Ink;
use crate::print::{Style, describe};
use crate::report::capture::{Item, What};
use crate::report::captured::name;
use crate::report::layout::{Part, parts};

/// What one side of a connection sent: the number of the connection, the side, the packets.
pub(crate) type Sent = (usize, Side, Vec<Item>);

type Pair<'a> = (Option<&'a Item>, Option<&'a Item>);

/// The first field in which two packets differ.
#[derive(Debug, PartialEq)]
pub(crate) struct Difference {
    field: String,
    at: usize,
    left: String,
    right: String,
}

/// Writes a line for each pair of packets. Whether all are the same.
pub(crate) fn diff(
    left: &[Sent],
    right: &[Sent],
    style: Style,
    out: &mut impl Write,
) -> Result<bool, Failure> {
    let mut keys: Vec<_> = left.iter().chain(right).map(key).collect();
    keys.sort();
    keys.dedup();
    let (mut same, mut differ, mut alone, mut first) = (0, 0, 0, None);
    for (connection, server) in keys {
        let [left, right] = [left, right].map(|all| {
            let sent = all.iter().find(|sent| key(sent) == (connection, server));
            sent.map_or(&[][..], |sent| &sent.2)
        });
        let side = if server { Side::Server } else { Side::Client };
        let title = format!("connection {connection}, {}", name(side));
        if !style.json {
            writeln!(out, "{title}:")?;
        }
        for (number, (left, right)) in pairs(left, right).into_iter().enumerate() {
            let difference = match (left, right) {
                (Some(left), Some(right)) => difference(left, right),
                _ => None,
            };
            let says = match (&difference, left, right) {
                (Some(found), ..) => {
                    differ += 1;
                    Some(found.to_string())
                }
                (None, Some(_), Some(_)) => {
                    same += 1;
                    None
                }
                (None, Some(item), None) => {
                    alone += 1;
                    Some(format!("{} is only in the first", label(item)))
                }
                (None, ..) => {
                    alone += 1;
                    right.map(|item| format!("{} is only in the second", label(item)))
                }
            };
            if let (None, Some(says)) = (&first, &says) {
                first = Some(format!("{title}, line {}: {says}", number + 1));
            }
            match style.json {
                true => json(out, style, connection, (left, right), difference)?,
                false => row(out, style, (left, right), difference)?,
            }
        }
    }
    if !style.json {
        writeln!(out, "{same} the same, {differ} differ, {alone} in one only")?;
        if let Some(first) = &first {
            writeln!(out, "first difference: {first}")?;
        }
    }
    Ok(first.is_none())
}

fn key(sent: &Sent) -> (usize, bool) {
    (sent.0, sent.1 == Side::Server)
}

/// Pairs the packets in order: with those that are the same, else with those of the same type.
fn pairs<'a>(left: &'a [Item], right: &'a [Item]) -> Vec<Pair<'a>> {
    // A table of the best sum for the rest of both, of as many cells as may be waited for.
    const MOST: usize = 4_000_000;
    let width = right.len() + 1;
    if left.len().saturating_mul(width) > MOST {
        let longer = left.len().max(right.len());
        return (0..longer)
            .map(|index| (left.get(index), right.get(index)))
            .collect();
    }
    let mut table = vec![0u32; (left.len() + 1) * width];
    let cell = |table: &[u32], row: usize, column: usize| {
        table.get(row * width + column).copied().unwrap_or_default()
    };
    for (row, one) in left.iter().enumerate().rev() {
        for (column, other) in right.iter().enumerate().rev() {
            let paired = likeness(one, other);
            let best = [
                cell(&table, row + 1, column),
                cell(&table, row, column + 1),
                paired.map_or(0, |likeness| likeness + cell(&table, row + 1, column + 1)),
            ];
            if let Some(place) = table.get_mut(row * width + column) {
                *place = best.into_iter().max().unwrap_or_default();
            }
        }
    }
    let (mut row, mut column, mut pairs) = (0, 0, Vec::new());
    loop {
        match (left.get(row), right.get(column)) {
            (None, None) => return pairs,
            (Some(one), Some(other))
                if likeness(one, other).is_some_and(|likeness| {
                    likeness + cell(&table, row + 1, column + 1) == cell(&table, row, column)
                }) =>
            {
                pairs.push((Some(one), Some(other)));
                (row, column) = (row + 1, column + 1);
            }
            (Some(one), other)
                if other.is_none()
                    || cell(&table, row + 1, column) == cell(&table, row, column) =>
            {
                pairs.push((Some(one), None));
                row += 1;
            }
            (_, other) => {
                pairs.push((None, other));
                column += 1;
            }
        }
    }
}

/// How much is won by a pair of these. `None` if they are no pair.
fn likeness(left: &Item, right: &Item) -> Option<u32> {
    let kinds = [left, right].map(|item| match &item.what {
        What::Packet(packet) => (0, Some(packet.packet_type())),
        What::Skipped(_) => (1, None),
        What::Broken(_) => (2, None),
        What::Incomplete(_) => (3, None),
        What::Gap(_) => (4, None),
        What::Stray => (5, None),
    });
    match kinds[0] == kinds[1] {
        true if left.bytes == right.bytes => Some(3),
        true => Some(1),
        false => None,
    }
}

fn label(item: &Item) -> String {
    match &item.what {
        What::Packet(packet) => packet.packet_type().to_string(),
        What::Skipped(_) => "a skipped packet".to_owned(),
        What::Broken(_) => "an error".to_owned(),
        What::Incomplete(_) => "an incomplete packet".to_owned(),
        What::Gap(len) => format!("a gap of {len} bytes"),
        What::Stray => "stray bytes".to_owned(),
    }
}

/// The first field that differs. Lengths that follow from others count last.
fn difference(left: &Item, right: &Item) -> Option<Difference> {
    let (ours, theirs) = (parts(left), parts(right));
    let longer = ours.len().max(theirs.len());
    let pairs = || (0..longer).map(|index| (ours.get(index), theirs.get(index)));
    let content =
        |part: &Option<&Part<'_>>| part.map(|part| (part.name.clone(), part.bytes.to_vec()));
    let mut found: Vec<_> = pairs().filter(|(a, b)| content(a) != content(b)).collect();
    let is_length = |name: &str| name == "remaining length" || name.ends_with("property length");
    found.sort_by_key(|(a, b)| a.or(*b).is_some_and(|part| is_length(&part.name)));
    let (a, b) = found.first().copied()?;
    let (name_a, name_b) = (a.map(|part| &part.name), b.map(|part| &part.name));
    let value = |part: Option<&Part<'_>>| match part {
        None => "nothing".to_owned(),
        Some(part) if name_a == name_b => part.value.clone(),
        Some(part) => format!("{} {}", part.name, part.value),
    };
    let part = a.or(b)?;
    Some(Difference {
        field: format!("{} {}", label(left), part.name),
        at: part.at,
        left: value(a),
        right: value(b),
    })
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            field,
            at,
            left,
            right,
        } = self;
        write!(f, "{field} at byte {at}: {left} | {right}")
    }
}

fn row(
    out: &mut impl Write,
    style: Style,
    (left, right): Pair<'_>,
    difference: Option<Difference>,
) -> Result<(), Failure> {
    let columns = env::var("COLUMNS")
        .ok()
        .and_then(|columns| columns.parse().ok());
    let width = (columns.unwrap_or(120usize).max(40) - 5) / 2;
    let (mark, ink) = match (left, right, &difference) {
        (Some(_), Some(_), None) => (' ', Ink::Faint),
        (Some(_), Some(_), Some(_)) => ('!', Ink::Error),
        (Some(_), None, _) => ('<', Ink::Client),
        _ => ('>', Ink::Server),
    };
    let half = |item: Option<&Item>| {
        let text = item.map_or_else(String::new, |item| match &item.what {
            What::Packet(_) => format!("{:<11} {}", label(item), describe(item)),
            _ => describe(item),
        });
        let mut cut: String = text.chars().take(width).collect();
        if cut.len() < text.len() {
            cut.pop();
            cut.push('~');
        }
        format!("{cut:<width$}")
    };
    let line = format!("{mark} {} | {}", half(left), half(right));
    writeln!(out, "{}", style.paint.ink(ink, line.trim_end()))?;
    if let Some(difference) = difference {
        writeln!(out, "    {difference}")?;
    }
    Ok(())
}

fn json(
    out: &mut impl Write,
    style: Style,
    connection: usize,
    (left, right): Pair<'_>,
    difference: Option<Difference>,
) -> Result<(), Failure> {
    let null = || "null".to_owned();
    let half = |item: Option<&Item>| {
        item.map_or_else(null, |item| {
            let bytes = match style.hex {
                true => bytes_json(item),
                false => String::new(),
            };
            format!("{{{}{bytes}}}", members(item))
        })
    };
    let (left, right) = (half(left), half(right));
    let difference = difference.map_or_else(null, |found| {
        let [field, left, right] =
            [&found.field, &found.left, &found.right].map(|text| quoted(text));
        let at = found.at;
        format!("{{\"field\":{field},\"at\":{at},\"left\":{left},\"right\":{right}}}")
    });
    writeln!(
        out,
        "{{\"connection\":{connection},\"left\":{left},\"right\":{right},\"difference\":{difference}}}"
    )?;
    Ok(())
}
