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

{{/* Whether somebody else says how many pods there are: the autoscaler, KEDA and its kind. "true" or nothing. */}}
{{- define "graceful-service.isScaledByOthers" -}}
{{- if or .Values.autoscaling.enabled .Values.autoscaling.external (kindIs "invalid" .Values.replicaCount) -}}true{{- end -}}
{{- end -}}

{{/* How many pods there are at least, as far as the values say. Nothing where replicaCount is null. */}}
{{- define "graceful-service.leastReplicas" -}}
{{- $isScaled := or .Values.autoscaling.enabled .Values.autoscaling.external -}}
{{- $least := ternary .Values.autoscaling.minReplicas .Values.replicaCount $isScaled -}}
{{- if not (kindIs "invalid" $least) -}}{{ int64 $least }}{{- end -}}
{{- end -}}

{{- define "graceful-service.singleReplica" -}}
{{- $least := include "graceful-service.leastReplicas" . -}}
{{- and (ne $least "") (le (int $least) 1) -}}
{{- end -}}

{{/* What draining has at least, in milliseconds: the announcement may have taken all it may. Input: the settings. */}}
{{- define "graceful-service.draining" -}}
{{- with .budget -}}
{{- sub (int64 .gracePeriod) (add (int64 .preStop) (int64 .reserve) (int64 .close) (int64 .closing) (int64 .announce.max)) -}}
{{- end -}}
{{- end -}}

{{/*
The sidecars, as YAML: "native" are init containers that go on running, which start before the application and end after it
(on by default from Kubernetes 1.29 on); before that they are containers "beside" it.
*/}}
{{- define "graceful-service.sidecars" -}}
{{- $native := list -}}
{{- $beside := list -}}
{{- range .Values.sidecars | default list -}}
  {{- if include "graceful-lib.since" (list $ "1.29") -}}
  {{- $native = append $native (merge (dict "restartPolicy" "Always") .) -}}
  {{- else -}}
  {{- $beside = append $beside (omit . "restartPolicy") -}}
  {{- end -}}
{{- end -}}
{{- dict "native" $native "beside" $beside | toYaml -}}
{{- end -}}

{{/*
Whose pods kube-proxy prefers, as far as the cluster knows: nothing before 1.31, and before 1.34 the zone, which was called
PreferClose then.
*/}}
{{- define "graceful-service.trafficDistribution" -}}
{{- with .Values.service.trafficDistribution -}}
{{- if include "graceful-lib.since" (list $ "1.34") -}}{{ . }}
{{- else if include "graceful-lib.since" (list $ "1.31") -}}PreferClose
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Where the pods are spread: the constraints that are given, else one for each key. */}}
{{- define "graceful-service.topologySpread" -}}
{{- $selector := dict "matchLabels" (include "graceful-service.selectorLabels" . | fromYaml) -}}
{{- with .Values.topologySpread -}}
{{- $constraints := list -}}
{{- range .constraints -}}
  {{- $constraints = append $constraints (ternary . (set (deepCopy .) "labelSelector" $selector) (hasKey . "labelSelector")) -}}
{{- end -}}
{{- if not $constraints -}}
  {{- range $key := .topologyKeys -}}
    {{- $constraint := dict "topologyKey" $key "maxSkew" (int64 $.Values.topologySpread.maxSkew) "whenUnsatisfiable" $.Values.topologySpread.whenUnsatisfiable "labelSelector" $selector -}}
    {{- if include "graceful-lib.since" (list $ "1.26") -}}
      {{- /* A node that is being drained is tainted: as a domain without pods it would let no other node have one more. */ -}}
      {{- $taints := $.Values.topologySpread.nodeTaintsPolicy | default (ternary "Honor" "" (eq "DoNotSchedule" $.Values.topologySpread.whenUnsatisfiable)) -}}
      {{- with $taints -}}{{- $_ := set $constraint "nodeTaintsPolicy" . -}}{{- end -}}
      {{- with $.Values.topologySpread.nodeAffinityPolicy -}}{{- $_ := set $constraint "nodeAffinityPolicy" . -}}{{- end -}}
    {{- end -}}
    {{- /* Each revision is spread by itself, so that an update does not end lopsided. */ -}}
    {{- if include "graceful-lib.since" (list $ "1.27") -}}
      {{- $_ := set $constraint "matchLabelKeys" (list "pod-template-hash") -}}
      {{- with $.Values.topologySpread.minDomains -}}{{- $_ := set $constraint "minDomains" (int64 .) -}}{{- end -}}
    {{- end -}}
    {{- $constraints = append $constraints $constraint -}}
  {{- end -}}
{{- end -}}
{{- toYaml $constraints -}}
{{- end -}}
{{- end -}}

