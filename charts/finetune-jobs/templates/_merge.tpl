{{- /* Put what .into lacks into it, from .from. */ -}}
{{- define "finetune-jobs.fill" -}}
{{- range $field, $default := .from }}
{{- if not (hasKey $.into $field) }}{{ $_ := set $.into $field $default }}
{{- else if and (kindIs "map" $default) (kindIs "map" (get $.into $field)) }}
{{- include "finetune-jobs.fill" (dict "into" (get $.into $field) "from" $default) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Take fields that are null out of a map. */ -}}
{{- define "finetune-jobs.prune" -}}
{{- range $field, $value := . }}
{{- if kindIs "invalid" $value }}{{ $_ := unset $ $field }}
{{- else if kindIs "map" $value }}{{ include "finetune-jobs.prune" $value }}
{{- end }}
{{- end }}
{{- end }}
