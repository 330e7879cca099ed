// Small behaviours of the staff's own pages: dialogs and copying.
"use strict";

// The theme writes a chosen file's name into a box beside the field; our fields have none, and show it themselves.
document.addEventListener("DOMContentLoaded", () => {
    for (const field of document.querySelectorAll("input.oms-input[type=file]")) field.hasChangeListener = true;
});

document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) {
        const dialog = document.getElementById(opener.dataset.dialog);
        dialog.showModal();
        const field = dialog.querySelector("textarea, input:not([type=hidden])");
        if (field) field.focus();
        return;
    }
    const closer = event.target.closest("[data-close]");
    if (closer) {
        closer.closest("dialog").close();
        return;
    }
    const copier = event.target.closest("[data-copy]");
    if (copier && navigator.clipboard) {
        navigator.clipboard.writeText(copier.dataset.copy).then(() => {
            copier.classList.add("copied");
            setTimeout(() => copier.classList.remove("copied"), 1500);
        });
    }
});

// The bar of the list's actions counts the ticks of the page; where all that match are meant, it says how many these are.
const countAllMatching = () => {
    const all = document.querySelector("input[name=all_matching]");
    const counter = document.querySelector(".action-counter");
    if (!all || !counter) return;
    if (all.checked) {
        if (counter.textContent !== all.dataset.counted) counter.dataset.ticked = counter.textContent;
        counter.textContent = all.dataset.counted;
    } else if (counter.textContent === all.dataset.counted) {
        counter.textContent = counter.dataset.ticked;
    }
};
document.addEventListener("change", async (event) => {
    countAllMatching();
    const all = event.target;
    if (!all.matches("input[name=all_matching]:checked")) return;
    // The list only estimates it; now it is worth to be counted.
    try {
        const answer = await fetch(all.dataset.count + window.location.search, { headers: { Accept: "application/json" } });
        if (!answer.ok || answer.redirected) return;
        const { text } = await answer.json();
        const counter = document.querySelector(".action-counter");
        if (counter && counter.textContent === all.dataset.counted) counter.textContent = text;
        all.dataset.counted = text;
    } catch { /* The estimate will do. */ }
});
window.addEventListener("pageshow", countAllMatching);

// "/" leads to the search: the page's own, where it has one, else that over everything.
document.addEventListener("keydown", (event) => {
    if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (event.target.closest("input, textarea, select, dialog[open], [contenteditable]")) return;
    const own = document.querySelector("input[name=q]");
    if (!own && !document.getElementById("search-input-command")) return;
    event.preventDefault();
    if (own) own.focus(); else window.dispatchEvent(new CustomEvent("opencommand"));
});

// A form that is on its way must not be sent twice by a second click.
document.addEventListener("submit", (event) => {
    const button = event.submitter;
    if (button && button.closest("dialog, .oms-hold, .oms-narrow")) {
        setTimeout(() => { button.disabled = true; }, 0);
    }
});

// The page of a job that runs: its bar moves, and when the job is over the page shows what came of it.
document.addEventListener("DOMContentLoaded", () => {
    const job = document.querySelector("[data-job]");
    if (!job) return;
    const show = (name, value) => {
        const place = job.querySelector(`[data-job-${name}]`);
        if (place && value !== null) place.textContent = value.toLocaleString();
    };
    const ask = () => fetch(job.dataset.job, { headers: { Accept: "application/json" } })
        .then((answer) => answer.json())
        .then((state) => {
            // Not a reload: a form that was sent would be sent again.
            if (state.is_over) { window.location.replace(window.location.pathname + window.location.search); return; }
            job.querySelector("progress").value = state.percent;
            for (const name of ["done", "total", "failed"]) show(name, state[name]);
            setTimeout(ask, 1500);
        })
        .catch(() => setTimeout(ask, 5000));
    setTimeout(ask, 1000);
});

