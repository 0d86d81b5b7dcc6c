"""The verifier says what Twilio's own says wherever that one says anything, and never raises."""

import hmac
from base64 import b64encode
from collections.abc import Iterable
from hashlib import sha256
from urllib.parse import quote, urlencode

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from multidict import MultiDict
from twilio.request_validator import RequestValidator

from orchestrator.bodies import split_form
from orchestrator.signatures import verify, verify_json

BASE = "https://orchestrator.example.test"
CALL = {
    "CallSid": "CA1234567890ABCDE",
    "Caller": "+14158675310",
    "Digits": "1234",
    "From": "+14158675310",
    "To": "+18005551212",
}
SET_A = {
    "EventType": "onMessageAdd",
    "AccountSid": "AC" + "0" * 32,
    "ConversationSid": "CH" + "0" * 31 + "1",
    "Body": "",
    "Author": "+15550100001",
    "Attributes": "{}",
    "MessagingBinding.Address": "+15550100001",
    "MessagingBinding.ProxyAddress": "whatsapp:+15550100999",
    "Source": "SMS",
}
HOOK = BASE + "/twilio/conversations"
JSON_HASH = "015abd7f5cc57a2dd94b7590f04ad8084273905ee33ec5cebeae62276a97f862"
OTHER_CALL = dict(CALL, Caller="+14158675309", From="+14158675309")
VECTORS = [
    ("https://mycompany.com/myapp.php?foo=1&bar=2", list(OTHER_CALL.items()), "RSOYDt4T1cUTdK1PDd93/VVr8B8="),
    ("https://example.com/myapp.php?foo=1&bar=2", list(CALL.items()), "L/OH5YylLD5NRKLltdqwSvS0BnU="),
    (HOOK, list(SET_A.items()), "tFlTCgpL2NiwFmJJDTsdOTjVxik="),
    (HOOK, list({**SET_A, "Body": "héllo ☕ a&b=c+d"}.items()), "LYWMEfAxGKrTHRp346dSwhYk13M="),
    (BASE + ":443/twilio/conversations", list(SET_A.items()), "++5rh5oFkqWCLuKc69S2bUm5xhg="),
    (HOOK + "?EventType=onMessageAdded&Body=a%20b", [], "nwudWr5PUOBCdJjNZ8OhdYVMrwk="),
]

texts = st.text(st.characters(codec="utf-8"), max_size=8)
names = st.sampled_from(["Body", "BodyX", "body", "A", ""]) | texts
forms = st.lists(st.tuples(names, texts), max_size=6)
tokens = st.text(st.characters(codec="ascii"), min_size=1, max_size=32)
paths = st.text(st.characters(codec="ascii"), max_size=12).map(lambda text: quote(text, safe="/?&=;#%+~:@!$,*()[]"))
urls = st.builds(
    "{}://{}{}{}/{}".format,
    st.sampled_from(["http", "https", "HTTPS"]),
    st.sampled_from(["", "user@", "user:pass@"]),
    st.sampled_from(["example.test", "Example.TEST", "127.0.0.1"]),
    st.sampled_from(["", ":", ":0", ":80", ":443", ":8080", ":0443"]),
    paths,
)


def signature_of(url: str, form: list[tuple[str, str]], token: str) -> str:
    return str(RequestValidator(token).compute_signature(url, MultiDict(form)))


