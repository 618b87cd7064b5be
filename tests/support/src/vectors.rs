//! The byte vectors of `testdata/vectors`, one a line.

use std::fs;
use std::path::{Path, PathBuf};

use mqtt_sansio::{FrameDecoder, Side, Version};

use crate::{check, hex};

/// Vectors that break their numbered rule in a way that the decoder sees as another error, which has
/// no number: identifiers read as something else, a packet of the other version.
const SEEN_OTHERWISE: &[&str] = &[
    "v5-property-identifier-in-2-bytes",
    "v5-property-identifier-user-property-in-2-bytes",
    "v5-publish-qos-0-with-id",
];

/// One line: `name | version | bytes | expectation | statements`.
#[derive(Clone, Debug)]
pub struct Vector {
    /// Unique in all files.
    pub name: String,
    /// The version to decode with.
    pub version: Version,
    /// Who sent it, where the rule depends on that.
    pub sender: Option<Side>,
    /// The stream.
    pub bytes: Vec<u8>,
    /// What comes of it.
    pub expectation: Expectation,
    /// Normative ids, and references to rules without a number.
    pub statements: Vec<String>,
}

/// What comes of a stream.
#[non_exhaustive]
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Expectation {
    /// Decodes, and encodes to these bytes.
    Ok(Vec<u8>),
    /// Ends inside a packet.
    Incomplete,
    /// Is refused; in 5.0 with one of these reason codes.
    Error(Vec<u8>),
}

impl Vector {
    /// A decoder that knows what the line says of the connection.
    pub fn decoder(&self) -> FrameDecoder {
        decoder(self.version, self.sender)
    }

    /// Decodes and encodes; says what is wrong with the outcome.
    ///
    /// # Errors
    ///
    /// The difference, to be printed.
    pub fn check(&self) -> Result<(), String> {
        let (decoded, unread) = check::decode_all(&self.decoder(), &self.bytes);
        let mut encoded = Vec::new();
        for result in &decoded {
            match (result, &self.expectation) {
                (Ok(packet), _) => packet
                    .encode(self.version, &mut encoded)
                    .map_err(|error| error.to_string())?,
                (Err(error), Expectation::Error(codes)) => {
                    let code = error.reason_code().to_u8();
                    if !codes.is_empty() && !codes.contains(&code) {
                        return Err(format!("{code:#04x}: {error}"));
                    }
                    let stated = |id: &str| self.statements.iter().any(|stated| stated == id);
                    let numbered = |id: &String| id.starts_with("MQTT-");
                    return match error.statement() {
                        Some(id) if stated(id) => Ok(()),
                        None if !self.statements.iter().any(numbered) => Ok(()),
                        None if SEEN_OTHERWISE.contains(&&self.name[..]) => Ok(()),
                        _ => Err(format!("{:?}: {error}", self.statements)),
                    };
                }
                (Err(error), _) => return Err(error.to_string()),
            }
        }
        match &self.expectation {
            Expectation::Ok(_) if unread > 0 => Err(format!("{unread} bytes left")),
            Expectation::Ok(expected) if *expected != encoded => Err(format!("{encoded:02x?}")),
            Expectation::Incomplete if unread == 0 => Err("complete".into()),
            Expectation::Error(_) => Err(format!("{decoded:?}")),
            _ => Ok(()),
        }
    }

    fn parse(line: &str) -> Self {
        let fields: Vec<&str> = line.split(" | ").collect();
        let [name, version, bytes, expectation, statements] = fields[..] else {
            panic!("not five fields: {line}");
        };
        let (version, sender) = version.split_once(' ').unwrap_or((version, ""));
        let bytes = hex::parse(bytes);
        let (kind, rest) = expectation.split_once(' ').unwrap_or((expectation, ""));
        let expectation = match (kind, rest) {
            ("ok", "") => Expectation::Ok(bytes.clone()),
            ("ok", shortest) => Expectation::Ok(hex::parse(shortest.strip_prefix("> ").unwrap())),
            ("incomplete", "") => Expectation::Incomplete,
            ("error", codes) => Expectation::Error(codes.split_whitespace().map(code).collect()),
            _ => panic!("no expectation: {line}"),
        };
        Self {
            name: name.trim().to_owned(),
            version: match version {
                "3.1.1" => Version::V311,
                "5.0" => Version::V5,
                _ => panic!("no version: {line}"),
            },
            sender: match sender {
                "" => None,
                "client" => Some(Side::Client),
                "server" => Some(Side::Server),
                _ => panic!("no sender: {line}"),
            },
            bytes,
            expectation,
            statements: statements
                .split(',')
                .map(|id| id.trim().to_owned())
                .filter(|id| id != "-")
                .collect(),
        }
    }
}

fn code(text: &str) -> u8 {
    u8::from_str_radix(text.strip_prefix("0x").unwrap(), 16).unwrap()
}

/// A decoder of the largest packets there are.
pub fn decoder(version: Version, sender: Option<Side>) -> FrameDecoder {
    let decoder = FrameDecoder::new(version).max_packet_size(u32::MAX);
    match sender {
        Some(sender) => decoder.sent_by(sender),
        None => decoder,
    }
}

/// The folder `testdata` of the crate.
pub fn testdata() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../testdata")
}

/// Every vector there is.
pub fn all() -> Vec<Vector> {
    let mut all = Vec::new();
    for version in ["v311", "v5"] {
        for file in files(&testdata().join("vectors").join(version), "txt") {
            let text = fs::read_to_string(&file).unwrap();
            let lines = text.lines().map(str::trim);
            let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
            all.extend(lines.map(Vector::parse));
        }
    }
    assert!(all.len() > 2_000, "only {} vectors found", all.len());
    all
}

/// The files of a folder with this extension, by name.
pub fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|found| found == extension));
    files.sort();
    assert!(!files.is_empty(), "{folder:?} holds no {extension} files");
    files
}
