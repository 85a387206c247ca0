{{/* SPDX-License-Identifier: GPL-3.0-or-later
Helm renders files of every name. None ends in .yaml, for whoever checks all YAML of a collection would find none in them. */}}
{{- define "fullname" -}}
{{- if contains .Chart.Name .Release.Name }}{{ .Release.Name }}{{ else }}{{ .Release.Name }}-{{ .Chart.Name }}{{ end }}
{{- end }}

{{- define "image" -}}
{{- range $part := list "registry" "repository" "tag" }}
{{- if not (index $.image $part) }}{{ fail (printf "%s.image.%s is missing: the lab's images.json has it" $.of $part) }}{{ end }}
{{- end }}
{{- with .image }}{{ .registry }}/{{ .repository }}:{{ .tag }}{{ end }}
{{- end }}

{{/* Those of every object. */}}
{{- define "labels" -}}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: kube-prometheus-stack
release: {{ .Release.Name }}
{{- end }}

{{/* By which the operator's pods are known. */}}
{{- define "operatorLabels" -}}
app: {{ include "fullname" . }}-operator
app.kubernetes.io/component: prometheus-operator
app.kubernetes.io/name: {{ include "fullname" . }}-prometheus-operator
{{- end }}

{{- define "stateMetricsLabels" -}}
app.kubernetes.io/component: metrics
app.kubernetes.io/name: kube-state-metrics
{{- end }}

{{- define "podSecurity" -}}
runAsNonRoot: true
runAsUser: 65534
runAsGroup: 65534
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