def as_bytes(form: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    return [(name.encode(), value.encode()) for name, value in form]


def covered(form: list[tuple[str, str]]) -> bytes:
    return covered_bytes(as_bytes(form))


def covered_bytes(form: Iterable[tuple[bytes, bytes]]) -> bytes:
    """What a signature covers of a form, read from a body as a client writes it."""
    return split_form(urlencode(list(form)).encode()).covered


def without_user(url: str) -> str:
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{path}"


@pytest.mark.parametrize(("url", "form", "signature"), VECTORS)
def test_every_known_vector_verifies(url: str, form: list[tuple[str, str]], signature: str) -> None:
    assert verify(url, covered(form), signature, ["12345"])
    assert not verify(url, covered(form), signature, ["12346"])


def test_a_field_that_comes_twice_counts_once_with_one_value_and_twice_with_two() -> None:
    once = [("Digits", "5678"), ("Digits", "1234")]
    signature = signature_of(HOOK, once, "12345")
    assert verify(HOOK, covered([*once, *once]), signature, ["12345"])
    assert verify(HOOK, covered(once[::-1]), signature, ["12345"])
    assert not verify(HOOK, covered(once[:1]), signature, ["12345"])


def test_the_json_vector_verifies_with_its_body_and_no_other() -> None:
    url, signature = f"{BASE}/twilio/json?bodySHA256={JSON_HASH}", "91Fl+m8Nmq2adapYgsmxEUM5KFU="
    assert verify_json(url, b'{"a":1}', signature, ["12345"])
    assert not verify_json(url, b'{"a":2}', signature, ["12345"])
    assert not verify_json(url, b"", signature, ["12345"])
    assert not verify_json(url, b'{"a":1}', signature, ["12346"])


def test_a_json_body_without_its_hash_in_the_url_is_refused() -> None:
    url = BASE + "/twilio/json"
    assert not verify_json(url, b'{"a":1}', signature_of(url, [], "12345"), ["12345"])
    empty = url + "?bodySHA256="
    assert not verify_json(empty, b'{"a":1}', signature_of(empty, [], "12345"), ["12345"])


def test_both_tokens_are_accepted_while_they_rotate() -> None:
    url, form, signature = VECTORS[2]
    assert verify(url, covered(form), signature, ["12345", "new"])
    assert verify(url, covered(form), signature, ["new", "12345"])
    assert not verify(url, covered(form), signature, [])


@settings(max_examples=1000, deadline=None)
@given(urls, forms, tokens, st.sampled_from(["signed", "with port", "without port", "other token", "garbled"]))
def test_it_agrees_with_the_official_validator(url: str, form: list[tuple[str, str]], token: str, kind: str) -> None:
    plain = without_user(url)
    signed_url = {
        "with port": plain.replace(".test/", ".test:443/"),
        "without port": plain.replace(":443/", "/").replace(":8080/", "/").replace(":80/", "/"),
    }.get(kind, plain)
    signature = signature_of(signed_url, form, token + "x" if kind == "other token" else token)
    signature = signature.swapcase() if kind == "garbled" else signature
    try:
        verdict = RequestValidator(token).validate(plain, MultiDict(form), signature)
    except ValueError:
        assume(False)
    assert verify(url, covered(form), signature, [token]) is verdict


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=40), st.booleans(), tokens, st.booleans())
def test_it_agrees_with_the_official_validator_about_json(body: bytes, upper: bool, token: str, touched: bool) -> None:
    text = body.decode("latin-1")
    digest = sha256(text.encode()).hexdigest()
    url = f"{BASE}/hook?a=b&bodySHA256={digest.upper() if upper else digest}"
    signature = signature_of(url, [], token)
    posted = text + "!" if touched else text
    verdict = RequestValidator(token).validate(url, posted, signature)
    assert verify_json(url, posted.encode(), signature, [token]) is verdict


@settings(max_examples=1000, deadline=None)
@given(st.data())
def test_no_mutation_of_a_signed_request_is_accepted(data: st.DataObject) -> None:
    url, form, signature = VECTORS[2]
    mutation = data.draw(st.sampled_from(["value", "name", "drop", "add", "url", "signature", "swap"]))
    pairs = dict(as_bytes(form))
    name = data.draw(st.sampled_from(sorted(pairs)))
    piece = data.draw(st.binary(min_size=1, max_size=4))
    match mutation:
        case "value":
            pairs[name] = piece + pairs[name] if data.draw(st.booleans()) else pairs[name] + piece
        case "name":
            pairs[name + piece] = pairs.pop(name)
        case "drop":
            del pairs[name]
        case "add":
            pairs[b"\xf0" + piece] = piece
        case "swap":
            pairs[name] = pairs[name].swapcase()
        case "url":
            at = data.draw(st.integers(len("https://"), len(url)))
            url = url[:at] + quote(piece) + url[at:]
        case "signature":
            at = data.draw(st.integers(0, len(signature)))
            signature = signature[:at] + piece.decode("latin-1") + signature[at:]
    assume(dict(as_bytes(form)) != pairs or mutation in ("url", "signature"))
    assume(covered_bytes(pairs.items()) != covered(form) or mutation in ("url", "signature"))
    assert not verify(url, covered_bytes(pairs.items()), signature, ["12345"])


def test_the_borders_between_fields_are_not_signed() -> None:
    """Why nobody may trust them: see `Form`."""
    signature = signature_of(BASE, [("Body", "hello"), ("BodyX", "1")], "12345")
    assert verify(BASE, b"BodyhelloBodyX1", signature, ["12345"])


def test_bytes_that_are_no_text_are_signed_as_bytes() -> None:
    digest = hmac.digest(b"12345", HOOK.encode() + b"Body\xff\xfe", "sha1")
    assert verify(HOOK, split_form(b"Body=%ff%fe").covered, b64encode(digest).decode(), ["12345"])


@settings(max_examples=500, deadline=None)
@given(
    st.text(max_size=30) | urls,
    st.binary(max_size=30),
    st.none() | st.text(max_size=30),
)
def test_it_never_raises(url: str, body: bytes, signature: str | None) -> None:
    assert verify(url, body, signature, ["12345"]) is False
    assert verify_json(url, body, signature, ["12345"]) is False


@pytest.mark.parametrize("url", ["http://h:99999/", "http://h:x/", "http://[::1/", "http://\ud800/", ""])
def test_an_impossible_url_is_refused(url: str) -> None:
    assert verify(url, b"", "L/OH5YylLD5NRKLltdqwSvS0BnU=", ["12345"]) is False
    assert verify_json(url, b"{}", "L/OH5YylLD5NRKLltdqwSvS0BnU=", ["12345"]) is False
