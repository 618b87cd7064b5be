use support::vectors;

#[test]
fn every_vector_holds() {
    let mut failed = 0;
    for vector in vectors::all() {
        if let Err(outcome) = vector.check() {
            failed += 1;
            let outcome: String = outcome.chars().take(300).collect();
            eprintln!("{} {:?}: {outcome}", vector.name, vector.expectation);
        }
    }
    assert_eq!(failed, 0, "vectors failed");
}
