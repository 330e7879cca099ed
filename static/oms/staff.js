// Small behaviours of the staff's own pages: dialogs and copying.
"use strict";

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
            if (state.is_over) { window.location.reload(); return; }
            job.querySelector("progress").value = state.percent;
            for (const name of ["done", "total", "failed"]) show(name, state[name]);
            setTimeout(ask, 1500);
        })
        .catch(() => setTimeout(ask, 5000));
    setTimeout(ask, 1000);
});
