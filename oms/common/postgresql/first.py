"""The first migration of an app, applied in seconds.

Django makes all models that are related to a new one anew for each table, which are nearly all of them: 21,000 models
for 240 tables.
"""

from itertools import takewhile
from typing import Any

from django.db.migrations import Migration
from django.db.migrations.operations import CreateModel
from django.db.migrations.state import ProjectState


class FirstMigration(Migration):
    """The tables with which the migration begins are made of the models as they are after all of them: foreign keys
    are added when every table is there. What comes after them is done one by one, in the same transaction."""

    def apply(self, project_state: ProjectState, schema_editor: Any, collect_sql: bool = False) -> ProjectState:
        """See Migration."""
        if collect_sql:
            return super().apply(project_state, schema_editor, collect_sql)
        tables = list(takewhile(lambda operation: isinstance(operation, CreateModel), self.operations))
        before = project_state.clone()
        # Without models made of it, a state is only noted.
        project_state.__dict__.pop("apps", None)
        for table in tables:
            table.state_forwards(self.app_label, project_state)
        for table in tables:
            table.database_forwards(self.app_label, schema_editor, before, project_state)
        for operation in self.operations[len(tables) :]:
            before = project_state.clone()
            operation.state_forwards(self.app_label, project_state)
            operation.database_forwards(self.app_label, schema_editor, before, project_state)
        return project_state
