{{- define "finetune-operator.fullname" -}}
{{ .Values.fullnameOverride | default .Release.Name }}
{{- end }}

{{- define "finetune-operator.serviceAccountName" -}}
{{ .Values.serviceAccount.name | default (include "finetune-operator.fullname" .) }}
{{- end }}

{{- define "finetune-operator.labels" -}}
{{ with .Values.commonLabels }}{{ toYaml . }}
{{ end -}}
{{ include "finetune-operator.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ .Chart.Name }}-{{ .Chart.Version }}
{{- end }}

{{- define "finetune-operator.selector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "finetune-operator" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* The labels of the pod of `helm test`, which must not be taken for an operator. */}}
{{- define "finetune-operator.testSelector" -}}
app.kubernetes.io/name: {{ .Values.nameOverride | default "finetune-operator" }}-test
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* An image by its digest or else its tag; takes the image's values and the chart's appVersion. */}}
{{- define "finetune-operator.image" -}}
{{- $image := index . 0 -}}
{{ $image.repository }}{{ if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default (index . 1) }}{{ end }}
{{- end }}

{{/* The restricted Pod Security Standard, for the operator's pods and the test's. */}}
{{- define "finetune-operator.podSecurity" -}}
runAsNonRoot: true
{{- if eq .Values.securityContext.identity "Fixed" }}
runAsUser: 1000
runAsGroup: 1000
{{- end }}
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "finetune-operator.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
