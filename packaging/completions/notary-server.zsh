#compdef notary-server

autoload -U is-at-least

_notary-server() {
    typeset -A opt_args
    typeset -a _arguments_options
    local ret=1

    if is-at-least 5.2; then
        _arguments_options=(-s -S -C)
    else
        _arguments_options=(-s -C)
    fi

    local context curcontext="$curcontext" state line
    _arguments "${_arguments_options[@]}" : \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--help[Print this help]' \
":: :_notary-server_commands" \
"*::: :->notary-server" \
&& ret=0
    case $state in
    (notary-server)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-command-$line[1]:"
        case $line[1] in
            (serve)
_arguments "${_arguments_options[@]}" : \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--help[Print this help]' \
&& ret=0
;;
(migrate)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--plan[Only print what was found and what would be done]' \
'--help[Print this help]' \
&& ret=0
;;
(config)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-server__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-config-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--all[Also print the settings that have their default]' \
'--help[Print this help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
':shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print a JSON object]' \
'--help[Print this help]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print the findings as JSON]' \
'--all[Look at every repository as well, as \`doctor gun\` does]' \
'--help[Print this help]' \
":: :_notary-server__subcmd__doctor_commands" \
"*::: :->doctor" \
&& ret=0

    case $state in
    (doctor)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-doctor-command-$line[1]:"
        case $line[1] in
            (gun)
_arguments "${_arguments_options[@]}" : \
'--from=[Look only at clients whose root is N versions old (default\: all that are stored)]:N:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print the findings as JSON]' \
'--help[Print this help]' \
':name -- Its GUN, such as docker.io/library/alpine:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(auth)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-server__subcmd__auth_commands" \
"*::: :->auth" \
&& ret=0

    case $state in
    (auth)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-auth-command-$line[1]:"
        case $line[1] in
            (hash)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--argon2id[Hash with argon2id, which this server alone can read, instead of bcrypt]' \
'--help[Print this help]' \
'::user -- Print USER\:HASH instead of the hash alone:_default' \
&& ret=0
;;
(explain)
_arguments "${_arguments_options[@]}" : \
'--user=[A user of the password file, or the administrator]:USER:_default' \
'--certificate=[Who shows a client certificate with this name]:NAME:_default' \
'--token=[Who shows the token in this file (-\: standard input)]:FILE:_default' \
'--gun=[The repository, such as registry.example.com/team/app]:GUN:_default' \
'--action=[What they want to do]:ACTION:(pull push delegate rotate delete see audit admin)' \
'--role=[The role they want to push, such as targets/releases]:ROLE:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--anonymous[Somebody who shows nothing]' \
'--json[Print the answer as JSON]' \
'--help[Print this help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(audit)
_arguments "${_arguments_options[@]}" : \
'--gun=[Only lines about this repository]:GUN:_default' \
'--since=[Only lines since 2026-11-22 or 2026-11-22T10\:20\:30Z (UTC)]:DATE:_default' \
'--user=[Only what this caller did]:NAME:_default' \
'--action=[Only these events, such as publish, delete or key.rotate]:EVENT:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print the lines as JSON]' \
'--help[Print this help]' \
'::file -- Files with audit lines, oldest first, compressed by gzip or not; - for standard input:_files' \
":: :_notary-server__subcmd__audit_commands" \
"*::: :->audit" \
&& ret=0

    case $state in
    (audit)
        words=($line[2] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-audit-command-$line[2]:"
        case $line[2] in
            (verify)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--offline[Do not ask the database\: then a tail that is cut off is not missed]' \
'--complete[Demand every chain from its first line on, and nothing before]' \
'--json[Print what is found as JSON]' \
'--help[Print this help]' \
'*::file -- Files with audit lines, oldest first, compressed by gzip or not; - for a log on standard input \[default\: logging.audit_file\]:_files' \
&& ret=0
;;
        esac
    ;;
esac
;;
(inventory)
_arguments "${_arguments_options[@]}" : \
'--prefix=[Only names that begin so]:PREFIX:_default' \
'--signer=[Only repositories that this key may sign]:KEY-ID:_default' \
'--tag=[Only repositories with this tag]:TAG:_default' \
'--digest=[Only repositories with a tag of this digest, sha256\:…]:DIGEST:_default' \
'--expires-within=[Only those of which something that people may have to renew expires in so many days, such as 90d]:DAYS:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--unhealthy[Only repositories with problems or warnings]' \
'--json[Print JSON\: an array, or an object if NAME is given]' \
'--help[Print this help]' \
'::name -- Show this repository with its roles, signers, tags and problems:_default' \
&& ret=0
;;
(expiry)
_arguments "${_arguments_options[@]}" : \
'--within=[How far to look ahead, such as 90d or 12w]:DAYS:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print a JSON array]' \
'(--json)--ics[Print a calendar (iCalendar) with an entry and alarms for each]' \
'--help[Print this help]' \
&& ret=0
;;
(history)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print a JSON array]' \
'--help[Print this help]' \
':name -- The repository, such as docker.io/library/alpine:_default' \
'::tag -- Only this tag:_default' \
&& ret=0
;;
(overview)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-server__subcmd__overview_commands" \
"*::: :->overview" \
&& ret=0

    case $state in
    (overview)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-overview-command-$line[1]:"
        case $line[1] in
            (rebuild)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(webhook)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-server__subcmd__webhook_commands" \
"*::: :->webhook" \
&& ret=0

    case $state in
    (webhook)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-server-webhook-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--json[Print a JSON array]' \
'--help[Print this help]' \
&& ret=0
;;
(test)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
':name -- The receiver, as webhooks.receivers calls it:_default' \
&& ret=0
;;
(retry)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
':name -- The receiver, as webhooks.receivers calls it:_default' \
&& ret=0
;;
        esac
    ;;
esac
;;
(backup)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--allow-empty[Accept a backup without a single row]' \
'--help[Print this help]' \
':file -- The new file, or - for standard output:_files' \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
':file -- The backup, or - for standard input:_files' \
&& ret=0
;;
(verify-backup)
_arguments "${_arguments_options[@]}" : \
'--keys=[The signer'\''s backup of the same set\: does it have the keys?]:FILE:_files' \
'--escrow-key=[The private escrow key, if the signer'\''s backup is sealed]:FILE:_files' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--allow-empty[Accept a backup without a single row]' \
'--help[Print this help]' \
':file -- The backup:_files' \
&& ret=0
;;
        esac
    ;;
esac
}

