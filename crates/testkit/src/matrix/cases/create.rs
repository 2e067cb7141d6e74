//! Making objects.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::own(
        "create",
        "configmaps and secrets",
        r#"
kubectl create configmap c1 --from-literal=a=b --from-literal=c=d
printf 'x=1\ny=2\n' >c.env; kubectl create configmap c2 --from-env-file=c.env
kubectl create configmap c3 --from-file=c.env
head -c 100000 /dev/zero >c.bin; kubectl create configmap c4 --from-file=c.bin
tr '\0' x </dev/zero | head -c 400000 >c.big; kubectl create configmap c7 --from-file=c.big
kubectl get configmap c7 -o jsonpath='{.data}' | sha256sum
kubectl get configmap c7 -o yaml | grep -v 'uid\|resourceVersion\|creationTimestamp\|time:\|namespace:' | sha256sum
kubectl create secret generic s1 --from-literal=password=x
kubectl create secret docker-registry s2 --docker-server=r.example.com --docker-username=u --docker-password=p
kubectl create configmap c5 --from-literal=a=b -o yaml
kubectl create configmap c6 --from-literal=a=b --dry-run=client -o yaml
kubectl create configmap c6 --from-literal=a=b --dry-run=server -o json
kubectl get configmaps c1 c2 c3 c5 -o jsonpath='{.items[*].data}'
- kubectl create configmap c1 --from-literal=a=b
- kubectl create configmap 'Not A Name' --from-literal=a=b
@ kubectl delete configmap c1 c2 c3 c4 c5 c7
@ kubectl delete secret s1 s2
"#,
    ),
    Case::own(
        "create",
        "a configmap and a secret",
        r#"
kubectl create configmap b1 --from-literal=a=b --from-literal=c=d
kubectl create secret generic b1 --from-literal=password=x
kubectl get configmap b1 -o jsonpath='{.data}'
- kubectl create configmap b1 --from-literal=a=b
kubectl delete configmap/b1 secret/b1
"#,
    )
    .basic(),
    Case::own(
        "create",
        "workloads",
        r#"
kubectl create deployment d1 --image=nope.invalid/x --replicas=0 -o name
kubectl create deployment d2 --image=nope.invalid/x --port=80 --dry-run=server -o yaml
kubectl create job j1 --image=nope.invalid/x -- /bin/true
kubectl create cronjob cj1 --image=nope.invalid/x --schedule='0 0 1 1 *' -- /bin/true
kubectl create job j2 --from=cronjob/cj1
kubectl get deploy,cronjob -o custom-columns=K:.kind,N:.metadata.name,L:.metadata.labels
@ kubectl delete deployment d1
@ kubectl delete jobs j1 --wait=false
@ kubectl delete cronjobs cj1 --ignore-not-found --wait=false
"#,
    ),
    Case::own(
        "create",
        "services, accounts and the rest",
        r#"
kubectl create service clusterip v1 --tcp=80:8080
kubectl create service nodeport v2 --tcp=80:8080
kubectl create service externalname v3 --external-name=x.example.com
kubectl create serviceaccount a1
kubectl create token a1 --duration=10m | tr -c -d . | wc -c
kubectl create ingress i1 --rule='x.example.com/*=v1:80'
kubectl create poddisruptionbudget p1 --selector=app=x --min-available=1
kubectl get svc v1 v2 v3
kubectl describe svc v1
- kubectl create role r1 --verb=get --resource=pods
- kubectl create rolebinding r1 --clusterrole=view --user=x
- kubectl create quota q1 --hard=pods=1
- kubectl create priorityclass p1 --value=1
@ kubectl delete svc v1 v2 v3
@ kubectl delete serviceaccount a1
@ kubectl delete ingress,pdb --all
"#,
    ),
    Case::own(
        "create",
        "from files",
        r#"
kubectl create -f resting.yaml
- kubectl create -f resting.yaml
kubectl create -f resting.yaml --dry-run=client -o name
printf '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"generateName": "made-", "labels": {"by": "file"}}}' | kubectl create -f - -o name | sed 's/-.....$//'
printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\nunknown: 1\n' | kubectl create -f - --validate=false
- printf 'apiVersion: v1\nkind: ConfigMap\nmetadata: {name: odd}\nunknown: 1\n' | kubectl create -f - --validate=true
- printf 'apiVersion: v1\nkind: Nope\nmetadata: {name: odd}\n' | kubectl create -f -
- printf 'not: [yaml' | kubectl create -f -
kubectl create --raw /api/v1/namespaces/$NS/configmaps -f - <<<'{"metadata": {"name": "raw"}}'
@ kubectl delete -f resting.yaml
@ kubectl delete configmaps odd raw
@ kubectl delete configmaps -l by=file
"#,
    ),
    Case::own(
        "expose",
        "deployments and pods",
        r#"
@ kubectl create -f resting.yaml
kubectl expose deployment resting --port=80 --target-port=8080
kubectl expose deployment resting --name=other --port=80 --type=NodePort -o name
kubectl expose deployment resting --name=third --port=80 --dry-run=client -o yaml
kubectl get svc resting -o jsonpath='{.spec.selector}{.spec.ports}'
- kubectl expose deployment nope --port=80
@ kubectl delete svc resting other
@ kubectl delete -f resting.yaml
"#,
    ),
];
