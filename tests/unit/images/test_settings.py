"""This machine's indexes and proxies reach a build as a secret file, and nothing else of its environment does."""

import stat

import pytest

from chatcluster_local.images import settings

ENVIRONMENT = {
    "PIP_INDEX_URL": "https://user:it's@index.example/simple",
    "https_proxy": "http://proxy.example:3128",
    "NO_PROXY": "localhost",
    "PIP_FIND_LINKS": "/opt/wheels",
    "AWS_SECRET_ACCESS_KEY": "no",
}


def test_the_script_exports_indexes_and_proxies_alone() -> None:
    assert settings.script(ENVIRONMENT).splitlines() == [
        "export HTTPS_PROXY=http://proxy.example:3128",
        "export MAVEN_OPTS='-Dhttps.proxyHost=proxy.example -Dhttps.proxyPort=3128'",
        "export NO_PROXY=localhost",
        """export PIP_INDEX_URL='https://user:it'"'"'s@index.example/simple'""",
        "export https_proxy=http://proxy.example:3128",
        "export no_proxy=localhost",
    ]


def test_the_file_is_private_and_goes_away() -> None:
    with settings.secret_file(ENVIRONMENT) as path:
        assert path is not None
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert "PIP_INDEX_URL" in path.read_text(encoding="utf-8")
    assert not path.exists()


def test_there_is_no_file_where_there_is_nothing_to_say() -> None:
    with settings.secret_file({"PATH": "/bin"}) as path:
        assert path is None


@pytest.mark.parametrize("environment", [{}, {"HTTP_PROXY": ""}])
def test_no_proxy_no_options(environment: dict[str, str]) -> None:
    assert settings.maven_options(environment) == ""
