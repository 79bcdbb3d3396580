# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_notary_signer_global_optspecs
    string join \n help config= logf= debug= bootstrap= version=
end

function __fish_notary_signer_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_notary_signer_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_notary_signer_using_subcommand
    set -l cmd (__fish_notary_signer_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c notary-signer -n "__fish_notary_signer_needs_command" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_needs_command" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_needs_command" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_needs_command" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_needs_command" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_needs_command" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "serve" -d 'Run until told to stop (the default)'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "migrate" -d 'Bring the database up to this version and end'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "config" -d 'Check the configuration'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "completions" -d 'Print the script that completes this command in a shell'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "health" -d 'Ask the running signer of this configuration for its health; status 0 if it is healthy, 1 if not'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "key" -d 'List and checks stored keys, and changes their passphrase'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "backup" -d 'Write all keys, encrypted as they are, to a file; after the backup of the server'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "restore" -d 'Fill an empty database from a backup, of whatever kind of database'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "verify-backup" -d 'Check a backup, and that every key in it opens with the configured passphrases'
complete -c notary-signer -n "__fish_notary_signer_needs_command" -f -a "escrow-key" -d 'Make the keys that backups are sealed to'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand serve" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l plan -d 'Only print what was found and what would be done'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand migrate" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and not __fish_seen_subcommand_from check" -f -a "check" -d 'Print what is configured, without secrets, and whether it is valid'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l all -d 'Also print the settings that have their default'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand config; and __fish_seen_subcommand_from check" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand completions" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand health" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -f -a "list" -d 'List stored keys, without secrets'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -f -a "check" -d 'Checks that every key opens with the configured passphrases; names those that do not'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and not __fish_seen_subcommand_from list check rotate-passphrase" -f -a "rotate-passphrase" -d 'Encrypts stored keys under the passphrase of another alias; signers may go on running, and the same command continues an interrupted run'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from list" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from check" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l to -d 'The new alias; every running signer must have its passphrase already' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l key -d 'This key only' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l all -d 'Every key'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand key; and __fish_seen_subcommand_from rotate-passphrase" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l escrow -d 'Seal the backup, so that only the private half of this escrow key opens it' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l allow-empty -d 'Accept a backup without a single key'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand backup" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l escrow-key -d 'The private escrow key, if the backup is sealed' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand restore" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l escrow-key -d 'The private escrow key, if the backup is sealed' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l allow-empty -d 'Accept a backup without a single key'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand verify-backup" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -l help -d 'Print this help'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and not __fish_seen_subcommand_from generate" -f -a "generate" -d 'Make an escrow key: the public half for the signer, the private half for a safe'
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l version -d 'Print the version and end' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-signer -n "__fish_notary_signer_using_subcommand escrow-key; and __fish_seen_subcommand_from generate" -l help -d 'Print this help'
