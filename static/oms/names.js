// Names for fields whose label is not tied to them: the theme's lists of choices, and the cells of its tables of rows.
"use strict";

(() => {
    const labelOf = (field) => {
        const label = field.id && document.querySelector(`label[for="${CSS.escape(field.id)}"]`);
        if (label) return label.textContent;
        const column = [...(field.closest("td")?.classList || [])].find((name) => name.startsWith("field-"));
        const head = column && field.closest("table")?.querySelector(`th.${CSS.escape(column.replace("field-", "column-"))}`);
        return head ? head.textContent : field.getAttribute("aria-label") || "";
    };
    const name = () => {
        for (const field of document.querySelectorAll("table.formset td :is(input:not([type=hidden]), select, textarea)")) {
            if (!field.labels?.length && !field.getAttribute("aria-label")) field.setAttribute("aria-label", labelOf(field).trim());
        }
        for (const select of document.querySelectorAll("select.select2-hidden-accessible")) {
            const box = select.nextElementSibling;
            const text = labelOf(select).trim().replace(/\s+/g, " ");
            if (!text || !box) continue;
            for (const part of box.querySelectorAll(".select2-selection, .select2-selection__rendered, .select2-search__field")) {
                part.setAttribute("aria-label", text);
            }
        }
    };
    // What only an icon says has a role that may have a name.
    const icons = () => {
        for (const icon of document.querySelectorAll("span.help-tooltip[aria-label]")) icon.setAttribute("role", "img");
    };
    addEventListener("load", () => setTimeout(() => { name(); icons(); }));
    document.addEventListener("formset:added", () => setTimeout(name));
    document.addEventListener("focusin", name);
})();
