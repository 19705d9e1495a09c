"""Keras at a lower price: what is spared, and that nothing else is lost."""

from __future__ import annotations

import gc
import subprocess
import sys
from types import ModuleType

import pytest

from stj_model import backend, cli
from stj_model.backend import hidden, uncollected


def test_hidden_modules_look_as_if_they_were_not_installed(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "there", ModuleType("there"))
    sys.modules.pop("colorsys", None)
    with hidden(["colorsys", "there"]):
        with pytest.raises(ImportError):
            import colorsys
        import there  # type: ignore[import-not-found]  # what is imported already stays
    import colorsys

    assert there is sys.modules["there"]
    assert colorsys.rgb_to_hls(0, 0, 0) == (0, 0, 0)


def test_what_was_imported_is_never_gone_through_again():
    before = gc.get_freeze_count()
    with uncollected():
        kept = [[] for _ in range(1000)]
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() >= before + len(kept)
    gc.unfreeze()


def test_whoever_collects_by_hand_is_left_alone():
    gc.disable()
    try:
        with uncollected():
            pass
        assert not gc.isenabled()
        assert gc.get_freeze_count() == 0
    finally:
        gc.enable()


def test_a_failed_import_leaves_the_collector_on():
    with pytest.raises(ImportError), uncollected():
        raise ImportError
    assert gc.isenabled()
    gc.unfreeze()


@pytest.mark.slow
@pytest.mark.parametrize("spared", [True, False])
def test_keras_is_spared_the_large_libraries_of_others_in_our_own_process_only(spared: bool):
    code = (
        "import sys; from stj_model import backend; "
        f"{'backend.spare_keras(); ' if spared else ''}"
        "backend.keras(); "
        "print([name for name in backend.JUST_IN_CASE if name in sys.modules]); "
        "import sklearn.metrics, matplotlib.figure"
    )
    done = subprocess.run([sys.executable, "-c", code], check=False, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    assert (done.stdout.strip() == "[]") is spared


def test_the_commands_spare_it(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(backend, "_spared", [])
    monkeypatch.setattr(cli, "run", lambda app: None)
    cli.main()
    assert backend._spared == list(backend.JUST_IN_CASE)
