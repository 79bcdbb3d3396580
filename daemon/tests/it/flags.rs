//! The command line.

use std::{ffi::OsString, path::Path};

use clap::{Arg, Command as ClapCommand};
use daemon::{Command, Flags, LogFormat, Program, flags::Exit};

fn program() -> Program {
    let rotate = ClapCommand::new("key")
        .subcommand(ClapCommand::new("rotate-passphrase").arg(Arg::new("alias").long("alias")));
    Program {
        name: "notary-signer",
        about: "signs",
        version: "1.2.3",
        commit: "abc",
        rust: "1.95.0",
        commands: vec![rotate],
    }
}

fn parse(arguments: &[&str]) -> Result<Flags, Exit> {
    let arguments = ["notary-signer"]
        .iter()
        .chain(arguments)
        .map(OsString::from);
    Flags::try_parse(&program(), arguments)
}

#[test]
fn one_dash_two_dashes_and_equals_signs_are_the_same() {
    for arguments in [
        &["-config", "a.json", "-debug", "-logf", "logfmt"][..],
        &["--config", "a.json", "--debug", "--logf", "logfmt"],
        &["-config=a.json", "-debug=true", "-logf=logfmt"],
        &["serve", "--config=a.json", "--debug=1", "--logf=logfmt"],
        &[
            "-logf=json",
            "-config=a.json",
            "serve",
            "-debug",
            "-logf",
            "logfmt",
        ],
    ] {
        let flags = parse(arguments).unwrap_or_else(|exit| panic!("{arguments:?}: {}", exit.text));
        assert_eq!(
            flags.config.as_deref(),
            Some(Path::new("a.json")),
            "{arguments:?}"
        );
        assert!(flags.debug && !flags.bootstrap, "{arguments:?}");
        assert_eq!(flags.log_format, LogFormat::Logfmt, "{arguments:?}");
        assert_eq!(flags.command, Command::Serve, "{arguments:?}");
    }
}

#[test]
fn without_flags_the_program_serves_and_logs_json() {
    let flags = parse(&[]).unwrap();
    assert_eq!(flags.command, Command::Serve);
    assert_eq!(flags.log_format, LogFormat::Json);
    assert!(!flags.debug && flags.config.is_none());
    let command = parse(&["migrate"]).unwrap();
    assert_eq!(command.log_format, LogFormat::Sentence);
    let command = parse(&["migrate", "-logf", "json"]).unwrap();
    assert_eq!(command.log_format, LogFormat::Json);
    assert!(!parse(&["-debug=false"]).unwrap().debug);
    assert!(parse(&["-bootstrap"]).unwrap().bootstrap);
}

#[test]
fn a_value_may_begin_with_a_dash() {
    assert_eq!(
        parse(&["-config", "-x"]).unwrap().config.as_deref(),
        Some(Path::new("-x"))
    );
}

#[test]
fn commands_are_told_apart_and_those_of_the_program_get_their_arguments() {
    assert_eq!(
        parse(&["-config", "a", "migrate"]).unwrap().command,
        Command::Migrate { plan: false }
    );
    assert_eq!(
        parse(&["migrate", "-plan", "-config", "a"])
            .unwrap()
            .command,
        Command::Migrate { plan: true }
    );
    assert_eq!(
        parse(&["config", "check", "-config", "a"]).unwrap().command,
        Command::ConfigCheck { all: false }
    );
    let flags = parse(&["key", "rotate-passphrase", "--alias=new", "-config=a"]).unwrap();
    let Command::Other { name, arguments } = flags.command else {
        panic!("it is the program's own")
    };
    let (below, arguments) = arguments.subcommand().unwrap();
    assert_eq!((name.as_str(), below), ("key", "rotate-passphrase"));
    assert_eq!(arguments.get_one::<String>("alias").unwrap(), "new");
    assert_eq!(flags.config.as_deref(), Some(Path::new("a")));
}

#[test]
fn help_and_version_end_well() {
    for flag in ["-h", "-help", "--help"] {
        let exit = parse(&[flag]).unwrap_err();
        assert_eq!(exit.code, 0);
        assert!(exit.text.contains("--config"), "{}", exit.text);
    }
    for words in [&["help"][..], &["help", "key"], &["-config", "a", "help"]] {
        let exit = parse(words).unwrap_err();
        assert_eq!(exit.code, 0, "{words:?}");
        assert!(exit.text.contains("Usage:"), "{}", exit.text);
    }
    for flag in ["-version", "--version", "version"] {
        let exit = parse(&[flag]).unwrap_err();
        let text = "notary-signer Version: 1.2.3, Git commit: abc, Rust version: 1.95.0";
        assert_eq!(
            exit,
            Exit {
                code: 0,
                text: text.to_owned()
            }
        );
    }
}

#[test]
fn mistakes_end_with_the_usage_and_2() {
    for arguments in [
        &["-nonsense"][..],
        &["-logf", "xml"],
        &["-debug=maybe"],
        &["migrat"],
        &["config"],
        &["-config"],
    ] {
        let exit = parse(arguments).unwrap_err();
        assert_eq!(exit.code, 2, "{arguments:?}");
        assert!(exit.text.contains("Usage:"), "{arguments:?}: {}", exit.text);
        assert!(exit.text.contains("try '--help'"), "{}", exit.text);
        assert!(exit.text.lines().count() < 12, "{}", exit.text);
    }
}

#[test]
fn a_shell_can_have_a_script_for_every_command() {
    for shell in ["bash", "zsh", "fish"] {
        let exit = parse(&["completions", shell]).unwrap_err();
        assert_eq!(exit.code, 0);
        assert!(exit.text.contains("rotate-passphrase"), "{}", exit.text);
    }
    assert_eq!(parse(&["completions", "csh"]).unwrap_err().code, 2);
}

#[test]
fn the_help_of_a_command_leaves_out_what_only_the_service_understands() {
    let help = |arguments: &[&str]| parse(arguments).unwrap_err().text;
    let of_service = ["--debug", "--bootstrap", "--version"];
    for command in [
        &["migrate", "-help"][..],
        &["key", "rotate-passphrase", "-help"],
    ] {
        let text = help(command);
        assert!(of_service.iter().all(|flag| !text.contains(flag)), "{text}");
        assert!(text.contains("--config"), "{text}");
    }
    for service in [&["-help"][..], &["serve", "-help"]] {
        let text = help(service);
        assert!(of_service.iter().all(|flag| text.contains(flag)), "{text}");
    }
    // They are taken all the same, as Notary takes them.
    assert!(parse(&["migrate", "-debug"]).unwrap().debug);
}
