"""Header rules, in both directions."""

from hypothesis import given
from hypothesis import strategies as st

from chatcluster_gateway import headers
from chatcluster_gateway.cors import Cors
from chatcluster_gateway.headers import Header, Incoming


def test_what_connection_names_stays_behind() -> None:
    sent = [(b"connection", b"X-One, keep-alive"), (b"connection", b" x-two "), (b"x-one", b"1"), (b"x-two", b"2")]
    assert Incoming.read([*sent, (b"x-three", b"3")]).inward == [(b"x-three", b"3")]


def test_connection_cannot_take_away_what_is_end_to_end() -> None:
    kept = [(b"authorization", b"Bearer x"), (b"cookie", b"a=b"), (b"content-type", b"text/plain")]
    sent = [(b"connection", b"Authorization, cookie, CONTENT-TYPE"), *kept]
    assert Incoming.read(sent).inward == kept


def test_repeated_headers_stay_in_order() -> None:
    fields = [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")]
    assert Incoming.read(fields).inward == fields
    cookies = [(b"set-cookie", b"a"), (b"set-cookie", b"b")]
    assert said(cookies) == cookies


def said(fields: list[Header], status: int = 200) -> list[Header]:
    """What of a service's headers is passed on."""
    return [header for header in headers.outward(fields, status) if header in fields]


def test_no_length_without_a_body() -> None:
    fields = [(b"content-length", b"10"), (b"etag", b'"x"')]
    assert said(fields, 304) == [(b"etag", b'"x"')]
    assert said(fields) == fields


def test_our_own_headers_are_not_doubled() -> None:
    spoofed = [
        (name, b"spoofed")
        for name in (b"date", b"server", b"x-request-id", b"ratelimit", b"ratelimit-policy", b"x-frame-options",
                     b"access-control-allow-origin", b"access-control-allow-credentials")
    ]  # fmt: skip
    assert said(spoofed) == []


def test_every_answer_says_how_it_may_be_used() -> None:
    fields = dict(headers.outward([], 200))
    assert fields[b"x-content-type-options"] == b"nosniff"
    assert fields[b"cache-control"] == b"no-store"
    assert fields[b"content-security-policy"] == b"default-src 'none'; frame-ancestors 'none'"
    own = [(b"cache-control", b"public, max-age=300")]
    assert [value for name, value in headers.outward(own, 200) if name == b"cache-control"] == [b"public, max-age=300"]


def test_two_authorizations_are_none() -> None:
    assert Incoming.read([(b"authorization", b"Bearer a")]).authorization == b"Bearer a"
    assert Incoming.read([(b"authorization", b"Bearer a"), (b"authorization", b"Bearer a")]).authorization is None


@given(st.lists(st.tuples(st.sampled_from(sorted(headers.HOP_BY_HOP | {b"host", b"x-a", b"cookie"})), st.binary())))
def test_nothing_of_one_hop_crosses(fields: list[Header]) -> None:
    assert {name for name, _ in Incoming.read(fields).inward} <= {b"x-a", b"cookie"}
    assert not headers.HOP_BY_HOP & {name for name, _ in headers.outward(fields, 200)}


def test_only_listed_origins_may_read() -> None:
    cors = Cors(["https://app.example.org"])
    assert (b"access-control-allow-origin", b"https://app.example.org") in cors.headers(b"https://app.example.org")
    for other in (None, b"null", b"https://app.example.org.evil.example", b"http://app.example.org"):
        assert cors.headers(other) == [(b"vary", b"Origin")]
    assert Cors([]).headers(b"https://app.example.org") == []
