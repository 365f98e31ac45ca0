{{/* Refuses what cannot work, before it is installed. Input: dict "context" and "settings". Output: nothing. */}}
{{- define "graceful-lib.checks" -}}
{{- include "graceful-lib.checks.names" .settings -}}
{{- include "graceful-lib.checks.postStart" .settings -}}
{{- include "graceful-lib.checks.preStop" . -}}
{{- include "graceful-lib.checks.budget" .settings -}}
{{- include "graceful-lib.checks.probes" .settings -}}
{{- include "graceful-lib.checks.scraping" . -}}
{{- include "graceful-lib.checks.admin" .settings.admin -}}
{{- include "graceful-lib.checks.externalHealth" .settings -}}
{{- end -}}

{{/* Typing errors, for charts without a schema of their own. Input: the settings. */}}
{{- define "graceful-lib.checks.names" -}}
{{- $probe := list "enabled" "initialDelaySeconds" "periodSeconds" "timeoutSeconds" "failureThreshold" "terminationGracePeriodSeconds" -}}
{{- $known := dict "announce" (list "minSeconds" "quietSeconds" "blindSeconds" "maxSeconds" "readinessDelaySeconds" "failures" "shed" "onClose") "drain" (list "idleSeconds" "spreadSeconds" "webSocketCode" "webSocketQuietSeconds") "postStart" (list "exec" "httpGet" "sleep" "tcpSocket") "preStop" (list "mode" "seconds" "command") "admin" (list "prefix" "token" "tokenFrom" "existingSecret" "existingSecretKey") "externalHealth" (list "path" "status" "delaySeconds") "envoy" (list "immediateHealthCheckFail") "istio" (list "sidecar") "probes" (list "prefix" "port" "host" "scheme" "startup" "liveness" "readiness") -}}
{{- range $group, $names := $known -}}
  {{- range $name, $_ := get $ $group | default dict -}}
    {{- if not (has $name $names) -}}{{- fail (printf "%s.%s: unknown value, expected one of %s" $group $name (join ", " $names)) -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- range $kind := list "startup" "liveness" "readiness" -}}
  {{- range $name, $_ := get $.probes $kind -}}
    {{- if not (has $name $probe) -}}{{- fail (printf "probes.%s.%s: unknown value, expected one of %s" $kind $name (join ", " $probe)) -}}{{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* The API server accepts one action. Input: the settings. */}}
{{- define "graceful-lib.checks.postStart" -}}
{{- with .postStart -}}
  {{- if gt (len .) 1 -}}
  {{- fail (printf "postStart: expected only one of exec, httpGet, sleep and tcpSocket, got %s" (keys . | sortAlpha | join " and ")) -}}
  {{- end -}}
  {{- if and (hasKey . "exec") (not (dig "exec" "command" "" .)) -}}
  {{- fail "postStart.exec: expected a command" -}}
  {{- end -}}
  {{- if and (hasKey . "sleep") (kindIs "invalid" (dig "sleep" "seconds" nil .)) -}}
  {{- fail "postStart.sleep: expected seconds" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "graceful-lib.checks.preStop" -}}
{{- $preStop := .settings.preStop -}}
{{- if not (has $preStop.mode (list "none" "sleep" "exec" "http")) -}}
{{- fail (printf "preStop.mode: expected one of none, sleep, exec, http, got %s" (toString $preStop.mode)) -}}
{{- end -}}
{{- if and $preStop.command (not (has $preStop.mode (list "sleep" "exec"))) -}}
{{- fail (printf "preStop.command: only for preStop.mode sleep or exec, but the mode is %s" $preStop.mode) -}}
{{- end -}}
{{- $admin := .settings.admin -}}
{{- if and (eq $preStop.mode "exec") (not $preStop.command) (not (or $admin.token $admin.existingSecret)) -}}
{{- fail "preStop.mode: exec needs admin.token or admin.existingSecret to call the plugin" -}}
{{- end -}}
{{- if and (eq $preStop.mode "sleep") (not (gt (float64 ($preStop.seconds | default 0)) 0.0)) -}}
{{- fail "preStop.seconds: required with preStop.mode sleep, expected a number above 0" -}}
{{- end -}}
{{- if and (ne $preStop.mode "sleep") (hasKey $preStop "seconds") -}}
{{- fail (printf "preStop.seconds: only for preStop.mode sleep, but the mode is %s" $preStop.mode) -}}
{{- end -}}
{{- if eq $preStop.mode "http" -}}
  {{- $version := .context.Capabilities.KubeVersion.Version -}}
  {{- if not (include "graceful-lib.since" (list .context "1.25")) -}}
  {{- fail (printf "preStop.mode: http needs Kubernetes 1.25 or later, this is %s: older kubelets omit the header with the token and corrupt the path" $version) -}}
  {{- end -}}
  {{- if not .settings.admin.token -}}
  {{- fail "preStop.mode: http needs admin.token; admin.existingSecret is not enough, because a header of a hook cannot come from a Secret. Prefer preStop.mode exec, which accepts either and keeps the token out of the pod's definition" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* What checkBudget of lib/lifecycle/budget.ts refuses, in seconds and in the names of the values. Input: the settings. */}}
{{- define "graceful-lib.checks.budget" -}}
{{- $budget := .budget -}}
{{- $announce := $budget.announce -}}
{{- $s := dict -}}
{{- range $name := list "gracePeriod" "preStop" "reserve" "close" "closing" -}}{{- $_ := set $s $name (include "graceful-lib.seconds" (get $budget $name)) -}}{{- end -}}
{{- $from := dict -}}
{{- range $key := .fromPreset -}}{{- $_ := set $from $key (printf " (preset %s)" $.preset) -}}{{- end -}}
{{- $taken := add $budget.preStop $budget.reserve $budget.close $budget.closing -}}
{{- $rest := sub $budget.gracePeriod $taken -}}
{{- if le $rest 0 -}}
{{- fail (printf "terminationGracePeriodSeconds does not add up: %s, but preStop %s + reserve %s + close %s + closing %s = %s, which leaves requests no time to finish" $s.gracePeriod $s.preStop $s.reserve $s.close $s.closing (include "graceful-lib.seconds" $taken)) -}}
{{- end -}}
{{- $sum := printf "terminationGracePeriodSeconds %s - preStop %s - reserve %s - close %s - closing %s = %s" $s.gracePeriod $s.preStop $s.reserve $s.close $s.closing (include "graceful-lib.seconds" $rest) -}}
{{- if ge (int64 $announce.max) $rest -}}
{{- fail (printf "announce.maxSeconds does not add up: %s%s, but it must be less than %s, so that requests have time to finish" (include "graceful-lib.seconds" $announce.max) (get $from "maxSeconds") $sum) -}}
{{- end -}}
{{- $why := printf " (%s, less at most 5 for draining)" $sum -}}
{{- if hasKey .announce "maxSeconds" -}}{{- $why = get $from "maxSeconds" -}}{{- end -}}
{{- range $name := list "min" "blind" "quiet" "readinessDelay" -}}
  {{- $time := int64 (get $announce $name) -}}
  {{- if gt $time (int64 $announce.max) -}}
  {{- fail (printf "announce.%sSeconds does not add up: %s%s%s, but the announcement lasts at most announce.maxSeconds = %s%s" $name (include "graceful-lib.seconds" $time) (ternary " after preStop" "" (and (gt (int64 $budget.preStop) 0) (has $name (list "min" "blind")))) (get $from (printf "%sSeconds" $name)) (include "graceful-lib.seconds" $announce.max) $why) -}}
  {{- end -}}
{{- end -}}
{{- $delay := include "graceful-lib.milliseconds" (dig "externalHealth" "delaySeconds" 0 .) | int64 -}}
{{- if gt $delay (int64 $announce.max) -}}
{{- fail (printf "externalHealth.delaySeconds does not add up: %s, but the announcement lasts at most announce.maxSeconds = %s%s" (include "graceful-lib.seconds" $delay) (include "graceful-lib.seconds" $announce.max) $why) -}}
{{- end -}}
{{- end -}}

