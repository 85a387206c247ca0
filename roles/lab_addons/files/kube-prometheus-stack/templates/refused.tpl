{{/* SPDX-License-Identifier: GPL-3.0-or-later */}}
{{- range $part := list "grafana" "alertmanager" "nodeExporter" }}
{{- if (index $.Values $part).enabled }}
{{- fail (printf "%s.enabled: the lab has no image of it; set it to false" $part) }}
{{- end }}
{{- end }}
{{- range $part := list "kubeApiServer" "kubeControllerManager" "kubeScheduler" "kubeProxy" "kubeEtcd" "coreDns" "kubeDns" }}
{{- if dig $part "enabled" false $.Values.AsMap }}
{{- fail (printf "%s.enabled: the lab's chart does not watch it; set it to false" $part) }}
{{- end }}
{{- end }}
{{- range $part := list "tls" "admissionWebhooks" }}
{{- if (index $.Values.prometheusOperator $part).enabled }}
{{- fail (printf "prometheusOperator.%s.enabled: the lab's chart makes no certificates; set it to false" $part) }}
{{- end }}
{{- end }}
