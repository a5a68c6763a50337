import pytest

from conftest import need


def test_a_missing_tool_skips_here_and_fails_on_ci(monkeypatch):
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="needs a browser; to run it: install one"):
        need(None, "a browser", "install one")
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match="needs a browser; to run it: install one"):
        need(None, "a browser", "install one")
    need("/usr/bin/browser", "a browser", "install one")
