{{/* A probe: a list of the root, gRPC's service, HTTP's path and the timing. The kubelet has no TLS for gRPC, so a
     server with TLS is asked on the listener of the metrics. */}}
{{- define "langevin.probe" -}}
{{- if include "langevin.secure" (index . 0) -}}
httpGet:
  port: metrics
  path: {{ index . 2 }}
{{- else -}}
grpc:
  port: 50051
  {{- with index . 1 }}
  service: {{ . }}
  {{- end }}
{{- end }}
{{ toYaml (index . 3) }}
{{- end }}

{{/* Secrets are mounted as folders, so that the server sees when they change. */}}
{{- define "langevin.secrets.mounts" -}}
{{- if .Values.tls.secretName }}
- name: tls
  mountPath: /etc/langevin-tls
  readOnly: true
{{- if .Values.tls.clientCA.secretName }}
- name: client-ca
  mountPath: /etc/langevin-client-ca
  readOnly: true
{{- end }}
{{- end }}
{{- if .Values.auth.tokens.secretName }}
- name: tokens
  mountPath: /etc/langevin-tokens
  readOnly: true
{{- end }}
{{- end }}

{{- define "langevin.secrets.volumes" -}}
{{- if .Values.tls.secretName }}
- name: tls
  secret:
    secretName: {{ .Values.tls.secretName }}
{{- if .Values.tls.clientCA.secretName }}
- name: client-ca
  secret:
    secretName: {{ .Values.tls.clientCA.secretName }}
{{- end }}
{{- end }}
{{- if .Values.auth.tokens.secretName }}
- name: tokens
  secret:
    secretName: {{ .Values.auth.tokens.secretName }}
{{- end }}
{{- end }}
