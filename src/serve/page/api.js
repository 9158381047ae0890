/* Talking to the server: the key, its refusals as sentences, events as they come. */
"use strict";

const Api = (() => {
    const KEY = "lathe-key";

    class Refusal extends Error {
        constructor(status, fault) {
            super(fault?.message ?? `The server answers with status ${status}.`);
            this.status = status;
            this.code = fault?.code;
        }
    }

    function headers(body) {
        const key = sessionStorage.getItem(KEY), all = {};
        if (key) all.Authorization = `Bearer ${key}`;
        if (body !== undefined) all["Content-Type"] = "application/json";
        return all;
    }

    async function ask(path, body, signal) {
        let reply;
        try {
            reply = await fetch(path, { method: body === undefined ? "GET" : "POST", headers: headers(body), signal,
                                        body: body === undefined ? undefined : JSON.stringify(body) });
        } catch (e) {
            if (e.name === "AbortError") throw e;
            throw new Refusal(0, { message: "The server does not answer. Is it still running?" });
        }
        if (reply.ok) return reply;
        let fault = null;
        try {
            fault = (await reply.json()).error;
        } catch { /* not one of its sentences: the status has to do */ }
        if (reply.status === 401) document.dispatchEvent(new CustomEvent("lathe-key"));
        throw new Refusal(reply.status, fault);
    }

    async function json(path, body, signal) {
        return (await ask(path, body, signal)).json();
    }

    async function text(path, signal) {
        return (await ask(path, undefined, signal)).text();
    }

    /* What each event of a stream holds, parsed, until [DONE]. */
    async function* events(path, body, signal) {
        const reader = (await ask(path, body, signal)).body.pipeThrough(new TextDecoderStream()).getReader();
        let rest = "";
        for (;;) {
            const { value, done } = await reader.read();
            if (done) return;
            const parts = (rest + value).split("\n\n");
            rest = parts.pop();
            for (const part of parts) {
                if (!part.startsWith("data: ")) continue;
                const data = part.slice(6);
                if (data === "[DONE]") return;
                const event = JSON.parse(data);
                if (event.error) throw new Refusal(200, event.error);
                yield event;
            }
        }
    }

    /* ---- the spelling of every token, asked once a model ---- */
    const vocabularies = new Map();

    function vocabulary(model) {
        if (!vocabularies.has(model)) {
            const asked = json(`/vocabulary?model=${encodeURIComponent(model)}`).then(({ pieces, special }) => ({
                pieces, special: new Set(special), ids: new Map(pieces.map((piece, id) => [piece, id])),
            }));
            asked.catch(() => vocabularies.delete(model));
            vocabularies.set(model, asked);
        }
        return vocabularies.get(model);
    }

    function setKey(key) {
        if (key) sessionStorage.setItem(KEY, key);
        else sessionStorage.removeItem(KEY);
    }

    return { Refusal, ask, json, text, events, vocabulary, setKey, key: () => sessionStorage.getItem(KEY) ?? "" };
})();