{{/* Annotations of the Ingress: what its controller has to know of a service that speaks TLS itself, under the user's. */}}
{{- define "graceful-service.ingressAnnotations" -}}
{{- $annotations := dict -}}
{{- $prefix := get (dict "alb" "alb.ingress.kubernetes.io" "ingress-nginx" "nginx.ingress.kubernetes.io") .Values.preset -}}
{{- if and $prefix (eq .Values.probes.scheme "HTTPS") -}}
{{- $_ := set $annotations (printf "%s/backend-protocol" $prefix) "HTTPS" -}}
{{- end -}}
{{- merge (deepCopy (.Values.ingress.annotations | default dict)) $annotations | toYaml -}}
{{- end -}}

{{/* A duration of Gateway API, "1m30s", in milliseconds. */}}
{{- define "graceful-service.duration" -}}
{{- $sum := 0 -}}
{{- $units := dict "h" 3600000 "m" 60000 "s" 1000 "ms" 1 -}}
{{- range regexFindAll "[0-9]+(ms|h|m|s)" . -1 -}}
{{- $sum = add $sum (mul (regexFind "^[0-9]+" . | int64) (get $units (regexFind "[a-z]+$" .))) -}}
{{- end -}}
{{- $sum -}}
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

{{/* Who scrapes, where a monitor is made: rules of a NetworkPolicy. Input: the root context. */}}
{{- define "graceful-service.scrapeRules" -}}
{{- range $name := list "podMonitor" "serviceMonitor" -}}
{{- $monitor := get $.Values $name -}}
{{- if and $monitor.enabled ($.Capabilities.APIVersions.Has "monitoring.coreos.com/v1") }}
# Prometheus.
- ports:
    - protocol: TCP
      port: {{ ternary $.Values.probes.port $.Values.containerPort (eq (include "graceful-service.scrapePort" (list $ $monitor)) "probes") | int64 }}
  {{- with $monitor.from }}
  from:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* Which port is scraped: the watchdog answers to the end, and while the event loop hangs. Input: (list context monitor). */}}
{{- define "graceful-service.scrapePort" -}}
{{- (index . 1).port | default (ternary "probes" "http" (not (empty (index . 0).Values.probes.port))) -}}
{{- end -}}

{{/* How it is scraped: the scheme is that of the port. Input: (list context monitor). */}}
{{- define "graceful-service.scrapeEndpoint" -}}
{{- $port := include "graceful-service.scrapePort" . -}}
{{- $own := ternary (lower (index . 0).Values.probes.scheme) "http" (eq $port "http") -}}
{{- with index . 1 -}}
{{- $scheme := .scheme | default $own -}}
path: {{ .path | quote }}
interval: {{ .interval | quote }}
{{- with .scrapeTimeout }}
scrapeTimeout: {{ . | quote }}
{{- end }}
{{- if eq $scheme "https" }}
scheme: {{ $scheme | quote }}
{{- with .tlsConfig }}
tlsConfig:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}
{{- with .relabelings }}
relabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .metricRelabelings }}
metricRelabelings:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}

