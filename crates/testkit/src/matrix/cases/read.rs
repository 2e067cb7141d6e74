//! Looking at what is there.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::read(
        "get",
        "tables",
        r#"
kubectl get pods web done ticker
kubectl get pods web done -o wide
kubectl get pod web --show-labels
kubectl get configmap -L app,tier
kubectl get configmap settings --no-headers
kubectl get cm --sort-by=.metadata.name
kubectl get cm,svc
kubectl get pod/web service/web configmap/settings
kubectl get deployment app
kubectl get all -l app=web
kubectl get secrets
kubectl get configmap nope --ignore-not-found
- kubectl get pod nope
- kubectl get nosuchkinds
"#,
    ),
    Case::read(
        "get",
        "tables of basic kinds",
        r#"
kubectl get pods
kubectl get pods -o wide
kubectl get configmaps --show-labels
kubectl get secrets,services
kubectl get namespace $NS
- kubectl get pod nope
"#,
    )
    .basic(),
    Case::read(
        "get",
        "documents",
        r#"
kubectl get pod web -o json
kubectl get pod web -o yaml
kubectl get pods web done -o json
kubectl get configmap settings -o yaml --show-managed-fields
kubectl get configmaps -o json
kubectl get secret database -o yaml
kubectl get deployment app -o json --show-managed-fields
"#,
    ),
    Case::read(
        "get",
        "documents and fields of basic kinds",
        r#"
kubectl get pod web -o json
kubectl get pod web -o yaml
kubectl get configmap settings -o name
kubectl get configmap settings -o jsonpath='{.data.greeting}'
kubectl get configmap settings -o go-template='{{.metadata.name}} {{.data.greeting}}'
kubectl get configmaps -o custom-columns=N:.metadata.name,G:.data.greeting
"#,
    )
    .basic(),
    Case::read(
        "get",
        "fields",
        r#"
kubectl get pods -o name
kubectl get pod web -o jsonpath='{.spec.containers[*].name}{"\n"}'
kubectl get pods -o jsonpath='{range .items[*]}{.metadata.name}{" "}{.status.phase}{"\n"}{end}'
kubectl get pods -o go-template='{{range .items}}{{.metadata.name}} {{.metadata.uid}}{{"\n"}}{{end}}'
kubectl get pods -o custom-columns=NAME:.metadata.name,UID:.metadata.uid,NODE:.spec.nodeName
printf 'NAME GREETING\n.metadata.name .data.greeting\n' >columns
kubectl get configmaps -o custom-columns-file=columns
kubectl get pod web -o jsonpath-as-json='{.metadata.labels}'
- kubectl get pod web -o jsonpath='{.nope'
"#,
    ),
    Case::read(
        "get",
        "selection",
        r#"
kubectl get pods -l app=web
kubectl get pods -l 'app in (web, done)' -o name
kubectl get pods -l '!app' -o name
kubectl get configmaps -l app=web,tier=none
kubectl get configmaps --field-selector metadata.name=settings
kubectl get pods --field-selector status.phase=Succeeded
kubectl get pods --field-selector=status.phase!=Running -o name
- kubectl get pods --field-selector=spec.nope=1
"#,
    ),
    Case::read(
        "get",
        "pages and namespaces",
        r#"
kubectl get configmaps --chunk-size=1
kubectl get pods --chunk-size=2 -o name
kubectl get pods -A --field-selector metadata.namespace=$NS
kubectl get configmaps -A --field-selector metadata.namespace=$NS -o wide
kubectl get pods -A -l app=done --field-selector metadata.namespace=$NS -o json
kubectl get namespaces -o name | grep -x namespace/$NS
kubectl get namespace $NS
- kubectl -n mx-nowhere get pods nope
"#,
    ),
    Case::read(
        "get",
        "kinds of every group",
        r#"
kubectl get events.events.k8s.io -o name | sort
kubectl get deployments.apps,replicasets.apps -o name
kubectl get ingresses,networkpolicies,cronjobs,jobs,statefulsets,daemonsets,hpa,pdb,endpoints,endpointslices,leases -o name
kubectl get deployments.v1.apps app
- kubectl get deployments.v1beta1.apps app
"#,
    ),
    Case::read(
        "get",
        "what Kubernetes forbids",
        r#"
- kubectl get nodes
- kubectl get clusterroles
- kubectl get node n1 -o yaml
- kubectl get customresourcedefinitions
- kubectl get persistentvolumes
- kubectl get roles
"#,
    ),
    Case::read(
        "get --watch",
        "what is there already",
        r#"
- timeout 3 kubectl get configmaps -w
- timeout 3 kubectl get pods web done -w -o wide
- timeout 3 kubectl get pods --watch-only
kubectl get configmap settings --request-timeout=20s -o name
timeout 20 kubectl get --raw "/api/v1/namespaces/$NS/configmaps?watch=true&resourceVersion=0&timeoutSeconds=2&fieldSelector=metadata.name%3Dsettings"
"#,
    ),
    Case::read(
        "get --watch",
        "until --request-timeout",
        "timeout 20 kubectl get configmap settings -w --request-timeout=2s -o name\n",
    )
    .since(24, "kubectl 1.20 with any exec plugin sometimes logs `Unable to cancel request for *exec.roundTripper`"),
    Case::own(
        "get --watch",
        "changes as they happen",
        r#"
@ kubectl create configmap watched --from-literal=a=b
kubectl get configmap -w -o name --field-selector metadata.name=watched >seen & watch=$!
  wait_for seen watched
  kubectl label configmap watched a=b >/dev/null
  kubectl patch configmap watched -p '{"data": {"a": "c"}}' >/dev/null
  kubectl delete configmap watched >/dev/null
  for i in $(seq 100); do [ $(wc -l <seen) -ge 4 ] && break; sleep 0.05; done
  kill $watch; wait $watch; cat seen
@ kubectl create configmap watched --from-literal=a=b
timeout 20 kubectl get configmap watched -w --output-watch-events -o jsonpath='{.type} {.object.data.a}{"\n"}' >seen2 & watch=$!
  wait_for seen2 ADDED
  kubectl patch configmap watched -p '{"data": {"a": "c"}}' >/dev/null
  wait_for seen2 MODIFIED
  kubectl delete configmap watched >/dev/null
  wait_for seen2 DELETED
  kill $watch; wait $watch; cat seen2
"#,
    )
    .basic(),
    Case::read(
        "get --raw",
        "resources",
        r#"
kubectl get --raw /api/v1/namespaces/$NS/pods/web
kubectl get --raw "/api/v1/namespaces/$NS/configmaps?limit=1" | sed 's/"continue":"[^"]*"//'
kubectl get --raw "/api/v1/namespaces/$NS/pods?labelSelector=app%3Dweb&fieldSelector=status.phase%3DRunning"
kubectl get --raw "/apis/apps/v1/namespaces/$NS/deployments/app/scale"
kubectl get --raw "/api/v1/namespaces/$NS/pods/done/log?tailLines=2"
kubectl get --raw /api/v1/namespaces/$NS/pods/web:$PORT/proxy/
kubectl get --raw /api/v1/namespaces/$NS/services/http:web:80/proxy/index.html
- kubectl get --raw /api/v1/namespaces/$NS/pods/web:$PORT/proxy/nope
- kubectl get --raw /api/v1/namespaces/$NS/pods/web:1/proxy/
- kubectl get --raw /api/v1/namespaces/$NS/pods/nope
- kubectl get --raw /apis/apps/v1/namespaces/$NS/nosuchkinds
- kubectl get --raw /apis/nope.example.com/v1/things
- kubectl get --raw /api/v1/nodes
"#,
    ),
    Case::read(
        "get --raw",
        "discovery and health",
        r#"
kubectl get --raw /version
kubectl get --raw /api
kubectl get --raw /apis
kubectl get --raw /api/v1
kubectl get --raw /apis/apps/v1
kubectl get --raw /openapi/v3
kubectl get --raw /openapi/v2 | sha256sum
kubectl get --raw /openapi/v3/apis/apps/v1 | sha256sum
kubectl get --raw /healthz
kubectl get --raw /readyz
kubectl get --raw '/livez?verbose'
"#,
    ),
    Case::read(
        "describe",
        "every kind of the namespace",
        r#"
kubectl describe pod web
kubectl describe pod/done
kubectl describe pods -l app=ticker
kubectl describe deployment app
kubectl describe replicaset -l app=app
kubectl describe service web
kubectl describe configmap settings
kubectl describe secret database
kubectl describe serviceaccount default
kubectl describe namespace $NS
kubectl describe pod web --show-events=false
- kubectl describe pod nope
- kubectl describe node n1
"#,
    ),
    Case::read("describe", "basic kinds", "kubectl describe configmap settings\n").basic(),
    Case::read(
        "explain",
        "kinds and fields",
        r#"
kubectl explain pods
kubectl explain pod.spec.containers
kubectl explain deployment.spec --recursive
kubectl explain deployments --api-version=apps/v1
kubectl explain configmap.data
kubectl explain cronjobs.spec
- kubectl explain pod.nope
- kubectl explain nosuchkinds
"#,
    ),
    Case::read(
        "events",
        "of the namespace",
        r#"
kubectl get events -o name | sort
kubectl get events --field-selector involvedObject.name=done --sort-by=.metadata.name
kubectl events --for pod/done
kubectl events --types=Warning
"#,
    ),
];
