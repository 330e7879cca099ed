// The workbench: goods that are ticked, who else is on the page, the list that one came from.
"use strict";

const words = () => (document.getElementById("oms-words") || { dataset: {} }).dataset;

// A link or button that leads to a part of this page opens what is folded there.
const openPart = (anchor) => {
    const part = document.getElementById(anchor.replace(/^#/, ""));
    if (!part) return null;
    const folded = [...part.querySelectorAll("details")].find((details) => details.querySelector("form"));
    if (folded) folded.open = true;
    part.scrollIntoView({ block: "start", behavior: "smooth" });
    return part;
};

document.addEventListener("click", (event) => {
    const link = event.target.closest("a[href^='#']");
    if (link && link.closest(".oms-offers, .oms-head")) {
        if (openPart(link.getAttribute("href"))) event.preventDefault();
        return;
    }
    // What is ticked among the goods goes into the form of a panel: the units there that belong to the same line.
    const sender = event.target.closest("[data-goods-to]");
    if (!sender) return;
    const goods = sender.closest("[data-goods]");
    const ticked = [...goods.querySelectorAll("[name=line]:checked")];
    const part = openPart(sender.dataset.goodsTo);
    if (!part) return;
    for (const box of part.querySelectorAll("input[data-position]")) {
        const line = ticked.find((one) => one.value === box.dataset.position);
        if (!line || box.disabled) continue;
        const units = goods.querySelector(`[name=units_${line.value}]`);
        box.value = Math.min(Number(units ? units.value : 1), Number(box.max));
        box.dispatchEvent(new Event("input", { bubbles: true }));
    }
});

document.addEventListener("change", (event) => {
    if (!event.target.matches("[data-tick-all]")) return;
    for (const box of event.target.closest("form").querySelectorAll("[name=line]:not(:disabled)")) {
        box.checked = event.target.checked;
    }
});

// Who else is on the page.
document.addEventListener("DOMContentLoaded", () => {
    const place = document.querySelector("[data-present]");
    if (!place) return;
    let typedHere = false;
    document.addEventListener("input", () => { typedHere = true; });
    const ask = async () => {
        if (document.hidden) return;
        const changing = typedHere || document.querySelector("dialog[open]") ? "?changing=1" : "";
        try {
            const answer = await fetch(place.dataset.present + changing, { headers: { Accept: "application/json" } });
            if (!answer.ok || answer.redirected) return;
            const { others } = await answer.json();
            place.textContent = others.slice(0, 5)
                .map((one) => `${one.name} ${one.is_changing ? place.dataset.changes : place.dataset.looks}`).join(" · ");
        } catch { /* The next time will do. */ }
    };
    ask();
    setInterval(ask, 15000);
    document.addEventListener("visibilitychange", ask);
});

// The list that one came from: its rows are remembered when one of them is opened, for this tab.
document.addEventListener("click", (event) => {
    const link = event.target.closest("#result_list a[href], .oms-queue-rows a[href]");
    if (!link) return;
    const path = new URL(link.href).pathname;
    if (!path.endsWith("/change/")) return;
    const kind = path.replace(/\d+\/change\/$/, "");
    const rows = [...document.querySelectorAll("#result_list a[href], .oms-queue-rows a[href]")]
        .map((one) => new URL(one.href).pathname).filter((one) => one.startsWith(kind) && one.endsWith("/change/"));
    const list = { address: window.location.pathname + window.location.search, rows: [...new Set(rows)] };
    sessionStorage.setItem("oms.list", JSON.stringify(list));
});

document.addEventListener("DOMContentLoaded", () => {
    const bar = document.querySelector("[data-queue-bar]");
    if (!bar) return;
    let list = null;
    try { list = JSON.parse(sessionStorage.getItem("oms.list")); } catch { return; }
    const place = list ? list.rows.indexOf(window.location.pathname) : -1;
    if (place < 0) return;
    bar.hidden = false;
    const lead = (name, address) => {
        const link = bar.querySelector(`[data-queue=${name}]`);
        if (address) link.href = address; else link.setAttribute("aria-disabled", "true");
    };
    lead("previous", list.rows[place - 1]);
    lead("next", list.rows[place + 1]);
    lead("list", list.address);
    bar.querySelector("[data-queue=place]").textContent = `${place + 1} / ${list.rows.length}`;
    document.addEventListener("keydown", (event) => {
        if (event.ctrlKey || event.metaKey || event.altKey || event.target.closest("input, textarea, select, dialog")) return;
        const name = { j: "next", k: "previous" }[event.key];
        const link = name && bar.querySelector(`[data-queue=${name}][href]`);
        if (link) link.click();
    });
});
