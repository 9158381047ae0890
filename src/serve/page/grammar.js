/* The grammar editor: what is wrong and where while somebody types, and what may come after a text. */
"use strict";

const Grammar = (() => {
    const DELAY_MS = 200, PIECES = 200, LIKELY = 20;
    const examples = {
        grammar: 'root   ::= answer " because " reason "."\nanswer ::= "yes" | "no"\nreason ::= [a-z ]{3,40}\n',
        json_schema: '{\n  "type": "object",\n  "properties": {\n    "name": { "type": "string", "maxLength": 20 },\n' +
                     '    "age": { "type": "integer", "minimum": 0 }\n  },\n  "required": ["name", "age"],\n' +
                     '  "additionalProperties": false\n}\n',
        regex: "(yes|no), [a-z]{2,10}!",
    };
    const texts = { ...examples };
    let editor, sofar, timer = 0, asking = null, own = false, last = null, vocabulary = null;

    const notation = () => Dom.at("grammar-notation").value;

    /* ---- what the server says ---- */

    function showError(error) {
        const says = Dom.at("grammar-error");
        editor.setMark(error?.line ? editor.offset(error.line, error.column) : null);
        says.replaceChildren(error?.message ?? "");
        if (error?.line) {
            const go = Dom.make("button", { type: "button", class: "quiet",
                                            on: { click: () => editor.goTo(editor.mark ?? 0) } }, "Go there");
            says.append(` (line ${error.line}, column ${error.column}) `, go);
        }
    }

    function showState(next) {
        const says = Dom.at("grammar-says"), force = Dom.at("grammar-force");
        sofar.setMark(next.valid ? null : [...sofar.value].slice(0, next.taken).join("").length);
        says.classList.toggle("error", !next.valid);
        says.textContent = !next.valid ? `The grammar takes the first ${next.taken} characters and not what follows.`
            : next.complete && !next.allowed ? "The text is complete: nothing may follow."
            : next.complete ? "The text may end here or go on." : "The text may go on and is not complete.";
        force.hidden = !next.forced;
        force.textContent = `Add what must come: ${Dom.visible(next.forced.slice(0, 40))}`;
    }

    function showAllowed(next) {
        const count = Dom.at("allowed-count"), shown = next.pieces.length;
        count.textContent = !next.allowed ? `None of ${Dom.grouped(next.vocabulary)}.`
            : `${Dom.grouped(next.allowed)} of ${Dom.grouped(next.vocabulary)}` +
              (shown < next.allowed ? `; the first ${shown}:` : ":");
        Dom.at("allowed").replaceChildren(...next.pieces.map(({ id, piece }) => Dom.make("li", {},
            Dom.make("button", { type: "button", title: `token ${id}`, disabled: piece.startsWith("bytes:"),
                                 "aria-label": `Add ${Dom.spoken(piece)}`, on: { click: () => add(piece) } },
                     Dom.visible(piece)))));
    }

    function showLikely(tops, check) {
        Dom.at("likely").hidden = !tops.length;
        Dom.at("likely-none").hidden = tops.length > 0;
        const row = (t, i) => Dom.make("tr", { class: !check[i] && "masked" },
            Dom.make("td", { class: "text" }, Dom.visible(t.text)),
            Dom.make("td", { class: "number" }, Dom.percent(Math.exp(t.logp))),
            Dom.make("td", {}, check[i] ? "allowed" : "masked"));
        Dom.at("likely").tBodies[0].replaceChildren(...tops.map(row));
    }

    function clear() {
        for (const id of ["grammar-says", "likely-none", "allowed-count"]) Dom.at(id).textContent = "";
        Dom.at("allowed").replaceChildren();
        Dom.at("grammar-force").hidden = true;
        sofar.setMark(null);
        showLikely([], []);
    }

    /* ---- asking ---- */

    const next = (more, signal) => Api.json("/grammar/next", { model: Models.chosen(), [notation()]: editor.value,
                                                               text: sofar.value, ...more }, signal);

    /* What the model would write with no grammar. */
    async function likely(signal) {
        const prompt = Dom.at("grammar-prompt").value + sofar.value;
        const reply = await Api.json("/v1/completions", { model: Models.chosen(), prompt, max_tokens: 1, temperature: 0,
                                                          logprobs: LIKELY }, signal);
        return Tokens.read(reply.choices[0].logprobs)[0]?.tops ?? [];
    }

    async function check() {
        asking?.abort();
        const { signal } = asking = new AbortController();
        last = null;
        try {
            const now = await next({ n: PIECES }, signal);
            showError(now.error);
            if (now.error) return clear();
            last = now;
            showState(now);
            showAllowed(now);
            if (!now.valid) return showLikely([], []);
            const tops = await likely(signal);
            const { check: may } = await next({ n: 0, check: tops.map((t) => t.id ?? t.text) }, signal);
            showLikely(tops, may);
            if (!tops.length) Dom.at("likely-none").textContent = "The model tells nothing here.";
        } catch (e) {
            if (e.name !== "AbortError") clear();
            Dom.complain(e);
        }
    }

    function soon() {
        clearTimeout(timer);
        timer = setTimeout(check, DELAY_MS);
    }

    function add(piece) {
        sofar.value += piece;
        check();
    }

    /* ---- the model writes ---- */

    async function write() {
        Dom.clearFault();
        vocabulary = await Api.vocabulary(Models.chosen()).catch(() => null);
        const view = new Tokens.View({ label: "Written under the grammar", model: Models.chosen(), choose: null,
                                       vocabulary });
        const box = Dom.at("grammar-reply");
        let text = "";
        box.hidden = false;
        box.replaceChildren(Dom.make("h3", {}, "Written under the grammar"), view.element);
        view.element.classList.add("waiting");
        own = true;
        try {
            await Writer.complete(Dom.at("grammar-prompt").value, (piece) => {
                text += piece.text;
                view.take(piece);
            }, { [notation()]: notation() === "json_schema" ? JSON.parse(editor.value) : editor.value });
        } finally {
            own = false;
            busy();
            view.element.classList.remove("waiting");
        }
        view.finish(text);
        sofar.value = text;
        Dom.say(`Written: ${text}`);
        check();
    }

    function busy() {
        const button = Dom.at("grammar-write");
        button.textContent = own ? "Stop" : "Let the model write";
        button.disabled = Writer.busy() && !own;
    }

    function open() {
        editor.draw();
        sofar.draw();
        check();
    }

    function start() {
        editor = new Editor(Dom.at("grammar-editor"));
        sofar = new Editor(Dom.at("sofar-editor"));
        let now = notation();
        editor.value = texts[now];
        Dom.at("grammar-notation").addEventListener("change", () => {
            texts[now] = editor.value;
            now = notation();
            editor.value = texts[now];
            check();
        });
        for (const e of [editor.area, sofar.area, Dom.at("grammar-prompt")]) e.addEventListener("input", soon);
        Dom.at("grammar-force").addEventListener("click", () => last && add(last.forced));
        Dom.at("grammar-write").addEventListener("click", () => own ? Writer.stop() : write().catch(Dom.complain));
        document.addEventListener("lathe-busy", busy);
    }

    return { start, open };
})();