{{/* What this chart refuses, over what the library refuses. */}}
{{- define "graceful-service.checks" -}}
{{- $settings := .settings -}}
{{- with .context.Values -}}
{{- $type := $settings.service.type | default "ClusterIP" -}}
{{- if and $settings.service.externalTrafficPolicy (eq $type "ClusterIP") -}}
{{- fail (printf "service.externalTrafficPolicy: %s needs service.type NodePort or LoadBalancer, but the type is %s" $settings.service.externalTrafficPolicy $type) -}}
{{- end -}}
{{- if and .service.nodePort (eq $type "ClusterIP") -}}
{{- fail (printf "service.nodePort: %v needs service.type NodePort or LoadBalancer, but the type is %s" .service.nodePort $type) -}}
{{- end -}}
{{- if ge (int64 .minReadySeconds) (int64 .progressDeadlineSeconds) -}}
{{- fail (printf "minReadySeconds: %v, but it must be less than progressDeadlineSeconds %v" .minReadySeconds .progressDeadlineSeconds) -}}
{{- end -}}
{{- if and .autoscaling.enabled .autoscaling.external -}}
{{- fail "autoscaling.enabled and autoscaling.external: set only one of the two, because two autoscalers of one Deployment work against each other" -}}
{{- end -}}
{{- if .autoscaling.enabled -}}
  {{- if lt (int64 .autoscaling.minReplicas) 1 -}}
  {{- fail (printf "autoscaling.minReplicas: %v, but a HorizontalPodAutoscaler keeps at least one pod; use autoscaling.external for a controller that scales to zero" .autoscaling.minReplicas) -}}
  {{- end -}}
  {{- if gt (int64 .autoscaling.minReplicas) (int64 .autoscaling.maxReplicas) -}}
  {{- fail (printf "autoscaling.minReplicas: %v, but autoscaling.maxReplicas is %v" .autoscaling.minReplicas .autoscaling.maxReplicas) -}}
  {{- end -}}
  {{- range $value, $resource := dict "targetCPUUtilizationPercentage" "cpu" "targetMemoryUtilizationPercentage" "memory" -}}
    {{- if and (get $.context.Values.autoscaling $value) (not (dig "requests" $resource "" $.context.Values.resources)) (not (dig "limits" $resource "" $.context.Values.resources)) -}}
    {{- fail (printf "autoscaling.%s: needs resources.requests.%s, of which it is a percentage" $value $resource) -}}
    {{- end -}}
  {{- end -}}
  {{- if not (or .autoscaling.targetCPUUtilizationPercentage .autoscaling.targetMemoryUtilizationPercentage .autoscaling.metrics) -}}
  {{- fail "autoscaling: expected targetCPUUtilizationPercentage or targetMemoryUtilizationPercentage, or metrics" -}}
  {{- end -}}
{{- end -}}
{{- include "graceful-service.checks.strategy" .strategy -}}
{{- include "graceful-service.checks.pod" . -}}
{{- include "graceful-service.checks.routes" (dict "values" . "settings" $settings) -}}
{{- end -}}
{{- range $name := list "podMonitor" "serviceMonitor" -}}
{{- if and (eq ((get $.context.Values $name).port | default "") "probes") (not $.context.Values.probes.port) -}}
{{- fail (printf "%s.port: the port \"probes\" exists only with probes.port" $name) -}}
{{- end -}}
{{- end -}}
{{- if and .context.Values.podMonitor.enabled .context.Values.serviceMonitor.enabled -}}
{{- fail "podMonitor.enabled and serviceMonitor.enabled: set only one of the two, or every sample is stored twice" -}}
{{- end -}}
{{- range $variable := .variables -}}
  {{- range $.context.Values.extraEnv -}}
    {{- if eq .name $variable -}}
    {{- fail (printf "extraEnv: the chart sets %s from its own values, so that pod and application agree" $variable) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Input: the values of "strategy". */}}
{{- define "graceful-service.checks.strategy" -}}
{{- $none := list "0" "0%" -}}
{{- if and (eq .type "RollingUpdate") (has (toString .maxSurge) $none) (has (toString .maxUnavailable) $none) -}}
{{- fail (printf "strategy.maxSurge: %v, and strategy.maxUnavailable is %v: an update could neither start nor end a pod" .maxSurge .maxUnavailable) -}}
{{- end -}}
{{- end -}}

{{/* Input: the values. */}}
{{- define "graceful-service.checks.pod" -}}
{{- if and (eq (.dnsPolicy | default "") "None") (not (.dnsConfig | default dict).nameservers) -}}
{{- fail "dnsPolicy: None leaves the pod without a resolver, expected dnsConfig.nameservers" -}}
{{- end -}}
{{- if and (eq (.service.ipFamilyPolicy | default "") "SingleStack") (gt (len (.service.ipFamilies | default list)) 1) -}}
{{- fail (printf "service.ipFamilies: %s, but service.ipFamilyPolicy SingleStack allows only one" (join " and " .service.ipFamilies)) -}}
{{- end -}}
{{- if and (.topologySpread.minDomains) (ne .topologySpread.whenUnsatisfiable "DoNotSchedule") -}}
{{- fail (printf "topologySpread.minDomains: only for whenUnsatisfiable DoNotSchedule, but that is %s" .topologySpread.whenUnsatisfiable) -}}
{{- end -}}
{{- end -}}

{{/* Input: dict "values" and "settings". */}}
{{- define "graceful-service.checks.routes" -}}
{{- with .values.httpRoute -}}
{{- if and .enabled (not .parentRefs) -}}
{{- fail "httpRoute.parentRefs: expected the Gateway that serves the route, for example --set httpRoute.parentRefs[0].name=shop" -}}
{{- end -}}
{{- $request := (.timeouts | default dict).request | default "0s" -}}
{{- $backend := (.timeouts | default dict).backendRequest | default "0s" -}}
{{- $longest := include "graceful-service.duration" $request | int64 -}}
{{- if and (gt $longest 0) (gt (include "graceful-service.duration" $backend | int64) $longest) -}}
{{- fail (printf "httpRoute.timeouts.backendRequest: %s is longer than httpRoute.timeouts.request %s" $backend $request) -}}
{{- end -}}
{{- if and .enabled .rules (or .matches .filters .backendRefs) -}}
{{- fail "httpRoute.rules: replaces matches, filters and backendRefs, so set only one or the other" -}}
{{- end -}}
{{- end -}}
{{- end -}}
