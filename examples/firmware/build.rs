//! Tells the linker about the board, and packs the vectors of `testdata/vectors` for it.

use std::path::{Path, PathBuf};
use std::{env, fs};

#[path = "../../tests/support/src/hex.rs"]
mod hex;

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), include_str!("memory.x")).expect("the folder can be written");
    fs::write(out.join("vectors"), vectors()).expect("the folder can be written");
    println!("cargo:rustc-link-search={}", out.display());
    println!("cargo:rustc-link-arg-bins=-Tlink.x");
    println!("cargo:rustc-link-arg-bins=--nmagic");
}

/// All vectors, each as its version, sender, expectation, reason codes and two packed byte strings:
/// the stream and what it encodes to.
fn vectors() -> Vec<u8> {
    let mut packed = Vec::new();
    for version in ["v311", "v5"] {
        let folder = Path::new("../../testdata/vectors").join(version);
        println!("cargo:rerun-if-changed={}", folder.display());
        let files = fs::read_dir(folder).expect("there are vectors");
        let mut files: Vec<_> = files.map(|file| file.expect("a file").path()).collect();
        files.sort();
        for file in files {
            println!("cargo:rerun-if-changed={}", file.display());
            let text = fs::read_to_string(file).expect("a file of text");
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            lines.for_each(|line| vector(line, &mut packed));
        }
    }
    packed
}

fn vector(line: &str, packed: &mut Vec<u8>) {
    let fields: Vec<&str> = line.split(" | ").collect();
    let [_, version, bytes, expectation, _] = fields[..] else {
        panic!("not five fields: {line}");
    };
    let (version, sender) = version.split_once(' ').unwrap_or((version, ""));
    let stream = hex::parse(bytes);
    let (kind, rest) = expectation.split_once(' ').unwrap_or((expectation, ""));
    let (mut codes, mut shortest) = (Vec::new(), Vec::new());
    match (kind, rest) {
        ("ok", "") => shortest.clone_from(&stream),
        ("ok", rest) => shortest = hex::parse(rest.trim_start_matches('>')),
        ("error", rest) => codes = hex::parse(&rest.replace("0x", "")),
        _ => {}
    }
    let find = |names: &[&str], name| {
        let found = names.iter().position(|known| *known == name);
        found.unwrap_or_else(|| panic!("unknown {name}: {line}")) as u8
    };
    packed.push(find(&["3.1.1", "5.0"], version));
    packed.push(find(&["", "client", "server"], sender));
    packed.push(find(&["ok", "incomplete", "error"], kind));
    packed.push(u8::try_from(codes.len()).expect("few codes"));
    packed.extend(codes);
    pack(&stream, packed);
    pack(&shortest, packed);
}

/// Packs bytes as runs of one byte, each as its length in four bytes, and of others, which begin with
/// their length in one byte. A length of zero ends them.
fn pack(mut bytes: &[u8], packed: &mut Vec<u8>) {
    let run = |bytes: &[u8]| bytes.iter().take_while(|byte| **byte == bytes[0]).count();
    while !bytes.is_empty() {
        let len = run(bytes);
        if len > 8 {
            packed.push(0xFF);
            packed.extend((len as u32).to_le_bytes());
            packed.push(bytes[0]);
            bytes = &bytes[len..];
            continue;
        }
        let len = (1..bytes.len().min(0xFE)).find(|at| run(&bytes[*at..]) > 8);
        let (others, rest) = bytes.split_at(len.unwrap_or(bytes.len().min(0xFE)));
        packed.push(others.len() as u8);
        packed.extend(others);
        bytes = rest;
    }
    packed.push(0);
}
