"""Certificates that the operator makes, checked by a TLS library that did not make them."""

import base64
import ssl
import time

import pytest

from chatcluster_operator.desired.tls import (
    DAY,
    LONGEST,
    CertificateError,
    OwnTls,
    Pair,
    authorities_data,
    authorities_of,
    check,
    describe,
    make_authority,
    make_leaf,
    pair_of,
)

NOW = int(time.time())
NAMES = {"chat.example.com", "demo-edge.chat.svc", "10.0.0.7"}


@pytest.fixture(scope="module")
def authority():
    return make_authority("demo-edge", now=NOW)


def encoded(values):
    return {name: base64.b64encode(text.encode()).decode() for name, text in values.items()}


def handshake(leaf, bundle, name, tmp_path):
    """A client that trusts `bundle` meets a server with `leaf` under `name`; raises ssl.SSLError."""
    file = tmp_path / "leaf.pem"
    file.write_text(leaf.certificate + leaf.key)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(file)
    asking = ssl.create_default_context(cadata=bundle)
    asking.verify_flags |= ssl.VERIFY_X509_STRICT
    up, down = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = serving.wrap_bio(up, down, server_side=True)
    client = asking.wrap_bio(down, up, server_hostname=name)
    done = False
    while not done:
        done = True
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                done = False


@pytest.mark.parametrize("name", sorted(NAMES))
def test_clients_take_it_under_each_name(authority, name, tmp_path):
    handshake(make_leaf(NAMES, authority, now=NOW), authority.certificate, name, tmp_path)


def test_clients_refuse_it_under_another_name_or_authority(authority, tmp_path):
    leaf = make_leaf(NAMES, authority, now=NOW)
    with pytest.raises(ssl.SSLCertVerificationError, match=r"(?i)hostname mismatch"):
        handshake(leaf, authority.certificate, "other.example.com", tmp_path)
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(leaf, make_authority("demo-edge", now=NOW).certificate, "chat.example.com", tmp_path)


def test_while_authorities_change_both_are_trusted(authority, tmp_path):
    new = make_authority("demo-edge", now=NOW)
    bundle = OwnTls(make_leaf(NAMES, authority, now=NOW), (new, authority)).bundle
    for signer in (authority, new):
        handshake(make_leaf(NAMES, signer, now=NOW), bundle, "chat.example.com", tmp_path)


def test_what_is_made_says_what_it_should(authority):
    said = check(make_leaf(NAMES, authority, now=NOW))
    assert said.names == NAMES
    assert said.not_after == NOW + 90 * DAY
    assert said.not_before < NOW
    assert said.authority == check(authority).identity
    assert check(authority).not_after == NOW + 3650 * DAY


def test_nothing_outlives_its_authority(authority):
    late = check(authority).not_after - 5 * DAY
    assert check(make_leaf(NAMES, authority, now=late)).not_after == check(authority).not_after


def test_authorities_come_back_as_they_were_written(authority):
    pairs = (make_authority("demo-edge", now=NOW), authority)
    read = authorities_of(encoded(authorities_data(pairs)))
    assert [(pair.certificate, pair.key) for pair in read] == [(pair.certificate, pair.key) for pair in pairs]


def test_a_chain_is_described_by_its_first(authority):
    leaf = make_leaf(NAMES, authority, now=NOW)
    chain = Pair(leaf.certificate + authority.certificate, leaf.key)
    assert check(chain) == check(leaf) == describe(chain.certificate)


def test_no_repr_shows_a_key(authority):
    own = OwnTls(make_leaf(NAMES, authority, now=NOW), (authority,))
    assert "BEGIN" not in repr(authority) + repr(own)


def bad(authority):
    leaf, other = make_leaf(NAMES, authority, now=NOW), make_leaf(NAMES, authority, now=NOW)
    return {
        "is missing": encoded({"tls.crt": leaf.certificate}),
        "not text": {"tls.crt": "\x00", "tls.key": ""},
        "no certificate": encoded({"tls.crt": "hello", "tls.key": leaf.key}),
        "not a private key": encoded({"tls.crt": leaf.certificate, "tls.key": "hello"}),
        "another certificate": encoded({"tls.crt": leaf.certificate, "tls.key": other.key}),
        "longer than": encoded({"tls.crt": leaf.certificate + "x" * LONGEST, "tls.key": leaf.key}),
    }


@pytest.mark.parametrize(
    "why", ["is missing", "not text", "no certificate", "not a private key", "another certificate", "longer than"]
)
def test_what_cannot_be_used_is_told_without_quoting_it(authority, why):
    with pytest.raises(CertificateError, match=why) as refused:
        check(pair_of(bad(authority)[why]))
    assert "BEGIN" not in str(refused.value)


def test_authorities_without_their_keys_are_refused(authority):
    with pytest.raises(CertificateError, match="a key for each"):
        authorities_of(encoded({"tls.crt": authority.certificate * 2, "tls.key": authority.key}))
