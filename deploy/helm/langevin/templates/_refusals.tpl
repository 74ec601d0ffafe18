{{/* Refuses values that the schema cannot, since each is right by itself: those that would be ignored because of
     another one, and those with which a server or a job does not start. It gives no text. */}}
{{- define "langevin.refusals" -}}
{{- include "langevin.refusals.security" . -}}
{{- include "langevin.refusals.models" . -}}
{{- include "langevin.refusals.device" . -}}
{{- include "langevin.refusals.server" . -}}
{{- include "langevin.refusals.autoscaling" . -}}
{{- include "langevin.refusals.job" . -}}
{{- end }}

{{- define "langevin.refusals.security" -}}
{{- $secure := include "langevin.secure" . -}}
{{- with .Values.tls.clientCA.secretName -}}
{{- if not $secure -}}
{{- fail (printf (print
  "tls.clientCA.secretName is %q and tls.secretName is empty: want a Secret with the server's certificate "
  "there, since a server without TLS cannot ask for client certificates") .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.auth.tokens.secretName -}}
{{- if not (or $secure (dig "auth" "allow_plaintext" false $.Values.config)) -}}
{{- fail (printf (print
  "auth.tokens.secretName is %q and tls.secretName is empty: want tls.secretName too, so that tokens do not "
  "cross the network in the clear; config.auth.allow_plaintext=true if a proxy encrypts") .) -}}
{{- end -}}
{{- end -}}
{{- with dig "admin" "listen" "" .Values.config -}}
{{- $remote := dig "admin" "allow_remote" false $.Values.config -}}
{{- if not (or $remote (regexMatch "^(localhost|127[.][0-9.]+|\\[::1\\]):" .)) -}}
{{- fail (printf (print
  "config.admin.listen is %q: want a loopback address, such as localhost:9090, unless "
  "config.admin.allow_remote is true") .) -}}
{{- end -}}
{{- end -}}
{{- with .Values.serviceAccount -}}
{{- if and .annotations (not .create) -}}
{{- fail (print
  "serviceAccount.annotations are set and serviceAccount.create is false: want true, since the chart does "
  "not change another's service account") -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "langevin.refusals.models" -}}
{{- $models := dig "models" dict .Values.config -}}
{{- $volume := .Values.models.source -}}
{{- range $name := list "dir" "source" -}}
{{- if and $volume (get $models $name) -}}
{{- fail (printf (print
  "config.models.%s is %q and models.source is set too: want one. models.source is a volume of the chart "
  "that has the models; config.models.source is a registry or bucket from which the server itself brings "
  "them") $name (get $models $name)) -}}
{{- end -}}
{{- end -}}
{{- if and $models.dir $models.source -}}
{{- fail (printf "config.models.dir is %q and config.models.source is %q: want one" $models.dir $models.source) -}}
{{- end -}}
{{- if and .Values.models.path (not $volume) -}}
{{- fail (printf (print
  "models.path is %q and models.source is empty: want the source in which the folder is") .Values.models.path) -}}
{{- end -}}
{{- if not (or $models.source $models.dir $volume) -}}
{{- if and (hasKey $models "builtin") (not $models.builtin) -}}
{{- fail (print
  "config.models.builtin is false and there are no other models: want models.source, config.models.source "
  "or config.models.dir") -}}
{{- end -}}
{{- end -}}
{{- if and $models.watch (not (or $models.dir $volume)) -}}
{{- fail (print
  "config.models.watch is true and there is no folder to watch: want models.source or config.models.dir; "
  "for config.models.source, set config.models.poll") -}}
{{- end -}}
{{- range $name := list "poll" "cache" -}}
{{- $given := get $models $name -}}
{{- if and $given (not (has $given (list "0" "0s"))) (not $models.source) -}}
{{- fail (printf (print
  "config.models.%s is %q and config.models.source is empty: want the registry or bucket that it is for")
  $name $given) -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "langevin.refusals.device" -}}
{{- $device := .Values.config.device | default (ternary "cuda" "cpu" .Values.gpu.enabled) -}}
{{- if and .Values.gpu.enabled (eq $device "cpu") -}}
{{- fail (print
  "gpu.enabled is true and config.device is \"cpu\": want another device, or no GPU, which would be "
  "reserved for nothing") -}}
{{- end -}}
{{- if and (dig "onnxruntime" "tf32" false .Values.config) (eq $device "cpu") -}}
{{- fail (print
  "config.onnxruntime.tf32 is true and the device is \"cpu\": want gpu.enabled, or config.device to be "
  "cuda, cuda:N or auto") -}}
{{- end -}}
{{- end }}

{{/* What is for a server alone, or for a part of one. */}}
{{- define "langevin.refusals.server" -}}
{{- with .Values -}}
{{- if not .server.enabled -}}
{{- $given := dict "tls.secretName" .tls.secretName "auth.tokens.secretName" .auth.tokens.secretName
  "ingress.enabled" .ingress.enabled "grpcRoute.enabled" .grpcRoute.enabled "httpRoute.enabled" .httpRoute.enabled
  "networkPolicy.enabled" .networkPolicy.enabled "metrics.serviceMonitor.enabled" .metrics.serviceMonitor.enabled
  "metrics.rules.enabled" .metrics.rules.enabled
  "autoscaling.by" (ternary "" .autoscaling.by (eq .autoscaling.by "none")) -}}
{{- range $name, $value := $given -}}
{{- if $value -}}
{{- fail (printf (print
  "%s is %v and server.enabled is false: want server.enabled, since it is for the server alone") $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if not .server.http -}}
{{- range $name, $route := dict "ingress" .ingress "httpRoute" .httpRoute -}}
{{- if $route.enabled -}}
{{- fail (printf "%s.enabled is true and server.http is false: want server.http, to which it leads" $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and .networkPolicy.enabled (not .networkPolicy.egress) -}}
{{- $source := dig "models" "source" "" .config -}}
{{- if hasPrefix "file:" $source }}{{ $source = "" }}{{ end -}}
{{- range $name, $value := dict "config.models.source" $source
  "config.tracing.endpoint" (dig "tracing" "endpoint" "" .config) -}}
{{- if $value -}}
{{- fail (printf (print
  "%s is %q and networkPolicy.egress is empty: want rules for it and for DNS, since the policy lets the "
  "server call nobody") $name $value) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "langevin.refusals.autoscaling" -}}
{{- $resources := .Values.server.resources -}}
{{- with .Values.autoscaling -}}
{{- $keda := dict "autoscaling.keda.serverAddress" .keda.serverAddress
  "autoscaling.keda.authenticationRef" .keda.authenticationRef -}}
{{- if eq .by "none" -}}
{{- range $name, $value := merge (dict "autoscaling.queueRows" .queueRows "autoscaling.behavior" .behavior) $keda -}}
{{- if $value -}}
{{- fail (printf "%s is set and autoscaling.by is none: want hpa or keda, since nothing scales" $name) -}}
{{- end -}}
{{- end -}}
{{- else -}}
{{- if not (or .cpuPercent .queueRows) -}}
{{- fail "autoscaling.cpuPercent and autoscaling.queueRows are both 0: want at least one to scale by" -}}
{{- end -}}
{{- if gt (int .minReplicas) (int .maxReplicas) -}}
{{- fail (printf (print
  "autoscaling.minReplicas is %d and autoscaling.maxReplicas is %d: want no more than those")
  (int .minReplicas) (int .maxReplicas)) -}}
{{- end -}}
{{- if and .cpuPercent (not (dig "requests" "cpu" "" $resources)) (not (dig "limits" "cpu" "" $resources)) -}}
{{- fail (printf (print
  "autoscaling.cpuPercent is %d and server.resources has no cpu: want a request, of which it is a share")
  (int .cpuPercent)) -}}
{{- end -}}
{{- range $name, $value := $keda -}}
{{- if and $value (or (ne $.Values.autoscaling.by "keda") (not $.Values.autoscaling.queueRows)) -}}
{{- fail (printf (print
  "%s is set and nothing asks Prometheus: want autoscaling.by=keda and autoscaling.queueRows") $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end }}

{{- define "langevin.refusals.job" -}}
{{- with .Values.job -}}
{{- if and .enabled (lt (int64 .chains) (int64 .shards)) -}}
{{- fail (printf (print
  "job.chains is %d and job.shards is %d: want at least one chain for each part") (int64 .chains) (int64 .shards)) -}}
{{- end -}}
{{- end -}}
{{- end }}
