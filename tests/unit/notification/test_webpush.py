"""The encryption by the RFC's own example, what its answers mean, and which URLs the service lets itself be sent to."""

import base64
import contextlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from chatcluster_notification import webpush
from chatcluster_notification.outcomes import DelayedError, GoneError, RefusedError
from chatcluster_notification.outside import EndpointError, PublicResolver, check_endpoint, is_public
from chatcluster_notification.vapid import Vapid
from chatcluster_testing.push import Device, vapid_key


def unpadded(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def test_the_example_of_rfc_8291() -> None:
    private = int.from_bytes(unpadded("yfWPiYE-n46HLnH0KqZOF1fJJU3MYrct3AELtAQ-oRw"), "big")
    body = webpush.encrypt(
        b"When I grow up, I want to be a watermelon",
        unpadded("BCVxsr7N_eNgVRqvHtD0zTZsEc6-VV-JvLexhqUzORcxaOzi6-AYWXvTBHm4bjyPjs7Vd8pZGH6SRpkNtoIAiw4"),
        unpadded("BTBZMqHH6r4Tts7J_aSIgg"),
        salt=unpadded("DGv6ra1nlYgDCS1FRnbzlw"),
        sender_key=ec.derive_private_key(private, ec.SECP256R1()),
    )
    assert body == unpadded(
        "DGv6ra1nlYgDCS1FRnbzlwAAEABBBP4z9KsN6nGRTbVYI_c7VJSPQTBtkgcy27mlmlMoZIIgDll6e3vCYLocInmYWAmS6TlzAC8wEqKK6PBru3jl7A"
        "_yl95bQpu6cVPTpK4Mqgkf1CXztLVBSt2Ks3oZwbuwXPXLWyouBWLVWGNWQexSgSxsj_Qulcy4a-fN"
    )


@given(content=st.binary(max_size=webpush.MOST_BYTES))
def test_a_device_reads_what_was_sent(content: bytes) -> None:
    device = Device("https://push.example.net/1")
    body = webpush.encrypt(content, device.point, device.auth)
    assert len(body) <= 4096
    assert device.decrypt(body) == content


@pytest.mark.parametrize(
    ("status", "retry_after", "expected", "seconds"),
    [
        (404, "", GoneError, None),
        (410, "", GoneError, None),
        (400, "", RefusedError, None),
        (403, "", RefusedError, None),
        (413, "", RefusedError, None),
        (301, "", RefusedError, None),
        (429, "120", DelayedError, 120),
        (503, "99999999999999", DelayedError, 3600),
        (500, "", DelayedError, 0),
        (503, "Wed, 21 Oct 2015 07:28:00 GMT", DelayedError, 0),
        (503, "Fri, 21 Oct 2095 07:28:00 GMT", DelayedError, 3600),
        (503, "soon", DelayedError, 0),
        (503, "-5", DelayedError, 0),
        (503, "²", DelayedError, 0),
    ],
)
def test_what_an_answer_means(status: int, retry_after: str, expected: type[Exception], seconds: float | None) -> None:
    with pytest.raises(expected) as raised:
        webpush.judge(status, retry_after)
    if isinstance(raised.value, DelayedError):
        assert raised.value.retry_after_seconds == seconds
    for good in (200, 201, 202):
        webpush.judge(good, "")


@pytest.mark.parametrize(
    "url",
    [
        "https://fcm.googleapis.com/fcm/send/abc",
        "https://updates.push.services.mozilla.com:443/wpush/v2/abc",
        "https://8.8.8.8/x",
        "https://[2001:4860:4860::8888]/x",
    ],
)
def test_public_endpoints(url: str) -> None:
    check_endpoint(url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "x",
        "//push.example.net/",
        "http://push.example.net/",
        "ftp://push.example.net/",
        "https:///x",
        "https://push.example.net:8443/",
        "https://push.example.net:99999/",
        "https://user@push.example.net/",
        "https://localhost/",
        "https://demo-user/internal/users",
        "https://127.0.0.1/",
        "https://10.0.0.1/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[fe80::1%25eth0]/",
        "https://[::ffff:10.0.0.1]/",
        "https://[64:ff9b::10.0.0.1]/",
        "https://[2002:7f00:1::]/",
        "https://[::1",
        "https://push.exämple.net/",
        "https://push.example.net/\n",
        "https://push.example.net/ x",
    ],
)
def test_endpoints_that_lead_elsewhere(url: str) -> None:
    with pytest.raises(EndpointError):
        check_endpoint(url)


@given(url=st.text() | st.builds("https://{}".format, st.text()))
def test_no_url_breaks_the_check(url: str) -> None:
    with contextlib.suppress(EndpointError):
        check_endpoint(url)


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("1.1.1.1", True),
        ("100.64.0.1", False),
        ("192.168.1.1", False),
        ("0.1.2.3", False),
        ("224.0.0.1", False),
        ("::", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("64:ff9b::8.8.8.8", True),
        ("::ffff:8.8.8.8", True),
    ],
)
def test_addresses(address: str, public: bool) -> None:
    assert is_public(address) is public


async def test_a_name_that_leads_to_a_private_address_is_not_resolved() -> None:
    resolver = PublicResolver()
    for host in ("localhost", "127.1", "0x7f000001"):
        with pytest.raises(OSError, match="no public address"):
            await resolver.resolve(host, 443)


@pytest.mark.parametrize("pem", ["", "x", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n"])
def test_what_is_no_key(pem: str) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        Vapid(pem, "")


def test_a_key() -> None:
    vapid = Vapid(vapid_key(), "mailto:chat@example.org")
    assert len(unpadded(vapid.public_key)) == 65
