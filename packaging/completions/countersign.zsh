#compdef countersign

autoload -U is-at-least

_countersign() {
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
'--data=[The data folder \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--listen=[Where the server listens this time \[default\: as in server.json, at first 127.0.0.1\:4443\]]:HOST:PORT:_default' \
'--signer-listen=[Where the signer listens this time \[default\: as in signer.json, at first 127.0.0.1\:7899\]]:HOST:PORT:_default' \
'*--host=[A name or address by which other machines reach the server\: its certificate gets it and keeps it. Several with commas; those given before are replaced \[default\: as given before, at first this machine'\''s own\]]:NAME:_default' \
'--log=[The log level of both this time \[default\: as in their files, at first info\]]:LEVEL:(error warning info debug trace)' \
'-h[Print help (see more with '\''--help'\'')]' \
'--help[Print help (see more with '\''--help'\'')]' \
'-V[Print version]' \
'--version[Print version]' \
":: :_countersign_commands" \
"*::: :->countersign" \
&& ret=0
    case $state in
    (countersign)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:countersign-command-$line[1]:"
        case $line[1] in
            (up)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--listen=[Where the server listens this time \[default\: as in server.json, at first 127.0.0.1\:4443\]]:HOST:PORT:_default' \
'--signer-listen=[Where the signer listens this time \[default\: as in signer.json, at first 127.0.0.1\:7899\]]:HOST:PORT:_default' \
'*--host=[A name or address by which other machines reach the server\: its certificate gets it and keeps it. Several with commas; those given before are replaced \[default\: as given before, at first this machine'\''s own\]]:NAME:_default' \
'--log=[The log level of both this time \[default\: as in their files, at first info\]]:LEVEL:(error warning info debug trace)' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(backup)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--escrow=[Seal keys, passphrases and settings, so that only the private half of this escrow key opens them]:PUBLIC:_files' \
'--allow-empty[Accept a backup without a single row or key]' \
'-h[Print help]' \
'--help[Print help]' \
':folder -- The folder with the two files of the backup:_files' \
&& ret=0
;;
(verify-backup)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--escrow-key=[The private escrow key, if the backup is sealed]:PRIVATE:_files' \
'--allow-empty[Accept a backup without a single row or key]' \
'-h[Print help]' \
'--help[Print help]' \
':folder -- The folder with the two files of the backup:_files' \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--escrow-key=[The private escrow key, if the backup is sealed]:PRIVATE:_files' \
'--allow-empty[Accept a backup without a single row or key]' \
'-h[Print help]' \
'--help[Print help]' \
':folder -- The folder with the two files of the backup:_files' \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(inventory)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(expiry)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(history)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(overview)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(webhook)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(key)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(auth)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(audit)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(escrow-key)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Arguments of the command; `--data FOLDER` names the data folder of another service, `-config FILE` the configuration of a service without a data folder:_default' \
&& ret=0
;;
(migrate)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--plan[Only print what was found and what would be done]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(config)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
":: :_countersign__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:countersign-config-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
'--data=[The data folder of the service \[default\: .countersign here, or in the checkout\]]:FOLDER:_default' \
'--all[Also print the settings that have their default]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_countersign__subcmd__config__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:countersign-config-help-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
        esac
    ;;
