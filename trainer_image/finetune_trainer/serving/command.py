"""The commands `serve` and `fetch`."""

import argparse
import asyncio
import logging
import re
from pathlib import Path

from finetune_api.handoff import SECRETS_DIRECTORY, SERVED_MODEL_DIRECTORY, SERVING_PORT, VOLUMES_DIRECTORY
from finetune_trainer.errors import TrainerError

DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
MIB = 1 << 20

log = logging.getLogger(__name__)


def add_serve_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `serve`."""
    parser.add_argument("--model", type=Path, required=True, help="folder of the published model")
    parser.add_argument("--digest", type=_digest, required=True, help="sha256:<hex> that the folder must have")
    parser.add_argument("--name", required=True, help="name by which clients ask for the model")
    parser.add_argument("--gpus", type=int, default=0, help="GPUs that the pod asked for (default: %(default)s)")
    parser.add_argument("--gpu-resource-name", default="nvidia.com/gpu", help="what they are counted as")
    parser.add_argument("--host", default="0.0.0.0", help="address to listen on (default: all)")  # noqa: S104
    parser.add_argument("--port", type=int, default=SERVING_PORT, help="port to listen on (default: %(default)s)")
    parser.add_argument("--threads", type=_positive, default=4, help="requests answered at once (default: %(default)s)")
    parser.add_argument("--queue", type=_positive, default=32, help="requests that may wait (default: %(default)s)")
    parser.add_argument("--max-body-bytes", type=_positive, default=4 * MIB, help="largest request (default: 4 MiB)")
    parser.add_argument(
        "--grace-seconds", type=float, default=25, help="time to finish requests on SIGTERM (default: %(default)s)"
    )


def add_fetch_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the arguments of `fetch`."""
    parser.add_argument("uri", help="s3://bucket/path or pvc://claim/path of a published model")
    parser.add_argument("--digest", type=_digest, required=True, help="sha256:<hex> that the files must have")
    parser.add_argument("--into", type=Path, default=Path(SERVED_MODEL_DIRECTORY), help="folder for the files")
    parser.add_argument("--secrets", type=Path, default=Path(SECRETS_DIRECTORY), help="folder of mounted Secrets")
    parser.add_argument("--volumes", type=Path, default=Path(VOLUMES_DIRECTORY), help="folder of mounted claims")


def serve(args: argparse.Namespace) -> int:
    """Serve a model until the process is told to stop. Returns the exit code."""
    from finetune_trainer.serving.server import ServeOptions, run_server

    options = ServeOptions(
        model=args.model,
        digest=args.digest,
        name=args.name,
        gpus=args.gpus,
        gpu_resource_name=args.gpu_resource_name,
        host=args.host,
        port=args.port,
        threads=args.threads,
        queue=args.queue,
        max_body_bytes=args.max_body_bytes,
        grace_seconds=args.grace_seconds,
    )
    try:
        asyncio.run(run_server(options))
    except TrainerError as error:
        return _failed(error)
    return 0


def fetch(args: argparse.Namespace) -> int:
    """Fetch and check a published model. Returns the exit code."""
    from finetune_trainer.serving.fetch import fetch_model

    try:
        folder = fetch_model(args.uri, args.digest, args.into, args.secrets, args.volumes)
    except TrainerError as error:
        return _failed(error)
    log.info("%s is complete in %s, digest %s", args.uri, folder, args.digest)
    return 0


def _failed(error: TrainerError) -> int:
    log.error("%s: %s", error.failure_class, error.message)
    return error.exit_code


def _digest(text: str) -> str:
    if not DIGEST.fullmatch(text):
        raise argparse.ArgumentTypeError(f"{text!r} is not a digest; expected sha256: and 64 hex digits")
    return text


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{text} is too small; expected at least 1")
    return number
