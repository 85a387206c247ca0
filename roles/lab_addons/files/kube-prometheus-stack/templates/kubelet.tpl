# SPDX-License-Identifier: GPL-3.0-or-later
{{- if .Values.kubelet.enabled }}
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata:
  name: {{ include "fullname" . }}-kubelet
  namespace: {{ .Release.Namespace }}
  labels: {{- include "labels" . | nindent 4 }}
spec:
  jobLabel: k8s-app
  namespaceSelector: {matchNames: [kube-system]}
  selector:
    matchLabels: {app.kubernetes.io/name: kubelet, k8s-app: kubelet}
  endpoints:
    {{- range $path := list "/metrics" "/metrics/cadvisor" "/metrics/probes" }}
    - port: https-metrics
      path: {{ $path }}
      scheme: https
      honorLabels: true
      bearerTokenFile: /var/run/secrets/kubernetes.io/serviceaccount/token
      tlsConfig:
        caFile: /var/run/secrets/kubernetes.io/serviceaccount/ca.crt
        insecureSkipVerify: true
      relabelings:
        - {action: replace, sourceLabels: [__metrics_path__], targetLabel: metrics_path}
      # Most of what a kubelet tells is about itself; kept is what the platform's rules and dashboards ask for.
      metricRelabelings:
        - {action: keep, sourceLabels: [__name__], regex: "up|prober_probe_total|kubelet_volume_stats_.*|container_(cpu_usage_seconds_total|memory_working_set_bytes)"}
    {{- end }}
{{- end }}