{{- define "graceful-lib.checks.scraping" -}}
{{- if and (eq "kubernetes.io/h2c" (dig "service" "appProtocol" "" .settings)) (not .settings.probes.port) -}}
  {{- range $name := list "podMonitor" "serviceMonitor" -}}
    {{- if get (index $.context.Values $name | default dict) "enabled" -}}
    {{- fail (printf "service.appProtocol: kubernetes.io/h2c with %s needs probes.port, because Prometheus sends HTTP/1.1, and a server of HTTP/2 without TLS answers only probes over HTTP/1.1" $name) -}}
    {{- end -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "graceful-lib.checks.probes" -}}
{{- if eq (int64 (.probes.port | default 0)) (int64 .containerPort) -}}
{{- fail (printf "probes.port: %v is containerPort, on which probes are answered by default; expected another port, or none" .probes.port) -}}
{{- end -}}
{{- if not (has .probes.scheme (list "HTTP" "HTTPS")) -}}
{{- fail (printf "probes.scheme: expected one of HTTP, HTTPS, got %s" (toString .probes.scheme)) -}}
{{- end -}}
{{- if and (eq "kubernetes.io/h2c" (dig "service" "appProtocol" "" .)) (eq "http" .preStop.mode) -}}
{{- fail "preStop.mode: http sends HTTP/1.1 to containerPort, but service.appProtocol kubernetes.io/h2c means that only HTTP/2 is answered there" -}}
{{- end -}}
{{- if and (eq "kubernetes.io/h2c" (dig "service" "appProtocol" "" .)) (eq "exec" .preStop.mode) (not .probes.port) (not .preStop.command) -}}
{{- fail "preStop.mode: exec sends HTTP/1.1, but service.appProtocol kubernetes.io/h2c means that only HTTP/2 is answered on containerPort: set probes.port" -}}
{{- end -}}
{{- $gracePeriod := .terminationGracePeriodSeconds -}}
{{- range $name := list "startup" "liveness" -}}
  {{- $probe := get $.probes $name -}}
  {{- if and (hasKey $probe "terminationGracePeriodSeconds") (lt (float64 $probe.terminationGracePeriodSeconds) (float64 $gracePeriod)) -}}
  {{- fail (printf "probes.%s.terminationGracePeriodSeconds: %v is less than terminationGracePeriodSeconds %v. After a failed probe the kubelet would kill the container before the end of the planned shutdown" $name $probe.terminationGracePeriodSeconds $gracePeriod) -}}
  {{- end -}}
{{- end -}}
{{- if hasKey .probes.readiness "terminationGracePeriodSeconds" -}}
{{- fail "probes.readiness.terminationGracePeriodSeconds: Kubernetes refuses it, because a failed readiness probe never ends a container" -}}
{{- end -}}
{{- end -}}

