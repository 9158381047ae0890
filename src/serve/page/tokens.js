/* Tokens with their probabilities: read from a reply, and shown so that each can be looked at.
 *
 * A token is { text, bytes, id, logp, tops }: bytes and id undefined when the reply does not tell them, logp null when
 * nothing stood before it, tops the likeliest tokens of its place.  Model vocabularies fill in what is not told. */
"use strict";

const Tokens = (() => {
    const SHADED = 0.001;           /* from this probability down the shade is full */

    const real = (x) => typeof x === "number" ? x : -Infinity;
    const plain = (t) => ({ text: t.token, bytes: t.bytes ?? undefined, id: t.id, logp: real(t.logprob) });

    /* From the log-probabilities of a chat or of a completion. */
    function read(logprobs) {
        if (!logprobs) return [];
        if (logprobs.content) return logprobs.content.map((t) => ({ ...plain(t), tops: t.top_logprobs.map(plain) }));
        return (logprobs.tokens ?? []).map((text, i) => {
            const logp = logprobs.token_logprobs[i], tops = Object.entries(logprobs.top_logprobs?.[i] ?? {});
            return { text, logp: logp === null ? null : real(logp),
                     tops: tops.map(([t, p]) => ({ text: t, logp: real(p) })).sort((a, b) => b.logp - a.logp) };
        });
    }

    function bytesOf(token) {
        if (token.bytes) return Uint8Array.from(token.bytes);
        const spelt = /^bytes:(\\x[0-9a-f]{2})+$/.test(token.text);
        return spelt ? Uint8Array.from(token.text.slice(6).match(/[0-9a-f]{2}/g), (x) => parseInt(x, 16))
                     : new TextEncoder().encode(token.text);
    }

    function idOf(token, vocabulary) {
        const numbered = /^token_id:(\d+)$/.exec(token.text);
        return token.id ?? (numbered ? Number(numbered[1]) : vocabulary?.ids.get(token.text));
    }

    const isSpecial = (token, vocabulary) => vocabulary?.special.has(idOf(token, vocabulary)) ?? false;

    /* The text of tokens, and whether they end inside a character, which then is not in it. */
    function join(tokens, vocabulary) {
        const decoder = new TextDecoder(), put = (t) => decoder.decode(bytesOf(t), { stream: true });
        const text = tokens.map((t) => isSpecial(t, vocabulary) ? "" : put(t)).join("");
        return { text, broken: decoder.decode() !== "" };
    }

    /* Some tokenizers begin with a blank that is not in the text of a reply: its length, 0 or 1. */
    function lead(tokens, whole, vocabulary) {
        const { text } = join(tokens, vocabulary);
        return text.startsWith(" ") && !whole.startsWith(" ") ? 1 : 0;
    }

    const probability = (token) => token.logp === null ? null : Math.exp(token.logp);

    function label(token) {
        const p = probability(token);
        return `${Dom.spoken(token.text)}, ${p === null ? "the beginning" : Dom.percent(p)}`;
    }

    /* ---- the view ---- */

    /* how: { label, model, vocabulary, head, choose(index, token) or null }; head: text before the tokens. */
    class View {
        constructor(how) {
            this.how = how;
            this.tokens = [];
            this.decoder = new TextDecoder();
            this.list = Dom.make("span", { role: "listbox", "aria-orientation": "horizontal",
                                           "aria-label": `${how.label}: arrow keys move, Enter shows alternatives` });
            this.head = Dom.make("span", {}, how.head ?? "");
            this.tail = Dom.make("span");
            this.read = Dom.make("span", { class: "unseen" });
            this.element = Dom.make("div", { class: "tokens" }, this.read, this.head, this.list, this.tail);
            this.list.hidden = true;
            this.list.addEventListener("pointerover", (e) => e.pointerType === "mouse" && this.show(e.target, false));
            this.list.addEventListener("pointerout", () => Popup.leave());
            this.list.addEventListener("click", (e) => this.show(e.target, true));
            this.list.addEventListener("focusin", (e) => this.focused(e.target));
            this.list.addEventListener("focusout", () => Popup.leave());
            this.list.addEventListener("keydown", (e) => this.key(e));
        }

        append(tokens) {
            for (const token of tokens) this.list.append(this.span(token));
            this.list.hidden = !this.tokens.length;
        }

        span(token) {
            const i = this.tokens.push(token) - 1, p = probability(token);
            const special = isSpecial(token, this.how.vocabulary);
            const shown = special ? token.text : this.decoder.decode(bytesOf(token), { stream: true });
            const e = Dom.make("span", { class: "token", role: "option", tabindex: i ? -1 : 0, "data-index": i,
                                         "aria-selected": "false", "aria-label": label(token) }, shown);
            e.classList.toggle("begun", p === null);
            e.classList.toggle("special", special);
            e.style.setProperty("--doubt", p === null ? 0 : Math.min(1, Math.log(p) / Math.log(SHADED)).toFixed(3));
            return e;
        }

        /* A part of a reply: text, whose tokens come with it or later. */
        take({ text, tokens }) {
            this.append(tokens);
            this.tail.textContent = tokens.length ? "" : this.tail.textContent + text;
        }

        /* For who reads the text as a whole and not token by token. */
        finish(text) {
            this.read.textContent = this.tokens.length ? text : "";
            this.head.setAttribute("aria-hidden", String(this.tokens.length > 0));
        }

        show(target, pinned) {
            const span = target.closest?.(".token");
            if (!span) return;
            const index = Number(span.dataset.index);
            Popup.show({ span, pinned, token: this.tokens[index], model: this.how.model,
                         choose: this.how.choose && ((t) => this.how.choose(index, t)) });
        }

        focused(span) {
            for (const other of this.list.querySelectorAll('[tabindex="0"]')) other.tabIndex = -1;
            span.tabIndex = 0;
            if (span.matches(":focus-visible")) this.show(span, false);
        }

        key(e) {
            const now = e.target, all = this.list.children;
            const to = { ArrowRight: now.nextSibling, ArrowLeft: now.previousSibling, Home: all[0],
                         End: all[all.length - 1] }[e.key];
            if (to) to.focus();
            else if (e.key === "Enter" || e.key === " " || e.key === "ArrowDown") {
                this.show(now, true);
                Popup.enter();
            } else if (e.key === "Escape") Popup.close();
            else return;
            e.preventDefault();
        }
    }

    return { read, idOf, isSpecial, join, lead, probability, View };
})();
