/* Small change: elements, numbers and tokens as people read them, and the line that screen readers are told. */
"use strict";

const Dom = (() => {
    /* make("button", { class: "quiet", on: { click: f } }, "text", child): attributes that are false or null are left
     * out. */
    function make(tag, attributes = {}, ...children) {
        const e = document.createElement(tag);
        for (const [name, value] of Object.entries(attributes)) {
            if (name === "on") for (const [type, f] of Object.entries(value)) e.addEventListener(type, f);
            else if (value !== false && value != null) e.setAttribute(name, value === true ? "" : value);
        }
        e.append(...children.filter((c) => c != null));
        return e;
    }

    const at = (id) => document.getElementById(id);

    function say(text) {
        at("status").textContent = text;
    }

    /* A fault stays until the next one or until it is put away. */
    function complain(error) {
        if (error.name === "AbortError") return;
        const close = make("button", { type: "button", class: "quiet", on: { click: clearFault } }, "Close");
        at("notice").replaceChildren(make("span", {}, error.message), close);
    }

    function clearFault() {
        at("notice").replaceChildren();
    }

    /* A probability of which the small ones can still be told apart. */
    function percent(p) {
        const x = 100 * p;
        if (x >= 99.95 && x < 100) return "> 99.9 %";
        if (x > 0 && x < 0.001) return "< 0.001 %";
        return `${x >= 10 ? x.toFixed(1) : x >= 0.1 ? x.toFixed(2) : x.toFixed(3)} %`;
    }

    /* A token so that its blanks are seen. */
    function visible(text) {
        const marks = { " ": "\u2423", "\n": "\u21b5", "\t": "\u21e5" };
        return text === "" ? "(nothing)" : text.replace(/[ \n\t]/g, (blank) => marks[blank]);
    }

    /* ... and heard. */
    function spoken(text) {
        const names = { "": "nothing", " ": "space", "\n": "line end", "\t": "tab" };
        return names[text] ?? (text.trim() === "" ? `${text.length} blanks` : text.trim());
    }

    function grouped(n) {
        return Number(n).toLocaleString("en", { maximumFractionDigits: 2 });
    }

    function amount(n, unit) {
        const bytes = unit === "bytes", step = bytes ? 1024 : 1000;
        const names = bytes ? ["bytes", "KiB", "MiB", "GiB", "TiB"] : ["", "thousand", "million", "billion"];
        let i = 0;
        for (; n >= step && i < names.length - 1; i++) n /= step;
        return `${i ? Number(n.toPrecision(4)) : n} ${names[i]}`.trim();
    }

    return { make, at, say, complain, clearFault, percent, visible, spoken, grouped, amount };
})();
