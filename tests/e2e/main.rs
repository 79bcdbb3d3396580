//! What people do with a trust server, done for real, against Countersign and against Notary 0.7.
//!
//! Every scenario takes the [`Pair`](e2e::Pair) of server and signer that it is played against and runs
//! with each: where only ours fails, the difference is ours.

/// Makes one test of a scenario for each pair of server and signer.
macro_rules! on_every_pair {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair_of_ours![$($scenario),*];
        on_every_pair!(@module notary NOTARY $($scenario)*);
    };    (@module $module:ident $pair:ident $($scenario:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() -> anyhow::Result<()> {
                    e2e::play(|stage| super::$scenario(stage, e2e::Pair::$pair))
                }
            )*
        }
    };
}

/// Makes one test of a scenario for each pair of which at least one is ours.
macro_rules! on_every_pair_of_ours {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair!(@module countersign COUNTERSIGN $($scenario)*);
        on_every_pair!(@module our_server_with_go_signer OUR_SERVER $($scenario)*);
        on_every_pair!(@module go_server_with_our_signer OUR_SIGNER $($scenario)*);
    };
}

/// Makes one test of a scenario for each pair of server and signer and each docker CLI.
macro_rules! on_every_pair_with_every_cli {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair_with_every_cli!(@module debian_cli Debian $($scenario)*);
        on_every_pair_with_every_cli!(@module newer_cli Newer $($scenario)*);
    };
    (@module $module:ident $cli:ident $($scenario:ident)*) => {
        mod $module {
            $(
                fn $scenario(stage: &e2e::Stage, pair: e2e::Pair) -> anyhow::Result<()> {
                    super::$scenario(stage, pair, e2e::Cli::$cli)
                }
            )*
            on_every_pair![$($scenario),*];
        }
    };
}

mod certificates;
mod conflicts;
mod content_trust;
mod crashes;
mod delegations;
mod docker_trust;
mod newcomer;
mod publishing;
mod rotation;
