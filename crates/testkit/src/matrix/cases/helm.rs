//! A release of twenty objects, as someone who may touch one namespace and nothing else.

use super::super::case::{Case, ClientKind, Person};

const fn case(name: &'static str, script: &'static str) -> Case {
    Case::own("release", name, script).of(ClientKind::Helm).by(Person::Owner)
}

const fn look(group: &'static str, name: &'static str, script: &'static str) -> Case {
    Case { group, ..case(name, script) }
}

pub(super) const CASES: &[Case] = &[
    look("local", "version, lint, template", "helm version --short\nhelm lint chart\nhelm template twenty chart\n"),
    look(
        "install, upgrade, rollback, uninstall",
        "the life of a release",
        r#"
helm install twenty chart --wait --timeout 50s --description first
helm list
helm status twenty | sort
kubectl get all,configmaps,secrets,serviceaccounts,roles,rolebindings,ingresses,networkpolicies,pdb -l app.kubernetes.io/managed-by=Helm -o name | wc -l
helm upgrade twenty chart --set greeting=bye --set replicas=2 --wait --timeout 55s
kubectl get configmap twenty-3 -o jsonpath='{.data}'
kubectl get deployment twenty -o jsonpath='{.status.readyReplicas}'
helm history twenty
helm get values twenty
helm get manifest twenty
helm get all twenty
helm rollback twenty 1 --wait --timeout 55s
kubectl get configmap twenty-3 -o jsonpath='{.data}'
helm history twenty
helm test twenty --timeout 50s
helm uninstall twenty --wait --timeout 50s
kubectl get configmaps,services,deployments,cronjobs -l app.kubernetes.io/managed-by=Helm -o name | wc -l
- helm status twenty
"#,
    ),
    look(
        "upgrade --install, --dry-run, --keep-history",
        "other ways in",
        r#"
helm upgrade --install other chart --set replicas=0
helm upgrade --install other chart --set replicas=0 --dry-run 2>&1 | grep -c ^kind:
- helm install other chart
- helm upgrade missing chart
- helm install broken chart --set image='[' --dry-run
helm list -o yaml
kubectl get deployment other -o jsonpath='{.metadata.annotations}'
helm uninstall other --keep-history
helm history other
helm uninstall other
"#,
    ),
    look(
        "other namespaces",
        "what the owner may not touch: Kubernetes says so past Teleport",
        r#"
~ helm list -n default
~ helm install twenty chart -n default
"#,
    )
    .differs("orbidden", "Teleport refuses before Kubernetes does, and says so in its own words"),
];
