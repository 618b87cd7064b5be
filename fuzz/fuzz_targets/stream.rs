#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| mqtt_sansio_fuzz::stream(bytes));

#[cfg(not(fuzzing))]
fn main() {
    mqtt_sansio_fuzz::replay_arguments(mqtt_sansio_fuzz::stream);
}
