/* The model card: shapes, costs, tokenizer, how the model came to be, and what its own files say of it. */
"use strict";

const Card = (() => {
    const cell = (value) => value instanceof Node ? value : String(value);

    /* Rows of a name and a value; those without a value are left out. */
    function table(label, rows) {
        const body = Dom.make("tbody", {}, ...rows.filter(([, v]) => v !== null && v !== undefined && v !== "").map(
            ([name, value]) => Dom.make("tr", {}, Dom.make("th", { scope: "row" }, name),
                                        Dom.make("td", {}, cell(value)))));
        return Dom.make("table", { "aria-label": label }, body);
    }

    const part = (title, ...children) => Dom.make("section", {}, Dom.make("h3", {}, title), ...children);
    const yes = (is) => is ? "yes" : "no";
    const bytes = (n) => n === undefined ? null : Dom.amount(n, "bytes");
    const many = (n) => n === undefined ? null : n < 1000 ? String(n) : `${Dom.grouped(n)} (${Dom.amount(n)})`;

    function overview(card) {
        return table("Overview", [
            ["Name", card.model], ["Path", card.path], ["Kind", `${card.kind}: ${card.kind_brief}`],
            ["Vocabulary", many(card.vocabulary)],
            ["Context", card.context ? `${Dom.grouped(card.context)} tokens` : "any length"],
            ["Licence", card.licence ?? "not stated in the model's files"],
        ]);
    }

    function shapes({ architecture: a, parameters: p, flops_per_token: f, memory: m }) {
        if (!a) return [];
        return [part("Shape", table("Shape", [
            ["Architecture", `${a.model_type} (${a.class})`], ["Layers", a.layers], ["Width", a.width],
            ["Inner width", a.inner], ["Heads", a.heads === a.kv_heads ? a.heads : `${a.heads}, ${a.kv_heads} of keys`],
            ["Head width", a.head_dim], ["Tied embedding", yes(a.tied)], ["Parameters", many(p.total)],
            ["of which embedding", many(p.embedding)], ["of which head", many(p.head)],
            ["Operations a token", many(f.forward)],
        ])), part("Memory", table("Memory", [
            ["Weights as stored", bytes(m.generation.weights_bytes)],
            ["Keys and values a token", bytes(m.generation.cache_bytes_per_token)],
            ["Weights and a full context", bytes(m.generation.total_bytes)],
            ["Training with AdamW", bytes(m.training.total_bytes)],
        ]))];
    }

    function tokenizer({ tokenizer: t }) {
        if (!t) return [];
        return [part("Tokenizer", table("Tokenizer", [
            ["Kind", t.kind], ["Vocabulary", many(t.vocabulary)], ["Begin token", t.bos < 0 ? "none" : t.bos],
            ["End token", t.eos < 0 ? "none" : t.eos], ["Hash", Dom.make("span", { class: "mono" }, t.hash)],
            ["Fits the model", yes(t.fits)],
        ]))];
    }

    /* The story of an artefact, and below each input that a verb made, the story of that. */
    function story(h) {
        const inputs = h.inputs.map((i) => [Dom.make("p", { class: "dim" }, `from ${i.path}`),
                                            i.made && story(i.made)]).flat();
        const options = Object.entries(h.options).map(([key, value]) =>
            [key.replaceAll("_", " "), typeof value === "object" ? JSON.stringify(value) : value]);
        return Dom.make("div", { class: "story" },
            Dom.make("pre", { class: "command" }, h.command),
            Dom.make("p", { class: "dim" }, `lathe ${h.version}, build ${h.build}, on ${h.isa}` +
                                            (h.seed === undefined ? "" : `, seed ${h.seed}`)),
            Dom.make("details", {}, Dom.make("summary", {}, "Options that are not the default"),
                     table("Options", options)), ...inputs);
    }

    function weights({ weights: list }) {
        if (!list) return [];
        const rows = list.map((w) => Dom.make("tr", {}, Dom.make("td", { class: "mono" }, w.name),
                                              Dom.make("td", {}, w.type), Dom.make("td", {}, w.shape.join(" \u00d7 ")),
                                              Dom.make("td", { class: "number" }, String(w.count))));
        const head = Dom.make("tr", {}, ...["Weight", "Type", "Shape", "Count"].map(
            (name) => Dom.make("th", { scope: "col" }, name)));
        return [part("Weights", Dom.make("details", {}, Dom.make("summary", {}, `${list.length} rows`),
                     Dom.make("table", { "aria-label": "Weights" }, Dom.make("thead", {}, head),
                              Dom.make("tbody", {}, ...rows))))];
    }

    async function open() {
        const card = await Api.json(`/model-card?model=${encodeURIComponent(Models.chosen())}`);
        const notes = card.missing.map((sentence) => Dom.make("p", { class: "note" }, `${sentence}.`));
        Dom.at("card").replaceChildren(part(card.model, overview(card)), ...shapes(card), ...tokenizer(card),
            ...(card.history ? [part("How it came to be", story(card.history))] : []), ...weights(card),
            ...(card.readme ? [part("README.md", Dom.make("pre", {}, card.readme))] : []), ...notes);
    }

    return { open: () => open().catch(Dom.complain) };
})();
