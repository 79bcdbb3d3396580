# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_countersign_global_optspecs
    string join \n data= listen= signer-listen= host= log= h/help V/version
end

function __fish_countersign_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_countersign_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_countersign_using_subcommand
    set -l cmd (__fish_countersign_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c countersign -n "__fish_countersign_needs_command" -l data -d 'The data folder [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_needs_command" -l listen -d 'Where the server listens this time [default: as in server.json, at first 127.0.0.1:4443]' -r
complete -c countersign -n "__fish_countersign_needs_command" -l signer-listen -d 'Where the signer listens this time [default: as in signer.json, at first 127.0.0.1:7899]' -r
complete -c countersign -n "__fish_countersign_needs_command" -l host -d 'A name or address by which other machines reach the server: its certificate gets it and keeps it. Several with commas; those given before are replaced [default: as given before, at first this machine\'s own]' -r
complete -c countersign -n "__fish_countersign_needs_command" -l log -d 'The log level of both this time [default: as in their files, at first info]' -r -f -a "error\t''
warning\t''
info\t''
debug\t''
trace\t''"
complete -c countersign -n "__fish_countersign_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c countersign -n "__fish_countersign_needs_command" -s V -l version -d 'Print version'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "up" -d 'Set up and run server and signer; the default without a command'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "backup" -d 'Back up trust data and keys into a folder, and verify the backup; the service may run'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "verify-backup" -d 'Check whether a backup can be restored, and whether clients could then continue'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "restore" -d 'Restore a backup into the empty databases of a stopped service, or into a new service'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "health" -d 'Ask the running service for its health, as containers do; status 0 if it is healthy, 1 if not'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "doctor" -d 'Find what is wrong with the service, with one repository (`doctor gun NAME`) or with all (`doctor --all`), and how to cure it'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "status" -d 'Show on one screen whether all is well, what is stored, what is broken and what is due; status 0 if all is well'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "inventory" -d 'List what is stored: repositories, who signs them, what expires, and what is wrong'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "expiry" -d 'List what expires soon, who has to act, and the command to type; status 1 if anything is due'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "history" -d 'Tell what the tags of a repository named before, and who moved them: `history GUN TAG`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "overview" -d 'Look after the tables behind the inventory: `overview rebuild`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "webhook" -d 'Look after the receivers of events: `webhook list`, `webhook test`, `webhook retry`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "key" -d 'Look after the signer\'s keys: `key list`, `key check`, `key rotate-passphrase`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "auth" -d 'Look after users and rules: `auth hash`, `auth explain`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "audit" -d 'Print the audit log, or verify that nothing in it is missing or changed: `audit verify FILE…`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "escrow-key" -d 'Make the key that backups are sealed to: `escrow-key generate PRIVATE PUBLIC`'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "migrate" -d 'Bring both databases up to this version'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "config" -d 'Check the configuration of both programs'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "prepare" -d 'Make certificates, passwords and passphrases for the services of docker-compose.yml'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "copy-certificate" -d 'Copy a certificate to a place where other programs and people can read it'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "completions" -d 'Print the script that completes this command in a shell'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "version" -d 'Print the version'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "server" -d 'Run the server alone: `notary-server` with its own arguments'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "signer" -d 'Run the signer alone: `notary-signer` with its own arguments'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "reference" -d 'Write the manual pages and completions of all three programs into a folder, for packages'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "child" -d 'Run a program that stops when its standard input ends'
complete -c countersign -n "__fish_countersign_needs_command" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand up" -l data -d 'The data folder [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand up" -l listen -d 'Where the server listens this time [default: as in server.json, at first 127.0.0.1:4443]' -r
complete -c countersign -n "__fish_countersign_using_subcommand up" -l signer-listen -d 'Where the signer listens this time [default: as in signer.json, at first 127.0.0.1:7899]' -r
complete -c countersign -n "__fish_countersign_using_subcommand up" -l host -d 'A name or address by which other machines reach the server: its certificate gets it and keeps it. Several with commas; those given before are replaced [default: as given before, at first this machine\'s own]' -r
complete -c countersign -n "__fish_countersign_using_subcommand up" -l log -d 'The log level of both this time [default: as in their files, at first info]' -r -f -a "error\t''
warning\t''
info\t''
debug\t''
trace\t''"
complete -c countersign -n "__fish_countersign_using_subcommand up" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand backup" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand backup" -l escrow -d 'Seal keys, passphrases and settings, so that only the private half of this escrow key opens them' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand backup" -l allow-empty -d 'Accept a backup without a single row or key'
complete -c countersign -n "__fish_countersign_using_subcommand backup" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand verify-backup" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand verify-backup" -l escrow-key -d 'The private escrow key, if the backup is sealed' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand verify-backup" -l allow-empty -d 'Accept a backup without a single row or key'
complete -c countersign -n "__fish_countersign_using_subcommand verify-backup" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand restore" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand restore" -l escrow-key -d 'The private escrow key, if the backup is sealed' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand restore" -l allow-empty -d 'Accept a backup without a single row or key'
complete -c countersign -n "__fish_countersign_using_subcommand restore" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand health" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand health" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand migrate" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand migrate" -l plan -d 'Only print what was found and what would be done'
complete -c countersign -n "__fish_countersign_using_subcommand migrate" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand config; and not __fish_seen_subcommand_from check help" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "check" -d 'Print what is configured, without secrets, and whether it is valid'
complete -c countersign -n "__fish_countersign_using_subcommand config; and not __fish_seen_subcommand_from check help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand config; and __fish_seen_subcommand_from check" -l data -d 'The data folder of the service [default: .countersign here, or in the checkout]' -r
complete -c countersign -n "__fish_countersign_using_subcommand config; and __fish_seen_subcommand_from check" -l all -d 'Also print the settings that have their default'
complete -c countersign -n "__fish_countersign_using_subcommand config; and __fish_seen_subcommand_from check" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "check" -d 'Print what is configured, without secrets, and whether it is valid'
complete -c countersign -n "__fish_countersign_using_subcommand config; and __fish_seen_subcommand_from help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l folder -d 'The folder in which each service gets a folder of its own' -r -F
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l host -d 'Names and addresses that clients use, for the certificates' -r
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l database -d 'The database that the services use: mysql, postgres, sqlite or elsewhere. It is noted once, and any other is refused from then on. Without this option, nothing is noted or compared' -r
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l watch -d 'Keep running, and renew certificates before they expire'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l check -d 'Make nothing; only check that everything exists and is valid'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l new-authority -d 'Make a new CA after the loss of the one that clients trust. Give it to all clients'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l new-passphrase -d 'Make a new passphrase after the loss of the signer\'s, and of the keys that it opened'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -l change-database -d 'Note --database in place of the database that was used before'
complete -c countersign -n "__fish_countersign_using_subcommand prepare" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand copy-certificate" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand completions" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand version" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand reference" -s h -l help -d 'Print help'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "up" -d 'Set up and run server and signer; the default without a command'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "backup" -d 'Back up trust data and keys into a folder, and verify the backup; the service may run'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "verify-backup" -d 'Check whether a backup can be restored, and whether clients could then continue'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "restore" -d 'Restore a backup into the empty databases of a stopped service, or into a new service'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "health" -d 'Ask the running service for its health, as containers do; status 0 if it is healthy, 1 if not'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "doctor" -d 'Find what is wrong with the service, with one repository (`doctor gun NAME`) or with all (`doctor --all`), and how to cure it'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "status" -d 'Show on one screen whether all is well, what is stored, what is broken and what is due; status 0 if all is well'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "inventory" -d 'List what is stored: repositories, who signs them, what expires, and what is wrong'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "expiry" -d 'List what expires soon, who has to act, and the command to type; status 1 if anything is due'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "history" -d 'Tell what the tags of a repository named before, and who moved them: `history GUN TAG`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "overview" -d 'Look after the tables behind the inventory: `overview rebuild`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "webhook" -d 'Look after the receivers of events: `webhook list`, `webhook test`, `webhook retry`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "key" -d 'Look after the signer\'s keys: `key list`, `key check`, `key rotate-passphrase`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "auth" -d 'Look after users and rules: `auth hash`, `auth explain`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "audit" -d 'Print the audit log, or verify that nothing in it is missing or changed: `audit verify FILE…`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "escrow-key" -d 'Make the key that backups are sealed to: `escrow-key generate PRIVATE PUBLIC`'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "migrate" -d 'Bring both databases up to this version'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "config" -d 'Check the configuration of both programs'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "prepare" -d 'Make certificates, passwords and passphrases for the services of docker-compose.yml'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "copy-certificate" -d 'Copy a certificate to a place where other programs and people can read it'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "completions" -d 'Print the script that completes this command in a shell'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "version" -d 'Print the version'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "server" -d 'Run the server alone: `notary-server` with its own arguments'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "signer" -d 'Run the signer alone: `notary-signer` with its own arguments'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "reference" -d 'Write the manual pages and completions of all three programs into a folder, for packages'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "child" -d 'Run a program that stops when its standard input ends'
complete -c countersign -n "__fish_countersign_using_subcommand help; and not __fish_seen_subcommand_from up backup verify-backup restore health doctor status inventory expiry history overview webhook key auth audit escrow-key migrate config prepare copy-certificate completions version server signer reference child help" -f -a "help" -d 'Print this message or the help of the given subcommand(s)'
complete -c countersign -n "__fish_countersign_using_subcommand help; and __fish_seen_subcommand_from config" -f -a "check" -d 'Print what is configured, without secrets, and whether it is valid'
