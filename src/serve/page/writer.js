/* Asks for replies, one at a time: whoever writes has a button that stops it. */
"use strict";

const Writer = (() => {
    const TOPS = 10;                /* alternatives asked for at each place */
    let running = null;

    /* The server refuses what may outgrow the model; here a longest reply is no more than a bound. */
    async function fitted(body, signal) {
        const { model, prompt, messages, max_tokens: most } = body, limit = Models.limit();
        if (!limit || !most) return body;
        const count = Array.isArray(prompt) ? prompt.length
            : (await Api.json("/tokenize", { model, prompt, messages }, signal)).count;
        return { ...body, max_tokens: Math.max(1, Math.min(most, limit - count)) };
    }

    /* Calls on({ text, tokens }) as they come and returns why the reply ended: "stop", "length" or "stopped". */
    async function run(path, body, on) {
        if (running) throw new Error("Another reply is being written: stop it first.");
        running = new AbortController();
        document.dispatchEvent(new CustomEvent("lathe-busy"));
        let finish = "stopped";
        try {
            const asked = { ...await fitted(body, running.signal), stream: true };
            for await (const event of Api.events(path, asked, running.signal)) {
                const choice = event.choices?.[0];
                if (!choice) continue;
                on({ text: choice.delta?.content ?? choice.text ?? "", tokens: Tokens.read(choice.logprobs) });
                finish = choice.finish_reason ?? finish;
            }
        } catch (e) {
            if (e instanceof TypeError) throw new Error("The connection broke off before the reply was complete.");
            if (e.name !== "AbortError") throw e;
        } finally {
            running = null;
            document.dispatchEvent(new CustomEvent("lathe-busy"));
        }
        return finish;
    }

    const chat = (messages, on) =>
        run("/v1/chat/completions", { model: Models.chosen(), messages, logprobs: true, top_logprobs: TOPS,
                                      ...Settings.given() }, on);

    /* prompt: a text or token numbers. */
    const complete = (prompt, on, more = {}) =>
        run("/v1/completions", { model: Models.chosen(), prompt, logprobs: TOPS, ...Settings.given(), ...more }, on);

    /* The tokens of a text that nothing is written after. */
    async function score(text) {
        const reply = await Api.json("/v1/completions", { model: Models.chosen(), prompt: text, echo: true,
                                                          logprobs: TOPS, max_tokens: 0 });
        return Tokens.read(reply.choices[0].logprobs);
    }

    async function ids(text, special) {
        if (special && text === "") {           /* what the model begins a text with */
            const vocabulary = await Api.vocabulary(Models.chosen());
            return (await score("")).map((t) => Tokens.idOf(t, vocabulary));
        }
        return (await Api.json("/tokenize", { model: Models.chosen(), content: text, add_special: special })).tokens;
    }

    function stop() {
        running?.abort();
    }

    return { chat, complete, score, ids, stop, busy: () => running !== null };
})();
