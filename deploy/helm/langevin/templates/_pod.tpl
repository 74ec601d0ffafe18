{{/* What all pods have in their specification. It takes the root. */}}
{{- define "langevin.pod" -}}
serviceAccountName: {{ include "langevin.serviceAccount" . }}
automountServiceAccountToken: {{ .Values.serviceAccount.token }}
enableServiceLinks: false
securityContext:
  {{- toYaml .Values.podSecurityContext | nindent 2 }}
{{- with .Values.imagePullSecrets }}
imagePullSecrets:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.runtimeClassName }}
runtimeClassName: {{ . }}
{{- end }}
{{- with .Values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- with .Values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .Values.affinity }}
affinity:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Tolerations of all pods and of the GPU's nodes, with those given: a list of the root and a list. */}}
{{- define "langevin.tolerations" -}}
{{- $root := index . 0 -}}
{{- $all := concat $root.Values.tolerations (index . 1) -}}
{{- if $root.Values.gpu.enabled -}}
{{- $all = append $all (dict "key" $root.Values.gpu.resource "operator" "Exists" "effect" "NoSchedule") -}}
{{- end -}}
{{- with $all }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* What all containers of this image have. It takes the root. */}}
{{- define "langevin.container" -}}
image: {{ include "langevin.image" . | quote }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  {{- toYaml .Values.securityContext | nindent 2 }}
{{- with .Values.extraEnvFrom }}
envFrom:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{/* Resources with the GPU: a list of the root and the resources. */}}
{{- define "langevin.resources" -}}
{{- $root := index . 0 -}}
{{- $all := deepCopy (index . 1) -}}
{{- with $root.Values.gpu -}}
{{- if .enabled -}}
{{- $all = mergeOverwrite $all (dict "limits" (dict .resource (int .count))) -}}
{{- end -}}
{{- end -}}
resources:
  {{- toYaml $all | nindent 2 }}
{{- end }}

{{/* The volume of the models and their mount. */}}
{{- define "langevin.models.volume" -}}
{{- with .Values.models.source }}
- name: models
  {{- with .claim }}
  persistentVolumeClaim:
    claimName: {{ .name }}
    readOnly: true
  {{- end }}
  {{- with .image }}
  image:
    reference: {{ .reference | quote }}
    pullPolicy: {{ .pullPolicy | default "IfNotPresent" }}
  {{- end }}
  {{- if .init }}
  emptyDir: {}
  {{- end }}
{{- end }}
{{- end }}

{{- define "langevin.models.mount" -}}
{{- if .Values.models.source }}
- name: models
  mountPath: /models
  readOnly: true
{{- end }}
{{- end }}

{{/* The containers that run before the others. */}}
{{- define "langevin.initContainers" -}}
{{- with .Values.models.source.init }}
- name: models
  image: {{ .image | default (include "langevin.image" $) | quote }}
  imagePullPolicy: {{ $.Values.image.pullPolicy }}
  {{- with .command }}
  command:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .args }}
  args:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .env }}
  env:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .envFrom }}
  envFrom:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with .resources }}
  resources:
    {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext:
    {{- toYaml $.Values.securityContext | nindent 4 }}
  volumeMounts:
    - name: models
      mountPath: /models
    - name: scratch
      mountPath: /tmp
    {{- with $.Values.extraVolumeMounts }}
    {{- toYaml . | nindent 4 }}
    {{- end }}
{{- end }}
{{- with .Values.extraInitContainers }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The environment that a user adds, with the server's or the command's configuration file. */}}
{{- define "langevin.env" -}}
- name: LANGEVIN_CONFIG
  value: /etc/langevin/langevin.yaml
# The root file system is read-only: what passed its proof is remembered here.
- name: XDG_CACHE_HOME
  value: /tmp
{{- with .Values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* The volumes of a pod that draws in its own process. */}}
{{- define "langevin.local.volumes" -}}
- name: config
  configMap:
    name: {{ include "langevin.fullname" . }}
    items:
      - key: local.yaml
        path: langevin.yaml
- name: scratch
  emptyDir: {}
{{- include "langevin.models.volume" . }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* A seed as text. Helm reads numbers as floats, so the schema takes large seeds as text only. */}}
{{- define "langevin.seed" -}}
{{- if kindIs "string" . }}{{ . }}{{ else }}{{ int64 . }}{{ end -}}
{{- end }}
