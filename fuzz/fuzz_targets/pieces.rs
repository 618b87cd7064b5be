#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| support::fuzz::pieces(bytes));

#[cfg(not(fuzzing))]
fn main() {
    support::fuzz::replay_arguments(support::fuzz::pieces);
}
