"""Which certificates hold: their time, purpose, issuer, and the lists of what was taken back."""

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from tests.certificate_makers import Authority, Issued

from dragoman.domain.accounts.certificates.trust import Trust
from dragoman.kit.certificates import read
from dragoman.kit.errors import Unauthenticated, Unavailable

HOUSE = Authority()


def check(trust: Trust, issued: Issued) -> None:
    trust.check(read(issued.der))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return HOUSE.root.store(tmp_path, "root")[0]


def test_one_that_a_trusted_issuer_made_holds_and_another_of_the_same_name_does_not(root: Path) -> None:
    check(Trust([root]), HOUSE.person("jane@example.org"))
    for wrong in (
        Authority().person("jane@example.org"),
        HOUSE.person("jane@example.org", days=0.5),
        HOUSE.person("jane@example.org", begins=datetime.now(UTC) + timedelta(days=1)),
        HOUSE.person("jane@example.org", for_servers=True),
    ):
        with pytest.raises(Unauthenticated):
            check(Trust([root]), wrong)


def test_what_was_taken_back_holds_no_more_once_the_list_says_so(root: Path, tmp_path: Path) -> None:
    jane, joe = HOUSE.person("jane@example.org"), HOUSE.person("joe@example.org")
    listed = tmp_path / "list.pem"
    listed.write_bytes(HOUSE.revoking(joe))
    trust = Trust([root], [listed])
    check(trust, jane)
    with pytest.raises(Unauthenticated, match="taken back"):
        check(trust, joe)
    listed.write_bytes(HOUSE.revoking(joe, jane))
    os.utime(listed, ns=(1, 1))
    with pytest.raises(Unauthenticated, match="taken back"):
        check(trust, jane)


def test_an_old_foreign_or_missing_list_lets_nobody_in(root: Path, tmp_path: Path) -> None:
    jane, listed = HOUSE.person("jane@example.org"), tmp_path / "list.pem"
    for content in (
        HOUSE.revoking(hours=1, made=datetime.now(UTC) - timedelta(hours=5)),
        Authority().revoking(),
        Authority("Elsewhere").revoking(),
    ):
        listed.write_bytes(content)
        with pytest.raises(Unauthenticated, match="cannot be told"):
            check(Trust([root], [listed]), jane)
    listed.write_bytes(b"nonsense")
    with pytest.raises(Unavailable):
        check(Trust([root], [listed]), jane)
    with pytest.raises(Unavailable):
        check(Trust([root], [tmp_path / "nowhere.pem"]), jane)
