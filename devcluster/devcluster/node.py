"""How the node's programs are started: kubelet, kube-proxy, DNS and the volume provisioner."""

from .component import Component, dns_ready, http_ready
from .files import write_json, write_text
from .layout import Addresses, Layout

_COREFILE = """\
.:53 {{
    bind {address}
    errors
    kubernetes cluster.local in-addr.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
"""


def kubelet(layout: Layout, addresses: Addresses) -> Component:
    """The kubelet. Everything that it writes lies below the cluster's folder."""
    pki = layout.pki
    resolv_conf = write_text(layout.config / "resolv.conf", f"nameserver {addresses.node}\n")
    config = {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {"x509": {"clientCAFile": str(pki / "ca.crt")}, "webhook": {"enabled": True}},
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "node.crt"),
        "tlsPrivateKeyFile": str(pki / "node.key"),
        "healthzBindAddress": addresses.node,
        "containerRuntimeEndpoint": f"unix://{layout.containerd_socket}",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{layout.cgroup}",
        "failCgroupV1": False,
        "failSwapOn": False,
        "oomScoreAdj": 0,
        "clusterDomain": "cluster.local",
        "clusterDNS": [addresses.node],
        "resolvConf": str(resolv_conf),
        # The disk is shared with everything else on this machine, so a full one is not the pods' fault.
        "evictionHard": {"memory.available": "50Mi", "nodefs.available": "0%", "imagefs.available": "0%"},
        "imageGCHighThresholdPercent": 100,
        "podLogsDir": str(layout.root / "pod-logs"),
        "volumePluginDir": str(layout.kubelet / "volume-plugins"),
        "shutdownGracePeriod": "0s",
    }
    arguments = [
        f"--config={write_json(layout.config / 'kubelet.json', config)}",
        f"--kubeconfig={layout.config / 'kubelet.kubeconfig'}",
        f"--root-dir={layout.kubelet}",
        f"--hostname-override={layout.name}",
        f"--node-ip={addresses.node}",
    ]
    return Component("kubelet", arguments, http_ready(f"http://{addresses.node}:10248/healthz"))


def kube_proxy(layout: Layout, addresses: Addresses) -> Component:
    """Makes Services' addresses work, for pods and for the host."""
    config = {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clusterCIDR": addresses.pods,
        "hostnameOverride": layout.name,
        "clientConnection": {"kubeconfig": str(layout.config / "kube-proxy.kubeconfig")},
        "healthzBindAddress": f"{addresses.node}:10256",
        "metricsBindAddress": "127.0.0.1:10249",
        # These limits belong to the whole machine and can only be set outside of network namespaces.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "iptables": {"syncPeriod": "30s", "minSyncPeriod": "100ms"},
    }
    arguments = [f"--config={write_json(layout.config / 'kube-proxy.json', config)}"]
    return Component("kube-proxy", arguments, http_ready(f"http://{addresses.node}:10256/livez"))


def coredns(layout: Layout, addresses: Addresses) -> Component:
    """The cluster's DNS. There is no way out, so it says at once that it knows no other names."""
    kubeconfig = layout.config / "coredns.kubeconfig"
    corefile = write_text(layout.config / "Corefile", _COREFILE.format(address=addresses.node, kubeconfig=kubeconfig))
    ready = dns_ready(addresses.node, "kubernetes.default.svc.cluster.local")
    return Component("coredns", [f"-conf={corefile}"], ready)


def volume_provisioner(layout: Layout, addresses: Addresses) -> Component:
    """Makes a folder on this disk for each claim."""
    arguments = [
        f"--kubeconfig={layout.config / 'volume-provisioner.kubeconfig'}",
        f"--root={layout.volumes}",
        f"--metrics-address={addresses.node}",
    ]
    return Component("volume-provisioner", arguments, http_ready(f"http://{addresses.node}:10258/metrics"))
