{{/* How an endpoint of a monitor is scraped; takes the values of serviceMonitor or podMonitor. */}}
{{- define "finetune-operator.scraping" -}}
path: /metrics
{{- with .interval }}
interval: {{ . }}
{{- end }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings: {{- toYaml . | nindent 0 }}
{{- end }}
{{- end }}
