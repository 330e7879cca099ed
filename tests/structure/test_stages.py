"""Every stage that code makes is in the pipeline, and whoever wakes one means one that there is."""

import ast
from collections.abc import Iterator
from importlib import import_module

from oms.common.work.claiming import Stage
from oms.pipeline import PIPELINE_AND_WEBHOOKS, STAGES
from tests.structure.source import modules

MAKERS = {"Stage", "fact_stage", "outside_stage"}


def _called(node: ast.expr | None) -> str:
    if not isinstance(node, ast.Call):
        return ""
    return node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")


def _made() -> Iterator[Stage]:
    """The stages that modules make and keep under a name."""
    for path, tree in modules():
        for node in tree.body:
            if isinstance(node, ast.Assign | ast.AnnAssign) and _called(node.value) in MAKERS:
                (target,) = node.targets if isinstance(node, ast.Assign) else [node.target]
                assert isinstance(target, ast.Name)
                yield getattr(import_module(".".join(path.with_suffix("").parts)), target.id)


def test_every_stage_is_in_the_pipeline():
    made = {stage.name for stage in _made()}

    assert made == {stage.name for stage in PIPELINE_AND_WEBHOOKS}
    assert len(PIPELINE_AND_WEBHOOKS) == len(made), "Two stages are called alike."


def test_whoever_wakes_a_stage_means_one_that_there_is():
    nudged = {
        part.value
        for _path, tree in modules()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and _called(node) == "nudge"
        for part in node.args
        if isinstance(part, ast.Constant)
    }
    woken = {name for stage in PIPELINE_AND_WEBHOOKS for name in stage.wakes}

    assert {"review", "owing"} < nudged
    assert nudged | woken <= set(STAGES)


def test_the_backlog_of_every_stage_can_be_told():
    assert [stage.name for stage in PIPELINE_AND_WEBHOOKS if stage.queue is None and stage.backlog is None] == []
