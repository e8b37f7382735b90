import json
from pathlib import Path

import pytest

from chatcluster_local.errors import ExitCode, LocalError
from chatcluster_local.kind import kind_config
from chatcluster_local.paths import Paths, cache_root, check_name, state_root
from chatcluster_local.providers import choose, provider_for


@pytest.mark.parametrize(
    ("asked", "recorded", "docker", "chosen"),
    [
        (None, None, False, "builtin"),
        (None, None, True, "kind"),
        ("builtin", None, True, "builtin"),
        ("existing", None, True, "existing"),
        # A cluster stays with the provider that made it, whatever the machine has by now.
        (None, "builtin", True, "builtin"),
        (None, "kind", False, "kind"),
        ("kind", "kind", True, "kind"),
    ],
)
def test_the_provider_is_the_asked_the_recorded_or_the_fitting_one(
    asked: str | None, recorded: str | None, docker: bool, chosen: str
) -> None:
    assert choose(asked, recorded, docker) == chosen


@pytest.mark.parametrize(("asked", "recorded", "said"), [("minikube", None, "builtin"), ("kind", "builtin", "clean")])
def test_an_unknown_or_contradicting_provider_is_refused_with_a_remedy(
    asked: str, recorded: str | None, said: str
) -> None:
    with pytest.raises(LocalError, match=said) as caught:
        choose(asked, recorded, False)
    assert caught.value.code == ExitCode.UNFIT


@pytest.mark.parametrize("name", ["a", "chatcluster", "t-2", "x" * 24])
def test_good_names(name: str) -> None:
    assert check_name(name) == name


@pytest.mark.parametrize("name", ["", "A", "2nd", "-a", "a-", "a_b", "a/b", "..", "x" * 25, "a\n", "ä"])
def test_bad_names_are_refused_with_the_rule(name: str) -> None:
    with pytest.raises(LocalError, match="24 lower-case letters"):
        check_name(name)


def test_state_and_cache_follow_xdg_and_a_relative_path_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    monkeypatch.setenv("HOME", "/home/someone")
    assert state_root() == tmp_path / "state/chatcluster"
    assert cache_root() == Path("/home/someone/.cache/chatcluster")


def test_the_record_names_the_provider(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    paths = Paths("recorded")
    paths.state.mkdir(parents=True)
    paths.record.write_text(json.dumps({"provider": "kind"}))
    assert provider_for(paths, None).name == "kind"


def test_existing_needs_a_kubeconfig(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    with pytest.raises(LocalError, match="KUBECONFIG is not set"):
        provider_for(Paths("mine"), "existing").check()
    monkeypatch.setenv("KUBECONFIG", str(tmp_path / "none"))
    with pytest.raises(LocalError, match="no file"):
        provider_for(Paths("mine"), "existing").check()


def test_kind_has_three_workers() -> None:
    assert kind_config().count("role: worker") == 3
