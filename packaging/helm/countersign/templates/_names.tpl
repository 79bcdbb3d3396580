{{- define "countersign.name" -}}
{{ printf "%s-%s" (.root.Release.Name | trunc 50 | trimSuffix "-") .part }}
{{- end }}

{{- define "countersign.selector" -}}
app.kubernetes.io/name: notary-{{ .part }}
app.kubernetes.io/instance: {{ .root.Release.Name }}
{{- end }}

{{- define "countersign.labels" -}}
{{ include "countersign.selector" . }}
{{ include "countersign.family" .root }}
{{- end }}

{{- define "countersign.family" -}}
app.kubernetes.io/part-of: countersign
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "countersign.image" -}}
{{- $image := (index .root.Values .part).image -}}
{{- $name := printf "%s/%s" .root.Values.image.registry $image.name -}}
{{- if $image.digest }}{{ $name }}@{{ $image.digest }}
{{- else }}{{ $name }}:{{ $image.tag | default .root.Chart.AppVersion }}
{{- end }}
{{- end }}
