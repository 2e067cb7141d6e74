//! Deployments over time: scale, rollouts, waiting.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::own(
        "scale, autoscale",
        "deployments",
        r#"
@ kubectl create -f resting.yaml
kubectl scale deployment resting --replicas=1
kubectl scale deployment/resting --current-replicas=1 --replicas=0
- kubectl scale deployment resting --current-replicas=7 --replicas=2
kubectl scale -f resting.yaml --replicas=0
kubectl autoscale deployment resting --min=1 --max=3
kubectl get hpa resting -o jsonpath='{.spec.minReplicas} {.spec.maxReplicas} {.spec.scaleTargetRef.name}'
- kubectl scale deployment nope --replicas=1
@ kubectl delete hpa resting
@ kubectl delete -f resting.yaml
"#,
    ),
    Case::own(
        "set",
        "image, env, resources, service account, selector",
        r#"
@ kubectl create -f resting.yaml
kubectl set image deployment/resting main=nope.invalid/y:2
- kubectl set image deployment/resting nope=nope.invalid/y:2
kubectl set env deployment/resting A=B C=D
kubectl set env deployment/resting --list
kubectl set env deployment/resting C-
kubectl set resources deployment resting --limits=cpu=200m,memory=64Mi --requests=cpu=100m
kubectl set serviceaccount deployment resting default
kubectl set image deployment/resting main=nope.invalid/z:3 --dry-run=server -o jsonpath='{.spec.template.spec.containers[0].image}'
@ kubectl create service clusterip chosen --tcp=80:80
kubectl set selector service chosen app=resting
kubectl get deployment resting -o jsonpath='{.spec.template.spec}'
@ kubectl delete svc chosen
@ kubectl delete -f resting.yaml
"#,
    ),
    Case::own(
        "rollout",
        "status, history, undo, restart, pause, resume",
        r#"
@ kubectl apply -f deployment.yaml
kubectl rollout status deployment/rolling --timeout=50s | tail -n 1
kubectl annotate deployment rolling kubernetes.io/change-cause=first
kubectl set env deployment/rolling STEP=two
kubectl rollout status deployment/rolling | tail -n 1
kubectl rollout history deployment/rolling
kubectl rollout history deployment/rolling --revision=2
kubectl rollout undo deployment/rolling
kubectl rollout status deployment/rolling | tail -n 1
kubectl rollout undo deployment/rolling --to-revision=2 --dry-run=client -o name
kubectl rollout pause deployment/rolling
- kubectl rollout pause deployment/rolling
kubectl set env deployment/rolling STEP=three
kubectl rollout resume deployment/rolling
kubectl rollout status deployment/rolling | tail -n 1
kubectl rollout status deployment/rolling --watch=false
kubectl rollout restart deployment/rolling
kubectl rollout status deployment/rolling | tail -n 1
kubectl get deployment rolling -o jsonpath='{.metadata.annotations.deployment\.kubernetes\.io/revision} {.status.readyReplicas}'
- kubectl rollout undo deployment/rolling --to-revision=99
- kubectl rollout status deployment/nope
@ kubectl delete -f deployment.yaml --wait=false
"#,
    ),
    Case::own(
        "wait",
        "for a condition, a field, an end, in vain",
        r#"
@ kubectl create configmap waited --from-literal=a=b
@ kubectl create -f resting.yaml
kubectl wait --for=condition=Available deployment/resting --timeout=30s
kubectl wait --for=jsonpath='{.spec.replicas}'=0 deployment/resting --timeout=30s
- kubectl wait --for=condition=Nope deployment/resting --timeout=1s
- kubectl wait --for=delete configmap/waited --timeout=1s
kubectl wait --for=delete configmap/waited --timeout=30s >waited.out & waiter=$!
  sleep 1; kubectl delete configmap waited >/dev/null; wait $waiter; echo $?; cat waited.out
kubectl wait --for=create configmap/later --timeout=30s >created.out & waiter=$!
  sleep 1; kubectl create configmap later >/dev/null; wait $waiter; echo $?; cat created.out
- kubectl wait --for=condition=Ready pod/nope --timeout=1s
@ kubectl delete configmap later
@ kubectl delete -f resting.yaml
"#,
    ),
];
