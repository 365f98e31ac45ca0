{{/*
The pod parts. Input of each: dict "context" (the root context) and "values" (see README.md).
*/}}

{{/* Fields of the pod: the grace period, the process namespace, the security context. */}}
{{- define "graceful-lib.pod" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
terminationGracePeriodSeconds: {{ int64 $settings.terminationGracePeriodSeconds }}
{{- if $settings.shareProcessNamespace }}
# The application is then not PID 1, whose SIGKILL to itself the kernel ignores.
shareProcessNamespace: true
{{- end }}
{{ include "graceful-lib.podSecurityContext" . }}
{{- end -}}

{{/* Annotations of the pod, as YAML, nothing where there are none. Merges into what "podAnnotations" says of the proxy. */}}
{{- define "graceful-lib.podAnnotations" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $annotations := deepCopy (.values.podAnnotations | default dict) -}}
{{- if dig "istio" "sidecar" false $settings -}}
  {{- $config := get $annotations "proxy.istio.io/config" | default "" | fromYaml -}}
  {{- with $config.Error -}}{{- fail (printf "podAnnotations: proxy.istio.io/config is not a YAML map: %s" .) -}}{{- end -}}
  {{- if not (hasKey $config "terminationDrainDuration") -}}
    {{- /* Outlasts the application, which ends before its reserve, and leaves the proxy half of that. */ -}}
    {{- $drain := div (sub $settings.budget.gracePeriod (div $settings.budget.reserve 2)) 1000 -}}
    {{- $_ := set $config "terminationDrainDuration" (printf "%ds" $drain) -}}
  {{- end -}}
  {{- $_ := set $annotations "proxy.istio.io/config" (toYaml $config) -}}
{{- end -}}
{{- with $annotations -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* Fields of the container: probes, lifecycle, termination message, security context. */}}
{{- define "graceful-lib.container" -}}
{{ include "graceful-lib.probes" . }}
{{ with include "graceful-lib.lifecycle" . }}{{ . }}
{{ end -}}
{{ include "graceful-lib.terminationMessage" . }}
{{ include "graceful-lib.securityContext" . }}
{{- end -}}

{{/*
Entries of the container's "env", in one list. What neither the user nor the preset gave is left to the plugin, whose
defaults are the same.
*/}}
{{- define "graceful-lib.env" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $env := list (dict "name" "TERMINATION_GRACE_PERIOD_SECONDS" "value" (include "graceful-lib.seconds" $settings.budget.gracePeriod)) -}}
{{- if gt (int64 $settings.budget.preStop) 0 -}}
  {{- $env = append $env (dict "name" "PRESTOP_SECONDS" "value" (include "graceful-lib.seconds" $settings.budget.preStop)) -}}
{{- end -}}
{{- range $variable, $path := include "graceful-lib.variables" nil | fromYaml -}}
  {{- $value := $settings -}}
  {{- range $key := splitList "." $path -}}
    {{- if kindIs "map" $value -}}{{- $value = get $value $key -}}{{- end -}}
  {{- end -}}
  {{- if ne (toString $value) "" -}}
    {{- if hasSuffix "Seconds" $path -}}{{- $value = include "graceful-lib.milliseconds" $value | include "graceful-lib.seconds" -}}
    {{- else if kindIs "float64" $value -}}{{- $value = int64 $value -}}
    {{- end -}}
    {{- $env = append $env (dict "name" $variable "value" (toString $value)) -}}
  {{- end -}}
{{- end -}}
{{- if or $settings.admin.token $settings.admin.existingSecret -}}
  {{- if eq "env" ($settings.admin.tokenFrom | default "file") -}}
  {{- $reference := dict "name" (include "graceful-lib.adminSecretName" .) "key" ($settings.admin.existingSecretKey | default "token") -}}
  {{- $env = append $env (dict "name" "GRACEFUL_ADMIN_TOKEN" "valueFrom" (dict "secretKeyRef" $reference)) -}}
  {{- else -}}
  {{- $env = append $env (dict "name" "GRACEFUL_ADMIN_TOKEN_FILE" "value" (include "graceful-lib.tokenFile" nil)) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $field := dict "POD_NAME" "metadata.name" "POD_NAMESPACE" "metadata.namespace" "POD_IP" "status.podIP" "NODE_NAME" "spec.nodeName" -}}
  {{- $env = append $env (dict "name" $name "valueFrom" (dict "fieldRef" (dict "fieldPath" $field))) -}}
{{- end -}}
{{- toYaml $env -}}
{{- end -}}

{{/*
Where the admin token lies: a file has fewer readers than an environment, which children, core dumps and crash reports
inherit.
*/}}
{{- define "graceful-lib.tokenFile" -}}
/var/run/secrets/fastify-graceful/token
{{- end -}}

{{/* The pod's "volumes" for the admin token, as a list; nothing without a token, or where it comes as a variable. */}}
{{- define "graceful-lib.volumes" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $isFile := ne "env" ($settings.admin.tokenFrom | default "file") -}}
{{- if and $isFile (or $settings.admin.token $settings.admin.existingSecret) -}}
- name: graceful-admin
  secret:
    secretName: {{ include "graceful-lib.adminSecretName" . | quote }}
    # Whatever user the application runs as; nobody else of the pod mounts it.
    defaultMode: 292
    items:
      - key: {{ $settings.admin.existingSecretKey | default "token" | quote }}
        path: token
{{- end -}}
{{- end -}}

{{/* The container's "volumeMounts" for the same. */}}
{{- define "graceful-lib.volumeMounts" -}}
{{- with include "graceful-lib.volumes" . -}}
- name: graceful-admin
  mountPath: {{ include "graceful-lib.tokenFile" nil | dir | quote }}
  readOnly: true
{{- end -}}
{{- end -}}

{{/* The variables that the plugin reads, and the values they come from. */}}
{{- define "graceful-lib.variables" -}}
GRACEFUL_RESERVE_SECONDS: reserveSeconds
GRACEFUL_CLOSE_SECONDS: closeSeconds
GRACEFUL_OTHER_LISTENERS: otherListeners
GRACEFUL_ANNOUNCE_MIN_SECONDS: announce.minSeconds
GRACEFUL_ANNOUNCE_QUIET_SECONDS: announce.quietSeconds
GRACEFUL_ANNOUNCE_BLIND_SECONDS: announce.blindSeconds
GRACEFUL_ANNOUNCE_MAX_SECONDS: announce.maxSeconds
GRACEFUL_ANNOUNCE_READINESS_DELAY_SECONDS: announce.readinessDelaySeconds
GRACEFUL_ANNOUNCE_FAILURES: announce.failures
GRACEFUL_ANNOUNCE_SHED: announce.shed
GRACEFUL_ANNOUNCE_ON_CLOSE: announce.onClose
GRACEFUL_ANNOUNCE_ENVOY: envoy.immediateHealthCheckFail
GRACEFUL_DRAIN_IDLE_SECONDS: drain.idleSeconds
GRACEFUL_DRAIN_SPREAD_SECONDS: drain.spreadSeconds
GRACEFUL_DRAIN_WEB_SOCKET_CODE: drain.webSocketCode
GRACEFUL_DRAIN_WEB_SOCKET_QUIET_SECONDS: drain.webSocketQuietSeconds
GRACEFUL_PROBES_PREFIX: probes.prefix
GRACEFUL_WATCHDOG_PORT: probes.port
GRACEFUL_WATCHDOG_HOST: probes.host
GRACEFUL_EXTERNAL_PATH: externalHealth.path
GRACEFUL_EXTERNAL_STATUS: externalHealth.status
GRACEFUL_EXTERNAL_DELAY_SECONDS: externalHealth.delaySeconds
GRACEFUL_ADMIN_PREFIX: admin.prefix
GRACEFUL_TERMINATION_MESSAGE_PATH: terminationMessagePath
{{- end -}}

{{/* The Secret that holds the admin token: the one that exists, or "<release>-admin" ("adminSecretName" in the values renames it). */}}
{{- define "graceful-lib.adminSecretName" -}}
{{- (.values.admin | default dict).existingSecret | default .values.adminSecretName | default (printf "%s-admin" .context.Release.Name) -}}
{{- end -}}

{{/* Startup, liveness and readiness probe. The scheme is that of the port: the application's on containerPort, on a port of their own plain HTTP, which is all that the watchdog speaks. A grace period of a probe's own is left out where the cluster knows none: the pod's holds then. */}}
{{- define "graceful-lib.probes" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $probes := dict -}}
{{- $since := include "graceful-lib.since" (list .context "1.25") -}}
{{- range $name, $path := dict "startup" "startupz" "liveness" "livez" "readiness" "readyz" -}}
  {{- $given := get $settings.probes $name -}}
  {{- if $given.enabled -}}
    {{- $action := dict "path" (printf "%s/%s" $settings.probes.prefix $path) "port" (int64 ($settings.probes.port | default $settings.containerPort)) -}}
    {{- if and (ne $settings.probes.scheme "HTTP") (not $settings.probes.port) -}}{{- $_ := set $action "scheme" $settings.probes.scheme -}}{{- end -}}
    {{- $_ := set $probes (printf "%sProbe" $name) (merge (dict "httpGet" $action) (omit $given "enabled" (ternary "" "terminationGracePeriodSeconds" (eq $since "true")))) -}}
  {{- end -}}
{{- end -}}
{{- with $probes -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* What is done after the start, and what happens before SIGTERM. Nothing where there is neither. */}}
{{- define "graceful-lib.lifecycle" -}}
{{- $after := include "graceful-lib.postStart" . -}}
{{- $before := include "graceful-lib.preStop" . -}}
{{- if or $after $before -}}
lifecycle:
  {{- with $after }}
  postStart:
    {{- . | nindent 4 }}
  {{- end }}
  {{- with $before }}
  preStop:
    {{- . | nindent 4 }}
  {{- end }}
{{- end -}}
{{- end -}}

{{/* The hook after the start, as it is given; a sleep is a program where the API server has no such action. */}}
{{- define "graceful-lib.postStart" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $hook := $settings.postStart | default dict -}}
{{- if and $hook.sleep (not (include "graceful-lib.since" (list .context "1.30"))) -}}
{{- $hook = dict "exec" (dict "command" (list "sleep" (toString $hook.sleep.seconds))) -}}
{{- end -}}
{{- with $hook -}}{{ toYaml . }}{{- end -}}
{{- end -}}

{{/* What happens before SIGTERM: nothing, a sleep, or a call of the plugin's preStop route, from inside or by the kubelet. */}}
{{- define "graceful-lib.preStop" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- with $settings.preStop -}}
{{- if eq .mode "sleep" -}}
{{- if and (include "graceful-lib.since" (list $.context "1.30")) (not .command) (eq (floor .seconds) (float64 .seconds)) -}}
sleep:
  seconds: {{ int64 .seconds }}
{{- else -}}
exec:
  command: {{ .command | default (list "sleep" (include "graceful-lib.seconds" $settings.budget.preStop)) | toJson }}
{{- end -}}
{{- else if eq .mode "exec" -}}
exec:
  command: {{ .command | default (list "node" "-e" (include "graceful-lib.preStopCall" $settings)) | toJson }}
{{- else if eq .mode "http" -}}
httpGet:
  path: {{ printf "%s/prestop" $settings.admin.prefix | quote }}
  port: {{ int64 $settings.containerPort }}
  {{- if ne $settings.probes.scheme "HTTP" }}
  scheme: {{ $settings.probes.scheme | quote }}
  {{- end }}
  httpHeaders:
    - name: Authorization
      value: {{ printf "Bearer %s" (splitList "," $settings.admin.token | first) | quote }}
{{- end -}}
{{- end -}}
{{- end -}}

{{/*
A program of Node that calls the plugin's preStop route from inside the container, and ends when that has answered. The
token is where the application has it from; in httpGet, whoever may read pods could read it. The watchdog's port is asked
where there is one: it answers while the event loop hangs. A certificate is not looked at, for nobody is between.
Input: the settings.
*/}}
{{- define "graceful-lib.preStopCall" -}}
{{- $own := .probes.port -}}
{{- $scheme := ternary "http" (lower .probes.scheme) (not (not $own)) -}}
{{- $host := "localhost" -}}
{{- if and $own .probes.host (not (has .probes.host (list "::" "0.0.0.0"))) -}}{{- $host = .probes.host -}}{{- end -}}
{{- $options := dict "host" $host "port" (int64 ($own | default .containerPort)) "path" (printf "%s/prestop" .admin.prefix) "method" "POST" "rejectUnauthorized" false -}}
const { env, exit } = process
const text = env.GRACEFUL_ADMIN_TOKEN || require('node:fs').readFileSync(env.GRACEFUL_ADMIN_TOKEN_FILE, 'latin1')
const headers = { authorization: 'Bearer ' + text.split(',')[0].trim() }
const call = require('node:{{ $scheme }}').request({ ...{{ $options | toJson }}, headers })
const end = (code, why) => { console.log('preStop:', why); exit(code) }
call.on('response', ({ statusCode }) => end(statusCode === 200 ? 0 : 1, statusCode)).on('error', ({ code }) => end(1, code)).end()
{{- end -}}

{{/* Where the plugin leaves its verdict. From a file only: the tail of the log says nothing that the log does not. */}}
{{- define "graceful-lib.terminationMessage" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
terminationMessagePath: {{ $settings.terminationMessagePath | quote }}
terminationMessagePolicy: File
{{- end -}}

{{/* The pod's security context: what is given, else what the restricted Pod Security Standard wants. */}}
{{- define "graceful-lib.podSecurityContext" -}}
securityContext:
  {{- .values.podSecurityContext | default (include "graceful-lib.podSecurityContext.defaults" nil | fromYaml) | toYaml | nindent 2 }}
{{- end -}}

{{/* Numbers, for the kubelet cannot tell from a user's name that it is not root. 1000 is "node" in the official images. */}}
{{- define "graceful-lib.podSecurityContext.defaults" -}}
runAsNonRoot: true
runAsUser: 1000
runAsGroup: 1000
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{/* The container's security context: what is given, else what the restricted Pod Security Standard wants. */}}
{{- define "graceful-lib.securityContext" -}}
securityContext:
  {{- .values.securityContext | default (include "graceful-lib.securityContext.defaults" nil | fromYaml) | toYaml | nindent 2 }}
{{- end -}}

{{- define "graceful-lib.securityContext.defaults" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Annotations of the Service: the preset's, with the path of the health check, under the user's. As YAML, or nothing. */}}
{{- define "graceful-lib.serviceAnnotations" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $path := dig "externalHealth" "path" "" $settings | default (printf "%s/readyz" $settings.probes.prefix) -}}
{{- $annotations := dict -}}
{{- if eq $settings.preset "alb" -}}
{{- $annotations = dict "alb.ingress.kubernetes.io/healthcheck-path" $path "alb.ingress.kubernetes.io/healthcheck-protocol" $settings.probes.scheme -}}
{{- else if eq $settings.preset "nlb" -}}
{{- $annotations = dict "service.beta.kubernetes.io/aws-load-balancer-healthcheck-path" $path "service.beta.kubernetes.io/aws-load-balancer-healthcheck-protocol" (lower $settings.probes.scheme) -}}
{{- if not (include "graceful-lib.since" (list .context "1.22")) -}}
{{- /* There is no class of balancers: this hands the Service over to the same controller. */ -}}
{{- $_ := set $annotations "service.beta.kubernetes.io/aws-load-balancer-type" "external" -}}
{{- end -}}
{{- end -}}
{{- include "graceful-lib.overlay" (list $annotations (dig "service" "annotations" dict $settings)) -}}
{{- with $annotations -}}{{ toYaml . }}{{- end -}}
{{- end -}}
