{{/* Whether a value, a CEL expression, is an entry of a list, or begins as an entry that ends in *. */}}
{{- define "finetune-operator.allowed" -}}
{{- $list := index . 0 }}{{ $value := index . 1 -}}
{{ $list }}.exists(entry, {{ $value }} == entry || (entry.endsWith('*') && {{ $value }}.startsWith(entry.substring(0, size(entry) - 1))))
{{- end }}

{{/* The variables of a policy that reads limits. */}}
{{- define "finetune-operator.limits" -}}
- name: limits
  expression: "has(params.data) ? params.data : {}"
{{- end }}

{{/* A list in the limits, one entry a line; empty if the limits do not name it. */}}
{{- define "finetune-operator.list" -}}
- name: {{ . }}
  expression: "'{{ . }}' in variables.limits ? variables.limits['{{ . }}'].split('\\n').filter(entry, entry != '') : []"
{{- end }}

{{/* A number in the limits; one that no job reaches if the limits do not name it. */}}
{{- define "finetune-operator.number" -}}
- name: {{ . }}
  expression: "'{{ . }}' in variables.limits ? int(variables.limits['{{ . }}']) : 2147483647"
{{- end }}

{{/* Pairs of a field and the URI in it; takes paths of optional fields that hold one URI each. */}}
{{- define "finetune-operator.uris" -}}
{{- range $number, $path := . }}
{{- if $number }} + {{ end -}}
object.spec.?{{ $path | replace "." ".?" }}.optMap(uri, [['spec.{{ $path }}', string(uri)]]).orValue([])
{{- end }}
{{- end }}
