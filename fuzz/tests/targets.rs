//! Every target, a fixed number of times.

use fuzz::drive;

/// Each runs a few seconds without optimisation.
macro_rules! targets {
    ($($name:ident: $executions:literal,)*) => {
        $(
            #[test]
            fn $name() {
                drive(stringify!($name), fuzz::$name::run, $executions);
            }
        )*

        #[test]
        fn each_target_is_a_program_of_libfuzzer() {
            let manifest = include_str!("../libfuzzer/Cargo.toml");
            let source = include_str!("../src/lib.rs");
            for name in [$(stringify!($name)),*] {
                assert!(manifest.contains(&format!("\"fuzz_targets/{name}.rs\"")), "{name}");
            }
            assert_eq!(source.matches("pub mod ").count(), [$($executions),*].len());
        }
    };
}

targets! {
    archives: 20_000,
    canonical_json: 20_000,
    credentials: 20_000,
    database_urls: 20_000,
    json: 20_000,
    key_envelopes: 300,
    multipart: 20_000,
    paths: 20_000,
    rules: 20_000,
    tokens: 2_000,
    uploads: 10_000,
}
