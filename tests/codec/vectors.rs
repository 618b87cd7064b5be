use support::check;
use support::vectors::{self, Expectation, Vector};

/// Vectors that break their numbered rule in a way that the decoder sees as another error, which has
/// no number: identifiers read as something else, a packet of the other version.
const SEEN_OTHERWISE: &[&str] = &[
    "v5-property-identifier-in-2-bytes",
    "v5-property-identifier-user-property-in-2-bytes",
    "v5-publish-qos-0-with-id",
];

/// Runs a vector; says what is wrong with the outcome.
fn run(vector: &Vector) -> Result<(), String> {
    let (decoded, unread) = check::decode_all(&vector.decoder(), &vector.bytes);
    let mut encoded = Vec::new();
    for result in &decoded {
        match (result, &vector.expectation) {
            (Ok(packet), _) => packet
                .encode(vector.version, &mut encoded)
                .map_err(|error| error.to_string())?,
            (Err(error), Expectation::Error(codes)) => {
                let code = error.reason_code().to_u8();
                if !codes.is_empty() && !codes.contains(&code) {
                    return Err(format!("{code:#04x}: {error}"));
                }
                let stated = |id: &str| vector.statements.iter().any(|stated| stated == id);
                let numbered = |id: &String| id.starts_with("MQTT-");
                return match error.statement() {
                    Some(id) if stated(id) => Ok(()),
                    None if !vector.statements.iter().any(numbered) => Ok(()),
                    None if SEEN_OTHERWISE.contains(&&vector.name[..]) => Ok(()),
                    _ => Err(format!("{:?}: {error}", vector.statements)),
                };
            }
            (Err(error), _) => return Err(error.to_string()),
        }
    }
    match &vector.expectation {
        Expectation::Ok(_) if unread > 0 => Err(format!("{unread} bytes left")),
        Expectation::Ok(expected) if *expected != encoded => Err(format!("{encoded:02x?}")),
        Expectation::Incomplete if unread == 0 => Err("complete".into()),
        Expectation::Error(_) => Err(format!("{decoded:?}")),
        _ => Ok(()),
    }
}

#[test]
fn every_vector_holds() {
    let mut failed = 0;
    for vector in vectors::all() {
        if let Err(outcome) = run(&vector) {
            failed += 1;
            let outcome: String = outcome.chars().take(300).collect();
            eprintln!("{} {:?}: {outcome}", vector.name, vector.expectation);
        }
    }
    assert_eq!(failed, 0, "vectors failed");
}
