"""What is sealed opens for its purpose alone, with any of the keys, and for as long as it may."""

from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_user.sealing import Sealer

OLD, NEW = Fernet.generate_key().decode(), Fernet.generate_key().decode()


@given(st.text())
def test_there_and_back(text: str) -> None:
    sealer = Sealer(NEW)
    sealed = sealer.seal("link", text)
    assert sealer.open("link", sealed) == text
    assert sealer.open("totp", sealed) is None
    assert Sealer(OLD).open("link", sealed) is None


def test_keys_are_replaced_one_after_the_other() -> None:
    sealed = Sealer(OLD).seal("totp", "secret")
    assert Sealer(f"{NEW} {OLD}").open("totp", sealed) == "secret"
    assert Sealer(OLD).open("totp", Sealer(f"{NEW} {OLD}").seal("totp", "secret")) is None


@given(st.text(max_size=200))
def test_anything_else_opens_nothing(text: str) -> None:
    assert Sealer(NEW).open("device", text) is None


def test_a_device_is_known_to_its_person_alone() -> None:
    sealer = Sealer(NEW)
    token = sealer.device_token("ada", "phone")
    assert sealer.device_of(token, "ada") == "phone"
    assert sealer.device_of(token, "bob") is None
    assert sealer.device_of(sealer.seal("link", "ada phone"), "ada") is None
    assert sealer.device_of(None, "ada") is None
    assert sealer.open("device", token, seconds=-1) is None
    assert sealer.device_of(sealer.device_token("ada"), "ada")
