{{/*
Puts every value of the second map into the first, key by key. Zero, false and the empty string count as values, which
sprig's merge functions overlook.
Input: (list base over). Output: nothing; base is changed.
*/}}
{{- define "graceful-lib.overlay" -}}
{{- $base := index . 0 -}}
{{- range $key, $value := index . 1 -}}
  {{- if kindIs "map" $value -}}
    {{- if not (kindIs "map" (get $base $key)) -}}{{- $_ := set $base $key dict -}}{{- end -}}
    {{- include "graceful-lib.overlay" (list (get $base $key) $value) -}}
  {{- else if not (kindIs "invalid" $value) -}}
    {{- $_ := set $base $key $value -}}
  {{- end -}}
{{- end -}}
{{- end -}}

{{/* Seconds, maybe with decimals, as milliseconds. */}}
{{- define "graceful-lib.milliseconds" -}}
{{- round (mulf . 1000) 0 | int64 -}}
{{- end -}}

{{/* Milliseconds as seconds for people and for the environment, never in the form 1e+06. */}}
{{- define "graceful-lib.seconds" -}}
{{- $ms := int64 . -}}
{{- if eq (mod $ms 1000) 0 -}}{{ div $ms 1000 }}{{- else -}}{{ printf "%d.%03d" (div $ms 1000) (mod $ms 1000) | trimSuffix "0" | trimSuffix "0" }}{{- end -}}
{{- end -}}

{{/* Whether the cluster is of this version or later. Input: (list context "1.30"). Output: "true" or nothing. */}}
{{- define "graceful-lib.since" -}}
{{- if semverCompare (printf ">=%s.0-0" (index . 1)) (index . 0).Capabilities.KubeVersion.Version -}}true{{- end -}}
{{- end -}}
