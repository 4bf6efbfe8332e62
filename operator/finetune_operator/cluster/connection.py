"""How the API server is reached: the service account inside a cluster, else the kubeconfig."""

import base64
from dataclasses import dataclass

from kubernetes.aio import config
from kubernetes.aio.client import Configuration


@dataclass(frozen=True)
class Credentials:
    """The same connection in neutral terms, for the watches."""

    server: str
    ca_path: str | None
    ca_data: str | None
    insecure: bool
    token: str | None
    certificate_path: str | None
    private_key_path: str | None
    proxy_url: str | None


async def load_configuration(context: str | None = None) -> Configuration:
    """Read the connection. Raises kubernetes.aio.config.ConfigException when there is none."""
    configuration = Configuration()
    # Failed requests are retried by the queue, which knows what is still wanted.
    configuration.retries = False
    try:
        config.load_incluster_config(client_configuration=configuration)
    except config.ConfigException:
        await config.load_kube_config(client_configuration=configuration, context=context)
    return configuration


async def bearer_token(configuration: Configuration) -> str | None:
    """Return the current token without its scheme; service account tokens are re-read when they rotate."""
    settings = await configuration.auth_settings()
    value = (settings.get("BearerToken") or {}).get("value")
    return str(value).split(" ", 1)[-1] if value else None


async def credentials(configuration: Configuration) -> Credentials:
    """Return what a second client needs to reach the same server as the same user."""
    ca_data = configuration.ca_cert_data
    if isinstance(ca_data, str):
        ca_data = ca_data.encode()
    return Credentials(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        ca_data=base64.b64encode(ca_data).decode() if ca_data else None,
        insecure=not configuration.verify_ssl,
        token=await bearer_token(configuration),
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        proxy_url=configuration.proxy,
    )