// What was typed before something went wrong stands in its form again; what no form here has is shown to be copied.
document.addEventListener("DOMContentLoaded", () => {
    const kept = document.getElementById("typed");
    if (!kept) return;
    const { action, fields } = JSON.parse(kept.textContent);
    const forms = [...document.querySelectorAll("form[method=post]")];
    // Not `form.action`: a field of that name would be found in its place.
    const form = forms.find((each) => new URL(each.getAttribute("action") || "", document.baseURI).pathname === action);
    const rest = [];
    for (const [name, values] of Object.entries(fields)) {
        const found = form ? [...form.elements].filter((element) => element.name === name && element.type !== "hidden") : [];
        found.forEach((element, index) => {
            if (element.type === "file") return;
            if (element.type === "checkbox" || element.type === "radio") {
                element.checked = values.includes(element.value);
            } else if (element.multiple) {
                for (const option of element.options) option.selected = values.includes(option.value);
            } else if (index < values.length) {
                element.value = values[index];
            }
            element.dispatchEvent(new Event("change", { bubbles: true }));
        });
        if (!found.length && !name.startsWith("_") && !/^(action|index|select_across|confirmed|next)$/.test(name)) {
            rest.push(...values.filter((value) => value.length > 1 && !/^[\d.:-]+$/.test(value)));
        }
    }
    const dialog = form && form.closest("dialog");
    if (dialog) dialog.showModal();
    const content = document.getElementById("content");
    if (!rest.length || !content) return;
    const box = document.getElementById("typed-rest").content.cloneNode(true).firstElementChild;
    for (const text of rest) {
        const line = document.createElement("p");
        line.textContent = text;
        box.append(line);
    }
    content.prepend(box);
});

// Province, city and district one after the other; the code stays hidden in the district's value.
document.addEventListener("DOMContentLoaded", async () => {
    const box = document.querySelector("[data-regions]");
    if (!box) return;
    const [province, city, district] = box.querySelectorAll("select");
    const answer = await fetch(box.dataset.regions, { credentials: "same-origin" });
    if (!answer.ok) return;
    const regions = await answer.json();
    const fill = (select, options, chosen) => {
        select.replaceChildren(...options.map(([value, text]) => new Option(text, value, false, value === chosen)));
    };
    const names = (group) => [["", "–"], ...Object.keys(group || {}).map((name) => [name, name])];
    const cities = (chosen) => fill(city, names(regions[province.value]), chosen);
    const districts = (chosen) => fill(district, [["", "–"], ...((regions[province.value] || {})[city.value] || [])], chosen);
    const begin = { province: province.value, city: city.value, district: district.value };
    fill(province, names(regions), begin.province);
    cities(begin.city);
    districts(begin.district);
    province.addEventListener("change", () => {
        const only = Object.keys(regions[province.value] || {});
        cities(only.length === 1 ? only[0] : "");
        districts("");
    });
    city.addEventListener("change", () => districts(""));
});

// What a change does is shown while it is typed: the form is sent as by its preview button, and that part of the answer
// put into the page. Only the newest answer counts.
document.addEventListener("DOMContentLoaded", () => {
    const form = document.querySelector("form[data-live]");
    if (!form) return;
    let timer = 0;
    let newest = 0;
    form.addEventListener("input", (event) => {
        if (event.target.name === "search") return;
        clearTimeout(timer);
        timer = setTimeout(async () => {
            const turn = ++newest;
            const data = new FormData(form);
            data.set("do", "look");
            const answer = await fetch(location.href, { method: "POST", body: data, credentials: "same-origin" });
            if (!answer.ok || turn !== newest) return;
            const page = new DOMParser().parseFromString(await answer.text(), "text/html");
            for (const id of [form.dataset.live, "live-problems", "live-buttons"]) {
                const [old, fresh] = [document.getElementById(id), page.getElementById(id)];
                if (old && fresh) old.replaceWith(fresh);
            }
        }, 500);
    });
});

// What is larger than its box is scrolled by keys as well, where nothing in it takes the focus.
const reachable = () => {
    for (const box of document.querySelectorAll(".oms-scroll")) {
        const scrolls = box.scrollWidth > box.clientWidth || box.scrollHeight > box.clientHeight;
        if (scrolls && !box.querySelector("a[href], button, input, select, textarea")) box.tabIndex = 0;
        else if (!scrolls) box.removeAttribute("tabindex");
    }
};
addEventListener("load", reachable);
addEventListener("resize", reachable);
document.addEventListener("click", () => setTimeout(reachable));

// On a phone unfold calls the first column a check box, also where it is none.
document.addEventListener("DOMContentLoaded", () => {
    const head = document.querySelector("#result_list thead th");
    if (!head || head.querySelector("input")) return;
    const name = (head.querySelector(".text") || head).textContent.trim();
    document.querySelectorAll("#result_list tbody tr > td:first-child[data-label]").forEach((cell) => {
        if (name) cell.dataset.label = name;
    });
});
