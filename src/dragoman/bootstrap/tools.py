"""Sources of tools that need nothing but the database."""

from dragoman.adapters.tools.planning import PlanningTools
from dragoman.db.database import Database
from dragoman.domain.schedules.planning import Planner
from dragoman.domain.schedules.service import SchedulesService
from dragoman.domain.tools.model import ToolSource


def planning_tools(database: Database) -> ToolSource:
    """The tools with which agents plan messages."""
    return PlanningTools(Planner(database, SchedulesService(database)))
