from __future__ import annotations

import subprocess
import sys

import pytest

from rowspace.errors import ConfigError
from rowspace.transformer.reading_options import check_on_truncate, check_pooling


def test_what_cannot_be_says_so() -> None:
    with pytest.raises(ConfigError, match=r"on_truncate is 'crop'; give one of warn, error, chunk"):
        check_on_truncate("crop")
    with pytest.raises(ConfigError, match=r"subword_pooling is 'sum'; give one of mean, first, la"):
        check_pooling("sum")


def test_the_options_of_commands_load_no_torch() -> None:
    code = "import sys, rowspace.cli.encode, rowspace.cli.distill; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
