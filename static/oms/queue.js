// The queue of tickets: the list, the ticket beside it, and keys for all of it.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const pane = document.querySelector("[data-pane]");
    if (!pane) return;
    const isWide = () => window.matchMedia("(min-width: 1181px)").matches;
    const rows = () => [...document.querySelectorAll("[data-ticket]")];
    const list = window.location.pathname + window.location.search;
    let current = null;
    let willAnswer = false;

    const numberIn = (hash) => (/^#ticket-(\d+)$/.exec(hash) || [])[1];
    const mark = (row) => {
        for (const one of rows()) one.classList.toggle("active", one === row);
        if (row) row.scrollIntoView({ block: "nearest" });
    };
    // After what ends a ticket's stay in the queue the next one is shown, after everything else the same.
    const leadBack = (id) => {
        const all = rows();
        const place = all.findIndex((row) => row.dataset.ticket === id);
        const next = all[place + 1] || all[place - 1];
        for (const form of pane.querySelectorAll("form[method=post]")) {
            const action = new URL(form.getAttribute("action"), document.baseURI).pathname;
            if (!/\/common\/ticket\/\d+\//.test(action)) continue;
            const isGone = /\/(close|snooze|hand-over|retry)\/$/.test(action);
            const target = isGone ? next && next.dataset.ticket : id;
            let field = form.querySelector("[name=next]");
            if (!field) {
                field = Object.assign(document.createElement("input"), { type: "hidden", name: "next" });
                form.append(field);
            }
            field.value = target ? `${list}#ticket-${target}` : list;
        }
    };
    const answer = () => {
        const form = pane.querySelector("form[action$='/close/']");
        if (!form) return;
        form.scrollIntoView({ block: "center" });
        form.querySelector("textarea").focus();
    };
    // Until the ticket is there nothing can be typed into the one before, nor sent: it is not the one that is marked.
    const show = async (id, address) => {
        current = id;
        mark(rows().find((row) => row.dataset.ticket === id));
        if (pane.contains(document.activeElement)) document.activeElement.blur();
        pane.inert = true;
        pane.setAttribute("aria-busy", "true");
        let text;
        try {
            const told = await fetch(address, { credentials: "same-origin" });
            if (current !== id) return;
            if (told.redirected || !told.ok) { window.location.assign(address.replace(/pane\/$/, "change/")); return; }
            text = await told.text();
        } catch {
            const words = document.getElementById("oms-words");
            text = "";
            if (current === id) pane.replaceChildren(Object.assign(document.createElement("p"), { className: "oms-card oms-text-danger", textContent: words ? words.dataset.unreachable : "" }));
        }
        if (current !== id) return;
        pane.inert = false;
        pane.removeAttribute("aria-busy");
        const isAnswered = willAnswer;
        willAnswer = false;
        if (!text) { current = null; return; }
        pane.innerHTML = text;
        pane.classList.remove("oms-pane-hint");
        pane.scrollTop = 0;
        leadBack(id);
        history.replaceState(null, "", `${list}#ticket-${id}`);
        document.dispatchEvent(new CustomEvent("oms:forms"));
        if (isAnswered) answer();
    };
    const showRow = (row) => { if (row) show(row.dataset.ticket, row.dataset.paneOf); };
    const open = (id) => show(id, `${window.location.pathname}${id}/pane/`);

    document.addEventListener("click", (event) => {
        const row = event.target.closest("[data-ticket]");
        if (!row || !isWide() || event.ctrlKey || event.metaKey || event.target.closest("input")) return;
        const link = event.target.closest("a");
        if (link && !link.classList.contains("oms-queue-link")) return;
        event.preventDefault();
        showRow(row);
    });
    const taker = document.querySelector("[data-take-next]");
    if (taker) {
        taker.addEventListener("submit", () => {
            if (isWide()) taker.append(Object.assign(document.createElement("input"), { type: "hidden", name: "pane", value: "1" }));
        });
    }
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey) return;
        if (event.target.closest("input:not([type=checkbox]), textarea, select, dialog[open]")) {
            if (event.key === "Escape") event.target.blur();
            return;
        }
        // What is typed ahead into the answer is no key of the list.
        if (willAnswer) { event.preventDefault(); return; }
        const all = rows();
        const place = all.findIndex((row) => row.classList.contains("active"));
        const step = { j: 1, k: -1 }[event.key];
        if (step) {
            const row = all[place < 0 ? 0 : Math.min(Math.max(place + step, 0), all.length - 1)];
            if (!row) return;
            if (isWide()) showRow(row); else mark(row);
        } else if (event.key === "x" && place >= 0) {
            all[place].querySelector("input[type=checkbox]").click();
        } else if (event.key === "o" && place >= 0) {
            window.location.assign(all[place].querySelector(".oms-queue-link").href);
        } else if (event.key === "e") {
            if (pane.inert) willAnswer = true; else answer();
        } else if (event.key === "n" && taker) {
            taker.requestSubmit();
        } else if (event.key === "/") {
            document.querySelector("#searchbar, [name=q]").focus();
        } else if (event.key === "?") {
            document.getElementById("dialog-keys").showModal();
        } else return;
        event.preventDefault();
    });
    // A note is sent by Ctrl+Enter, so that the hands stay on the keys.
    pane.addEventListener("keydown", (event) => {
        if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && event.target.form) event.target.form.requestSubmit();
    });
    // What is done to ticked rows leads back to the list, not to the ticket that stood beside it, which may be gone.
    const ticked = document.getElementById("changelist-form");
    if (ticked) ticked.addEventListener("submit", () => history.replaceState(null, "", list));
    const asked = numberIn(window.location.hash);
    if (asked) { if (isWide()) open(asked); else window.location.replace(`${window.location.pathname}${asked}/change/`); }
    else if (isWide()) showRow(rows()[0]);
});
