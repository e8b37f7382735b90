"""No secret's value gets out, by whatever way."""

import base64

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_operator.cli.redaction import REDACTED, Scrubber, redacted, secret_values


def secret(**values: str) -> dict[str, object]:
    return {
        "kind": "Secret",
        "metadata": {
            "name": "demo",
            "annotations": {"kubectl.kubernetes.io/last-applied-configuration": "{…}", "a": "b"},
        },
        "data": {name: base64.b64encode(value.encode()).decode() for name, value in values.items()},
    }


def test_a_secret_keeps_its_keys_and_loses_its_values() -> None:
    clean = redacted(secret(password="open sesame", url="redis://u:pw@host"))
    assert clean["data"] == {"password": REDACTED, "url": REDACTED}
    assert clean["metadata"]["annotations"] == {"a": "b"}, "what kubectl keeps of an apply holds the values too"


def test_other_objects_keep_all_but_what_nobody_reads() -> None:
    body = {"kind": "ConfigMap", "metadata": {"name": "a", "managedFields": [{}]}, "data": {"key": "value"}}
    assert redacted(body) == {"kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"key": "value"}}


def test_known_values_are_taken_out_of_every_text() -> None:
    key = "-----BEGIN PRIVATE KEY-----\nMC4CAQAwBQYDK2VwBCIEIA\n-----END PRIVATE KEY-----\n"
    scrub = Scrubber(
        secret_values([secret(password="open sesame", url="redis://user:p%40ssword@host:6379/0", key=key)])
    )
    encoded = base64.b64encode(b"open sesame").decode()
    for text in ("open sesame", encoded, "redis://user:p%40ssword@host:6379/0", "p%40ssword", "p@ssword", key):
        assert text not in scrub(f"before {text} after")
    assert scrub("MC4CAQAwBQYDK2VwBCIEIA") == REDACTED, "a line of a key by itself"
    assert scrub(f"password={encoded}.") == f"password={REDACTED}."


def test_addresses_and_short_values_are_left_readable() -> None:
    values = secret_values(
        [secret(region="eu-central-1", endpoint="https://s3.example.com", username="chatter", port="6379")]
    )
    assert Scrubber(values)("eu-central-1 https://s3.example.com chatter 6379") == (
        "eu-central-1 https://s3.example.com chatter 6379"
    )
    assert Scrubber([])("as it is") == "as it is"


@given(st.lists(st.text(alphabet="abcdef", min_size=6, max_size=12), min_size=1, max_size=4))
def test_whatever_the_values_none_is_left(values: list[str]) -> None:
    scrub = Scrubber(secret_values([secret(**{f"key{index}": value for index, value in enumerate(values)})]))
    cleaned = scrub(" ".join([*values, "".join(values)]))
    assert not [value for value in values if value in cleaned]
