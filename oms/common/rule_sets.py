"""Versions of rules kept as data: drafting from a former one, switching on, going back. What was on once is never
changed, so that what was decided by it can be explained.

Which tables hold the versions and their rules, what their scope is, and what is wrong with a draft, each kind says by a
`RuleSets` of its own.
"""

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Generic, Protocol, TypeVar

from django.db import models, transaction
from django.db.models.functions import Now
from django.utils.translation import gettext as _

from oms.common.errors import ChangedMeanwhile, OmsError
from oms.common.models import RuleSetVersion

_State = RuleSetVersion.State
Version = TypeVar("Version", bound=RuleSetVersion)

# As SQL, for the migration of an app: the function, of the app and the table of its versions, and a trigger a table of
# rules.
FIXES_ROWS = f"""
    CREATE FUNCTION {{name}}() RETURNS trigger LANGUAGE plpgsql AS $$
    DECLARE
        is_fixed boolean;
    BEGIN
        -- Who switches the set on has its row locked: no rule slips in meanwhile.
        SELECT bool_or(s.state <> '{_State.DRAFT}') INTO is_fixed FROM (
            SELECT state FROM {{versions}} WHERE id IN (OLD.rule_set_id, NEW.rule_set_id) FOR SHARE
        ) AS s;
        IF is_fixed THEN
            RAISE EXCEPTION 'rules of a set that was switched on are never changed' USING ERRCODE = 'check_violation';
        END IF;
        RETURN coalesce(NEW, OLD);
    END $$;
"""
FIXED_TABLE = (
    "CREATE TRIGGER rules_are_fixed BEFORE INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()"
)


class Problem(Protocol):
    """What is wrong with a row of a draft."""

    @property
    def text(self) -> str:
        """In words, with the row named."""


class RulesAreWrong(OmsError):
    """The rule set cannot be switched on as it is; `problems` says what is wrong with which row."""

    code = "rules_are_wrong"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = list(problems)
        super().__init__(" ".join(problem.text for problem in self.problems))


@dataclass(frozen=True, slots=True)
class RuleSets(Generic[Version]):
    """One kind of rules in versions: the model of the versions, those of their rules, by which fields a version is of a
    scope, which others a draft takes over, and what is wrong with one."""

    versions: type[Version]
    rules: Sequence[type[models.Model]]
    scope: Sequence[str]
    kept: Sequence[str]
    problems: Callable[[Version], Sequence[Problem]]

    def check(self, set_id: int) -> Version:
        """The version, if it could be switched on. Raises RulesAreWrong; DoesNotExist."""
        found = self.versions._default_manager.get(pk=set_id)
        problems = self.problems(found)
        if problems:
            raise RulesAreWrong(problems)
        return found

    def contents(self, set_id: int) -> dict[str, tuple[str, str]]:
        """The name and a digest of the version and of each of its rules, by the row: what differs from it later was
        changed meanwhile. A statement a table."""
        rows: list[models.Model] = list(self.versions._default_manager.filter(pk=set_id))
        for model in self.rules:
            rows += model._default_manager.filter(rule_set=set_id).order_by("pk")
        found: dict[str, tuple[str, str]] = {}
        for row in rows:
            said = {field.name: str(field.value_from_object(row)) for field in row._meta.concrete_fields}
            digest = sha256(json.dumps(said).encode()).hexdigest()[:16]
            found[f"{row._meta.model_name}-{row.pk}"] = (str(row)[:80], digest)
        return found

    def changed_since(self, set_id: int, seen: str) -> list[str]:
        """The names of the rows that are not as they were when `seen` (`written` contents) was written."""
        then = dict(json.loads(seen or "[]"))
        now = {key: list(value) for key, value in self.contents(set_id).items()}
        keys = [*now, *(key for key in then if key not in now)]
        return [str((now.get(key) or then[key])[0]) for key in keys if then.get(key) != now.get(key)]

    def written(self, set_id: int) -> str:
        """The contents as a text that a form carries."""
        return json.dumps(list(self.contents(set_id).items()), ensure_ascii=False)

    @transaction.atomic
    def draft_from(self, set_id: int, *, by: str) -> Version:
        """A draft with the same rules, to be changed and switched on. Raises DoesNotExist."""
        former = self.versions._default_manager.get(pk=set_id)
        taken = {name: getattr(former, name) for name in (*self.scope, *self.kept)}
        draft = self.versions._default_manager.create(**taken, former=former, created_by=by)
        for model in self.rules:
            rows = list(model._default_manager.filter(rule_set=former).order_by("id"))
            for row in rows:
                row.pk = None
                row._state.adding = True
                vars(row)["rule_set_id"] = draft.pk
            model._default_manager.bulk_create(rows)
        return draft

    @transaction.atomic
    def activate(self, set_id: int, *, by: str, seen: str | None = None) -> Version:
        """Switch a draft on, in place of the one of its scope that is on. Raises RulesAreWrong; ChangedMeanwhile where
        its contents are not those that were `seen` (see `written`); OmsError where it is no draft any more;
        DoesNotExist."""
        # All sets of the scope are locked, so that two at once replace one after the other.
        row = self.versions._default_manager.get(pk=set_id)
        of_scope: dict[str, Any] = {name: getattr(row, name) for name in self.scope}
        scope = self.versions._default_manager.filter(**of_scope)
        locked = {one.pk: one for one in scope.select_for_update(of=("self",)).order_by("pk")}
        row = locked[set_id]
        if row.state != _State.DRAFT:
            raise OmsError(_("It was switched on already."))
        if seen is not None and (changed := self.changed_since(set_id, seen)):
            text = _("Somebody changed this draft meanwhile: %(rows)s. Look at it, then switch it on.")
            raise ChangedMeanwhile(text % {"rows": _(", ").join(changed)})
        problems = self.problems(row)
        if problems:
            raise RulesAreWrong(problems)
        scope.filter(state=_State.ACTIVE).update(state=_State.REPLACED, replaced_at=Now(), replaced_by=by)
        scope.filter(pk=set_id).update(state=_State.ACTIVE, activated_at=Now(), activated_by=by)
        return self.versions._default_manager.get(pk=set_id)

    @transaction.atomic
    def go_back_to(self, set_id: int, *, by: str) -> Version:
        """Switch on a new version with the rules of one that was replaced. Raises as `activate`; OmsError where it was
        never on."""
        if self.versions._default_manager.get(pk=set_id).state != _State.REPLACED:
            raise OmsError(_("Only a version that was replaced can be gone back to."))
        return self.activate(self.draft_from(set_id, by=by).pk, by=by)

    @transaction.atomic
    def switch_off(self, set_id: int, *, by: str) -> None:
        """Let what is the usual without it decide. Raises OmsError where it is not on."""
        rows = self.versions._default_manager.filter(pk=set_id)
        if rows.select_for_update(of=("self",)).get().state != _State.ACTIVE:
            raise OmsError(_("It is not switched on."))
        rows.update(state=_State.REPLACED, replaced_at=Now(), replaced_by=by)
