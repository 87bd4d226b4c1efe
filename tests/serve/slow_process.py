"""A server of its own process with slow routes; prints its address. Argument: seconds of drain."""

from __future__ import annotations

import sys

import pytest

from rowspace.serve import run
from rowspace.serve.config import ServeConfig
from tests.serve.servers import app_with_more, stub

if __name__ == "__main__":
    pytest.MonkeyPatch().setattr(run, "create_app", app_with_more)
    config = ServeConfig(port=0, drain=float(sys.argv[1]))
    run.serve(stub(), config, started=lambda address: print(address, flush=True))
