#compdef notary-signer

autoload -U is-at-least

_notary-signer() {
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
":: :_notary-signer_commands" \
"*::: :->notary-signer" \
&& ret=0
    case $state in
    (notary-signer)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-signer-command-$line[1]:"
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
":: :_notary-signer__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-signer-config-command-$line[1]:"
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
(key)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-signer__subcmd__key_commands" \
"*::: :->key" \
&& ret=0

    case $state in
    (key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-signer-key-command-$line[1]:"
        case $line[1] in
            (list)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
&& ret=0
;;
(check)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
&& ret=0
;;
(rotate-passphrase)
_arguments "${_arguments_options[@]}" : \
'--to=[The new alias; every running signer must have its passphrase already]:ALIAS:_default' \
'--key=[This key only]:ID:_default' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--all[Every key]' \
'--help[Print this help]' \
&& ret=0
;;
        esac
    ;;
esac
;;
(backup)
_arguments "${_arguments_options[@]}" : \
'--escrow=[Seal the backup, so that only the private half of this escrow key opens it]:PUBLIC:_files' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--allow-empty[Accept a backup without a single key]' \
'--help[Print this help]' \
':file -- The new file, or - for standard output:_files' \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
'--escrow-key=[The private escrow key, if the backup is sealed]:PRIVATE:_files' \
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
'--escrow-key=[The private escrow key, if the backup is sealed]:PRIVATE:_files' \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--allow-empty[Accept a backup without a single key]' \
'--help[Print this help]' \
':file -- The backup, or - for standard input:_files' \
&& ret=0
;;
(escrow-key)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
":: :_notary-signer__subcmd__escrow-key_commands" \
"*::: :->escrow-key" \
&& ret=0

    case $state in
    (escrow-key)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:notary-signer-escrow-key-command-$line[1]:"
        case $line[1] in
            (generate)
_arguments "${_arguments_options[@]}" : \
'--debug=[Serve /debug/health and /metrics on localhost\:8080]::BOOL:_default' \
'--bootstrap=[Set up storage and end (for RethinkDB only; use migrate)]::BOOL:_default' \
'--version=[Print the version and end]::BOOL:_default' \
'--config=[The configuration file (.json, .yaml, .toml)]:FILE:_files' \
'--logf=[The form of log lines\: json (default), logfmt or human]:FORMAT:_default' \
'--help[Print this help]' \
':private -- The new file for the private half:_files' \
':public -- The new file for the public half:_files' \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
}

(( $+functions[_notary-signer_commands] )) ||
_notary-signer_commands() {
    local commands; commands=(
'serve:Run until told to stop (the default)' \
'migrate:Bring the database up to this version and end' \
'config:Check the configuration' \
'completions:Print the script that completes this command in a shell' \
'health:Ask the running signer of this configuration for its health; status 0 if it is healthy, 1 if not' \
'key:List and checks stored keys, and changes their passphrase' \
'backup:Write all keys, encrypted as they are, to a file; after the backup of the server' \
'restore:Fill an empty database from a backup, of whatever kind of database' \
'verify-backup:Check a backup, and that every key in it opens with the configured passphrases' \
'escrow-key:Make the keys that backups are sealed to' \
    )
    _describe -t commands 'notary-signer commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__backup_commands] )) ||
_notary-signer__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer backup commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__completions_commands] )) ||
_notary-signer__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer completions commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__config_commands] )) ||
_notary-signer__subcmd__config_commands() {
    local commands; commands=(
'check:Print what is configured, without secrets, and whether it is valid' \
    )
    _describe -t commands 'notary-signer config commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__config__subcmd__check_commands] )) ||
_notary-signer__subcmd__config__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer config check commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__escrow-key_commands] )) ||
_notary-signer__subcmd__escrow-key_commands() {
    local commands; commands=(
'generate:Make an escrow key\: the public half for the signer, the private half for a safe' \
    )
    _describe -t commands 'notary-signer escrow-key commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__escrow-key__subcmd__generate_commands] )) ||
_notary-signer__subcmd__escrow-key__subcmd__generate_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer escrow-key generate commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__health_commands] )) ||
_notary-signer__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer health commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__key_commands] )) ||
_notary-signer__subcmd__key_commands() {
    local commands; commands=(
'list:List stored keys, without secrets' \
'check:Checks that every key opens with the configured passphrases; names those that do not' \
'rotate-passphrase:Encrypts stored keys under the passphrase of another alias; signers may go on running, and the same command continues an interrupted run' \
    )
    _describe -t commands 'notary-signer key commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__key__subcmd__check_commands] )) ||
_notary-signer__subcmd__key__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer key check commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__key__subcmd__list_commands] )) ||
_notary-signer__subcmd__key__subcmd__list_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer key list commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__key__subcmd__rotate-passphrase_commands] )) ||
_notary-signer__subcmd__key__subcmd__rotate-passphrase_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer key rotate-passphrase commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__migrate_commands] )) ||
_notary-signer__subcmd__migrate_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer migrate commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__restore_commands] )) ||
_notary-signer__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer restore commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__serve_commands] )) ||
_notary-signer__subcmd__serve_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer serve commands' commands "$@"
}
(( $+functions[_notary-signer__subcmd__verify-backup_commands] )) ||
_notary-signer__subcmd__verify-backup_commands() {
    local commands; commands=()
    _describe -t commands 'notary-signer verify-backup commands' commands "$@"
}

if [ "$funcstack[1]" = "_notary-signer" ]; then
    _notary-signer "$@"
else
    compdef _notary-signer notary-signer
fi
