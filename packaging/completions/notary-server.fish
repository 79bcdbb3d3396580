# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_notary_server_global_optspecs
    string join \n help config= logf= debug= bootstrap= version=
end

function __fish_notary_server_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_notary_server_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_notary_server_using_subcommand
    set -l cmd (__fish_notary_server_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c notary-server -n "__fish_notary_server_needs_command" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_needs_command" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_needs_command" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_needs_command" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_needs_command" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_needs_command" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "serve" -d 'Run until told to stop (the default)'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "migrate" -d 'Bring the database up to this version and end'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "config" -d 'Check the configuration'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "completions" -d 'Print the script that completes this command in a shell'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "health" -d 'Ask the running server of this configuration for its health; status 0 if it is healthy, 1 if not'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "status" -d 'Show on one screen whether all is well, what is stored, what is broken and what is due'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "doctor" -d 'Look for what is wrong with configuration, database, disks, clock, certificates, access, signer and the running server'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "auth" -d 'Hash passwords, and explain who may do what'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "audit" -d 'Print the audit log: who changed what, tags with old and new digest'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "inventory" -d 'List what is stored: repositories, who signs them, what expires, what is wrong'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "expiry" -d 'List what expires soon, who has to act, and by which command; status 1 if anything is due'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "history" -d 'Tell what the tags of a repository named before, and who moved them'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "overview" -d 'Look after the tables behind `inventory` and `expiry`'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "webhook" -d 'Look after the receivers of events: list, test, try again'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "backup" -d 'Write all trust data to a file, while the server runs; the signer\'s backup comes after'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "restore" -d 'Fill an empty database from a backup, of whatever kind of database'
complete -c notary-server -n "__fish_notary_server_needs_command" -f -a "verify-backup" -d 'Check a backup, and that clients could follow every repository in it'
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand serve" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l plan -d 'Only print what was found and what would be done'
complete -c notary-server -n "__fish_notary_server_using_subcommand migrate" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and not __fish_seen_subcommand_from check" -f -a "check" -d 'Print what is configured, without secrets, and whether it is valid'
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l all -d 'Also print the settings that have their default'
complete -c notary-server -n "__fish_notary_server_using_subcommand config; and __fish_seen_subcommand_from check" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand completions" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand health" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l json -d 'Print a JSON object'
complete -c notary-server -n "__fish_notary_server_using_subcommand status" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l json -d 'Print the findings as JSON'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l all -d 'Look at every repository as well, as `doctor gun` does'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and not __fish_seen_subcommand_from gun" -f -a "gun" -d 'Look at one repository as its clients would'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l from -d 'Look only at clients whose root is N versions old (default: all that are stored)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l json -d 'Print the findings as JSON'
complete -c notary-server -n "__fish_notary_server_using_subcommand doctor; and __fish_seen_subcommand_from gun" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -f -a "hash" -d 'Hash a password for the password file'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and not __fish_seen_subcommand_from hash explain" -f -a "explain" -d 'Say whether somebody may do something, and which rule decides'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l argon2id -d 'Hash with argon2id, which this server alone can read, instead of bcrypt'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from hash" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l user -d 'A user of the password file, or the administrator' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l certificate -d 'Who shows a client certificate with this name' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l token -d 'Who shows the token in this file (-: standard input)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l gun -d 'The repository, such as registry.example.com/team/app' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l action -d 'What they want to do' -r -f -a "pull\t''
push\t''
delegate\t''
rotate\t''
delete\t''
see\t''
audit\t''
admin\t''"
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l role -d 'The role they want to push, such as targets/releases' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l anonymous -d 'Somebody who shows nothing'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l json -d 'Print the answer as JSON'
complete -c notary-server -n "__fish_notary_server_using_subcommand auth; and __fish_seen_subcommand_from explain" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l gun -d 'Only lines about this repository' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l since -d 'Only lines since 2026-11-22 or 2026-11-22T10:20:30Z (UTC)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l user -d 'Only what this caller did' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l action -d 'Only these events, such as publish, delete or key.rotate' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l json -d 'Print the lines as JSON'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and not __fish_seen_subcommand_from verify" -a "verify" -d 'Name the first line of the audit log that is missing or was changed'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l offline -d 'Do not ask the database: then a tail that is cut off is not missed'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l complete -d 'Demand every chain from its first line on, and nothing before'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l json -d 'Print what is found as JSON'
complete -c notary-server -n "__fish_notary_server_using_subcommand audit; and __fish_seen_subcommand_from verify" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l prefix -d 'Only names that begin so' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l signer -d 'Only repositories that this key may sign' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l tag -d 'Only repositories with this tag' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l digest -d 'Only repositories with a tag of this digest, sha256:…' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l expires-within -d 'Only those of which something that people may have to renew expires in so many days, such as 90d' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l unhealthy -d 'Only repositories with problems or warnings'
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l json -d 'Print JSON: an array, or an object if NAME is given'
complete -c notary-server -n "__fish_notary_server_using_subcommand inventory" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l within -d 'How far to look ahead, such as 90d or 12w' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l json -d 'Print a JSON array'
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l ics -d 'Print a calendar (iCalendar) with an entry and alarms for each'
complete -c notary-server -n "__fish_notary_server_using_subcommand expiry" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l json -d 'Print a JSON array'
complete -c notary-server -n "__fish_notary_server_using_subcommand history" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and not __fish_seen_subcommand_from rebuild" -f -a "rebuild" -d 'Compute everything again from the stored files; servers may run and go on publishing'
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand overview; and __fish_seen_subcommand_from rebuild" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -f -a "list" -d 'List the receivers, how far they are, and what they do not take'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -f -a "test" -d 'Send a test event to a receiver, and say what it answers'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and not __fish_seen_subcommand_from list test retry" -f -a "retry" -d 'Have everything tried again that a receiver did not take, also what is parked'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l json -d 'Print a JSON array'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from list" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from test" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand webhook; and __fish_seen_subcommand_from retry" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l allow-empty -d 'Accept a backup without a single row'
complete -c notary-server -n "__fish_notary_server_using_subcommand backup" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand restore" -l help -d 'Print this help'
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l keys -d 'The signer\'s backup of the same set: does it have the keys?' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l escrow-key -d 'The private escrow key, if the signer\'s backup is sealed' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l debug -d 'Serve /debug/health and /metrics on localhost:8080' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l bootstrap -d 'Set up storage and end (for RethinkDB only; use migrate)' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l version -d 'Print the version and end' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l config -d 'The configuration file (.json, .yaml, .toml)' -r -F
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l logf -d 'The form of log lines: json (default), logfmt or human' -r
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l allow-empty -d 'Accept a backup without a single row'
complete -c notary-server -n "__fish_notary_server_using_subcommand verify-backup" -l help -d 'Print this help'
