"""Where the weights are, for tests that need them."""

import os
from pathlib import Path

import pytest

from dragoman.kit.weights import missing


@pytest.fixture
def weights_dir() -> Path:
    """The folder of verified model files; without it the test is skipped."""
    folder = Path(os.environ.get("DRAGOMAN_WEIGHTS__DIR") or Path(__file__).resolve().parents[3] / "weights")
    if missing(folder):
        pytest.skip("scripts/fetch-weights has not been run")
    return folder
