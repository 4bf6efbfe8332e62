"""The command line: run | fetch | serve."""

import argparse
import os
import signal
import sys


def main() -> int:
    """Run the command that the arguments name; return its exit code."""
    # As process 1 of a container, Python would ignore SIGTERM until a handler is installed; importing takes a while.
    signal.signal(signal.SIGTERM, lambda *_: os._exit(128 + signal.SIGTERM))
    from finetune_trainer import config, log

    config.settle_process()
    log.configure(config.log_format())
    args = _parser().parse_args()
    code: int = args.function(args)
    return code


def _parser() -> argparse.ArgumentParser:
    from finetune_trainer import run
    from finetune_trainer.serving import command

    parser = argparse.ArgumentParser(prog="python -m finetune_trainer", description="Train, fetch or serve a model.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, words, add_arguments, function in (
        ("run", "take a job file from data to a published model", run.add_arguments, run.run),
        ("fetch", "download a published model and check its digest", command.add_fetch_arguments, command.fetch),
        ("serve", "answer requests with a published model", command.add_serve_arguments, command.serve),
    ):
        subparser = commands.add_parser(name, help=words, description=words)
        add_arguments(subparser)
        subparser.set_defaults(function=function)
    return parser


if __name__ == "__main__":
    sys.exit(main())
