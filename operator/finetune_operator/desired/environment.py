"""The environment of the containers: what the operator sets, what the spec adds, authorities and proxy."""

from finetune_api.handoff import CA_BUNDLE_FILE, SCRATCH_DIRECTORY
from finetune_api.parts.environment import Proxy
from finetune_api.parts.pod import PodOptions
from finetune_operator.kinds import Manifest

OWN = {
    "HOME": str(SCRATCH_DIRECTORY),
    "TMPDIR": str(SCRATCH_DIRECTORY),
    # Threads that spin while they wait cost three times the CPU on a node that others use, too.
    "OMP_WAIT_POLICY": "PASSIVE",
}
CA_VARIABLES = ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "AWS_CA_BUNDLE")
"""Read by OpenSSL and httpx, by requests, by curl, and by boto3."""
DIRECT = ("localhost", "127.0.0.1", ".svc", ".cluster.local", "169.254.169.254", "169.254.170.2", "169.254.170.23")
"""Never reached by a proxy: the pod itself, the cluster's Services, and where the clouds give out credentials."""


def environment(options: PodOptions) -> Manifest:
    """Return `env`, and `envFrom` if there is one, for a container. A variable of the spec wins over a derived one."""
    values = OWN | _authorities(options) | _proxy(options.proxy or Proxy())
    given = {variable.name: variable.to_wire() for variable in options.env or ()}
    own = [{"name": name, "value": value} for name, value in values.items() if name not in given]
    found: Manifest = {"env": [*own, *given.values()]}
    if options.env_from:
        found["envFrom"] = [source.to_wire() for source in options.env_from]
    return found


def _authorities(options: PodOptions) -> dict[str, str]:
    return dict.fromkeys(CA_VARIABLES, str(CA_BUNDLE_FILE)) if options.ca_bundle else {}


def _proxy(proxy: Proxy) -> dict[str, str]:
    """Return each variable in both spellings, as programs read one or the other."""
    ways = {"HTTP_PROXY": proxy.http_proxy, "HTTPS_PROXY": proxy.https_proxy}
    found = {name: address for name, address in ways.items() if address}
    if found or proxy.no_proxy:
        wished = (host.strip() for host in (proxy.no_proxy or "").split(","))
        found["NO_PROXY"] = ",".join(dict.fromkeys([*filter(None, wished), *DIRECT]))
    return found | {name.lower(): value for name, value in found.items()}
