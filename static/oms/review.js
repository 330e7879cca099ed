// The condition of a review rule: groups and conditions to click together; the text area keeps them as JSON.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const place = document.querySelector("[data-conditions]");
    if (!place) return;
    const area = place.querySelector("textarea");
    const kinds = JSON.parse(document.getElementById(place.dataset.conditions).textContent);
    const said = JSON.parse(document.getElementById("conditions-said").textContent);
    const byCode = new Map(kinds.map((kind) => [kind.code, kind]));

    const element = (tag, props = {}, ...children) => {
        const made = Object.assign(document.createElement(tag), props);
        made.append(...children);
        return made;
    };
    const fresh = (code) => {
        const leaf = { is: code };
        for (const param of byCode.get(code).params) if (param.default !== null) leaf[param.name] = param.default;
        return leaf;
    };
    // Inside, every node is {how, parts} or {not, leaf}; "none" is not any.
    const read = (raw) => {
        if (!raw || typeof raw !== "object") return null;
        if (raw.is) return byCode.has(raw.is) ? { not: false, leaf: raw } : null;
        if (raw.not) {
            const part = read(raw.not);
            if (!part) return null;
            if (part.leaf) return { ...part, not: !part.not };
            if (part.how === "any") return { ...part, how: "none" };
            if (part.how === "none") return { ...part, how: "any" };
            return { how: "none", parts: [part] };
        }
        const how = raw.all ? "all" : "any";
        return Array.isArray(raw[how]) ? { how, parts: raw[how].map(read).filter(Boolean) } : null;
    };
    const write = (node) => {
        if (node.leaf) return node.not ? { not: node.leaf } : node.leaf;
        const parts = node.parts.map(write);
        return node.how === "none" ? { not: { any: parts } } : { [node.how]: parts };
    };

    let root;
    try { root = read(JSON.parse(area.value)); } catch { root = null; }
    if (!root) root = { how: "all", parts: [] };
    if (root.leaf) root = { how: "all", parts: [root] };

    const keep = () => { area.value = JSON.stringify(write(root)); };
    const select = (options, value, change) => {
        const made = element("select", { className: "oms-input", onchange: () => change(made.value) });
        for (const [code, title] of options) made.append(new Option(title, code, false, String(code) === String(value)));
        return made;
    };

    const field = (leaf, param) => {
        const value = leaf[param.name];
        const set = (given) => {
            if (given === "" || (Array.isArray(given) && !given.length)) delete leaf[param.name];
            else leaf[param.name] = given;
            keep();
        };
        if (param.kind === "choices") {
            const boxes = element("span", { className: "oms-condition-choices" });
            for (const [code, title] of param.choices) {
                const box = element("input", { type: "checkbox", checked: (value || []).map(String).includes(String(code)) });
                box.onchange = () => {
                    const chosen = new Set((leaf[param.name] || []).map(String));
                    if (box.checked) chosen.add(String(code)); else chosen.delete(String(code));
                    set(param.choices.map(([one]) => one).filter((one) => chosen.has(String(one))));
                };
                boxes.append(element("label", {}, box, ` ${title}`));
            }
            return boxes;
        }
        if (param.kind === "list") {
            const known = param.choices.some(([code]) => code === value) || !value ? [] : [[value, value]];
            return select([["", said.none_chosen], ...param.choices, ...known], value || "", set);
        }
        const isList = Array.isArray(value);
        const input = element("input", {
            className: "oms-input", value: isList ? value.join(", ") : value ?? "", type: param.kind === "number" ? "number" : "text",
        });
        input.setAttribute("aria-label", param.label);
        const splits = param.kind === "words" || param.kind === "codes";
        input.oninput = () => set(
            splits ? input.value.split(/[,\uFF0C、\n]/).map((text) => text.trim()).filter(Boolean)
                : param.kind === "number" && input.value !== "" ? Number(input.value) : input.value.trim(),
        );
        return input;
    };

    const drawLeaf = (node, number, parent) => {
        const line = element("div", { className: "oms-condition" }, element("span", { className: "oms-condition-number" }, number));
        const negation = element("input", { type: "checkbox", checked: node.not, onchange: () => { node.not = negation.checked; keep(); } });
        line.append(element("label", { className: "oms-condition-not" }, negation, ` ${said.not}`));
        const kind = select(kinds.map((one) => [one.code, one.title]), node.leaf.is, (code) => { node.leaf = fresh(code); draw(); });
        kind.setAttribute("aria-label", said.kind);
        kind.classList.add("oms-condition-kind");
        line.append(kind);
        for (const param of byCode.get(node.leaf.is).params) {
            line.append(element("label", { className: "oms-condition-param" }, element("span", { className: "oms-sub" }, param.label), field(node.leaf, param)));
        }
        line.append(remover(node, parent));
        return line;
    };
    const remover = (node, parent) => element("button", {
        type: "button", className: "oms-button oms-condition-remove", title: said.remove, ariaLabel: said.remove,
        onclick: () => { parent.parts.splice(parent.parts.indexOf(node), 1); draw(); },
    }, "×");
    const drawGroup = (node, number, parent) => {
        const how = select([["all", said.all], ["any", said.any], ["none", said.none]], node.how, (value) => { node.how = value; keep(); });
        how.setAttribute("aria-label", said.how);
        const head = element("div", { className: "oms-condition-head" });
        if (number) head.append(element("span", { className: "oms-condition-number" }, number));
        head.append(how);
        if (parent) head.append(remover(node, parent));
        const group = element("div", { className: "oms-condition-group" }, head);
        node.parts.forEach((part, place) => {
            const own = number ? `${number}.${place + 1}` : String(place + 1);
            group.append(part.leaf ? drawLeaf(part, own, node) : drawGroup(part, own, node));
        });
        group.append(element("div", { className: "oms-buttons" },
            element("button", { type: "button", className: "oms-button", onclick: () => { node.parts.push({ not: false, leaf: fresh(kinds[0].code) }); draw(); } }, said.add),
            element("button", { type: "button", className: "oms-button", onclick: () => { node.parts.push({ how: "any", parts: [] }); draw(); } }, said.group)));
        return group;
    };
    const canvas = element("div");
    const draw = () => { keep(); canvas.replaceChildren(drawGroup(root, "", null)); };
    place.append(canvas);
    area.hidden = true;
    draw();
});
