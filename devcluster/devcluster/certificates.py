"""The cluster's own certificate authority, and who its components are to the API server."""

import base64
import datetime
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from .files import write_private
from .layout import Addresses, Layout

_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class Identity:
    """Whom a client certificate speaks for: the user is the common name, the groups are the organizations."""

    file: str
    user: str
    groups: tuple[str, ...] = ()


def identities(node: str) -> list[Identity]:
    """Everyone who talks to the API server with a certificate."""
    return [
        Identity("admin", "devcluster-admin", ("system:masters",)),
        Identity("setup", "devcluster-setup", ("system:masters",)),
        Identity("apiserver-kubelet-client", "kube-apiserver-kubelet-client", ("system:masters",)),
        Identity("kube-controller-manager", "system:kube-controller-manager"),
        Identity("kube-scheduler", "system:kube-scheduler"),
        Identity("kube-proxy", "system:kube-proxy"),
        Identity("kubelet", f"system:node:{node}", ("system:nodes",)),
        Identity("coredns", "devcluster-coredns"),
        Identity("volume-provisioner", "devcluster-volume-provisioner"),
    ]


def issue_all(layout: Layout, addresses: Addresses) -> None:
    """Write the authority, every certificate and every kubeconfig of the cluster."""
    authority = Authority(layout.pki)
    names = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    local = ["localhost", "127.0.0.1", addresses.node]
    authority.issue_server("apiserver", "kube-apiserver", [*names, *local, addresses.kubernetes_service])
    authority.issue_server("node", layout.name, [layout.name, *local])
    _write_key(layout.pki / "service-accounts.key", ec.generate_private_key(ec.SECP256R1()))
    for identity in identities(layout.name):
        authority.issue_client(identity)
        target = layout.kubeconfig if identity.file == "admin" else layout.config / f"{identity.file}.kubeconfig"
        _write_kubeconfig(target, layout, identity, f"https://{addresses.node}:6443")


class Authority:
    """Signs certificates; all of it is thrown away with the cluster."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = _subject("devcluster-ca", ())
        limits = x509.BasicConstraints(ca=True, path_length=None)
        certificate = _builder(self._name, self._name, self._key).add_extension(limits, critical=True)
        self._write("ca", certificate, self._key)

    def issue_server(self, file: str, user: str, hosts: Sequence[str]) -> None:
        """Write a server's key and certificate, valid for these names and addresses."""
        alternatives = x509.SubjectAlternativeName([_host(host) for host in hosts])
        self._issue(file, _subject(user, ()), ExtendedKeyUsageOID.SERVER_AUTH, alternatives)

    def issue_client(self, identity: Identity) -> None:
        """Write a client's key and certificate."""
        self._issue(identity.file, _subject(identity.user, identity.groups), ExtendedKeyUsageOID.CLIENT_AUTH)

    def _issue(
        self,
        file: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        alternatives: x509.SubjectAlternativeName | None = None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _builder(subject, self._name, key)
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        if alternatives is not None:
            builder = builder.add_extension(alternatives, critical=False)
        self._write(file, builder, key)

    def _write(self, file: str, builder: x509.CertificateBuilder, key: ec.EllipticCurvePrivateKey) -> None:
        certificate = builder.sign(self._key, hashes.SHA256())
        (self._folder / f"{file}.crt").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
        _write_key(self._folder / f"{file}.key", key)


def _write_key(path: Path, key: ec.EllipticCurvePrivateKey) -> None:
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
    )
    write_private(path, pem)


def _subject(user: str, groups: Sequence[str]) -> x509.Name:
    return x509.Name(
        [
            *(x509.NameAttribute(NameOID.ORGANIZATION_NAME, group) for group in groups),
            x509.NameAttribute(NameOID.COMMON_NAME, user),
        ]
    )


def _host(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePrivateKey) -> x509.CertificateBuilder:
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # A day back: virtual machines wake up with clocks that are behind.
        .not_valid_before(now - _DAY)
        .not_valid_after(now + 365 * _DAY)
    )


def _write_kubeconfig(target: Path, layout: Layout, identity: Identity, server: str) -> None:
    """Write a kubeconfig that holds its certificates, so that it can be copied elsewhere."""
    cluster = {"server": server, "certificate-authority-data": _encoded(layout.pki / "ca.crt")}
    user = {
        "client-certificate-data": _encoded(layout.pki / f"{identity.file}.crt"),
        "client-key-data": _encoded(layout.pki / f"{identity.file}.key"),
    }
    document = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": layout.name, "cluster": cluster}],
        "users": [{"name": identity.user, "user": user}],
        "contexts": [{"name": layout.name, "context": {"cluster": layout.name, "user": identity.user}}],
        "current-context": layout.name,
    }
    write_private(target, yaml.safe_dump(document, sort_keys=False).encode())


def _encoded(path: Path) -> str:
    return base64.b64encode(path.read_bytes()).decode()
