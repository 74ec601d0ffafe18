{{/* The labels that choose the series of this release. The monitor below adds them. */}}
{{- define "langevin.series" -}}
namespace="{{ .Release.Namespace }}",service="{{ include "langevin.fullname" . }}-headless"
{{- end }}
