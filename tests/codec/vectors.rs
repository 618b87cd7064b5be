use support::check;
use support::vectors::{self, Expectation, Vector};

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
                return match error.statement() {
                    Some(id) if !stated(id) => Err(format!("{:?}: {error}", vector.statements)),
                    _ => Ok(()),
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
