"""Generated values: made once, completed later, and never shown."""

import base64
import json
import secrets

import jwt
from cryptography.fernet import Fernet
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from chatcluster_operator.api import RotationKind
from chatcluster_operator.desired.credentials import FIELDS, ROTATED, generate


def test_all_values_are_made_and_differ():
    made = generate(None, secrets.token_bytes)
    values = [getattr(made, name) for name in FIELDS]
    assert all(len(value) >= 20 for value in values)
    assert len(set(values)) == len(values)


def test_what_exists_is_kept_and_only_the_rest_is_made():
    first = generate(None, secrets.token_bytes)
    partial = first.to_secret()
    del partial["redis_message_password"]
    partial["token_key"] = ""
    partial["something_else"] = "eA=="
    second = generate(partial, secrets.token_bytes)
    changed = {name for name in FIELDS if getattr(first, name) != getattr(second, name)}
    assert changed == {"redis_message_password", "token_key"}
    assert generate(second.to_secret(), secrets.token_bytes) == second


def test_same_randomness_same_values(rand):
    assert generate(None, lambda size: b"\1" * size) == generate(None, lambda size: b"\1" * size)


def test_secret_holds_them():
    made = generate(None, secrets.token_bytes)
    for what in RotationKind:
        changing = made.begin(what, secrets.token_bytes)
        assert generate(changing.to_secret(), bytes) == changing
        assert changing.rotating is what
        assert generate(changing.withdraw().to_secret(), bytes) == made
        assert generate(changing.completed.to_secret(), bytes) == changing.completed


def test_a_rotation_replaces_what_it_is_for_and_nothing_else():
    made = generate(None, secrets.token_bytes)
    for what, names in ROTATED.items():
        after = made.begin(what, secrets.token_bytes).completed
        assert {name for name in FIELDS if getattr(after, name) != getattr(made, name)} == set(names)
    never = set(FIELDS) - {name for names in ROTATED.values() for name in names}
    assert never == {
        "kafka_cluster_id",
        "vapid_key",
        "links_key",
        "objects_peer_key",
        "objects_signing_key",
        "mongodb_keyfile",
    }


def test_a_user_of_one_password_changes_names_with_each_rotation():
    first = generate(None, secrets.token_bytes)
    password = first.mongodb_password
    assert first.logins("chat", "mongodb_password") == {"chat": password, "chat_b": None}
    changing = first.begin(RotationKind.PASSWORDS, secrets.token_bytes)
    new = changing.coming["mongodb_password"]
    assert changing.logins("chat", "mongodb_password") == {"chat": password, "chat_b": new}
    second = changing.completed
    assert second.logins("chat", "mongodb_password") == {"chat": None, "chat_b": new}
    assert second.begin(RotationKind.PASSWORDS, secrets.token_bytes).completed.slot == "a"
    assert second.begin(RotationKind.KEYS, secrets.token_bytes).completed.slot == "b"


def test_what_was_encrypted_stays_readable():
    first = generate(None, secrets.token_bytes)
    after = first.begin(RotationKind.KEYS, secrets.token_bytes).completed
    new, old = after.encryption_key.split()
    assert old == first.encryption_key
    Fernet(new)


def test_links_that_were_signed_by_the_internal_token_still_hold():
    old = generate(None, secrets.token_bytes).to_secret()
    del old["links_key"]
    found = generate(old, secrets.token_bytes)
    assert found.links_key == found.internal_token


def test_repr_shows_nothing():
    made = generate(None, secrets.token_bytes)
    assert made.internal_token not in f"{made!r} {made}"


def test_cluster_id_is_what_kafka_takes():
    raw = base64.urlsafe_b64decode(generate(None, secrets.token_bytes).kafka_cluster_id + "==")
    assert len(raw) == 16


def test_the_push_key_is_a_p256_key_and_the_encryption_key_a_fernet_key():
    made = generate(None, secrets.token_bytes)
    key = load_pem_private_key(made.vapid_key.encode(), password=None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    assert key.curve.name == "secp256r1"
    assert Fernet(made.encryption_key).decrypt(Fernet(made.encryption_key).encrypt(b"x")) == b"x"


def test_tokens_signed_by_the_key_are_checked_by_the_key_set():
    made = generate(None, secrets.token_bytes)
    (key,) = json.loads(made.jwks)["keys"]
    token = jwt.encode({"sub": "u"}, made.token_key, algorithm="EdDSA")
    assert jwt.decode(token, jwt.PyJWK(key), algorithms=["EdDSA"])["sub"] == "u"
    assert key["kid"]
    assert "d" not in key
