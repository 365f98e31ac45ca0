{{/* The end of a pod as a time line, for NOTES.txt. Input: dict "context" and "values". */}}
{{- define "graceful-lib.timeline" -}}
{{- $settings := include "graceful-lib.settings" . | fromYaml -}}
{{- $budget := $settings.budget -}}
{{- $announce := $budget.announce -}}
{{- $start := int64 $budget.preStop -}}
{{- $end := sub $budget.gracePeriod $budget.reserve -}}
{{- $rows := list -}}
{{- if gt $start 0 -}}
{{- $rows = append $rows (list 0 "the pod is deleted; the preStop hook sleeps") -}}
{{- $rows = append $rows (list $start "SIGTERM; announcing: serves everything, tells clients to reconnect") -}}
{{- else if has $settings.preStop.mode (list "exec" "http") -}}
{{- $rows = append $rows (list 0 "the pod is deleted; the preStop hook calls the plugin; announcing: serves everything, tells clients to reconnect") -}}
{{- else -}}
{{- $rows = append $rows (list 0 "SIGTERM; announcing: serves everything, tells clients to reconnect") -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.readinessDelay) "readiness fails") -}}
{{- if dig "externalHealth" "path" "" $settings -}}
{{- $rows = append $rows (list (add $start (include "graceful-lib.milliseconds" (dig "externalHealth" "delaySeconds" 0 $settings) | int64)) (printf "%s returns %v" $settings.externalHealth.path (dig "externalHealth" "status" 503 $settings))) -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.min) (printf "the earliest end of announcing, after %s s or more without a new connection" (include "graceful-lib.seconds" $announce.quiet))) -}}
{{- if gt (int64 $announce.blind) (int64 $announce.min) -}}
{{- $rows = append $rows (list (add $start $announce.blind) "its end if there was too little traffic to judge") -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.max) "its latest end; then closing (accepts no connections) and draining (completes requests)") -}}
{{- $rows = append $rows (list (sub $end $budget.close) "requests still in flight are cut; app.close(), if it has not begun before") -}}
{{- $rows = append $rows (list $end "the process has exited") -}}
{{- $rows = append $rows (list $budget.gracePeriod "SIGKILL, after the process has exited") -}}
{{- range $row := $rows }}
{{ printf "%9s s  %s" (include "graceful-lib.seconds" (first $row)) (last $row) }}
{{- end }}
{{- end -}}
