{{/* What holds where neither the user nor the preset says anything. */}}
{{- define "graceful-lib.defaults" -}}
preset: clusterIP
containerPort: 3000
terminationMessagePath: /dev/termination-log
shareProcessNamespace: true
preStop:
  mode: none
admin:
  prefix: /-
probes:
  prefix: ""
  scheme: HTTP
  startup: { enabled: true, periodSeconds: 2, timeoutSeconds: 2, failureThreshold: 30 }
  liveness: { enabled: true, periodSeconds: 10, timeoutSeconds: 2, failureThreshold: 3 }
  readiness: { enabled: true, periodSeconds: 5, timeoutSeconds: 2, failureThreshold: 2 }
{{- end -}}

{{/*
Everything that the other templates need, as YAML: the values with preset and defaults filled in, and under "budget" the
grace period as the plugin will cut it, in milliseconds; "fromPreset" are the keys of the announcement that nobody gave. Fails where it does not add up, and shows the sum.
Input: dict "context" (the root context) and "values" (see README.md). Output: YAML, for fromYaml. The input keeps it, for
the next template that is called with the same.
*/}}
{{- define "graceful-lib.settings" -}}
{{- if not (hasKey . "rendered") -}}{{- $_ := set . "rendered" (include "graceful-lib.settings.render" .) -}}{{- end -}}
{{- .rendered -}}
{{- end -}}

{{- define "graceful-lib.settings.render" -}}
{{- $values := .values -}}
{{- $settings := include "graceful-lib.defaults" nil | fromYaml -}}
{{- $preset := include "graceful-lib.preset" ($values.preset | default "clusterIP") | fromYaml -}}
{{- include "graceful-lib.overlay" (list $settings $preset) -}}
{{- include "graceful-lib.overlay" (list $settings (pick $values "preset" "terminationGracePeriodSeconds" "reserveSeconds" "closeSeconds" "otherListeners" "announce" "drain" "postStart" "preStop" "admin" "externalHealth" "envoy" "istio" "probes" "containerPort" "terminationMessagePath" "shareProcessNamespace" "service" "replicaCount" "autoscaling")) -}}
{{- $given := $values.announce | default dict -}}
{{- $fromPreset := list -}}
{{- range $key, $_ := $preset.announce | default dict -}}{{- if not (hasKey $given $key) -}}{{- $fromPreset = append $fromPreset $key -}}{{- end -}}{{- end -}}
{{- $_ := set $settings "fromPreset" $fromPreset -}}
{{- include "graceful-lib.readinessDelay" (dict "settings" $settings "given" $given) -}}
{{- $_ := set $settings "budget" (include "graceful-lib.budget" $settings | fromYaml) -}}
{{- include "graceful-lib.checks" (dict "context" .context "settings" $settings) -}}
{{- toYaml $settings -}}
{{- end -}}

{{/*
Where the ending pod is the last that can serve, kube-proxy goes on forwarding to it only while it is ready (KEP-1669):
a single replica, or a node's only one under externalTrafficPolicy: Local. Both stay ready for 15 s from the pod's end, and
announce as long unless told otherwise; a cloud's check of nodes needs 6 to 12 s (envoyproxy/gateway#9210).
Input: dict "settings", which it changes, and "given", the user's values of the announcement.
*/}}
{{- define "graceful-lib.readinessDelay" -}}
{{- $settings := .settings -}}
{{- $announce := $settings.announce | default dict -}}
{{- $_ := set $settings "announce" $announce -}}
{{- $autoscaling := $settings.autoscaling | default dict -}}
{{- $isScaled := or (eq true $autoscaling.enabled) (eq true $autoscaling.external) -}}
{{- $replicas := ternary $autoscaling.minReplicas $settings.replicaCount $isScaled -}}
{{- $single := and (not (kindIs "invalid" $replicas)) (le (int $replicas) 1) -}}
{{- $local := eq "Local" (dig "service" "externalTrafficPolicy" "" $settings) -}}
{{- if and (or $single $local) (not (hasKey $announce "readinessDelaySeconds")) -}}
  {{- $budget := include "graceful-lib.budget" $settings | fromYaml -}}
  {{- $preStop := int64 $budget.preStop -}}
  {{- $delay := min (max 0 (sub 15000 $preStop)) (int64 $budget.announce.max) -}}
  {{- $_ := set $announce "readinessDelaySeconds" (divf $delay 1000) -}}
  {{- if and (not (hasKey .given "minSeconds")) (lt (int64 $budget.announce.min) $delay) -}}
    {{- $_ := set $announce "minSeconds" (divf (add $delay $preStop) 1000) -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/*
The grace period, cut as lib/lifecycle/budget.ts cuts it in a pod; a test holds the two against each other. Milliseconds.
Input: the settings.
*/}}
{{- define "graceful-lib.budget" -}}
{{- $announce := .announce | default dict -}}
{{- $gracePeriod := include "graceful-lib.milliseconds" .terminationGracePeriodSeconds | int64 -}}
{{- $preStop := 0 | int64 -}}
{{- if eq .preStop.mode "sleep" -}}{{- $preStop = include "graceful-lib.milliseconds" (.preStop.seconds | default 0) | int64 -}}{{- end -}}
{{- $available := max 0 (sub $gracePeriod $preStop) -}}
{{- $reserve := min 2000 (div $available 10) -}}
{{- if hasKey . "reserveSeconds" -}}{{- $reserve = include "graceful-lib.milliseconds" .reserveSeconds | int64 -}}{{- end -}}
{{- $close := min 5000 (div $available 6) -}}
{{- if hasKey . "closeSeconds" -}}{{- $close = include "graceful-lib.milliseconds" .closeSeconds | int64 -}}{{- end -}}
{{- $draining := min 5000 (div $available 4) -}}
{{- $max := max 0 (sub $available (add $reserve $close $draining)) -}}
{{- if hasKey $announce "maxSeconds" -}}{{- $max = include "graceful-lib.milliseconds" $announce.maxSeconds | int64 -}}{{- end -}}
{{- $floors := dict -}}
{{- range $name, $default := dict "min" 5000 "blind" 15000 -}}
  {{- $key := printf "%sSeconds" $name -}}
  {{- if hasKey $announce $key -}}
    {{- $_ := set $floors $name (max 0 (sub (include "graceful-lib.milliseconds" (get $announce $key) | int64) $preStop)) -}}
  {{- else -}}
    {{- $_ := set $floors $name (min (max 0 (sub $default $preStop)) $max) -}}
  {{- end -}}
{{- end -}}
{{- $quiet := min 1000 $max -}}
{{- if hasKey $announce "quietSeconds" -}}{{- $quiet = include "graceful-lib.milliseconds" $announce.quietSeconds | int64 -}}{{- end -}}
gracePeriod: {{ $gracePeriod }}
preStop: {{ $preStop }}
reserve: {{ $reserve }}
close: {{ $close }}
closing: {{ min 500 (div $draining 2) }}
announce:
  max: {{ $max }}
  min: {{ $floors.min }}
  blind: {{ $floors.blind }}
  quiet: {{ $quiet }}
  readinessDelay: {{ include "graceful-lib.milliseconds" ($announce.readinessDelaySeconds | default 0) }}
{{- end -}}
