"""Labels, from the settings."""

from dragoman.db.database import Database
from dragoman.domain.accounts.versions import Versions
from dragoman.domain.labels.model import LabelPolicy, Policies
from dragoman.domain.labels.service import LabelsService
from dragoman.settings import Settings

_REACHING = frozenset(["outside"])
_REACHING_BY_PROGRAMS = frozenset(["outside", "execute"])


def open_labels(settings: Settings, database: Database, versions: Versions) -> LabelsService:
    """The service. Programs count as web tools where the sandbox lets them reach any address."""
    policies = [
        LabelPolicy(
            label=name,
            bans=frozenset(policy.forbids),
            banner=policy.banner or name,
            description=policy.description,
            color=policy.color,
        )
        for name, policy in settings.labels.policies.items()
    ]
    reaching = _REACHING_BY_PROGRAMS if settings.sandbox.network_allow else _REACHING
    return LabelsService(database, versions, Policies(policies, web_risks=reaching))
