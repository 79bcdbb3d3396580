//! `countersign prepare` as it is typed, or written into a docker-compose.yml.

use std::path::PathBuf;

use countersign::{
    names::Name,
    prepare::{Database, Permitted, Preparation, PrepareError},
};

#[derive(clap::Args)]
pub(crate) struct PrepareArguments {
    /// The folder in which each service gets a folder of its own.
    #[arg(long, value_name = "FOLDER", env = "COUNTERSIGN_FOLDER")]
    folder: PathBuf,
    /// Names and addresses that clients use, for the certificates.
    #[arg(
        long,
        value_name = "NAME",
        env = "COUNTERSIGN_NAMES",
        value_delimiter = ',',
        default_value = "localhost,127.0.0.1,::1"
    )]
    host: Vec<Name>,
    /// The database that the services use: mysql, postgres, sqlite or elsewhere. It is noted once,
    /// and any other is refused from then on. Without this option, nothing is noted or compared.
    #[arg(long, value_name = "NAME", env = "COUNTERSIGN_DATABASE", value_parser = parse_database)]
    database: Option<Asked>,
    #[command(flatten)]
    task: PrepareTask,
    #[command(flatten)]
    permitted: PrepareExceptions,
}

#[derive(clap::Args)]
#[group(multiple = false)]
struct PrepareTask {
    /// Keep running, and renew certificates before they expire.
    #[arg(long)]
    watch: bool,
    /// Make nothing; only check that everything exists and is valid.
    #[arg(long)]
    check: bool,
}

// Each for one run alone: a service that always has one of them would not notice what is lost.
#[derive(clap::Args)]
#[group(multiple = true, conflicts_with = "PrepareTask")]
struct PrepareExceptions {
    /// Make a new CA after the loss of the one that clients trust. Give it to all clients.
    #[arg(long)]
    new_authority: bool,
    /// Make a new passphrase after the loss of the signer's, and of the keys that it opened.
    #[arg(long)]
    new_passphrase: bool,
    /// Note --database in place of the database that was used before.
    #[arg(long)]
    change_database: bool,
}

/// A variable that is set to nothing is as good as none.
#[derive(Clone, Copy)]
struct Asked(Option<Database>);

fn parse_database(text: &str) -> Result<Asked, &'static str> {
    match text {
        "" => Ok(Asked(None)),
        text => Ok(Asked(Some(text.parse()?))),
    }
}

impl PrepareArguments {
    pub(crate) fn run(self) -> Result<(), PrepareError> {
        let preparation = Preparation {
            folder: self.folder,
            names: self.host.into_iter().collect(),
            database: self.database.and_then(|Asked(database)| database),
            permitted: Permitted {
                new_authority: self.permitted.new_authority,
                new_passphrase: self.permitted.new_passphrase,
                change_database: self.permitted.change_database,
            },
        };
        let now = daemon::clock::now;
        let say = |text: &str| eprintln!("{text}");
        if self.task.check {
            return preparation.check(now());
        }
        if self.task.watch {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            return runtime.block_on(preparation.watch(now, say));
        }
        preparation.make(now(), &say)
    }
}
