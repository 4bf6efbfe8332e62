"""How the control plane's programs are started."""

from .component import Component, http_ready
from .files import write_json
from .layout import Addresses, Layout

_AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/openapi*", "/api*", "/version"]},
        {"level": "None", "resources": [{"group": "coordination.k8s.io", "resources": ["leases"]}]},
        {"level": "Metadata"},
    ],
}


def etcd(layout: Layout, addresses: Addresses) -> Component:
    """The store. It need not survive a power cut, so it does not wait for the disk."""
    arguments = [
        f"--data-dir={layout.root / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        "--listen-client-urls=http://127.0.0.1:2379",
        "--advertise-client-urls=http://127.0.0.1:2379",
        "--listen-peer-urls=http://127.0.0.1:2380",
        f"--listen-metrics-urls=http://{addresses.node}:2381",
    ]
    return Component("etcd", arguments, http_ready(f"http://{addresses.node}:2381/health"))


def kube_apiserver(layout: Layout, addresses: Addresses) -> Component:
    """The API server, with Node and RBAC authorization and an audit log of every request to a resource."""
    pki = layout.pki
    policy = write_json(layout.config / "audit-policy.json", _AUDIT_POLICY)
    arguments = [
        "--etcd-servers=http://127.0.0.1:2379",
        f"--advertise-address={addresses.node}",
        f"--service-cluster-ip-range={addresses.services}",
        "--authorization-mode=Node,RBAC",
        "--enable-admission-plugins=NodeRestriction",
        "--allow-privileged=true",
        f"--client-ca-file={pki / 'ca.crt'}",
        f"--tls-cert-file={pki / 'apiserver.crt'}",
        f"--tls-private-key-file={pki / 'apiserver.key'}",
        f"--kubelet-certificate-authority={pki / 'ca.crt'}",
        f"--kubelet-client-certificate={pki / 'apiserver-kubelet-client.crt'}",
        f"--kubelet-client-key={pki / 'apiserver-kubelet-client.key'}",
        # Names of nodes are not in any DNS here.
        "--kubelet-preferred-address-types=InternalIP",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki / 'service-accounts.key'}",
        f"--service-account-signing-key-file={pki / 'service-accounts.key'}",
        f"--audit-policy-file={policy}",
        f"--audit-log-path={layout.audit_log}",
        "--audit-log-maxsize=100",
        "--audit-log-maxbackup=2",
        "--profiling=false",
    ]
    return Component("kube-apiserver", arguments, http_ready(f"https://{addresses.node}:6443/readyz", layout))


def kube_controller_manager(layout: Layout, addresses: Addresses, *, with_node: bool) -> Component:
    """The controllers. Without a kubelet, those that act on nodes would only fight with the tests' own nodes."""
    pki, kubeconfig = layout.pki, layout.config / "kube-controller-manager.kubeconfig"
    without = [] if with_node else ["-node-lifecycle-controller", "-pod-garbage-collector-controller"]
    arguments = [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        "--use-service-account-credentials",
        f"--root-ca-file={pki / 'ca.crt'}",
        f"--service-account-private-key-file={pki / 'service-accounts.key'}",
        f"--cluster-signing-cert-file={pki / 'ca.crt'}",
        f"--cluster-signing-key-file={pki / 'ca.key'}",
        f"--controllers={','.join(['*', *without])}",
        "--kube-api-qps=200",
        "--kube-api-burst=400",
        *_serving(layout),
    ]
    ready = http_ready(f"https://{addresses.node}:10257/healthz", layout)
    return Component("kube-controller-manager", arguments, ready)


def kube_scheduler(layout: Layout, addresses: Addresses) -> Component:
    """The scheduler, which counts the GPUs that the node says it has."""
    kubeconfig = layout.config / "kube-scheduler.kubeconfig"
    arguments = [
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        "--leader-elect=false",
        *_serving(layout),
    ]
    return Component("kube-scheduler", arguments, http_ready(f"https://{addresses.node}:10259/healthz", layout))


def _serving(layout: Layout) -> list[str]:
    return [f"--tls-cert-file={layout.pki / 'node.crt'}", f"--tls-private-key-file={layout.pki / 'node.key'}"]
