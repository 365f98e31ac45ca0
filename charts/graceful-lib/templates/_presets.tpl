{{/*
What stands in front, as values. Whatever the user gives wins over these. Times are seconds from the end of the pod,
a preStop hook included. Where a preset gives no announce.maxSeconds, it is what the grace period leaves.
*/}}
{{- define "graceful-lib.preset" -}}
{{- $known := list "clusterIP" "alb" "nlb" "gke-neg" "gke-l4" "ingress-nginx" "istio" "envoy-gateway" "spot" -}}
{{- if not (has . $known) -}}
{{- fail (printf "preset: expected one of %s, got %s" (join ", " $known) (toString .)) -}}
{{- end -}}
{{- include (printf "graceful-lib.preset.%s" .) nil -}}
{{- end -}}

{{/*
A Service alone: kube-proxy on every node. Measured: new connections come for 0.07 to 1.2 s after the pod's end; kube-proxy
writes its rules at most once a second (--iptables-min-sync-period, default 1s). The plugin's own defaults cover it.
*/}}
{{- define "graceful-lib.preset.clusterIP" -}}
terminationGracePeriodSeconds: 30
{{- end -}}

{{/*
Application Load Balancer with pods as targets. Deregistration has to pass the controller and the ELB API, about 10 s
(kubernetes-sigs/aws-load-balancer-controller#1719); if it fails, the health check takes the pod out after 2 x 15 s, the
controller's defaults for healthcheck-interval-seconds and unhealthy-threshold-count. Its default path is "/", which most
services answer with 200 to the very end (docs/guide/ingress/annotations.md of the controller).
*/}}
{{- define "graceful-lib.preset.alb" -}}
terminationGracePeriodSeconds: 60
announce:
  minSeconds: 15
  blindSeconds: 30
externalHealth:
  path: /lbz
service:
  annotations:
    alb.ingress.kubernetes.io/target-type: ip
    alb.ingress.kubernetes.io/healthcheck-interval-seconds: "15"
    alb.ingress.kubernetes.io/unhealthy-threshold-count: "2"
{{- end -}}

{{/*
Network Load Balancer with pods as targets. After deregistration new connections kept coming for 120 s and more whatever the
deregistration delay, while a failing health check stopped them after 30 to 40 s
(kubernetes-sigs/aws-load-balancer-controller#2366, aws/containers-roadmap#470): 3 checks 10 s apart, the controller's
defaults (docs/guide/service/annotations.md). So the check asks for HTTP (its default is TCP, which a draining pod passes),
and the announcement lasts at least 45 s, and up to 130 s while connections still come.
*/}}
{{- define "graceful-lib.preset.nlb" -}}
terminationGracePeriodSeconds: 180
announce:
  minSeconds: 45
  blindSeconds: 60
  maxSeconds: 130
externalHealth:
  path: /lbz
service:
  type: LoadBalancer
  loadBalancerClass: service.k8s.aws/nlb
  annotations:
    service.beta.kubernetes.io/aws-load-balancer-nlb-target-type: ip
    service.beta.kubernetes.io/aws-load-balancer-healthcheck-interval: "10"
    service.beta.kubernetes.io/aws-load-balancer-healthcheck-unhealthy-threshold: "3"
{{- end -}}

{{/*
GKE's container-native load balancing. Its health check is taken from the readiness probe. With 2 checks 5 s apart there is
room for 10 s of errors, and a preStop sleep of 40 s is Google's example (cloud.google.com/knowledge/kb,
502-503-errors-on-external-http-s-load-balancer, 000006416): 20 s at least, 40 s where nothing can be observed.
*/}}
{{- define "graceful-lib.preset.gke-neg" -}}
terminationGracePeriodSeconds: 75
announce:
  minSeconds: 20
  blindSeconds: 40
service:
  annotations:
    cloud.google.com/neg: '{"ingress": true}'
{{- end -}}

{{/*
GKE's passthrough network load balancer: it probes nodes every 3 s and takes one out after 2 failures, 6 to 12 s in all
(envoyproxy/gateway#9210). Until then kube-proxy forwards to the ending pod only while that pod is ready (KEP-1669), so
readiness stays good for 15 s.
*/}}
{{- define "graceful-lib.preset.gke-l4" -}}
terminationGracePeriodSeconds: 45
announce:
  minSeconds: 15
  blindSeconds: 20
  readinessDelaySeconds: 15
service:
  type: LoadBalancer
  externalTrafficPolicy: Local
{{- end -}}

{{/*
ingress-nginx reads endpoints itself and syncs at most 0.3 times a second (--sync-rate-limit, docs/user-guide/cli-arguments.md
of ingress-nginx): 3.3 s after the endpoint has gone, twice that when the change falls behind a sync.
*/}}
{{- define "graceful-lib.preset.ingress-nginx" -}}
terminationGracePeriodSeconds: 30
announce:
  minSeconds: 7
  blindSeconds: 15
{{- end -}}

{{/*
A sidecar: everything comes through it over a few connections, so silence says nothing and the announcement has a fixed
length. istiod collects changes for at most 10 s (PILOT_DEBOUNCE_MAX, pilot/pkg/features/tuning.go of istio), 12 s with the
push. Envoy strips "Connection: close" and brings a shed connection back to the same pod, so nothing is shed. The proxy
quits 5 s after SIGTERM unless told otherwise (terminationDrainDuration, istio/istio#34855): graceful-lib.podAnnotations does.
*/}}
{{- define "graceful-lib.preset.istio" -}}
terminationGracePeriodSeconds: 45
announce:
  minSeconds: 12
  blindSeconds: 12
  maxSeconds: 12
  shed: "off"
istio:
  sidecar: true
{{- end -}}

{{/*
Envoy Gateway: endpoints come over xDS within a second or two, connections are pooled and "Connection: close" is stripped, as
with istio. Its own drain waits at least 10 s (minDrainDuration, gateway.envoyproxy.io, tasks/operations/graceful-shutdown).
Where BackendTrafficPolicy has active health checks, the header takes the pod out at once.
*/}}
{{- define "graceful-lib.preset.envoy-gateway" -}}
terminationGracePeriodSeconds: 30
announce:
  minSeconds: 10
  blindSeconds: 10
  maxSeconds: 10
  shed: "off"
envoy:
  immediateHealthCheckFail: true
{{- end -}}

{{/*
Spot and preemptible nodes: 15 s for pods that are not critical, on GKE (docs.cloud.google.com, kubernetes-engine, concepts,
spot-vms). Everything shrinks; requests that need more than about 4 s are at risk.
*/}}
{{- define "graceful-lib.preset.spot" -}}
terminationGracePeriodSeconds: 15
announce:
  minSeconds: 4
  blindSeconds: 7
{{- end -}}
