{{- /* Write a line for each thing that .checks, of files/merged.json, misses in .value, which stands at .path. */ -}}
{{- define "finetune-jobs.problems" -}}
{{- $value := .value }}
{{- $path := .path }}
{{- range .checks.required }}
{{- if not (hasKey $value .) }}
{{ $path }}.{{ . }}: is required; set it in the job or in the defaults
{{- end }}
{{- end }}
{{- range .checks.only }}
{{- if and (hasKey $value .field) (not (has (get $value .by | default .default) .values)) }}
{{ $path }}{{ .at }}: {{ .message }}
{{- end }}
{{- end }}
{{- range .checks.with }}
{{- if and (has (get $value .by | default .default) .values) (not (hasKey $value .field)) }}
{{ $path }}{{ .at }}: {{ .message }}
{{- end }}
{{- end }}
{{- range .checks.apart }}
{{- if and (hasKey $value (index .fields 0)) (hasKey $value (index .fields 1)) }}
{{ $path }}{{ .at }}: {{ .message }}
{{- end }}
{{- end }}
{{- range $field, $checks := .checks.properties }}
{{- if hasKey $value $field }}
{{- $found := get $value $field }}
{{- if kindIs "map" $found }}
{{- include "finetune-jobs.problems" (dict "checks" $checks "value" $found "path" (printf "%s.%s" $path $field)) }}
{{- else if kindIs "slice" $found }}
{{- range $index, $item := $found }}
{{- $place := printf "%s.%s[%d]" $path $field $index }}
{{- include "finetune-jobs.problems" (dict "checks" $checks.items "value" $item "path" $place) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}
