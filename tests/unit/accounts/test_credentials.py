import base64

import pytest

from dragoman.domain.accounts.credentials import parse_credentials


def _basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


@pytest.mark.parametrize(
    ("headers", "query", "found"),
    [
        ({"authorization": "Bearer sk-1"}, {}, "sk-1"),
        ({"authorization": "bearer   sk-1 "}, {}, "sk-1"),
        ({"authorization": "sk-1"}, {}, "sk-1"),
        ({"authorization": _basic("any:sk-1")}, {}, "sk-1"),
        ({"authorization": _basic(":sk-1:with-colon")}, {}, "sk-1:with-colon"),
        ({"x-access-tokens": "sk-1"}, {}, "sk-1"),
        ({"x-api-key": " sk-1 "}, {}, "sk-1"),
        ({}, {"api-key": "sk-1"}, "sk-1"),
        ({"authorization": "Bearer sk-1"}, {"api-key": "sk-2"}, "sk-1"),
        ({"x-api-key": "sk-1"}, {"api-key": "sk-2"}, "sk-1"),
        ({"authorization": "Bearer sk-1", "x-access-tokens": "sk-2"}, {}, "sk-1"),
        ({"authorization": "Bearer", "x-access-tokens": "sk-2"}, {}, "sk-2"),
        ({"authorization": ""}, {"api-key": ""}, None),
        ({"authorization": "Digest realm=x"}, {}, None),
        ({"authorization": "Basic !!!"}, {}, None),
        ({"authorization": _basic("no-password")}, {}, None),
        ({"authorization": "Basic " + base64.b64encode(b"a:\xff").decode()}, {}, None),
        ({}, {}, None),
    ],
)
def test_a_credential_is_found_wherever_clients_put_it(headers, query, found: str | None) -> None:
    assert parse_credentials(headers, query) == found
