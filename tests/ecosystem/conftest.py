"""The operated node with a bucket of small inputs, as the lifecycle tests have it."""

from tests.e2e.lifecycle.conftest import bench  # noqa: F401
