/* How replies are sampled: a row for each control the server has, the usual ones first. */
"use strict";

const Settings = (() => {
    const USUAL = ["temperature", "top_p", "top_k", "min_p", "repetition_penalty"];
    const STORE = "lathe-settings";
    const own = [
        { name: "max_tokens", help: "longest reply, in tokens", type: "integer", minimum: 1, maximum: 1e8,
          value: "256" },
        { name: "seed", help: "the same seed gives the same reply", type: "integer", minimum: 0, maximum: 9e15 },
    ];
    let rows = [];

    const field = (name) => Dom.at(`set-${name}`);

    function row({ name, brief, help, type, minimum, maximum }) {
        const input = Dom.make("input", {
            id: `set-${name}`, type: "number", min: minimum, max: maximum, step: type === "integer" ? 1 : "any",
            placeholder: name === "seed" ? "any" : name === "temperature" ? "1" : "off", inputmode: "decimal",
            on: { input: keep } });
        const title = [brief, help].filter(Boolean).join("; ");
        return Dom.make("div", { class: "setting" }, Dom.make("label", { for: input.id, title },
                                                              name.replaceAll("_", " ")), input);
    }

    function build(controls) {
        const usual = USUAL.map((name) => controls.find((c) => c.name === name)).filter(Boolean);
        const others = controls.filter((c) => !USUAL.includes(c.name));
        rows = [...usual, ...own, ...others];
        const stop = Dom.make("textarea", { id: "set-stop", rows: 2, on: { input: keep } });
        const more = Dom.make("details", {}, Dom.make("summary", {}, "More"), ...others.map(row),
                              Dom.make("label", { for: "set-stop" }, "stop, one text a line"), stop);
        Dom.at("settings-rows").replaceChildren(...[...usual, ...own].map(row), more);
        restore();
    }

    /* Of a request: only what was given.  Throws a sentence when a value is out of its range. */
    function given() {
        const all = {};
        for (const { name } of rows) {
            const input = field(name), says = name.replaceAll("_", " ");
            if (!input.validity.valid)
                throw new Error(`Settings: ${says}: expected ${input.step === "1" ? "a whole number" : "a number"} ` +
                                `from ${input.min} to ${input.max}.`);
            if (input.value !== "") all[name] = Number(input.value);
        }
        const stop = field("stop").value.split("\n").filter(Boolean);
        if (stop.length) all.stop = stop;
        return all;
    }

    function set(values) {
        for (const { name } of rows) field(name).value = values[name] ?? "";
        field("stop").value = (values.stop ?? []).join("\n");
        keep();
    }

    /* Options of a conversation that was saved, here or by `lathe chat`; the names of those that are none of ours. */
    function take(options) {
        const names = rows.map(({ name }) => name), values = {}, left = [];
        for (const [name, value] of Object.entries(options)) {
            const number = typeof value === "string" || typeof value === "number" ? Number(value) : NaN;
            if (name === "stop") values.stop = [value].flat().map(String);
            else if (names.includes(name) && Number.isFinite(number)) values[name] = number;
            else left.push(name);
        }
        set(values);
        return left;
    }

    function reset() {
        set(Object.fromEntries(own.map(({ name, value }) => [name, value])));
    }

    function keep() {
        const values = Object.fromEntries(rows.map(({ name }) => [name, field(name).value]));
        sessionStorage.setItem(STORE, JSON.stringify({ ...values, stop: field("stop").value.split("\n") }));
    }

    function restore() {
        let kept = null;
        try {
            kept = JSON.parse(sessionStorage.getItem(STORE));
        } catch { /* not ours: as if there were none */ }
        if (kept && Array.isArray(kept.stop)) set(kept);
        else reset();
    }

    async function start() {
        Dom.at("settings-reset").addEventListener("click", reset);
        Dom.at("settings-form").addEventListener("submit", (e) => e.preventDefault());
        Dom.at("shade").addEventListener("change", (e) => {
            document.body.classList.toggle("plain", !e.target.checked);
            Dom.at("legend").hidden = !e.target.checked;
        });
        Dom.at("settings").open = matchMedia("(min-width: 62rem)").matches;
        build([]);
    }

    return { start, build, given, set, take };
})();
