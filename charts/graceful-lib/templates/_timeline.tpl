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
{{- $rows = append $rows (list $start "SIGTERM; announcing: serves everything, tells connections to go") -}}
{{- else if has $settings.preStop.mode (list "exec" "http") -}}
{{- $rows = append $rows (list 0 "the pod is deleted; the preStop hook calls the plugin; announcing: serves everything, tells connections to go") -}}
{{- else -}}
{{- $rows = append $rows (list 0 "SIGTERM; announcing: serves everything, tells connections to go") -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.readinessDelay) "readiness fails") -}}
{{- if dig "externalHealth" "path" "" $settings -}}
{{- $rows = append $rows (list (add $start (include "graceful-lib.milliseconds" (dig "externalHealth" "delaySeconds" 0 $settings) | int64)) (printf "%s answers %v" $settings.externalHealth.path (dig "externalHealth" "status" 503 $settings))) -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.min) (printf "the earliest end of announcing, once no connection has come for %s s or more" (include "graceful-lib.seconds" $announce.quiet))) -}}
{{- if gt (int64 $announce.blind) (int64 $announce.min) -}}
{{- $rows = append $rows (list (add $start $announce.blind) "its end where there was too little traffic to judge by") -}}
{{- end -}}
{{- $rows = append $rows (list (add $start $announce.max) "its latest end; then closing (stops accepting) and draining (requests finish)") -}}
{{- $rows = append $rows (list (sub $end $budget.close) "what still runs is cut; app.close(), where it has not begun before") -}}
{{- $rows = append $rows (list $end "the process has ended") -}}
{{- $rows = append $rows (list $budget.gracePeriod "SIGKILL, which finds nobody") -}}
{{- range $row := $rows }}
{{ printf "%9s s  %s" (include "graceful-lib.seconds" (first $row)) (last $row) }}
{{- end }}
{{- end -}}
