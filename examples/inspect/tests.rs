#![allow(
    clippy::cast_possible_truncation,
    clippy::indexing_slicing,
    clippy::unwrap_used
)]

use super::*;
use crate::json::quoted;
use crate::report::capture::made;
use crate::report::capture::packets::{Reader, Stop, decoder};
use crate::report::layout::parts;

fn inspect(args: &[&str], bytes: &[u8]) -> Result<(bool, String), Failure> {
    let args = args.iter().chain(&["file"]).map(|&arg| arg.to_owned());
    let mut out = Vec::new();
    let good = packets(&Options::parse(args)?, bytes, &mut out)?;
    Ok((good, String::from_utf8(out)?))
}

/// FIELD A15: a capture that begins in the middle of a stream.
#[test]
fn begins_in_the_middle() -> Result<(), Failure> {
    let publish = b"\x30\x05\x00\x01thi";
    let (good, line) = inspect(&[], publish)?;
    assert!(!good && line.contains("--version 3.1.1 or 5.0"), "{line}");
    let (good, line) = inspect(&["--version", "3.1.1"], publish)?;
    assert!(good && line.contains("PUBLISH"), "{line}");
    Ok(())
}

/// FIELD A22: the code is that of the wire, and its meaning is told.
#[test]
fn a22_shows_the_code_on_the_wire() -> Result<(), Failure> {
    let (good, line) = inspect(&[], b"\x20\x02\x00\x01")?;
    assert!(
        good && line.contains("reason=0x01(Unsupported Protocol Version)"),
        "{line}"
    );
    let (good, line) = inspect(&[], b"\x20\x03\x00\x84\x00")?;
    assert!(
        good && line.contains("reason=0x84(Unsupported Protocol Version)"),
        "{line}"
    );
    Ok(())
}

#[test]
fn lets_rules_go() -> Result<(), Failure> {
    let bytes = b"\x38\x03\x00\x01t\x30\x04\x00\x02\xC3\x28\xD0\x00";
    let strict = ["--version", "3.1.1"];
    let (good, lines) = inspect(&strict, bytes)?;
    assert!(!good && lines.contains("(rule dup-at-qos-0)"), "{lines}");
    let lenient = [
        "--version",
        "3.1.1",
        "--allow",
        "dup-at-qos-0",
        "--allow",
        "publish-text",
    ];
    let (good, lines) = inspect(&lenient, bytes)?;
    assert!(good, "{lines}");
    let ends = ["(let go: dup-at-qos-0)", "(let go: publish-text)", ""];
    assert!(
        lines
            .lines()
            .zip(ends)
            .all(|(line, end)| line.ends_with(end)),
        "{lines}"
    );
    assert!(
        lines.contains("skipped") && lines.contains("PINGRESP"),
        "{lines}"
    );
    let unknown = inspect(&["--allow", "nothing"], bytes).map(|_| ());
    assert!(unknown.is_err_and(|error| error.to_string().contains("dup-at-qos-0")));
    Ok(())
}

const REAL: &[u8] = include_bytes!("../../testdata/captures/both-exchange-mosquitto.pcap");

/// Every capture of others, raw and as packets of the network.
fn captures() -> Vec<(String, Vec<u8>)> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/testdata/captures");
    let files = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path());
    let files = files.filter(|file| {
        let extension = file.extension().unwrap_or_default();
        extension == "bin" || extension == "pcap"
    });
    let files: Vec<_> = files
        .map(|file| (file.display().to_string(), std::fs::read(file).unwrap()))
        .collect();
    assert!(files.len() > 60);
    files
}

#[test]
fn json_is_json() {
    for (name, bytes) in captures() {
        let (good, lines) = inspect(&["--json", "--hex"], &bytes).unwrap();
        assert!(good, "{name}");
        for line in lines.lines() {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            let Some(size) = value["size"].as_u64() else {
                assert!(value["event"].is_string(), "{line}");
                continue;
            };
            assert!(value["fields"].is_object(), "{line}");
            let parts = value["bytes"].as_array().unwrap().iter();
            let hex: String = parts.map(|part| part["hex"].as_str().unwrap()).collect();
            assert_eq!(hex.len() as u64, 2 * size, "{line}");
        }
    }
    let odd = "\" \\ \n \u{1b} \u{7f} é \u{202e} 😀";
    let read: String = serde_json::from_str(&quoted(odd)).unwrap();
    assert_eq!(read, odd);
    assert!(!quoted(odd).contains(['\u{1b}', '\u{202e}']));
}

