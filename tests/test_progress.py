import sys

import pytest

from rowspace.progress import track


def test_a_bar_inside_another_is_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with track("outer") as outer:
        assert outer.is_shown
        with track("inner") as inner:
            inner.advance()
            assert not inner.is_shown
    with pytest.raises(ValueError, match="stop"), track("again") as again:
        assert again.is_shown
        raise ValueError("stop")
    with track("last") as last:
        assert last.is_shown
