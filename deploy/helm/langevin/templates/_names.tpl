{{- define "langevin.name" -}}
{{ .Values.nameOverride | default .Chart.Name | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* The name of everything: at most 40 characters, so that the host names of a job's pods fit into a
     DNS label. */}}
{{- define "langevin.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{ .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- else if contains (include "langevin.name" .) .Release.Name -}}
{{ .Release.Name | trunc 40 | trimSuffix "-" }}
{{- else -}}
{{ printf "%s-%s" .Release.Name (include "langevin.name" .) | trunc 40 | trimSuffix "-" }}
{{- end -}}
{{- end }}

{{/* langevin.selector takes a list of the root and the component: server, job or test. */}}
{{- define "langevin.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ include "langevin.name" $root }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{/* langevin.labels takes the same list. */}}
{{- define "langevin.labels" -}}
{{- $root := index . 0 -}}
{{ include "langevin.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- with $root.Values.labels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "langevin.image" -}}
{{- $tag := $.Chart.AppVersion -}}
{{- if .Values.gpu.enabled }}{{ $tag = printf "%s-cuda" $tag }}{{ end -}}
{{- with .Values.image -}}
{{ .repository }}
{{- if .digest }}@{{ .digest }}{{ else }}:{{ .tag | default $tag }}{{ end }}
{{- end -}}
{{- end }}

{{- define "langevin.serviceAccount" -}}
{{- with .Values.serviceAccount -}}
{{- if .create }}{{ .name | default (include "langevin.fullname" $) }}{{ else }}{{ .name | default "default" }}{{ end -}}
{{- end -}}
{{- end }}

{{/* The address of the service for clients in the cluster. */}}
{{- define "langevin.address" -}}
{{ include "langevin.fullname" . }}.{{ .Release.Namespace }}.svc:{{ .Values.service.grpcPort }}
{{- end }}

{{/* Whether clients must speak TLS: "true" or nothing. */}}
{{- define "langevin.secure" -}}
{{- if .Values.tls.secretName }}true{{ end -}}
{{- end }}