#[test]
fn json_has_fields_by_name() {
    let (_, lines) = inspect(&["--json"], REAL).unwrap();
    let lines: Vec<serde_json::Value> = lines
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let publish = lines.iter().find(|line| line["type"] == "PUBLISH").unwrap();
    assert_eq!(publish["from"], "client");
    assert_eq!(publish["connection"], 3);
    let fields = &publish["fields"];
    assert_eq!(fields["topic"], "plant/1/temperature");
    assert_eq!(
        fields["user_properties"],
        serde_json::json!([["unit", "celsius"]])
    );
    assert_eq!(fields["payload"], "21.5");
    let (good, line) = inspect(&["--json"], b"\x30\x03\0\x01t").unwrap();
    let line: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert!(!good && line["error"]["message"].is_string());
}

/// The parts of a packet are its bytes, and none is left without a name.
#[test]
fn hex_covers_every_byte() {
    for (name, bytes) in captures() {
        if name.ends_with("pcap") {
            continue;
        }
        let options = Options::parse(["file".to_owned()].into_iter()).unwrap();
        for item in raw(&options.settings, &bytes) {
            let parts = parts(&item);
            let covered: Vec<u8> = parts.iter().flat_map(|part| part.bytes).copied().collect();
            assert!(covered == item.bytes, "{name}");
            for part in &parts {
                let odd = part.name.contains("not whole") || part.name.contains("behind");
                assert!(!odd, "{name}: {part:?}");
            }
        }
    }
    let (_, text) = inspect(
        &["--hex", "--version", "5.0"],
        b"\x32\x0A\0\x01t\0\x07\x02\x01\x01hi",
    )
    .unwrap();
    for line in [
        "     0  32                                               fixed header: PUBLISH dup=false",
        "     2  00 01 74                                         topic name: \"t\"",
        "     5  00 07                                            packet identifier: 7",
        "     7  02                                               property length: 2",
        "     8  01                                               property identifier: payload format indicator",
        "    10  68 69                                            payload: \"hi\"",
    ] {
        let line = line.replace("dup=false", "dup=0 qos=1 retain=0");
        assert!(text.contains(&line), "{line}\n{text}");
    }
}

/// Bytes that are no packet are divided too, and no bytes make it fail.
#[test]
fn hex_shows_what_breaks_off() {
    let (good, text) = inspect(&["--hex", "--version", "5.0"], b"\x30\x04\0\x09ab").unwrap();
    assert!(!good && text.contains("00 09 61 62"), "{text}");
    assert!(text.contains("topic name (not whole)"), "{text}");
    let mut random = made::Random(3);
    for round in 0..3000 {
        let len = 1 + random.below(60);
        let mut bytes: Vec<u8> = (0..len).map(|_| random.byte()).collect();
        if round % 2 == 0 {
            bytes.insert(1, u8::try_from(len).unwrap() - 1);
        }
        for version in ["3.1.1", "5.0"] {
            for args in [
                ["--hex", "--version", version],
                ["--json", "--version", version],
            ] {
                inspect(&args, &bytes).ok();
            }
        }
        let mut reader = Reader::new(
            Side::Client,
            decoder(None, &bytes),
            mqtt_sansio::Rules::LENIENT,
        );
        let stop = reader.read(&bytes, &mut 0);
        assert!(stop != Stop::Between || !reader.items.is_empty());
    }
}