{{- define "graceful-lib.checks.admin" -}}
{{- if and .token .existingSecret -}}
{{- fail "admin.token and admin.existingSecret: set only one of the two" -}}
{{- end -}}
{{- if not (has (.tokenFrom | default "file") (list "file" "env")) -}}
{{- fail (printf "admin.tokenFrom: expected one of file, env, got %s" (toString .tokenFrom)) -}}
{{- end -}}
{{- range $token := splitList "," (.token | default "") -}}
  {{- if and $.token (not (regexMatch "^[!-~]{16,}$" $token)) -}}
  {{- fail "admin.token: expected at least 16 visible ASCII characters, or several such tokens separated by commas" -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{- define "graceful-lib.checks.externalHealth" -}}
{{- range $probe := list "startupz" "livez" "readyz" -}}
  {{- if eq (printf "%s/%s" $.probes.prefix $probe) (dig "externalHealth" "path" "" $) -}}
  {{- fail (printf "externalHealth.path: %s is a route of the kubelet's probes, expected another path" $.externalHealth.path) -}}
  {{- end -}}
{{- end -}}
{{- range $name, $value := .externalHealth | default dict -}}
  {{- if not $.externalHealth.path -}}
  {{- fail (printf "externalHealth.%s: needs externalHealth.path" $name) -}}
  {{- end -}}
{{- end -}}
{{- end -}}
