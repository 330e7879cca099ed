// Forms that survive: what is typed is kept in this browser until the server has taken it, and a form in a dialog is
// told there what is wrong with it. Passwords, files and what the page itself knows are never kept.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const words = document.getElementById("oms-words");
    if (!words) return;
    const said = words.dataset;
    const prefix = `oms.draft.${said.user}.`;
    const KEPT_HOURS = 24;
    const MOST_CHARACTERS = 20000;
    const LEFT_OUT = /csrfmiddlewaretoken|version|password|secret|token|^_/i;
    const TYPED = "textarea, input:not([type]), input[type=text], input[type=number], input[type=date], input[type=datetime-local], input[type=email], input[type=search]";

    const forms = () => [...document.querySelectorAll("form[method=post]")].filter((form) => (
        form.id !== "changelist-form" && !form.closest("#header, nav") && !form.querySelector("[type=password]") && form.querySelector(TYPED)
    ));
    const pathOf = (form) => new URL(form.getAttribute("action") || "", document.baseURI).pathname;
    // A ticket beside the list has the same drafts as on its own page, to which an ended session leads back.
    const pageOf = (form) => (form.closest("[data-pane]") ? pathOf(form).replace(/[^/]+\/$/, "change/") : window.location.pathname);
    const keyOf = (form) => {
        const same = forms().filter((one) => pathOf(one) === pathOf(form));
        // What the page was opened with stands in the address: what was typed for other rows is not put over these.
        const about = "ofAddress" in form.dataset ? window.location.search : "";
        return `${prefix}${pageOf(form)}${about}>${pathOf(form)}#${same.indexOf(form)}`;
    };
    const fieldsOf = (form) => [...form.elements].filter((field) => (
        field.name && !LEFT_OUT.test(field.name) && !["hidden", "file", "password", "submit", "button"].includes(field.type)
    ));
    const valuesOf = (form) => fieldsOf(form).map((field) => {
        if (field.type === "checkbox" || field.type === "radio") return [field.name, field.value, field.checked];
        if (field.multiple) return [field.name, [...field.selectedOptions].map((option) => option.value)];
        return [field.name, field.value];
    });
    const read = (key) => { try { return JSON.parse(localStorage.getItem(key)); } catch { return null; } };
    const keys = () => Object.keys(localStorage).filter((key) => key.startsWith("oms.draft."));

    // What the server took needs no draft any more; nor does what was left for a day, or by somebody else at this desk.
    const taken = document.cookie.split("; ").find((cookie) => cookie.startsWith("oms_taken="));
    if (taken) document.cookie = "oms_taken=; max-age=0; path=/";
    for (const key of keys()) {
        const draft = read(key);
        const isOld = !draft || Date.now() - draft.at > KEPT_HOURS * 3600000;
        if (isOld || (taken && taken.endsWith(`=${draft.id}`))) localStorage.removeItem(key);
    }

    const first = new WeakMap();
    const keep = (form) => {
        const values = valuesOf(form);
        const text = JSON.stringify(values);
        const key = keyOf(form);
        if (text === first.get(form) || text.length > MOST_CHARACTERS) { localStorage.removeItem(key); return; }
        const before = read(key);
        localStorage.setItem(key, JSON.stringify({ id: before ? before.id : crypto.randomUUID ? crypto.randomUUID() : `${Date.now().toString(16)}-${Math.random().toString(16).slice(2)}`, at: Date.now(), values }));
    };
    const put = (form, values) => {
        const fields = fieldsOf(form);
        values.forEach(([name, value, checked], index) => {
            const field = fields[index] && fields[index].name === name ? fields[index] : null;
            if (!field) return;
            if (checked !== undefined) field.checked = checked;
            else if (Array.isArray(value)) for (const option of field.options) option.selected = value.includes(option.value);
            else field.value = value;
        });
    };
    const tell = (form, key, dialog) => {
        const bar = document.createElement("div");
        bar.className = "oms-draft";
        bar.setAttribute("role", "status");
        const text = document.createElement("span");
        const title = dialog && dialog.querySelector("h3");
        text.textContent = (title ? `${title.textContent.trim()}: ` : "") + said.kept;
        const discard = Object.assign(document.createElement("button"), { type: "button", className: "oms-button", textContent: said.discard });
        discard.onclick = () => { localStorage.removeItem(key); put(form, JSON.parse(first.get(form))); bar.remove(); };
        bar.append(text);
        if (dialog) {
            const open = Object.assign(document.createElement("button"), { type: "button", className: "oms-button", textContent: said.open });
            open.onclick = () => dialog.showModal();
            bar.append(open);
        }
        bar.append(discard);
        const content = document.getElementById("content") || document.body;
        if (dialog) content.prepend(bar); else form.prepend(bar);
    };

    // After what the server itself brought back (staff.js), which is newer; so is what its answer to a form fills in.
    const bringBack = () => {
        for (const form of forms()) {
            if (first.has(form)) continue;
            if ("answers" in said && pathOf(form) === window.location.pathname) { first.set(form, ""); keep(form); continue; }
            const key = keyOf(form);
            const draft = read(key);
            first.set(form, JSON.stringify(valuesOf(form)));
            if (!draft || JSON.stringify(draft.values) === first.get(form)) continue;
            put(form, draft.values);
            const folded = form.closest("details");
            if (folded) folded.open = true;
            tell(form, key, form.closest("dialog"));
        }
    };
    bringBack();
    // Forms that come later, such as those of the ticket beside its list.
    document.addEventListener("oms:forms", bringBack);

    const waiting = new Map();
    document.addEventListener("input", (event) => {
        const form = event.target.form;
        if (!form || !first.has(form)) return;
        clearTimeout(waiting.get(form));
        waiting.set(form, setTimeout(() => keep(form), 300));
    });
    document.addEventListener("change", (event) => {
        const form = event.target.form;
        if (!form || !first.has(form)) return;
        clearTimeout(waiting.get(form));
        keep(form);
    });

    const named = (form) => {
        if (!first.has(form)) return;
        clearTimeout(waiting.get(form));
        keep(form);
        const draft = read(keyOf(form));
        if (!draft) return;
        let field = form.querySelector("[name=_draft]");
        if (!field) {
            field = Object.assign(document.createElement("input"), { type: "hidden", name: "_draft" });
            form.append(field);
        }
        field.value = draft.id;
    };

    const show = (dialog, texts) => {
        let box = dialog.querySelector(".oms-errors");
        if (!box) {
            box = document.createElement("div");
            box.className = "oms-errors";
            box.setAttribute("role", "alert");
            dialog.querySelector(".oms-buttons").before(box);
        }
        box.replaceChildren(...texts.map((text) => Object.assign(document.createElement("div"), { textContent: text })));
    };

    document.addEventListener("submit", async (event) => {
        const form = event.target;
        if ((form.getAttribute("method") || "").toLowerCase() !== "post") return;
        // Who leaves leaves nothing to the next one at this desk.
        if (/\/logout\/$/.test(pathOf(form))) for (const key of keys()) localStorage.removeItem(key);
        named(form);
        const dialog = form.closest("dialog.oms-dialog");
        if (!dialog || event.defaultPrevented) return;
        event.preventDefault();
        const button = event.submitter;
        const free = () => setTimeout(() => { if (button) button.disabled = false; }, 50);
        let answer;
        try {
            answer = await fetch(form.getAttribute("action"), { method: "POST", body: new FormData(form, button), headers: { "X-Oms-Dialog": "1" }, credentials: "same-origin" });
        } catch {
            show(dialog, [said.unreachable]);
            free();
            return;
        }
        if ((answer.headers.get("Content-Type") || "").startsWith("application/json")) {
            const told = await answer.json();
            if (told.location) {
                window.location.assign(told.location);
                return;
            }
            show(dialog, told.errors || [said.unreachable]);
            free();
            return;
        }
        // The session ended, so nothing was done: the form goes the old way, past the log-in page and back.
        if (answer.status === 403) form.submit();
        else if (answer.ok) window.location.assign(window.location.pathname + window.location.search);
        else { show(dialog, [said.unreachable]); free(); }
    });
});
