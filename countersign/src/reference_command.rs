//! Manual pages and completions of the three programs, as the packages ship them.

use std::{
    fs, io,
    path::{Path, PathBuf},
};

use clap_complete::Shell;
use clap_mangen::Man;
use daemon::flags;

/// Writes the completions into `folder/completions` and the manual pages of all commands into
/// `folder/man`. The pages of the programs themselves are written by hand.
pub(crate) fn write(folder: &Path, own: clap::Command) -> io::Result<()> {
    let programs = [
        (own, "1"),
        (server::command_line(), "8"),
        (signer::command_line(), "8"),
    ];
    let pages = create(folder.join("man"))?;
    let completions = create(folder.join("completions"))?;
    for (mut program, section) in programs {
        let name = program.get_name().to_owned();
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = flags::completions(&mut program, shell);
            fs::write(completions.join(format!("{name}.{shell}")), script)?;
        }
        program.build();
        write_pages(&program, section, &pages)?;
    }
    Ok(())
}

fn create(folder: PathBuf) -> io::Result<PathBuf> {
    fs::create_dir_all(&folder)?;
    Ok(folder)
}

/// Writes a page for each command below `command`.
fn write_pages(command: &clap::Command, section: &str, folder: &Path) -> io::Result<()> {
    let is_shown = |it: &&clap::Command| !it.is_hide_set() && it.get_name() != "help";
    for below in command.get_subcommands().filter(is_shown) {
        Man::new(below.clone())
            .section(section)
            .source("Countersign")
            .generate_to(folder)?;
        write_pages(below, section, folder)?;
    }
    Ok(())
}
