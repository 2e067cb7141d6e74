//! Changing and removing objects.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::own(
        "apply",
        "a configmap",
        r#"
kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "b"}}'
kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "b"}}'
kubectl apply -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "applied"}, "data": {"a": "c"}}'
kubectl get configmap applied -o jsonpath='{.data}'
kubectl delete configmap applied
"#,
    )
    .basic(),
    Case::own(
        "apply",
        "client side",
        r#"
kubectl apply -f resting.yaml
kubectl apply -f resting.yaml
sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 5/' resting.yaml | kubectl apply -f -
kubectl apply -f resting.yaml --dry-run=client
kubectl apply -f resting.yaml --dry-run=server -o jsonpath='{.spec}'
kubectl apply -f resting.yaml -o jsonpath='{.metadata.annotations}{.spec}'
kubectl apply view-last-applied deployment resting
kubectl apply set-last-applied -f resting.yaml
KUBE_EDITOR="sed -i s/replicas:.0/replicas:\ 1/" kubectl apply edit-last-applied deployment resting
kubectl apply -f resting.yaml --record 2>/dev/null
mkdir -p many/deep; cp resting.yaml many/deep/; kubectl apply -R -f many
printf 'resources: [resting.yaml]\nnamePrefix: k-\n' >kustomization.yaml; kubectl apply -k .
- kubectl apply -f nope.yaml
- sed 's/replicas: 0/replicas: many/' resting.yaml | kubectl apply -f -
- sed 's/replicas: 0/replica: 0/' resting.yaml | kubectl apply --validate=true -f -
- sed 's/app: resting}}$/app: changed}}/' resting.yaml | kubectl apply -f -
kubectl delete deployment resting k-resting
"#,
    ),
    Case::own(
        "apply",
        "server side",
        r#"
kubectl apply --server-side -f resting.yaml
kubectl apply --server-side -f resting.yaml
sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 5/' resting.yaml | kubectl apply --server-side -f - --field-manager=mine
- sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 6/' resting.yaml | kubectl apply --server-side -f - --field-manager=other
sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 6/' resting.yaml | kubectl apply --server-side -f - --field-manager=other --force-conflicts
# The order of managed fields depends on the second in which each of them was written.
kubectl apply --server-side --dry-run=server -f resting.yaml -o jsonpath='{.metadata.managedFields[*].fieldsV1}' --show-managed-fields | tr ' ' '\n' | sort
kubectl get deployment resting --show-managed-fields -o jsonpath='{range .metadata.managedFields[*]}{.manager} {.operation} {.fieldsV1}{"\n"}{end}' | sort
kubectl apply -f resting.yaml 2>&1 | sed 's/Warning.*annotation/Warning/'
kubectl delete -f resting.yaml
"#,
    ),
    Case::own(
        "apply",
        "prune",
        r#"
@ for i in 1 2 3; do printf "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: p$i, labels: {set: p}}\n" >p$i.yaml; done
kubectl apply -f p1.yaml -f p2.yaml -f p3.yaml -l set=p --prune $(prune_list)
kubectl apply -f p1.yaml -f p2.yaml -l set=p --prune $(prune_list)
kubectl apply -f p1.yaml -l set=p --prune $(prune_list) --dry-run=server
kubectl apply -f p1.yaml -l set=p --prune $(prune_list)
- kubectl apply -f p1.yaml -l set=p --prune
kubectl get configmaps -l set=p -o name
@ kubectl delete configmaps -l set=p
"#,
    ),
    Case::own(
        "edit",
        "with an editor that changes, changes nothing, breaks",
        r#"
@ kubectl create configmap edited --from-literal=colour=red
KUBE_EDITOR="sed -i s/red/green/" kubectl edit configmap edited
KUBE_EDITOR="true" kubectl edit configmap edited
KUBE_EDITOR="sed -i s/green/blue/" kubectl edit configmap/edited -o json | grep -v uid
kubectl get configmap edited -o jsonpath='{.data.colour}'
- KUBE_EDITOR="sed -i s/kind:.ConfigMap/kind:\ Nope/" kubectl edit configmap edited 2>&1 | sed 's/\/tmp[^"]*//'
- KUBE_EDITOR="false" kubectl edit configmap edited 2>&1 | sed 's/\/tmp[^"]*//'
- kubectl edit configmap nope
@ kubectl delete configmap edited
"#,
    ),
    Case::own(
        "patch",
        "three kinds",
        r#"
@ kubectl create -f resting.yaml
@ kubectl create configmap patched --from-literal=a=b
kubectl patch configmap patched -p '{"data": {"c": "d"}}'
kubectl patch configmap patched --type=merge -p '{"data": {"a": null, "e": "f"}}'
kubectl patch configmap patched --type=json -p '[{"op": "replace", "path": "/data/c", "value": "x"}]'
kubectl patch configmap patched --type=json -p '[{"op": "replace", "path": "/data/c", "value": "x"}]'
kubectl get configmap patched -o jsonpath='{.data}'
kubectl patch deployment resting -p '{"spec": {"template": {"spec": {"containers": [{"name": "main", "env": [{"name": "A", "value": "B"}]}]}}}}' -o jsonpath='{.spec}'
printf 'metadata: {labels: {from: file}}\n' >p.yaml; kubectl patch configmap patched --patch-file p.yaml
kubectl patch deployment resting --subresource=scale --type=merge -p '{"spec": {"replicas": 0}}'
kubectl patch configmap patched -p '{"data": {"z": "y"}}' --dry-run=server -o jsonpath='{.data}'
- kubectl patch configmap patched --type=json -p '[{"op": "test", "path": "/data/c", "value": "y"}]'
- kubectl patch configmap patched -p 'not json: ['
- kubectl patch configmap nope -p '{}'
@ kubectl delete configmap patched
@ kubectl delete -f resting.yaml
"#,
    ),
    Case::own(
        "patch",
        "a configmap",
        r#"
@ kubectl create configmap patched --from-literal=a=b
kubectl patch configmap patched -p '{"data": {"c": "d"}}'
kubectl patch configmap patched --type=merge -p '{"data": {"a": null, "e": "f"}}'
kubectl patch configmap patched --type=json -p '[{"op": "replace", "path": "/data/c", "value": "x"}]'
kubectl get configmap patched -o jsonpath='{.data}'
kubectl delete configmap patched
"#,
    )
    .basic(),
    Case::own(
        "replace",
        "as it is, and by force",
        r#"
@ kubectl create -f resting.yaml
sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 5/' resting.yaml | kubectl replace -f -
kubectl replace -f resting.yaml --force --grace-period=0
kubectl get deployment resting -o json | sed 's/"resourceVersion": "[0-9]*"/"resourceVersion": "1"/' >old.json
- kubectl replace -f old.json
- kubectl replace --raw /api/v1/namespaces/$NS/configmaps/nope -f - <<<'{"metadata": {"name": "nope"}}' 2>&1 | head -n 1
- kubectl replace -f - <<<'{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "nope"}}'
@ kubectl delete -f resting.yaml
"#,
    ),
    Case::own(
        "delete",
        "by name, label, file, all",
        r#"
@ for i in 1 2 3 4 5 6 7; do kubectl create configmap d$i --from-literal=a=b; done
@ kubectl label configmap d3 d4 set=d
kubectl delete configmap d1
kubectl delete configmap/d2 --wait=false
kubectl delete configmaps -l set=d
kubectl delete configmap d5 --dry-run=server
kubectl delete configmap d5 --now
kubectl delete configmaps --field-selector metadata.name=d6
kubectl delete configmap nope --ignore-not-found
kubectl delete configmap d7 -o name
- kubectl delete configmap d7
@ kubectl create -f resting.yaml
kubectl delete -f resting.yaml
@ kubectl create secret generic one --from-literal=a=b
kubectl delete secrets --all
"#,
    ),
    Case::own(
        "delete",
        "a configmap",
        r#"
@ kubectl create configmap gone --from-literal=a=b
kubectl delete configmap gone
- kubectl delete configmap gone
kubectl delete configmap gone --ignore-not-found
"#,
    )
    .basic(),
    Case::own(
        "delete",
        "cascades",
        r#"
@ kubectl create -f resting.yaml
@ for i in $(seq 100); do [ -n "$(kubectl get rs -l app=resting -o name)" ] && break; sleep 0.1; done
kubectl delete deployment resting --cascade=orphan
kubectl get rs -l app=resting -o name | wc -l
kubectl delete rs -l app=resting --cascade=background | sed 's/-[^-]*"/"/'
@ kubectl create -f resting.yaml
kubectl delete deployment resting --cascade=foreground
@ kubectl create -f resting.yaml
kubectl delete deployment resting --force --grace-period=0
- kubectl delete deployment resting --cascade=sideways
"#,
    ),
    Case::own(
        "label, annotate",
        "add, overwrite, remove, list",
        r#"
@ kubectl create configmap named --from-literal=a=b
kubectl label configmap named a=b c=d
- kubectl label configmap named a=x
kubectl label configmap named a=x --overwrite
kubectl label configmap named a=x
kubectl label configmap named c-
kubectl label configmap named --list
kubectl label configmaps --all seen=yes -o name | sort
kubectl label configmaps -l seen=yes seen- | sort
- kubectl label configmap named 'not ok=1'
kubectl annotate configmap named note='some words' other=1
kubectl annotate configmap named note=less --overwrite
kubectl annotate configmap named other-
- kubectl annotate configmap named note=more
kubectl get configmap named -o jsonpath='{.metadata.labels}{.metadata.annotations}'
- kubectl annotate configmap nope a=b
@ kubectl delete configmap named
"#,
    ),
    Case::own(
        "label, annotate",
        "a configmap",
        r#"
@ kubectl create configmap named --from-literal=a=b
kubectl label configmap named a=b
- kubectl label configmap named a=x
kubectl label configmap named a=x --overwrite
kubectl label configmap named a-
kubectl annotate configmap named note='some words'
kubectl delete configmap named
"#,
    )
    .basic(),
    Case::own(
        "diff",
        "changed, unchanged, new",
        r#"
@ kubectl apply -f resting.yaml
kubectl diff -f resting.yaml
# Lines that change, without the second in which an older kubectl shows the change to have been made.
- sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 5/' resting.yaml | kubectl diff -f - | grep '^[-+] ' | grep -v time:
- sed 's/name: resting,/name: fresh,/' resting.yaml | kubectl diff -f - | grep '^[-+] ' | grep -v time:
- sed 's/replicas: 0/replicas: 0\n  minReadySeconds: 5/' resting.yaml | kubectl diff --server-side --force-conflicts -f - | grep '^[-+] ' | grep -v time:
- KUBECTL_EXTERNAL_DIFF="diff -q" kubectl diff -f nope.yaml
@ kubectl delete -f resting.yaml
"#,
    ),
];
