//! What people do with a trust server, done for real, against Countersign and against Notary 0.7.
//!
//! Every scenario takes the [`Pair`](harness::Pair) of server and signer that it is played against
//! and runs with each: where only ours fails, the difference is ours.

/// Makes one test of a scenario for each pair of server and signer.
macro_rules! on_every_pair {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair_of_ours![$($scenario),*];
        on_every_pair!(@module notary NOTARY $($scenario)*);
    };
    (@module $module:ident $pair:ident $($scenario:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() -> anyhow::Result<()> {
                    harness::play(|sandbox| super::$scenario(sandbox, harness::Pair::$pair))
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

/// Makes one test of a scenario for our pair, where there is nothing to compare it with.
macro_rules! on_our_pair {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair!(@module on_its_own COUNTERSIGN $($scenario)*);
    };
}

/// Makes one test of a scenario for our server with each signer, where Notary's server does not do
/// it.
macro_rules! on_our_servers {
    ($($scenario:ident),* $(,)?) => {
        on_every_pair!(@module our_server COUNTERSIGN $($scenario)*);
        on_every_pair!(@module our_server_with_their_signer OUR_SERVER $($scenario)*);
    };
}

/// Makes one test of a scenario for our pair on each database server that Notary runs on too.
macro_rules! on_every_database {
    ($($scenario:ident),* $(,)?) => {
        on_every_database!(@module postgres Postgres $($scenario)*);
        on_every_database!(@module mariadb MariaDb $($scenario)*);
    };
    (@module $module:ident $backend:ident $($scenario:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() -> anyhow::Result<()> {
                    let pair = harness::Pair::COUNTERSIGN;
                    harness::play_on(harness::Backend::$backend, |sandbox| super::$scenario(sandbox, pair))
                }
            )*
        }
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
                fn $scenario(sandbox: &harness::Sandbox, pair: harness::Pair) -> anyhow::Result<()> {
                    super::$scenario(sandbox, pair, harness::Cli::$cli)
                }
            )*
            on_every_pair![$($scenario),*];
        }
    };
}

/// Makes one test of a scenario for each database server, beginning with Notary on it.
macro_rules! on_databases_of_notary {
    ($($scenario:ident),* $(,)?) => {
        on_databases_of_notary!(@module postgres Postgres $($scenario)*);
        on_databases_of_notary!(@module mariadb MariaDb $($scenario)*);
    };
    (@module $module:ident $backend:ident $($scenario:ident)*) => {
        mod $module {
            $(
                #[test]
                fn $scenario() -> anyhow::Result<()> {
                    harness::play_on(harness::Backend::$backend, super::$scenario)
                }
            )*
        }
    };
}

/// As `on_every_database!`, for scenarios that take the docker CLI, with Debian's.
macro_rules! on_every_database_with_debian_cli {
    ($($scenario:ident),* $(,)?) => {
        mod databases {
            $(
                fn $scenario(sandbox: &harness::Sandbox, pair: harness::Pair) -> anyhow::Result<()> {
                    super::$scenario(sandbox, pair, harness::Cli::Debian)
                }
            )*
            on_every_database![$($scenario),*];
        }
    };
}

mod authentication;
mod certificates;
mod conflicts;
mod content_trust;
mod counts;
mod crashes;
mod delegations;
mod docker_trust;
mod faults;
mod guides;
mod inventory;
mod monitoring;
mod newcomer;
mod operators;
mod publishing;
mod renewal;
mod replication;
mod rotation;
mod side_by_side;
mod takeover;
