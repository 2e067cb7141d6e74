//! Inside pods: logs, exec, attach, cp, port-forward, debug, run.

use super::super::case::Case;

pub(super) const CASES: &[Case] = &[
    Case::read(
        "logs",
        "every flag",
        r#"
kubectl logs done
kubectl logs done --tail=3
kubectl logs done --limit-bytes=40
kubectl logs done --timestamps
kubectl logs done --since=1s
kubectl logs done --since=10h --tail=2
kubectl logs done --since-time=2000-01-01T00:00:00Z --tail=1
kubectl logs -f done
kubectl logs web -c main --tail=2
kubectl logs web --all-containers --tail=2 | sort
kubectl logs web --all-containers --prefix --tail=2 | sort
kubectl logs -l app=done --tail=2
kubectl logs deployment/app
kubectl logs pod/web
- kubectl logs web --previous
- kubectl logs web -c nope
- kubectl logs nope
- timeout 3 kubectl logs -f web -c main --tail=3
{ timeout 20 kubectl logs -f ticker --tail=1 || true; } | head -n 3
"#,
    ),
    Case::read(
        "logs",
        "of a pod",
        r#"
kubectl logs done --tail=2
kubectl logs pod/done --tail=1
- kubectl logs nope
"#,
    )
    .basic(),
    Case::read(
        "exec",
        "commands, streams, exit codes",
        r#"
kubectl exec web -c main -- echo hello
kubectl exec web -- sh -c 'echo out; echo err >&2'
kubectl exec pod/web -c side -- cat /etc/passwd
kubectl exec deployment/app -- echo from the deployment
- kubectl exec web -c main -- sh -c 'exit 7'
- kubectl exec web -c main -- sh -c 'echo out; echo err >&2; exit 3'
- kubectl exec web -c main -- /no/such/command
- kubectl exec web -c nope -- true
- kubectl exec nope -- true
echo from stdin | kubectl exec -i web -c main -- cat
head -c 5000000 /dev/zero | kubectl exec -i web -c main -- sha256sum
kubectl exec web -c main -- sh -c 'head -c 5000000 /dev/zero' | sha256sum
kubectl exec web -c main -- sh -c 'seq 20000' | sha256sum
printf 'echo one\necho two\nexit 5\n' | kubectl exec -i web -c main -- sh || echo $?
"#,
    ),
    Case::read(
        "exec",
        "a command, a stream, an exit code",
        r#"
kubectl exec web -c main -- echo hello
- kubectl exec web -c main -- sh -c 'echo out; echo err >&2; exit 3'
echo from stdin | kubectl exec -i web -c main -- cat
head -c 300000 /dev/zero | kubectl exec -i web -c main -- sha256sum
"#,
    )
    .basic(),
    Case::read(
        "exec",
        "on a terminal",
        r#"
terminal "kubectl exec -it web -c main -- echo hello"
terminal "kubectl exec -it web -c main -- sh -c 'sleep 1; stty size'"
terminal "kubectl exec -it web -c main -- sh -c 'tty >/dev/null && echo a terminal; exit 4'" || echo $?
printf 'echo typed\nexit\n' | kubectl exec -it web -c main -- sh
"#,
    ),
    Case::own(
        "attach",
        "with and without stdin",
        r#"
@ kubectl apply -f pod.yaml
@ kubectl wait --for=condition=Ready pod/echo --timeout=50s
(echo hello; sleep 2) | { timeout 20 kubectl attach -i echo -q 2>attach.err || true; } | head -n 1; sed /prompt/d attach.err
- kubectl attach nope
- kubectl attach echo -c nope
@ kubectl delete -f pod.yaml --wait=false
"#,
    ),
    Case::read(
        "attach",
        "to a running container",
        r#"
{ timeout 10 kubectl attach ticker 2>/dev/null || true; } | head -n 2
"#,
    ),
    Case::read(
        "cp",
        "10 MB there and back, folders, errors",
        r#"
# What tar says on the other side is not compared: kubectl may end before it has printed it.
head -c 10000000 /dev/urandom >big; sha256sum <big >sum
kubectl cp big web:/tmp/$WAY-big -c main
kubectl exec web -c main -- sha256sum /tmp/$WAY-big | sed 's/ .*//' | grep -c -F "$(sed 's/ .*//' sum)"
kubectl cp web:/tmp/$WAY-big back -c main >/dev/null 2>&1; cmp big back && echo the same
mkdir -p tree/deep; echo a >tree/a; echo b >tree/deep/b; kubectl cp tree web:/tmp/$WAY-tree -c main
kubectl exec web -c main -- cat /tmp/$WAY-tree/deep/b
kubectl cp $NS/web:/tmp/$WAY-tree tree2 -c main >/dev/null 2>&1; diff -r tree tree2 && echo the same
kubectl cp web:/tmp/$WAY-nope nope -c main >/dev/null 2>&1; echo $?; [ -e nope ] || echo nothing came
- kubectl cp big nope:/tmp/x
@ kubectl exec web -c main -- rm -rf /tmp/$WAY-big /tmp/$WAY-tree
"#,
    ),
    Case::read(
        "port-forward",
        "to a pod, a service, a deployment",
        r#"
forwarded pod/web $PORT /
forwarded service/web 80 /
forwarded pod/web $PORT /nope
forwarded deployment/app $PORT /
# Whether kubectl has read the request before it ends the connection decides what curl calls the end.
forwarded pod/web 1 / 2>&1 | grep -o 'Empty reply from server\|Connection reset by peer\|connect: connection refused' | sed 's/^[EC].*/no answer/' | sort -u || true
- kubectl port-forward nope 80
- kubectl port-forward pod/web notaport
"#,
    ),
    Case::own(
        "debug",
        "an ephemeral container, a copy, a node",
        r#"
@ kubectl apply -f pod.yaml
@ kubectl wait --for=condition=Ready pod/echo --timeout=50s
# Words sent before the kubelet has attached can be lost, past Teleport too.
kubectl debug echo --image=$IMAGE --image-pull-policy=Never --container=probe -- sh -c 'echo probed; sleep 1'
for i in $(seq 100); do kubectl logs echo -c probe 2>/dev/null | grep probed && break; sleep 0.1; done
kubectl get pod echo -o jsonpath='{.spec.ephemeralContainers[*].name}'
(sleep 3; echo words; sleep 2) | kubectl debug echo -i -q --image=$IMAGE --image-pull-policy=Never --container=second -- sh -c 'read -r line; echo got $line; sleep 1' 2>/dev/null
kubectl debug echo --copy-to=copy --container=main --image=$IMAGE --image-pull-policy=Never -- sleep 1
kubectl get pod copy -o jsonpath='{.spec.containers[*].command}'
- kubectl debug node/n1 --image=$IMAGE
- kubectl debug nope --image=$IMAGE
@ kubectl delete pod echo copy --wait=false --ignore-not-found
"#,
    ),
    Case::own(
        "run",
        "detached, attached and removed, on a terminal",
        r#"
kubectl run r1 --image=$IMAGE --image-pull-policy=Never --restart=Never --overrides="$(cat overrides.json)" -- sh -c 'echo ran'
for i in $(seq 200); do kubectl logs r1 2>/dev/null | grep ran && break; sleep 0.1; done
kubectl run r2 --image=$IMAGE --dry-run=client -o yaml
kubectl run r2 --image=$IMAGE --dry-run=server -o jsonpath='{.spec.containers[0].image}'
(sleep 3; echo words; sleep 2) | kubectl run r3 -i --rm --quiet --image=$IMAGE --image-pull-policy=Never --restart=Never --overrides="$(cat overrides.json)" --pod-running-timeout=50s -- sh -c 'read -r line; echo got $line; sleep 1; exit 3' 2>run.err || echo $?; sed /prompt/d run.err
terminal "kubectl run r4 -it --rm --quiet --image=$IMAGE --image-pull-policy=Never --restart=Never --overrides='$(cat overrides.json)' -- sh -c 'sleep 1; tty >/dev/null && echo a terminal; sleep 1'"
- kubectl run r1 --image=$IMAGE
- kubectl get pod r3
@ kubectl delete pod r1 --wait=false
"#,
    ),
];
