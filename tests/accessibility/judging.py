"""axe-core in a page: what it finds there against WCAG 2.2 AA, and against the order of headings and landmarks."""

from importlib.resources import files
from typing import Any

AXE = files("axe_playwright_python").joinpath("axe.min.js").read_text()
WIDTHS = (1440, 390)
_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"]
# Of what axe calls best practice: how a page is put together.
_OF_STRUCTURE = ["heading-order", "page-has-heading-one", "landmark-one-main", "region", "skip-link", "empty-heading"]
_RUN = """
async ([tags, structure]) => {
    const listed = axe.getRules(tags).map((rule) => rule.ruleId);
    const told = await axe.run(document, {
        runOnly: {type: "rule", values: [...listed, ...structure]}, resultTypes: ["violations"],
    });
    return told.violations.flatMap((rule) => rule.nodes.map((node) => [
        rule.id, node.target.join(" "), node.html.slice(0, 300), (node.failureSummary || "").slice(0, 400),
    ]));
}
"""


def violations(page: Any) -> list[str]:
    """What is wrong with the page as it is shown now, a line each: rule, selector, HTML and what axe says."""
    # Not by a script element: the policy of our pages forbids it.
    if not page.evaluate("typeof window.axe === 'object'"):
        page.evaluate(AXE)
    return [
        " | ".join(" ".join(text.split()) for text in found) for found in page.evaluate(_RUN, [_TAGS, _OF_STRUCTURE])
    ]
