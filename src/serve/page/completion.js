/* Raw completion: what the model writes on from the cursor, and how likely it finds a text. */
"use strict";

const Completion = (() => {
    /* What stands in the view: { before, after, head, tokens, text, scored }; before and after: of the text area; head:
     * a text without its tokens; scored: it is the text of the area and not written by the model. */
    let result = null;
    let vocabulary = null, own = false;         /* own: the reply being written is ours */

    const area = () => Dom.at("completion-text");
    const attempt = (f) => f().catch(Dom.complain);

    function show(heading, choose) {
        const view = new Tokens.View({ label: heading, model: Models.chosen(), vocabulary, choose, head: result.head });
        Dom.at("completion-heading").textContent = heading;
        Dom.at("completion-view").replaceChildren(view.element);
        Dom.at("completion-result").hidden = false;
        Dom.at("completion-keep").hidden = result.scored;
        view.append(result.tokens);
        sum();
        return view;
    }

    /* Means are over the tokens that something stands before. */
    function sum() {
        const scored = result.tokens.filter((t) => t.logp !== null);
        const total = scored.reduce((s, t) => s + t.logp, 0), mean = total / scored.length;
        Dom.at("completion-sum").textContent = !scored.length ? ""
            : `${scored.length} tokens, log p ${total.toFixed(3)}, ` +
              `${(-mean / Math.LN2).toFixed(3)} bits a token, perplexity ${Dom.grouped(Math.exp(-mean))}`;
    }

    async function prepare() {
        if (Writer.busy()) throw new Error("Another reply is being written: stop it first.");
        Dom.clearFault();
        Popup.close();
        vocabulary = await Api.vocabulary(Models.chosen()).catch(() => null);
    }

    /* prompt: a text or token numbers. */
    async function write(prompt) {
        const view = show("Written by the model", null), { tokens } = result;
        view.element.classList.add("waiting");
        own = true;
        let finish = "stopped";
        try {
            finish = await Writer.complete(prompt, (piece) => {
                result.text += piece.text;
                tokens.push(...piece.tokens);
                view.take(piece);
            });
        } catch (e) {
            Dom.complain(e);
        }
        own = false;
        busy();
        if (!tokens.length && !result.text) {               /* nothing came: the fault says why */
            Dom.at("completion-result").hidden = true;
            return;
        }
        if (!tokens.length) result.head = result.text;
        else if (result.before && Tokens.lead(tokens, result.text, vocabulary)) result.text = ` ${result.text}`;
        show("Written by the model", goOn).finish(result.text);
        Dom.say(finish === "stopped" ? "Stopped." : `Written: ${result.text}`);
    }

    async function fromCursor() {
        await prepare();
        const { value, selectionStart } = area();
        const before = value.slice(0, selectionStart);
        result = { before, after: value.slice(selectionStart), head: "", tokens: [], text: "", scored: false };
        await write(before);
    }

    async function score() {
        await prepare();
        const { value } = area();
        if (!value) throw new Error("There is no text to score.");
        result = { before: "", after: "", head: "", tokens: await Writer.score(value), text: value, scored: true };
        show("The text, token by token", goOn).finish(value);
        Dom.say(`Scored: ${Dom.at("completion-sum").textContent}`);
    }

    /* From a token of the view: what stands before it, the token chosen, and then what the model writes. */
    async function goOn(index, token) {
        await prepare();
        const old = result, { scored } = old, kept = old.tokens.slice(0, index);
        const tokens = [...kept, { ...token, tops: old.tokens[index].tops }];
        const ids = tokens.map((t) => Tokens.idOf(t, vocabulary)), { text } = Tokens.join(tokens, vocabulary);
        const lead = Tokens.lead(old.tokens, old.text, vocabulary);
        const begun = text.slice(lead), sure = !ids.includes(undefined);
        const prompt = scored ? [] : await Writer.ids(old.before, true);
        const next = sure ? ids : await Writer.ids(begun, scored);
        result = { ...old, tokens, text: begun, scored: false };
        if (Tokens.isSpecial(token, vocabulary)) show("Written by the model", goOn).finish(begun);
        else await write([...prompt, ...next]);
    }

    /* A text that was scored is replaced; what was written comes where the cursor was. */
    function keep() {
        const { before, after, text } = result;
        area().value = before + text + after;
        area().focus();
        area().setSelectionRange(before.length + text.length, before.length + text.length);
        Dom.at("completion-result").hidden = true;
    }

    function busy() {
        const button = Dom.at("completion-write");
        button.textContent = own ? "Stop" : "Write on";
        button.disabled = Writer.busy() && !own;
        for (const id of ["completion-score", "completion-keep"]) Dom.at(id).disabled = Writer.busy();
    }

    function start() {
        Dom.at("completion-write").addEventListener("click", () => own ? Writer.stop() : attempt(fromCursor));
        Dom.at("completion-score").addEventListener("click", () => attempt(score));
        Dom.at("completion-keep").addEventListener("click", keep);
        area().addEventListener("keydown", (e) => {
            if (e.key !== "Enter" || !(e.ctrlKey || e.metaKey) || own) return;
            e.preventDefault();
            attempt(fromCursor);
        });
        document.addEventListener("lathe-busy", busy);
    }

    return { start };
})();
