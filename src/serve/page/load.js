/* What the server is busy with: its counters (/metrics) read every two seconds, as curves and numbers. */
"use strict";

const Load = (() => {
    const EVERY_MS = 2000, KEPT = 150, WIDTH = 480, HEIGHT = 150, LEFT = 42, TOP = 8, BOTTOM = 20;
    const SVG = "http://www.w3.org/2000/svg";
    /* value(now, before, seconds): before null at first. */
    const rate = (name) => (now, before, seconds) => before ? (now(name) - before(name)) / seconds : null;
    const charts = [
        { title: "Replies", unit: "", curves: [
            { name: "running", value: (now) => now("lathe_replies_running") },
            { name: "waiting", value: (now) => now("lathe_replies_waiting") }] },
        { title: "Tokens a second", unit: "", curves: [
            { name: "written", value: rate("lathe_written_tokens_total") },
            { name: "of prompts", value: rate("lathe_prompt_tokens_total") }] },
        { title: "Time to the first token", unit: " s", needs: "lathe_time_to_first_token_seconds_count", curves: [
            { name: "mean", value: (now, before) => {
                const base = "lathe_time_to_first_token_seconds_", grown = (n) => now(base + n) - before(base + n);
                return before && grown("count") > 0 ? grown("sum") / grown("count") : null;
            } }] },
    ];
    let timer = 0, before = null, points = [];

    /* ---- reading ---- */

    /* { name, labels, value } of each line; labels as they stand. */
    function parse(text) {
        const all = [];
        for (const line of text.split("\n")) {
            const found = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line);
            if (found) all.push({ name: found[1], labels: found[2] ?? "", value: Number(found[3]) });
        }
        return all;
    }

    /* Over all models. */
    const summer = (samples) => (name) =>
        samples.reduce((sum, s) => s.name === name ? sum + s.value : sum, 0);

    /* ---- drawing ---- */

    function draw(name, attributes, text) {
        const e = document.createElementNS(SVG, name);
        for (const [key, value] of Object.entries(attributes)) e.setAttribute(key, value);
        if (text !== undefined) e.textContent = text;
        return e;
    }

    const short = (n) => n >= 100 ? Dom.grouped(Math.round(n)) : String(Number(n.toPrecision(3)));

    /* The least of 1, 2, 5 times a power of ten that is not below. */
    function ceiling(n) {
        const power = 10 ** Math.floor(Math.log10(n || 1));
        return [1, 2, 5, 10].map((m) => m * power).find((m) => m >= n) ?? 1;
    }

    /* Points from left to right, with gaps where there is no value. */
    function outline(values, top) {
        const x = (i) => LEFT + (WIDTH - LEFT - 4) * (KEPT - values.length + i) / (KEPT - 1);
        const y = (v) => TOP + (HEIGHT - TOP - BOTTOM) * (1 - v / top);
        const at = (v, i) => `${x(i).toFixed(1)} ${y(v).toFixed(1)}`;
        const step = (v, i) => i && values[i - 1] !== null ? `L${at(v, i)}` : `M${at(v, i)}h0`;     /* h0: a dot */
        return values.map((v, i) => v === null ? "" : step(v, i)).join("");
    }

    function figure(chart) {
        const series = chart.curves.map((c) => points.map((p) => p[`${chart.title}/${c.name}`]));
        const top = ceiling(Math.max(...series.flat().filter((v) => v !== null), chart.unit ? 0.001 : 1));
        const last = series.map((s) => s.at(-1) === null ? "\u2013" : short(s.at(-1)) + chart.unit);
        const svg = draw("svg", { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label":
            `${chart.title}, now ${chart.curves.map((c, i) => `${c.name} ${last[i]}`).join(", ")}` });
        for (const part of [0, 0.5, 1]) {
            const y = TOP + (HEIGHT - TOP - BOTTOM) * (1 - part);
            svg.append(draw("line", { class: "grid", x1: LEFT, x2: WIDTH - 4, y1: y, y2: y }),
                       draw("text", { x: LEFT - 6, y: y + 4, "text-anchor": "end" }, short(part * top)));
        }
        svg.append(draw("text", { x: LEFT, y: HEIGHT - 4 }, "5 min ago"),
                   draw("text", { x: WIDTH - 4, y: HEIGHT - 4, "text-anchor": "end" }, "now"));
        series.forEach((s, i) => svg.append(draw("path", { class: i ? "line second" : "line", d: outline(s, top) })));
        const legend = chart.curves.map((c, i) => Dom.make("span", {},
            `${chart.curves.length > 1 ? i ? "\u2504 " : "\u2500 " : ""}${c.name} ${last[i]}`));
        return Dom.make("figure", {}, Dom.make("figcaption", {}, Dom.make("strong", {}, chart.title), ...legend), svg);
    }

    /* "lathe_prompt_tokens_total" and its labels, as words. */
    function words({ name, labels }) {
        const plain = name.replace(/^lathe_|_total$/g, "").replaceAll("_", " ");
        const said = labels.replace(/(\w+)="((?:[^"\\]|\\.)*)"/g, "$1 $2");
        return said ? `${plain}, ${said}` : plain;
    }

    function totals(samples) {
        const kept = samples.filter((s) => s.name.endsWith("_total") && (s.value || !s.labels.includes("status")));
        Dom.at("totals").tBodies[0].replaceChildren(...kept.map((s) => Dom.make("tr", {},
            Dom.make("th", { scope: "row" }, words(s)), Dom.make("td", { class: "number" }, Dom.grouped(s.value)))));
    }

    /* ---- over and over ---- */

    async function look() {
        const samples = parse(await Api.text("/metrics")), time = performance.now() / 1000, now = summer(samples);
        const point = {};
        for (const chart of charts)
            for (const c of chart.curves)
                point[`${chart.title}/${c.name}`] = c.value(now, before?.now ?? null, before ? time - before.time : 1);
        points = [...points, point].slice(-KEPT);
        before = { now, time };
        const there = charts.filter((c) => !c.needs || samples.some((s) => s.name === c.needs));
        Dom.at("charts").replaceChildren(...there.map(figure));
        totals(samples);
    }

    async function again() {
        clearTimeout(timer);
        try {
            if (!document.hidden) await look();
        } catch (e) {
            Dom.complain(e);
            if (e.status === 401) return;           /* a key opens the section again */
        }
        if (!Dom.at("load").hidden) timer = setTimeout(again, EVERY_MS);
    }

    function close() {
        clearTimeout(timer);
        before = null;
    }

    return { open: again, close };
})();
