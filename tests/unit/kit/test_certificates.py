"""Client certificates: every form in which proxies hand them over, and what they say."""

import base64
from typing import Any
from urllib.parse import quote

import pytest
from tests.certificate_makers import Authority

from dragoman.kit.certificates import BadCertificate, CertificateHeader, der_of, presented, read

JANE = Authority().person("Jane@Example.org", principal="1234567890@mil")
TEXT = base64.b64encode(JANE.der).decode()
XFCC = f'By=spiffe://a;Hash=ab;Cert="{quote(JANE.pem)}";Subject="CN=a,O=b;c";URI=spiffe://x'
FORMS = {
    "nginx": quote(JANE.pem, safe=""),
    "aws": quote(JANE.pem, safe="+=/"),
    "apache": JANE.pem.replace("\n", " "),
    "haproxy": TEXT,
    "rfc9440": f":{TEXT}:",
    "envoy": XFCC,
    "envoy-chain": f'Hash=cd;Subject="CN=outer, O=Acme";Cert="{quote("nonsense")}",{XFCC}',
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_a_certificate_is_read_in_each_form(form: str) -> None:
    assert der_of(form) == JANE.der


@pytest.mark.parametrize(
    "text",
    [
        "",
        "SUCCESS",
        "MIInonsense!",
        ":::",
        "%2D%2D%2D%2D",
        "-----BEGIN CERTIFICATE----- x",
        "Hash=1;Subject=x",
        "A" * 70_000,
    ],
)
def test_what_is_no_certificate_is_none(text: str) -> None:
    with pytest.raises(BadCertificate):
        der_of(text)


def test_names_are_read_in_lower_case() -> None:
    found = read(JANE.der)
    assert found.emails == ("jane@example.org",)
    assert found.principals == ("1234567890@mil",)
    assert found.common_name == "DOE.JANE.1234567890"
    assert found.for_clients
    assert not read(Authority().person("a@b.co", for_servers=True).der).for_clients


@pytest.mark.parametrize("der", [b"", b"nonsense", JANE.der[:-20], b"0\x82" + b"\xff" * 50])
def test_mangled_certificates_are_refused(der: bytes) -> None:
    with pytest.raises(BadCertificate):
        read(der)


def _scope(*headers: tuple[str, str]) -> dict[str, Any]:
    return {"headers": [(name.encode(), value.encode()) for name, value in headers]}


def test_a_certificate_is_taken_once_and_when_the_proxy_has_checked_it() -> None:
    header = CertificateHeader("X-SSL-Client-Cert", "X-SSL-Client-Verify")
    given = ("x-ssl-client-cert", TEXT)
    for headers, taken in (
        ([given, ("x-ssl-client-verify", "SUCCESS")], JANE.der),
        ([given, ("x-ssl-client-verify", "FAILED:expired")], None),
        ([given], None),
        ([given, given, ("x-ssl-client-verify", "SUCCESS")], None),
        ([given, ("x-ssl-client-verify", "SUCCESS"), ("x-ssl-client-verify", "NONE")], None),
        ([("x-ssl-client-cert", "nonsense"), ("x-ssl-client-verify", "SUCCESS")], None),
    ):
        scope = _scope(*headers)
        header.take(scope)
        assert presented(scope) == taken
