/* What is known of one token, beside it: its probability, and what else might have stood there. */
"use strict";

const Popup = (() => {
    const GRACE_MS = 250;           /* to get from the token to the popup with the mouse */
    let open = null, timer = 0;     /* open: what was shown, see show() */
    let putAway = null;             /* the token that gets the focus back and is not to be shown again for that */

    const box = () => Dom.at("popup");

    function row(token, taken) {
        const p = Tokens.probability(token), choose = open.choose;
        const button = Dom.make("button", {
            type: "button", disabled: !choose, "aria-label": `Go on from ${Dom.spoken(token.text)}, ${Dom.percent(p)}`,
            on: { click: () => { close(); choose(token); } },
        }, Dom.make("span", { class: "text" }, Dom.visible(token.text)),
           Dom.make("span", { class: "number" }, Dom.percent(p)));
        button.style.setProperty("--share", `${100 * p}%`);
        return Dom.make("li", { class: taken && "taken" }, button);
    }

    function fill() {
        const { token, choose } = open, p = Tokens.probability(token), tops = token.tops ?? [];
        const known = tops.some((t) => t.text === token.text);
        const says = Dom.make("p", {}, p === null ? "the beginning: nothing stands before it"
                              : `${Dom.percent(p)}, log p ${token.logp.toFixed(3)}`);
        const list = Dom.make("ul", {}, ...tops.map((t) => row(t, t.text === token.text)));
        if (!known && p !== null) list.append(row(token, true));
        const hint = choose && p !== null ? Dom.make("p", {}, "Choose one to go on from it:") : null;
        box().replaceChildren(Dom.make("h3", {}, Dom.visible(token.text)), says, hint ?? "", p === null ? "" : list);
        box().setAttribute("aria-label", `Token ${Dom.spoken(token.text)}`);
        tell(says, open);
    }

    /* The number of the token comes when the vocabulary is there. */
    async function tell(says, shown) {
        try {
            const id = Tokens.idOf(shown.token, await Api.vocabulary(shown.model));
            if (open === shown && id !== undefined) says.append(`, token ${id}`);
        } catch { /* a model without a tokenizer: there are no numbers to tell */ }
    }

    function place() {
        const at = open.span.getClientRects()[0] ?? open.span.getBoundingClientRect(), b = box();
        const width = b.offsetWidth, height = b.offsetHeight, edge = 8;
        const left = Math.max(edge, Math.min(at.left, document.documentElement.clientWidth - width - edge));
        const below = at.bottom + 4 + height <= innerHeight || at.top < height;
        b.style.left = `${left + scrollX}px`;
        b.style.top = `${(below ? at.bottom + 4 : at.top - height - 4) + scrollY}px`;
    }

    /* { span, token, model, pinned, choose(token) or null }; pinned: it stays when the mouse goes. */
    function show(what) {
        if (what.span === putAway) return;
        clearTimeout(timer);
        if (open?.span === what.span) {
            open.pinned ||= what.pinned;
            return;
        }
        if (open?.pinned && !what.pinned) return;
        close();
        open = what;
        open.span.classList.add("open");
        box().hidden = false;
        fill();
        place();
    }

    function close(refocus) {
        clearTimeout(timer);
        if (!open) return;
        const span = open.span;
        span.classList.remove("open");
        open = null;
        box().hidden = true;
        if (!refocus) return;
        putAway = span;
        span.focus();
        putAway = null;
    }

    function leave() {
        clearTimeout(timer);
        timer = setTimeout(() => {
            if (open && !open.pinned && !box().matches(":hover") && !box().contains(document.activeElement)) close();
        }, GRACE_MS);
    }

    function enter() {
        box().querySelector("button:enabled")?.focus();
    }

    function key(e) {
        const buttons = [...box().querySelectorAll("button:enabled")], at = buttons.indexOf(document.activeElement);
        if (e.key === "Escape") close(true);
        else if (e.key === "ArrowDown") buttons[(at + 1) % buttons.length]?.focus();
        else if (e.key === "ArrowUp") buttons[(at + buttons.length - 1) % buttons.length]?.focus();
        else return;
        e.preventDefault();
    }

    function start() {
        box().addEventListener("keydown", key);
        box().addEventListener("pointerleave", leave);
        box().addEventListener("focusout", (e) => !box().contains(e.relatedTarget) && close());
        document.addEventListener("pointerdown", (e) => !e.target.closest(".popup, .token") && close());
        addEventListener("resize", () => close());
    }

    return { show, leave, close, enter, start };
})();
