"""`python -m finetune_operator`: reads the settings and runs the operator until it is told to stop."""

import asyncio
import logging
import signal
import sys

from kubernetes.aio.config import ConfigException

from finetune_operator import logs
from finetune_operator.cluster.client import ApiServer
from finetune_operator.cluster.connection import load_configuration
from finetune_operator.errors import SettingsError
from finetune_operator.lifecycle import Operator
from finetune_operator.logs import fields
from finetune_operator.settings import Settings, read_settings

logger = logging.getLogger("finetune_operator")

EXIT_USAGE = 2


def main() -> int:
    """Run the operator; return its exit code."""
    try:
        settings = read_settings(sys.argv[1:])
    except SettingsError as error:
        sys.stderr.write(f"finetune-operator: {error}\n")
        return EXIT_USAGE
    logs.configure(settings.log_format, settings.log_level)
    try:
        return asyncio.run(_run(settings))
    except ConfigException as error:
        logger.error("cannot start: not in a pod, and no usable kubeconfig (set KUBECONFIG)", extra=fields(why=error))
    except OSError as error:
        logger.error("cannot start", extra=fields(why=error))
    return EXIT_USAGE


async def _run(settings: Settings) -> int:
    stop = asyncio.Event()

    def take_signals() -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)

    take_signals()
    server = ApiServer(await load_configuration(settings.context or None))
    try:
        return await Operator(settings, server, take_signals).run(stop)
    finally:
        await server.close()


if __name__ == "__main__":
    sys.exit(main())