(( $+functions[_notary-server_commands] )) ||
_notary-server_commands() {
    local commands; commands=(
'serve:Run until told to stop (the default)' \
'migrate:Bring the database up to this version and end' \
'config:Check the configuration' \
'completions:Print the script that completes this command in a shell' \
'health:Ask the running server of this configuration for its health; status 0 if it is healthy, 1 if not' \
'status:Show on one screen whether all is well, what is stored, what is broken and what is due' \
'doctor:Look for what is wrong with configuration, database, disks, clock, certificates, access, signer and the running server' \
'auth:Hash passwords, and explain who may do what' \
'audit:Print the audit log\: who changed what, tags with old and new digest' \
'inventory:List what is stored\: repositories, who signs them, what expires, what is wrong' \
'expiry:List what expires soon, who has to act, and by which command; status 1 if anything is due' \
'history:Tell what the tags of a repository named before, and who moved them' \
'overview:Look after the tables behind \`inventory\` and \`expiry\`' \
'webhook:Look after the receivers of events\: list, test, try again' \
'backup:Write all trust data to a file, while the server runs; the signer'\''s backup comes after' \
'restore:Fill an empty database from a backup, of whatever kind of database' \
'verify-backup:Check a backup, and that clients could follow every repository in it' \
    )
    _describe -t commands 'notary-server commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__audit_commands] )) ||
_notary-server__subcmd__audit_commands() {
    local commands; commands=(
'verify:Name the first line of the audit log that is missing or was changed' \
    )
    _describe -t commands 'notary-server audit commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__audit__subcmd__verify_commands] )) ||
_notary-server__subcmd__audit__subcmd__verify_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server audit verify commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__auth_commands] )) ||
_notary-server__subcmd__auth_commands() {
    local commands; commands=(
'hash:Hash a password for the password file' \
'explain:Say whether somebody may do something, and which rule decides' \
    )
    _describe -t commands 'notary-server auth commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__auth__subcmd__explain_commands] )) ||
_notary-server__subcmd__auth__subcmd__explain_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server auth explain commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__auth__subcmd__hash_commands] )) ||
_notary-server__subcmd__auth__subcmd__hash_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server auth hash commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__backup_commands] )) ||
_notary-server__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server backup commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__completions_commands] )) ||
_notary-server__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server completions commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__config_commands] )) ||
_notary-server__subcmd__config_commands() {
    local commands; commands=(
'check:Print what is configured, without secrets, and whether it is valid' \
    )
    _describe -t commands 'notary-server config commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__config__subcmd__check_commands] )) ||
_notary-server__subcmd__config__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server config check commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__doctor_commands] )) ||
_notary-server__subcmd__doctor_commands() {
    local commands; commands=(
'gun:Look at one repository as its clients would' \
    )
    _describe -t commands 'notary-server doctor commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__doctor__subcmd__gun_commands] )) ||
_notary-server__subcmd__doctor__subcmd__gun_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server doctor gun commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__expiry_commands] )) ||
_notary-server__subcmd__expiry_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server expiry commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__health_commands] )) ||
_notary-server__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server health commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__history_commands] )) ||
_notary-server__subcmd__history_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server history commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__inventory_commands] )) ||
_notary-server__subcmd__inventory_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server inventory commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__migrate_commands] )) ||
_notary-server__subcmd__migrate_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server migrate commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__overview_commands] )) ||
_notary-server__subcmd__overview_commands() {
    local commands; commands=(
'rebuild:Compute everything again from the stored files; servers may run and go on publishing' \
    )
    _describe -t commands 'notary-server overview commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__overview__subcmd__rebuild_commands] )) ||
_notary-server__subcmd__overview__subcmd__rebuild_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server overview rebuild commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__restore_commands] )) ||
_notary-server__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server restore commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__serve_commands] )) ||
_notary-server__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server serve commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__status_commands] )) ||
_notary-server__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server status commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__verify-backup_commands] )) ||
_notary-server__subcmd__verify-backup_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server verify-backup commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__webhook_commands] )) ||
_notary-server__subcmd__webhook_commands() {
    local commands; commands=(
'list:List the receivers, how far they are, and what they do not take' \
'test:Send a test event to a receiver, and say what it answers' \
'retry:Have everything tried again that a receiver did not take, also what is parked' \
    )
    _describe -t commands 'notary-server webhook commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__webhook__subcmd__list_commands] )) ||
_notary-server__subcmd__webhook__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server webhook list commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__webhook__subcmd__retry_commands] )) ||
_notary-server__subcmd__webhook__subcmd__retry_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server webhook retry commands' commands "$@"
}
(( $+functions[_notary-server__subcmd__webhook__subcmd__test_commands] )) ||
_notary-server__subcmd__webhook__subcmd__test_commands() {
    local commands; commands=()
    _describe -t commands 'notary-server webhook test commands' commands "$@"
}

if [ "$funcstack[1]" = "_notary-server" ]; then
    _notary-server "$@"
else
    compdef _notary-server notary-server
fi
