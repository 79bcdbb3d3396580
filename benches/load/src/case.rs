//! What is measured.

/// One kind of work.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scenario {
    /// Timestamp, snapshot, targets and root, the last three by checksum.
    Pull,
    /// What docker asks for when it has nothing yet, each on a connection of its own.
    PullAsDocker,
    /// The same as `Pull`, each repository once, after the programs have started.
    PullCold,
    Timestamp,
    /// `root.json` of repositories that do not exist.
    Absence,
    /// A page of 100 entries.
    Changefeed,
    /// A publish of a targets file with so many targets.
    Update {
        targets: usize,
    },
    /// All clients publish into one repository.
    Race,
    /// Two keys and the first publish.
    NewRepository,
}

/// A scenario with so many clients at the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) scenario: Scenario,
    pub(crate) clients: usize,
    /// Whether `--quick` measures it.
    pub(crate) is_quick: bool,
    /// By what factor rate and CPU are meant to be better than Notary's.
    pub(crate) goal: Option<[f64; 2]>,
}

const fn case(scenario: Scenario, clients: usize, is_quick: bool, goal: [f64; 2]) -> Case {
    Case {
        scenario,
        clients,
        is_quick,
        goal: Some(goal),
    }
}

/// Without a goal.
const fn plain(scenario: Scenario, clients: usize) -> Case {
    Case {
        scenario,
        clients,
        is_quick: false,
        goal: None,
    }
}

pub(crate) const CASES: [Case; 19] = [
    case(Scenario::Pull, 1, true, [10.0, 20.0]),
    case(Scenario::Pull, 8, true, [10.0, 20.0]),
    plain(Scenario::PullAsDocker, 1),
    case(Scenario::PullAsDocker, 8, true, [1.7, 2.9]),
    plain(Scenario::PullCold, 1),
    plain(Scenario::Timestamp, 1),
    case(Scenario::Timestamp, 8, true, [15.0, 30.0]),
    plain(Scenario::Absence, 1),
    case(Scenario::Absence, 8, true, [10.0, 20.0]),
    case(Scenario::Changefeed, 1, true, [6.0, 8.0]),
    case(Scenario::Changefeed, 8, false, [6.0, 8.0]),
    case(Scenario::Update { targets: 10 }, 1, true, [8.0, 10.0]),
    case(Scenario::Update { targets: 10 }, 8, true, [10.0, 13.0]),
    case(Scenario::Race, 8, true, [10.0, 10.0]),
    case(Scenario::NewRepository, 1, true, [8.0, 9.0]),
    case(Scenario::NewRepository, 8, true, [8.0, 9.0]),
    case(Scenario::Update { targets: 1_000 }, 1, true, [9.0, 11.0]),
    plain(Scenario::Update { targets: 1_000 }, 8),
    plain(Scenario::Update { targets: 50_000 }, 1),
];

impl Scenario {
    /// As `--scenario` names it.
    pub(crate) fn name(self) -> String {
        match self {
            Self::Pull => "pull".to_owned(),
            Self::PullAsDocker => "pull-as-docker".to_owned(),
            Self::PullCold => "pull-cold".to_owned(),
            Self::Timestamp => "timestamp".to_owned(),
            Self::Absence => "absence".to_owned(),
            Self::Changefeed => "changefeed".to_owned(),
            Self::Update { targets: 10 } => "update".to_owned(),
            Self::Update { targets } => format!("update-{targets}"),
            Self::Race => "race".to_owned(),
            Self::NewRepository => "new-repository".to_owned(),
        }
    }

    /// As people read it.
    pub(crate) fn title(self) -> String {
        match self {
            Self::Pull => "pull, keep-alive".to_owned(),
            Self::PullAsDocker => "pull as docker does".to_owned(),
            Self::PullCold => "pull, each repository for the first time".to_owned(),
            Self::Timestamp => "timestamp.json, keep-alive".to_owned(),
            Self::Absence => "unsigned image (404)".to_owned(),
            Self::Changefeed => "changefeed page".to_owned(),
            Self::Update { targets: 10 } => "update".to_owned(),
            Self::Update { targets } => format!("update of {targets} targets"),
            Self::Race => "one repository, all write".to_owned(),
            Self::NewRepository => "new repository".to_owned(),
        }
    }
}