esac
;;
(prepare)
_arguments "${_arguments_options[@]}" : \
'--folder=[The folder in which each service gets a folder of its own]:FOLDER:_files' \
'*--host=[Names and addresses that clients use, for the certificates]:NAME:_default' \
'--database=[The database that the services use\: mysql, postgres, sqlite or elsewhere. It is noted once, and any other is refused from then on. Without this option, nothing is noted or compared]:NAME:_default' \
'--watch[Keep running, and renew certificates before they expire]' \
'--check[Make nothing; only check that everything exists and is valid]' \
'--new-authority[Make a new CA after the loss of the one that clients trust. Give it to all clients]' \
'--new-passphrase[Make a new passphrase after the loss of the signer'\''s, and of the keys that it opened]' \
'--change-database[Note --database in place of the database that was used before]' \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(copy-certificate)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':source -- The certificate, in PEM:_files' \
':target -- The copy:_files' \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':shell -- The shell:(bash elvish fish powershell zsh)' \
&& ret=0
;;
(version)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
&& ret=0
;;
(server)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Passed on unchanged:_default' \
&& ret=0
;;
(signer)
_arguments "${_arguments_options[@]}" : \
'*::arguments -- Passed on unchanged:_default' \
&& ret=0
;;
(reference)
_arguments "${_arguments_options[@]}" : \
'-h[Print help]' \
'--help[Print help]' \
':folder -- The folder:_files' \
&& ret=0
;;
(child)
_arguments "${_arguments_options[@]}" : \
':program -- Which one:((server\:"\`notary-server\`"
signer\:"\`notary-signer\`"))' \
'*::arguments -- Passed on unchanged:_default' \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
":: :_countersign__subcmd__help_commands" \
"*::: :->help" \
&& ret=0

    case $state in
    (help)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:countersign-help-command-$line[1]:"
        case $line[1] in
            (up)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(backup)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(verify-backup)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(restore)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(health)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(doctor)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(status)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(inventory)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(expiry)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(history)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(overview)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(webhook)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(key)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(auth)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(audit)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(escrow-key)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(migrate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(config)
_arguments "${_arguments_options[@]}" : \
":: :_countersign__subcmd__help__subcmd__config_commands" \
"*::: :->config" \
&& ret=0

    case $state in
    (config)
        words=($line[1] "${words[@]}")
        (( CURRENT += 1 ))
        curcontext="${curcontext%:*:*}:countersign-help-config-command-$line[1]:"
        case $line[1] in
            (check)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
        esac
    ;;
esac
;;
(prepare)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(copy-certificate)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(completions)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(version)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(server)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(signer)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(reference)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(child)
_arguments "${_arguments_options[@]}" : \
&& ret=0
;;
(help)
_arguments "${_arguments_options[@]}" : \
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

(( $+functions[_countersign_commands] )) ||
_countersign_commands() {
    local commands; commands=(
'up:Set up and run server and signer; the default without a command' \
'backup:Back up trust data and keys into a folder, and verify the backup; the service may run' \
'verify-backup:Check whether a backup can be restored, and whether clients could then continue' \
'restore:Restore a backup into the empty databases of a stopped service, or into a new service' \
'health:Ask the running service for its health, as containers do; status 0 if it is healthy, 1 if not' \
'doctor:Find what is wrong with the service, with one repository (\`doctor gun NAME\`) or with all (\`doctor --all\`), and how to cure it' \
'status:Show on one screen whether all is well, what is stored, what is broken and what is due; status 0 if all is well' \
'inventory:List what is stored\: repositories, who signs them, what expires, and what is wrong' \
'expiry:List what expires soon, who has to act, and the command to type; status 1 if anything is due' \
'history:Tell what the tags of a repository named before, and who moved them\: \`history GUN TAG\`' \
'overview:Look after the tables behind the inventory\: \`overview rebuild\`' \
'webhook:Look after the receivers of events\: \`webhook list\`, \`webhook test\`, \`webhook retry\`' \
'key:Look after the signer'\''s keys\: \`key list\`, \`key check\`, \`key rotate-passphrase\`' \
'auth:Look after users and rules\: \`auth hash\`, \`auth explain\`' \
'audit:Print the audit log, or verify that nothing in it is missing or changed\: \`audit verify FILE…\`' \
'escrow-key:Make the key that backups are sealed to\: \`escrow-key generate PRIVATE PUBLIC\`' \
'migrate:Bring both databases up to this version' \
'config:Check the configuration of both programs' \
'prepare:Make certificates, passwords and passphrases for the services of docker-compose.yml' \
'copy-certificate:Copy a certificate to a place where other programs and people can read it' \
'completions:Print the script that completes this command in a shell' \
'version:Print the version' \
'server:Run the server alone\: \`notary-server\` with its own arguments' \
'signer:Run the signer alone\: \`notary-signer\` with its own arguments' \
'reference:Write the manual pages and completions of all three programs into a folder, for packages' \
'child:Run a program that stops when its standard input ends' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'countersign commands' commands "$@"
}
(( $+functions[_countersign__subcmd__audit_commands] )) ||
_countersign__subcmd__audit_commands() {
    local commands; commands=()
    _describe -t commands 'countersign audit commands' commands "$@"
}
(( $+functions[_countersign__subcmd__auth_commands] )) ||
_countersign__subcmd__auth_commands() {
    local commands; commands=()
    _describe -t commands 'countersign auth commands' commands "$@"
}
(( $+functions[_countersign__subcmd__backup_commands] )) ||
_countersign__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'countersign backup commands' commands "$@"
}
(( $+functions[_countersign__subcmd__child_commands] )) ||
_countersign__subcmd__child_commands() {
    local commands; commands=()
    _describe -t commands 'countersign child commands' commands "$@"
}
(( $+functions[_countersign__subcmd__completions_commands] )) ||
_countersign__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'countersign completions commands' commands "$@"
}
(( $+functions[_countersign__subcmd__config_commands] )) ||
_countersign__subcmd__config_commands() {
    local commands; commands=(
'check:Print what is configured, without secrets, and whether it is valid' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'countersign config commands' commands "$@"
}
(( $+functions[_countersign__subcmd__config__subcmd__check_commands] )) ||
_countersign__subcmd__config__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'countersign config check commands' commands "$@"
}
(( $+functions[_countersign__subcmd__config__subcmd__help_commands] )) ||
_countersign__subcmd__config__subcmd__help_commands() {
    local commands; commands=(
'check:Print what is configured, without secrets, and whether it is valid' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'countersign config help commands' commands "$@"
}
(( $+functions[_countersign__subcmd__config__subcmd__help__subcmd__check_commands] )) ||
_countersign__subcmd__config__subcmd__help__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'countersign config help check commands' commands "$@"
}
(( $+functions[_countersign__subcmd__config__subcmd__help__subcmd__help_commands] )) ||
_countersign__subcmd__config__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'countersign config help help commands' commands "$@"
}
(( $+functions[_countersign__subcmd__copy-certificate_commands] )) ||
_countersign__subcmd__copy-certificate_commands() {
    local commands; commands=()
    _describe -t commands 'countersign copy-certificate commands' commands "$@"
}
(( $+functions[_countersign__subcmd__doctor_commands] )) ||
_countersign__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'countersign doctor commands' commands "$@"
}
(( $+functions[_countersign__subcmd__escrow-key_commands] )) ||
_countersign__subcmd__escrow-key_commands() {
    local commands; commands=()
    _describe -t commands 'countersign escrow-key commands' commands "$@"
}
(( $+functions[_countersign__subcmd__expiry_commands] )) ||
_countersign__subcmd__expiry_commands() {
    local commands; commands=()
    _describe -t commands 'countersign expiry commands' commands "$@"
}
(( $+functions[_countersign__subcmd__health_commands] )) ||
_countersign__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'countersign health commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help_commands] )) ||
_countersign__subcmd__help_commands() {
    local commands; commands=(
'up:Set up and run server and signer; the default without a command' \
'backup:Back up trust data and keys into a folder, and verify the backup; the service may run' \
'verify-backup:Check whether a backup can be restored, and whether clients could then continue' \
'restore:Restore a backup into the empty databases of a stopped service, or into a new service' \
'health:Ask the running service for its health, as containers do; status 0 if it is healthy, 1 if not' \
'doctor:Find what is wrong with the service, with one repository (\`doctor gun NAME\`) or with all (\`doctor --all\`), and how to cure it' \
'status:Show on one screen whether all is well, what is stored, what is broken and what is due; status 0 if all is well' \
'inventory:List what is stored\: repositories, who signs them, what expires, and what is wrong' \
'expiry:List what expires soon, who has to act, and the command to type; status 1 if anything is due' \
'history:Tell what the tags of a repository named before, and who moved them\: \`history GUN TAG\`' \
'overview:Look after the tables behind the inventory\: \`overview rebuild\`' \
'webhook:Look after the receivers of events\: \`webhook list\`, \`webhook test\`, \`webhook retry\`' \
'key:Look after the signer'\''s keys\: \`key list\`, \`key check\`, \`key rotate-passphrase\`' \
'auth:Look after users and rules\: \`auth hash\`, \`auth explain\`' \
'audit:Print the audit log, or verify that nothing in it is missing or changed\: \`audit verify FILE…\`' \
'escrow-key:Make the key that backups are sealed to\: \`escrow-key generate PRIVATE PUBLIC\`' \
'migrate:Bring both databases up to this version' \
'config:Check the configuration of both programs' \
'prepare:Make certificates, passwords and passphrases for the services of docker-compose.yml' \
'copy-certificate:Copy a certificate to a place where other programs and people can read it' \
'completions:Print the script that completes this command in a shell' \
'version:Print the version' \
'server:Run the server alone\: \`notary-server\` with its own arguments' \
'signer:Run the signer alone\: \`notary-signer\` with its own arguments' \
'reference:Write the manual pages and completions of all three programs into a folder, for packages' \
'child:Run a program that stops when its standard input ends' \
'help:Print this message or the help of the given subcommand(s)' \
    )
    _describe -t commands 'countersign help commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__audit_commands] )) ||
_countersign__subcmd__help__subcmd__audit_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help audit commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__auth_commands] )) ||
_countersign__subcmd__help__subcmd__auth_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help auth commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__backup_commands] )) ||
_countersign__subcmd__help__subcmd__backup_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help backup commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__child_commands] )) ||
_countersign__subcmd__help__subcmd__child_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help child commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__completions_commands] )) ||
_countersign__subcmd__help__subcmd__completions_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help completions commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__config_commands] )) ||
_countersign__subcmd__help__subcmd__config_commands() {
    local commands; commands=(
'check:Print what is configured, without secrets, and whether it is valid' \
    )
    _describe -t commands 'countersign help config commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__config__subcmd__check_commands] )) ||
_countersign__subcmd__help__subcmd__config__subcmd__check_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help config check commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__copy-certificate_commands] )) ||
_countersign__subcmd__help__subcmd__copy-certificate_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help copy-certificate commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__doctor_commands] )) ||
_countersign__subcmd__help__subcmd__doctor_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help doctor commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__escrow-key_commands] )) ||
_countersign__subcmd__help__subcmd__escrow-key_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help escrow-key commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__expiry_commands] )) ||
_countersign__subcmd__help__subcmd__expiry_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help expiry commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__health_commands] )) ||
_countersign__subcmd__help__subcmd__health_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help health commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__help_commands] )) ||
_countersign__subcmd__help__subcmd__help_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help help commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__history_commands] )) ||
_countersign__subcmd__help__subcmd__history_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help history commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__inventory_commands] )) ||
_countersign__subcmd__help__subcmd__inventory_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help inventory commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__key_commands] )) ||
_countersign__subcmd__help__subcmd__key_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help key commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__migrate_commands] )) ||
_countersign__subcmd__help__subcmd__migrate_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help migrate commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__overview_commands] )) ||
_countersign__subcmd__help__subcmd__overview_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help overview commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__prepare_commands] )) ||
_countersign__subcmd__help__subcmd__prepare_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help prepare commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__reference_commands] )) ||
_countersign__subcmd__help__subcmd__reference_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help reference commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__restore_commands] )) ||
_countersign__subcmd__help__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help restore commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__server_commands] )) ||
_countersign__subcmd__help__subcmd__server_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help server commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__signer_commands] )) ||
_countersign__subcmd__help__subcmd__signer_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help signer commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__status_commands] )) ||
_countersign__subcmd__help__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help status commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__up_commands] )) ||
_countersign__subcmd__help__subcmd__up_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help up commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__verify-backup_commands] )) ||
_countersign__subcmd__help__subcmd__verify-backup_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help verify-backup commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__version_commands] )) ||
_countersign__subcmd__help__subcmd__version_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help version commands' commands "$@"
}
(( $+functions[_countersign__subcmd__help__subcmd__webhook_commands] )) ||
_countersign__subcmd__help__subcmd__webhook_commands() {
    local commands; commands=()
    _describe -t commands 'countersign help webhook commands' commands "$@"
}
(( $+functions[_countersign__subcmd__history_commands] )) ||
_countersign__subcmd__history_commands() {
    local commands; commands=()
    _describe -t commands 'countersign history commands' commands "$@"
}
(( $+functions[_countersign__subcmd__inventory_commands] )) ||
_countersign__subcmd__inventory_commands() {
    local commands; commands=()
    _describe -t commands 'countersign inventory commands' commands "$@"
}
(( $+functions[_countersign__subcmd__key_commands] )) ||
_countersign__subcmd__key_commands() {
    local commands; commands=()
    _describe -t commands 'countersign key commands' commands "$@"
}
(( $+functions[_countersign__subcmd__migrate_commands] )) ||
_countersign__subcmd__migrate_commands() {
    local commands; commands=()
    _describe -t commands 'countersign migrate commands' commands "$@"
}
(( $+functions[_countersign__subcmd__overview_commands] )) ||
_countersign__subcmd__overview_commands() {
    local commands; commands=()
    _describe -t commands 'countersign overview commands' commands "$@"
}
(( $+functions[_countersign__subcmd__prepare_commands] )) ||
_countersign__subcmd__prepare_commands() {
    local commands; commands=()
    _describe -t commands 'countersign prepare commands' commands "$@"
}
(( $+functions[_countersign__subcmd__reference_commands] )) ||
_countersign__subcmd__reference_commands() {
    local commands; commands=()
    _describe -t commands 'countersign reference commands' commands "$@"
}
(( $+functions[_countersign__subcmd__restore_commands] )) ||
_countersign__subcmd__restore_commands() {
    local commands; commands=()
    _describe -t commands 'countersign restore commands' commands "$@"
}
(( $+functions[_countersign__subcmd__server_commands] )) ||
_countersign__subcmd__server_commands() {
    local commands; commands=()
    _describe -t commands 'countersign server commands' commands "$@"
}
(( $+functions[_countersign__subcmd__signer_commands] )) ||
_countersign__subcmd__signer_commands() {
    local commands; commands=()
    _describe -t commands 'countersign signer commands' commands "$@"
}
(( $+functions[_countersign__subcmd__status_commands] )) ||
_countersign__subcmd__status_commands() {
    local commands; commands=()
    _describe -t commands 'countersign status commands' commands "$@"
}
(( $+functions[_countersign__subcmd__up_commands] )) ||
_countersign__subcmd__up_commands() {
    local commands; commands=()
    _describe -t commands 'countersign up commands' commands "$@"
}
(( $+functions[_countersign__subcmd__verify-backup_commands] )) ||
_countersign__subcmd__verify-backup_commands() {
    local commands; commands=()
    _describe -t commands 'countersign verify-backup commands' commands "$@"
}
(( $+functions[_countersign__subcmd__version_commands] )) ||
_countersign__subcmd__version_commands() {
    local commands; commands=()
    _describe -t commands 'countersign version commands' commands "$@"
}
(( $+functions[_countersign__subcmd__webhook_commands] )) ||
_countersign__subcmd__webhook_commands() {
    local commands; commands=()
    _describe -t commands 'countersign webhook commands' commands "$@"
}

if [ "$funcstack[1]" = "_countersign" ]; then
    _countersign "$@"
else
    compdef _countersign countersign
fi
