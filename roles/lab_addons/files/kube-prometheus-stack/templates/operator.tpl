# SPDX-License-Identifier: GPL-3.0-or-later
{{- $name := printf "%s-operator" (include "fullname" .) }}
{{- $reloader := .Values.prometheusOperator.prometheusConfigReloader }}
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
  - {apiGroups: [monitoring.coreos.com], resources: ["*"], verbs: ["*"]}
  - {apiGroups: [apps], resources: [statefulsets], verbs: ["*"]}
  - {apiGroups: [""], resources: [configmaps, secrets], verbs: ["*"]}
  - {apiGroups: [""], resources: [pods], verbs: [list, delete]}
  - {apiGroups: [""], resources: [services, services/finalizers, endpoints], verbs: [get, create, update, delete]}
  - {apiGroups: [discovery.k8s.io], resources: [endpointslices], verbs: [get, create, list, watch, update, delete]}
  - {apiGroups: [""], resources: [nodes], verbs: [list, watch]}
  - {apiGroups: [""], resources: [namespaces], verbs: [get, list, watch]}
  - {apiGroups: ["", events.k8s.io], resources: [events], verbs: [create, patch]}
  - {apiGroups: [storage.k8s.io], resources: [storageclasses], verbs: [get]}
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
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
    {{- include "operatorLabels" . | nindent 4 }}
spec:
  replicas: 1
  selector:
    matchLabels: {{- include "operatorLabels" . | nindent 6 }}
  template:
    metadata:
      labels: {{- include "labels" . | nindent 8 }}
        {{- include "operatorLabels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      securityContext: {{- include "podSecurity" . | nindent 8 }}
      containers:
        - name: kube-prometheus-stack
          image: {{ include "image" (dict "image" .Values.prometheusOperator.image "of" "prometheusOperator") | quote }}
          args:
            - --kubelet-service=kube-system/{{ include "fullname" . }}-kubelet
            # Kubernetes has deprecated Endpoints in favour of these.
            - --kubelet-endpoints=false
            - --kubelet-endpointslice=true
            - --localhost=127.0.0.1
            - --prometheus-config-reloader={{ include "image" (dict "image" $reloader.image "of" "prometheusOperator.prometheusConfigReloader") }}
            {{- range $resource := list "cpu" "memory" }}
            - --config-reloader-{{ $resource }}-request={{ dig "requests" $resource 0 $reloader.resources }}
            - --config-reloader-{{ $resource }}-limit={{ dig "limits" $resource 0 $reloader.resources }}
            {{- end }}
          ports:
            - {name: http, containerPort: 8080}
          readinessProbe: {httpGet: {path: /healthz, port: http}, periodSeconds: 2}
          livenessProbe: {httpGet: {path: /healthz, port: http}}
          resources: {{- toYaml .Values.prometheusOperator.resources | nindent 12 }}
          securityContext: {{- include "containerSecurity" . | nindent 12 }}
