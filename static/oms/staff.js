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
