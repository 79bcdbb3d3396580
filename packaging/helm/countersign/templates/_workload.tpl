{{/* What the containers of both programs may do: nothing but run. */}}
{{- define "countersign.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end }}

{{/* Where the database is. A URL holds a password, so it comes as a file. */}}
{{- define "countersign.database.env" -}}
{{- if ne .root.Values.database.backend "sqlite3" }}
- name: NOTARY_{{ upper .part }}_STORAGE_DB_URL_FILE
  value: /run/secrets/database/db-url
{{- end }}
{{- end }}

{{- define "countersign.database.mounts" -}}
{{- if eq .root.Values.database.backend "sqlite3" }}
- name: data
  mountPath: /var/lib/notary
# Where SQLite sorts what is too large for memory.
- name: tmp
  mountPath: /tmp
{{- else }}
- name: database
  mountPath: /run/secrets/database
  readOnly: true
{{- end }}
{{- end }}

{{- define "countersign.database.volumes" -}}
{{- if eq .root.Values.database.backend "sqlite3" }}
- name: data
  persistentVolumeClaim:
    claimName: {{ include "countersign.name" . }}
- name: tmp
  emptyDir:
    sizeLimit: 256Mi
{{- else }}
{{ include "countersign.secret" (dict "volume" "database" "name" (index .root.Values.database (printf "%sSecret" .part))) }}
{{- end }}
{{- end }}

{{- define "countersign.secret" -}}
- name: {{ .volume }}
  secret:
    secretName: {{ .name }}
    defaultMode: 0440
{{- end }}

{{- define "countersign.mount" -}}
- name: {{ . }}
  mountPath: /run/secrets/{{ . }}
  readOnly: true
{{- end }}

{{/* How many there are, and how they are exchanged: never two on one SQLite file. */}}
{{- define "countersign.replicas" -}}
{{- if eq .root.Values.database.backend "sqlite3" -}}
replicas: 1
strategy:
  type: Recreate
{{- else -}}
replicas: {{ (index .root.Values .part).replicas }}
# A new pod starts before an old one ends. The cluster would fill in what is missing here; those values would stay,
# and be refused, when a server-side apply changes to Recreate.
strategy:
  type: RollingUpdate
  rollingUpdate:
    maxSurge: 1
    maxUnavailable: 0
{{- end }}
{{- end }}

{{/* What pods of both programs have in common, before their containers. */}}
{{- define "countersign.pod" -}}
{{- $part := index .root.Values .part -}}
serviceAccountName: {{ include "countersign.name" . }}
automountServiceAccountToken: false
# Variables that describe Services may begin with NOTARY_SERVER_ and NOTARY_SIGNER_, as settings do.
enableServiceLinks: false
terminationGracePeriodSeconds: 60
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile:
    type: RuntimeDefault
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- with $part.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $part.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
topologySpreadConstraints:
  - maxSkew: 1
    topologyKey: kubernetes.io/hostname
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels: {{- include "countersign.selector" . | nindent 8 }}
{{- if and .root.Values.database.migrate (ne .root.Values.database.backend "sqlite3") }}
# Where nothing is to do, it needs no right to alter tables. Several at once wait for each other.
initContainers:
  - name: migrate
    image: {{ include "countersign.image" . }}
    imagePullPolicy: {{ .root.Values.image.pullPolicy }}
    args: [migrate, "-config=/etc/notary/{{ .part }}-config.json"]
    env: {{- include "countersign.database.env" . | nindent 6 }}
    securityContext: {{- include "countersign.confined" . | nindent 6 }}
    resources:
      requests: {cpu: 50m, memory: 64Mi}
      limits: {memory: 256Mi}
    volumeMounts:
      - name: config
        mountPath: /etc/notary
        readOnly: true
      {{- include "countersign.database.mounts" . | nindent 6 }}
{{- end }}
{{- end }}

{{/* What both containers have in common. */}}
{{- define "countersign.container" -}}
image: {{ include "countersign.image" . }}
imagePullPolicy: {{ .root.Values.image.pullPolicy }}
args: ["-config=/etc/notary/{{ .part }}-config.json"]
securityContext: {{- include "countersign.confined" . | nindent 2 }}
resources: {{- toYaml (index .root.Values .part).resources | nindent 2 }}
livenessProbe:
  httpGet:
    path: /metrics
    port: monitoring
  periodSeconds: 20
  timeoutSeconds: 5
  # A program that does not answer for a minute finishes nothing either.
  terminationGracePeriodSeconds: 10
lifecycle:
  preStop:
    # Until no more clients are sent here; then the program finishes its requests.
    sleep:
      seconds: 5
{{- end }}

{{/* What stands beside the Deployment of each part. */}}
{{- define "countersign.companions" -}}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ include "countersign.name" . }}
  labels: {{- include "countersign.labels" . | nindent 4 }}
data:
  {{ .part }}-config.json: |
    {{- include "countersign.configuration" . | nindent 4 }}
---
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ include "countersign.name" . }}
  labels: {{- include "countersign.labels" . | nindent 4 }}
automountServiceAccountToken: false
{{- if .root.Values.podDisruptionBudgets.enabled }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ include "countersign.name" . }}
  labels: {{- include "countersign.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels: {{- include "countersign.selector" . | nindent 6 }}
{{- end }}
{{- if eq .root.Values.database.backend "sqlite3" }}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata:
  name: {{ include "countersign.name" . }}
  labels: {{- include "countersign.labels" . | nindent 4 }}
  annotations:
    # Keys and trust data outlive the release.
    helm.sh/resource-policy: keep
spec:
  accessModes: [ReadWriteOncePod]
  {{- with .root.Values.database.volumes.storageClass }}
  storageClassName: {{ . }}
  {{- end }}
  resources:
    requests:
      storage: {{ index .root.Values.database.volumes .part }}
{{- end }}
{{- end }}
