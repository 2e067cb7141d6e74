//! Questions about the cluster and about oneself, and what only its administrators may do.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::read(
        "api-resources, api-versions",
        "all",
        r#"
kubectl api-resources
kubectl api-versions
"#,
    )
    .basic(),
    Case::read(
        "api-resources, api-versions",
        "chosen",
        r#"
kubectl api-resources -o wide
kubectl api-resources -o name --namespaced=true
kubectl api-resources --api-group=apps --verbs=list,get
kubectl api-resources --sort-by=kind --no-headers
"#,
    ),
    Case::read(
        "version, cluster-info",
        "version",
        r#"
kubectl version
kubectl version -o json
kubectl version -o yaml
"#,
    )
    .basic(),
    Case::read(
        "version, cluster-info",
        "cluster-info",
        r#"
kubectl cluster-info
- kubectl cluster-info dump --namespaces $NS --output-directory=dump
"#,
    ),
    Case::read(
        "auth",
        "can-i",
        r#"
kubectl auth can-i create pods
kubectl auth can-i get pods --subresource=log
- kubectl auth can-i '*' deployments.apps
kubectl auth can-i delete pod/web
- kubectl auth can-i create nodes
- kubectl auth can-i '*' '*'
- kubectl auth can-i get /metrics
kubectl auth can-i get /version
kubectl auth can-i --list
kubectl auth can-i --list --no-headers -n default
"#,
    ),
    Case::read("auth", "can-i of basic kinds", "kubectl auth can-i create pods\nkubectl auth can-i list pods -A\n")
        .basic(),
    Case::read("auth", "whoami", "kubectl auth whoami\nkubectl auth whoami -o json\n").basic(),
    Case::read(
        "top",
        "without metrics",
        r#"
- kubectl top pods
- kubectl top pod web --containers
- kubectl top nodes
"#,
    ),
    Case::read(
        "taint, cordon, drain, certificate",
        "what Kubernetes forbids",
        r#"
- kubectl taint node n1 a=b:NoSchedule
- kubectl cordon n1
- kubectl uncordon n1
- kubectl drain n1 --ignore-daemonsets
- kubectl label node n1 a=b
- kubectl certificate approve nope
- kubectl create namespace mx-nowhere
- kubectl delete namespace $NS
- kubectl create clusterrole nope --verb=get --resource=pods
- kubectl delete persistentvolume nope
"#,
    ),
    Case::read(
        "config",
        "local commands",
        r#"
kubectl config get-clusters --help | head -n 1
kubectl config view -o jsonpath='{.kind}'
kubectl config view -o jsonpath='{.contexts[0].context.namespace}'
kubectl options | head -n 3
kubectl completion bash | sha256sum
"#,
    ),
    Case::read("config", "the entries of the kubeconfig", "~ kubectl config view\n~ kubectl config current-context\n")
        .differs(
            "main-",
            "`tsh` writes a cluster, a context and a user of its own; the user is an exec plugin without any secret",
        ),
    Case::read(
        "proxy",
        "GETs through kubectl proxy",
        r#"
proxied /version /api/v1/namespaces/$NS/pods/web /apis/apps/v1/namespaces/$NS/deployments/app/scale /api/v1/nodes /api/v1/namespaces/$NS/pods/nope
proxied /api/v1/namespaces/$NS/pods/done/log /apis /openapi/v3
proxied /api/v1/namespaces/$NS/pods/web:$PORT/proxy/ /api/v1/namespaces/$NS/services/web/proxy/nope
"#,
    ),
];
