"""The tools beside a list's filters."""

from typing import Any

from django import template

register = template.Library()


@register.inclusion_tag("admin/common/list_tools.html", takes_context=True)
def list_tools(context: Any, cl: Any) -> dict[str, Any]:
    """The saved views and the columns of a change list."""
    # Template libraries are imported before the admin of the theme is.
    from oms.common.desk.list_tools import tools_of
    from oms.common.desk.lists import KeysetAdmin

    if not isinstance(cl.model_admin, KeysetAdmin):
        return {}
    return {"tools": tools_of(context["request"], cl.model_admin), "csrf_token": context["csrf_token"]}