#[test]
fn shows_both_sides_in_the_order_of_time() {
    let (good, text) = inspect(&[], REAL).unwrap();
    assert!(good, "{text}");
    let lines: Vec<_> = text.lines().collect();
    assert!(
        lines[0].ends_with("  1 - 127.0.0.1:32868 > 127.0.0.1:1883: opened"),
        "{text}"
    );
    assert!(
        lines[1].contains("  1 >      0     26  CONNECT     client_id=\"reader-2\""),
        "{text}"
    );
    assert!(lines[2].contains("  1 <      0     11  CONNACK "), "{text}");
    let times = lines
        .iter()
        .map(|line| line[..11].trim().parse::<f64>().unwrap());
    assert!(times.is_sorted());
    let (good, text) = inspect(&[], &REAL[..REAL.len() - 3]).unwrap();
    assert!(!good && text.contains("damaged at byte"), "{text}");
}

#[test]
fn says_that_tls_is_not_read() {
    let hello = made::sent(Side::Client, 1, b"\x16\x03\x01\x02\0\x01");
    let (good, text) = inspect(&[], &made::pcap(&[hello])).unwrap();
    assert!(
        good && text.contains("TLS, in which no packets can be seen"),
        "{text}"
    );
}

fn differences(args: &[&str], left: &[u8], right: &[u8]) -> (bool, String) {
    let args = args
        .iter()
        .chain(&["--diff", "left", "right"])
        .map(|&arg| arg.to_owned());
    let options = Options::parse(args).unwrap();
    let [left, right] = [left, right].map(|bytes| sent(&options, "file", bytes).unwrap());
    let mut out = Vec::new();
    let same = diff::diff(&left, &right, options.style(), &mut out).unwrap();
    (same, String::from_utf8(out).unwrap())
}

#[test]
fn diff_finds_the_first_field() {
    let (same, text) = differences(&[], REAL, REAL);
    assert!(
        same && text.ends_with("37 the same, 0 differ, 0 in one only\n"),
        "{text}"
    );
    let mut changed = REAL.to_vec();
    let at = changed
        .windows(7)
        .position(|bytes| bytes == b"celsius")
        .unwrap();
    changed[at] = b'C';
    let (same, text) = differences(&[], REAL, &changed);
    assert!(
        !same && text.contains("36 the same, 1 differ, 0 in one only"),
        "{text}"
    );
    let first = "first difference: connection 3, client, line 2: PUBLISH user property value at byte 46: \"celsius\" | \"Celsius\"";
    assert!(text.contains(first), "{text}");
    let (_, json) = differences(&["--json"], REAL, &changed);
    let rows: Vec<serde_json::Value> = json
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let found = rows
        .iter()
        .filter(|row| !row["difference"].is_null())
        .count();
    assert_eq!((rows.len(), found), (37, 1));
}

/// Lengths follow from other fields; a packet more does not shift the rest.
#[test]
fn diff_pairs_what_belongs_together() {
    let head = b"\x10\x0D\0\x04MQTT\x04\x02\0\x3C\0\x01c".to_vec();
    let [one, two, three] = [
        &b"\x30\x04\0\x01ta"[..],
        b"\x30\x04\0\x01tb",
        b"\x30\x05\0\x01tcc",
    ];
    let left = [&head, one, two, three].concat();
    let (same, text) = differences(&[], &left, &[&head, two, three].concat());
    assert!(
        !same && text.contains("3 the same, 0 differ, 1 in one only"),
        "{text}"
    );
    assert!(
        text.contains("line 2: PUBLISH is only in the first"),
        "{text}"
    );
    let (_, text) = differences(&[], &left, &[&head, one, two, b"\x30\x04\0\x01tc"].concat());
    assert!(
        text.contains("line 4: PUBLISH payload at byte 5: \"cc\" | \"c\""),
        "{text}"
    );
}

#[test]
fn refuses_options_that_do_not_go_together() {
    for args in [
        &["--diff", "one"][..],
        &["--strict", "file"],
        &["--json", "--lines"],
        &["--port", "70000", "file"],
        &["one", "two"],
        &[],
    ] {
        assert!(
            Options::parse(args.iter().map(|&arg| arg.to_owned())).is_err(),
            "{args:?}"
        );
    }
}
