"""Header rules, in both directions."""

from chatcluster_gateway import headers


def test_what_connection_names_stays_behind() -> None:
    sent = [(b"connection", b"X-One, keep-alive"), (b"connection", b" x-two "), (b"x-one", b"1"), (b"x-two", b"2")]
    assert headers.inward([*sent, (b"x-three", b"3")]) == [(b"x-three", b"3")]


def test_connection_cannot_take_away_what_is_end_to_end() -> None:
    kept = [(b"authorization", b"Bearer x"), (b"content-length", b"3"), (b"content-type", b"text/plain")]
    sent = [(b"connection", b"Authorization, content-length, CONTENT-TYPE"), *kept]
    assert headers.inward(sent) == kept


def test_repeated_headers_stay_in_order() -> None:
    fields = [(b"x-a", b"1"), (b"x-b", b"2"), (b"x-a", b"3")]
    assert headers.inward(fields) == fields
    assert headers.outward([(b"Set-Cookie", b"a"), (b"set-cookie", b"b")], 200) == [
        (b"set-cookie", b"a"),
        (b"set-cookie", b"b"),
    ]


def test_no_length_without_a_body() -> None:
    fields = [(b"Content-Length", b"10"), (b"ETag", b'"x"')]
    assert headers.outward(fields, 304) == [(b"etag", b'"x"')]
    assert headers.outward(fields, 200) == [(b"content-length", b"10"), (b"etag", b'"x"')]


def test_our_own_headers_are_not_doubled() -> None:
    fields = [
        (b"Date", b"x"),
        (b"Server", b"x"),
        (b"X-Request-Id", b"x"),
        (b"RateLimit", b"x"),
        (b"RateLimit-Policy", b"x"),
    ]
    assert headers.outward(fields, 200) == []
