{{/* What the programs' configuration files hold before the operator's own settings are merged over it. */}}

{{- define "countersign.configuration.server" -}}
server:
  http_addr: ":4443"
  monitoring_addr: ":8080"
  tls_cert_file: /run/secrets/tls/tls.crt
  tls_key_file: /run/secrets/tls/tls.key
trust_service:
  type: remote
  hostname: {{ include "countersign.name" (dict "root" . "part" "signer") }}
  port: "7899"
  key_algorithm: ecdsa
  tls_ca_file: /run/secrets/client/ca.crt
  tls_client_cert: /run/secrets/client/tls.crt
  tls_client_key: /run/secrets/client/tls.key
storage:
  backend: {{ .Values.database.backend }}
  {{- if eq .Values.database.backend "sqlite3" }}
  db_url: /var/lib/notary/server.db
  {{- end }}
logging:
  level: info
{{- if .Values.server.auth.allowEverybody }}
auth:
  type: none
{{- end }}
{{- end }}

{{- define "countersign.configuration.signer" -}}
server:
  grpc_addr: ":7899"
  metrics_addr: ":8080"
  tls_cert_file: /run/secrets/tls/tls.crt
  tls_key_file: /run/secrets/tls/tls.key
  client_ca_file: /run/secrets/tls/ca.crt
  client_names: {{ toJson .Values.signer.clientNames }}
storage:
  backend: {{ .Values.database.backend }}
  {{- if eq .Values.database.backend "sqlite3" }}
  db_url: /var/lib/notary/signer.db
  {{- end }}
  default_alias: {{ first .Values.signer.passphrases.aliases }}
  passphrase_files:
    {{- range .Values.signer.passphrases.aliases }}
    {{ . }}: /run/secrets/passphrases/{{ . }}
    {{- end }}
logging:
  level: info
{{- end }}

{{/* The whole file of a part, as JSON. */}}
{{- define "countersign.configuration" -}}
{{- $made := include (printf "countersign.configuration.%s" .part) .root | fromYaml -}}
{{- mergeOverwrite $made (index .root.Values .part).config | toPrettyJson -}}
{{- end }}

{{/* Where the keys of tokens are, if the server makes tokens and has a place for their keys: in a folder that it
makes for itself alone, since the volume's own is open to a group. */}}
{{- define "countersign.tokenFolder" -}}
{{- $type := dig "auth" "type" "" .Values.server.config -}}
{{- if or (has $type (list "htpasswd" "basic")) (and (not $type) .Values.server.auth.administratorSecret) -}}
{{- if .Values.server.auth.tokenKeysClaim -}}
/var/lib/notary-tokens/keys
{{- else if eq .Values.database.backend "sqlite3" -}}
/var/lib/notary/token-keys
{{- end }}
{{- end }}
{{- end }}
