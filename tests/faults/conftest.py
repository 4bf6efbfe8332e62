"""The operator's bench, for faults around it."""

from tests.integration.operator.conftest import api, bench

__all__ = ["api", "bench"]
