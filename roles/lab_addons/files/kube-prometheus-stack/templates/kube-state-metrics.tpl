# SPDX-License-Identifier: GPL-3.0-or-later
{{- if .Values.kubeStateMetrics.enabled }}
{{- $name := printf "%s-kube-state-metrics" .Release.Name }}
{{- $values := index .Values "kube-state-metrics" }}
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
  - {apiGroups: [apps], resources: [deployments], verbs: [list, watch]}
  - {apiGroups: [""], resources: [pods], verbs: [list, watch]}
  - {apiGroups: [autoscaling], resources: [horizontalpodautoscalers], verbs: [list, watch]}
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
    {{- include "stateMetricsLabels" . | nindent 4 }}
spec:
  selector: {{- include "stateMetricsLabels" . | nindent 4 }}
  ports:
    - {name: http, port: 8080, targetPort: http}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
    {{- include "stateMetricsLabels" . | nindent 4 }}
spec:
  replicas: 1
  selector:
    matchLabels: {{- include "stateMetricsLabels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "labels" . | nindent 8 }}
        {{- include "stateMetricsLabels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      securityContext: {{- include "podSecurity" . | nindent 8 }}
      containers:
        - name: kube-state-metrics
          image: {{ include "image" (dict "image" $values.image "of" "kube-state-metrics") | quote }}
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe: {httpGet: {path: /readyz, port: http}, periodSeconds: 2}
          livenessProbe: {httpGet: {path: /livez, port: http}, initialDelaySeconds: 10}
          resources: {{- toYaml $values.resources | nindent 12 }}
          securityContext: {{- include "containerSecurity" . | nindent 12 }}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  jobLabel: app.kubernetes.io/name
  selector:
    matchLabels: {{- include "stateMetricsLabels" . | nindent 6 }}
  endpoints:
    - {port: http, honorLabels: true}
{{- end }}
