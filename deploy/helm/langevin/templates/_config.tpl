{{/* The settings of every process: those of config, and the models. */}}
{{- define "langevin.config.common" -}}
{{- $config := deepCopy .Values.config -}}
{{- if .Values.models.source -}}
{{- $config = mergeOverwrite $config (dict "models" (dict "dir" (include "langevin.models.dir" .))) -}}
{{- end -}}
{{- if .Values.gpu.enabled -}}
{{- $config = merge $config (dict "device" "cuda") -}}
{{- end -}}
{{ toYaml $config }}
{{- end }}

{{/* The settings of the server. The schema refuses in config what the chart sets here. */}}
{{- define "langevin.config.server" -}}
{{- $config := include "langevin.config.common" . | fromYaml -}}
{{- $http := "" -}}
{{- if .Values.server.http }}{{ $http = ":8080" }}{{ end -}}
{{- $set := dict "listen" ":50051" "http" (dict "listen" $http) "metrics" (dict "listen" ":9091") -}}
{{- $_ := set $set "drain_timeout" (printf "%ds" (int .Values.server.drainTimeoutSeconds)) -}}
{{- if .Values.tls.secretName -}}
{{- $tls := dict "cert" "/etc/langevin-tls/tls.crt" "key" "/etc/langevin-tls/tls.key" -}}
{{- with .Values.tls.clientCA }}{{ if .secretName -}}
{{- $_ := set $tls "client_ca" (printf "/etc/langevin-client-ca/%s" .key) -}}
{{- end }}{{ end -}}
{{- $_ := set $set "tls" $tls -}}
{{- end -}}
{{- with .Values.auth.tokens }}{{ if .secretName -}}
{{- $_ := set $set "auth" (dict "tokens" (printf "/etc/langevin-tokens/%s" .key)) -}}
{{- end }}{{ end -}}
{{ toYaml (mergeOverwrite $config $set) }}
{{- end }}

{{- define "langevin.models.dir" -}}
{{- with .Values.models.path }}/models/{{ trimAll "/" . }}{{ else }}/models{{ end -}}
{{- end }}
