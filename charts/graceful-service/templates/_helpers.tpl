{{- define "graceful-service.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{/* At most 57 characters, so that the longest suffix fits into a DNS label. */}}
{{- define "graceful-service.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 57 | trimSuffix "-" -}}
{{- else if contains (include "graceful-service.name" .) .Release.Name -}}
{{- .Release.Name | trunc 57 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "graceful-service.name" .) | trunc 57 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "graceful-service.selectorLabels" -}}
app.kubernetes.io/name: {{ include "graceful-service.name" . | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "graceful-service.labels" -}}
{{- $labels := dict "helm.sh/chart" (printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-") "app.kubernetes.io/managed-by" .Release.Service -}}
{{- with .Values.image.tag -}}{{- $_ := set $labels "app.kubernetes.io/version" (. | replace "+" "_" | trunc 63 | trimAll "-_.") -}}{{- end -}}
{{- $labels = merge (include "graceful-service.selectorLabels" . | fromYaml) $labels .Values.commonLabels -}}
{{- toYaml $labels -}}
{{- end -}}

{{/* Name, namespace, labels and annotations. Input: dict "context", and maybe "name", "labels" and "annotations". */}}
{{- define "graceful-service.metadata" -}}
name: {{ .name | default (include "graceful-service.fullname" .context) | quote }}
namespace: {{ .context.Release.Namespace | quote }}
labels:
  {{- merge (include "graceful-service.labels" .context | fromYaml) (.labels | default dict) | toYaml | nindent 2 }}
{{- with merge (deepCopy (.annotations | default dict)) .context.Values.commonAnnotations }}
annotations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "graceful-service.serviceAccountName" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "graceful-service.fullname" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{- define "graceful-service.image" -}}
{{- $repository := required "image.repository: which image to run, for example --set image.repository=registry.example/shop:1.2.3" .Values.image.repository -}}
{{- $repository -}}
{{- with .Values.image.tag -}}:{{ . }}{{- end -}}
{{- with .Values.image.digest -}}@{{ . }}{{- end -}}
{{- end -}}

{{/* Labels of the test pod: others than the service's, which would send it requests. */}}
{{- define "graceful-service.testLabels" -}}
app.kubernetes.io/name: {{ printf "%s-test" (include "graceful-service.name" . | trunc 58 | trimSuffix "-") | quote }}
app.kubernetes.io/instance: {{ .Release.Name | quote }}
{{- end -}}

{{- define "graceful-service.singleReplica" -}}
{{- le (ternary .Values.autoscaling.minReplicas .Values.replicaCount .Values.autoscaling.enabled | int) 1 -}}
{{- end -}}

{{- define "graceful-service.adminSecretName" -}}
{{- printf "%s-admin" (include "graceful-service.fullname" .) -}}
{{- end -}}

{{/* Requests and limits: a null takes away what is there by default, of a request or of all. */}}
{{- define "graceful-service.resources" -}}
{{- $resources := dict -}}
{{- range $kind, $amounts := .Values.resources | default dict -}}
  {{- if kindIs "map" $amounts -}}
    {{- $kept := dict -}}
    {{- range $name, $amount := $amounts -}}
      {{- if not (kindIs "invalid" $amount) -}}{{- $_ := set $kept $name $amount -}}{{- end -}}
    {{- end -}}
    {{- if $kept -}}{{- $_ := set $resources $kind $kept -}}{{- end -}}
  {{- else if $amounts -}}{{- $_ := set $resources $kind $amounts -}}
  {{- end -}}
{{- end -}}
{{- toYaml $resources -}}
{{- end -}}

{{/* Who scrapes, where a PodMonitor is made: a rule of a NetworkPolicy. Input: the root context. */}}
{{- define "graceful-service.scrapeRule" -}}
{{- if and .Values.podMonitor.enabled (.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") -}}
# The PodMonitor's Prometheus.
{{- $isProbes := eq (include "graceful-service.scrapePort" .) "probes" }}
- ports:
    - protocol: TCP
      port: {{ ternary .Values.probes.port .Values.containerPort $isProbes | int64 }}
  {{- with .Values.podMonitor.from }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{- define "graceful-service.scrapePort" -}}
{{- .Values.podMonitor.port | default (ternary "probes" "http" (not (empty .Values.probes.port))) -}}
{{- end -}}

{{/* What this chart refuses, over what the library refuses. */}}
{{- define "graceful-service.checks" -}}
{{- $settings := .settings -}}
{{- with .context.Values -}}
{{- $type := $settings.service.type | default "ClusterIP" -}}
{{- if and $settings.service.externalTrafficPolicy (eq $type "ClusterIP") -}}
{{- fail (printf "service.externalTrafficPolicy: %s goes with service.type NodePort or LoadBalancer, the type is %s" $settings.service.externalTrafficPolicy $type) -}}
{{- end -}}
{{- if and .service.nodePort (eq $type "ClusterIP") -}}
{{- fail (printf "service.nodePort: %v goes with service.type NodePort or LoadBalancer, the type is %s" .service.nodePort $type) -}}
{{- end -}}
{{- if ge (int64 .minReadySeconds) (int64 .progressDeadlineSeconds) -}}
{{- fail (printf "minReadySeconds: %v, but it must be less than progressDeadlineSeconds %v" .minReadySeconds .progressDeadlineSeconds) -}}
{{- end -}}
{{- if .autoscaling.enabled -}}
  {{- if gt (int64 .autoscaling.minReplicas) (int64 .autoscaling.maxReplicas) -}}
  {{- fail (printf "autoscaling.minReplicas: %v, but autoscaling.maxReplicas is %v" .autoscaling.minReplicas .autoscaling.maxReplicas) -}}
  {{- end -}}
  {{- range $value, $resource := dict "targetCPUUtilizationPercentage" "cpu" "targetMemoryUtilizationPercentage" "memory" -}}
    {{- if and (get $.context.Values.autoscaling $value) (not (dig "requests" $resource "" $.context.Values.resources)) (not (dig "limits" $resource "" $.context.Values.resources)) -}}
    {{- fail (printf "autoscaling.%s: is a share of resources.requests.%s, which is not set" $value $resource) -}}
    {{- end -}}
  {{- end -}}
  {{- if not (or .autoscaling.targetCPUUtilizationPercentage .autoscaling.targetMemoryUtilizationPercentage) -}}
  {{- fail "autoscaling: expected targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage" -}}
  {{- end -}}
{{- end -}}
{{- end -}}
{{- if and (eq (.context.Values.podMonitor.port | default "") "probes") (not .context.Values.probes.port) -}}
{{- fail "podMonitor.port: there is no port \"probes\" without probes.port" -}}
{{- end -}}
{{- range $variable := .variables -}}
  {{- range $.context.Values.extraEnv -}}
    {{- if eq .name $variable -}}
    {{- fail (printf "extraEnv: %s is set by the chart from its own values, so that pod and application agree" $variable) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}
