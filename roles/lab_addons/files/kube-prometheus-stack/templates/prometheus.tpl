# SPDX-License-Identifier: GPL-3.0-or-later
{{- $name := printf "%s-prometheus" (include "fullname" .) }}
{{- $spec := .Values.prometheus.prometheusSpec }}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {{ $name }}
  labels: {{- include "labels" . | nindent 4 }}
rules:
  - {apiGroups: [""], resources: [nodes, nodes/metrics, services, endpoints, pods], verbs: [get, list, watch]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, list, watch]}
  - {nonResourceURLs: [/metrics, /metrics/cadvisor, /metrics/probes], verbs: [get]}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {{ $name }}
  labels: {{- include "labels" . | nindent 4 }}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: {{ $name }}}
subjects:
  - {kind: ServiceAccount, name: {{ $name }}, namespace: {{ .Release.Namespace }}}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  selector: {app.kubernetes.io/name: prometheus, operator.prometheus.io/name: {{ $name }}}
  ports:
    - {name: http-web, port: 9090, targetPort: 9090}
---
apiVersion: monitoring.coreos.com/v1
kind: Prometheus
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  image: {{ include "image" (dict "image" $spec.image "of" "prometheus.prometheusSpec") | quote }}
  {{- with $spec.podMetadata }}
  podMetadata: {{- toYaml . | nindent 4 }}
  {{- end }}
  replicas: {{ $spec.replicas }}
  retention: {{ $spec.retention }}
  scrapeInterval: {{ $spec.scrapeInterval }}
  evaluationInterval: {{ $spec.evaluationInterval }}
  enableRemoteWriteReceiver: {{ $spec.enableRemoteWriteReceiver }}
  serviceDiscoveryRole: EndpointSlice
  resources: {{- toYaml $spec.resources | nindent 4 }}
  portName: http-web
  serviceAccountName: {{ $name }}
  {{- with $spec.storageSpec }}
  storage: {{- toYaml . | nindent 4 }}
  {{- end }}
  {{- with $spec.containers }}
  containers: {{- toYaml . | nindent 4 }}
  {{- end }}
  securityContext: {{- toYaml $spec.securityContext | nindent 4 }}
  {{- range $kind := list "podMonitor" "serviceMonitor" "rule" "probe" "scrapeConfig" }}
  {{ $kind }}NamespaceSelector: {}
  {{- $selector := printf "%sSelector" $kind }}
  {{- if index $spec $selector }}
  {{ $selector }}: {{- toYaml (index $spec $selector) | nindent 4 }}
  {{- else if index $spec (printf "%sNilUsesHelmValues" $selector) }}
  {{ $selector }}: {matchLabels: {release: {{ $.Release.Name }}}}
  {{- else }}
  {{ $selector }}: {}
  {{- end }}
  {{- end }}
