/* The chat: messages, their branches, and replies that go on from any of their tokens. */
"use strict";

const Chat = (() => {
    const STORE = "lathe-conversation";
    let root = Conversation.create();
    let live = null;                    /* the reply being written and its view: { node, view } */
    let vocabulary = null, saved = true;

    /* ---- writing ---- */

    async function write(node, begin) {
        render();
        const { view } = live, whole = document.documentElement;
        Dom.say("The model writes.");
        try {
            node.finish = await begin((piece) => {
                node.content += piece.text;
                node.tokens.push(...piece.tokens);
                const near = innerHeight + scrollY > whole.scrollHeight - 200;      /* else somebody reads further up */
                view.take(piece);
                if (near) scrollTo(0, whole.scrollHeight);
            });
            Dom.say(`The reply is complete: ${node.content}`);
        } catch (e) {
            Dom.complain(e);
            if (!node.content && !node.tokens.length) Conversation.remove(node);
            else node.finish ??= "stopped";
        }
        if (!node.tokens.length) node.head = node.content;
        live = null;
        keep();
        busy();
    }

    async function prepare() {
        if (Writer.busy()) throw new Error("Another reply is being written: stop it first.");
        Dom.clearFault();
        vocabulary = await Api.vocabulary(Models.chosen()).catch(() => null);
    }

    /* A reply to a message of the user. */
    async function reply(parent) {
        await prepare();
        const messages = Conversation.messages(parent, Dom.at("system").value);
        const node = Conversation.add(parent, Conversation.node("assistant", "", { model: Models.chosen() }));
        live = { node };
        await write(node, (on) => Writer.chat(messages, on));
    }

    /* The numbers of the tokens that a model is given for the messages before a reply. */
    async function promptIds(parent) {
        const messages = Conversation.messages(parent, Dom.at("system").value);
        const { prompt } = await Api.json("/apply-template", { model: Models.chosen(), messages });
        return Writer.ids(prompt, false);
    }

    /* Another reply that begins as this one: its first `count` tokens and then, if given, another token. */
    async function goOn(old, count, token) {
        await prepare();
        if (old.model && old.model !== Models.chosen())
            throw new Error(`This reply is of the model ${old.model}: choose that one to go on from its tokens.`);
        const tokens = old.tokens.slice(0, count), lead = Tokens.lead(old.tokens, old.content, vocabulary);
        if (token) tokens.push({ ...token, tops: old.tokens[count].tops });
        const { text, broken } = Tokens.join(tokens, vocabulary), begun = lead && !old.head ? text.slice(lead) : text;
        const node = Conversation.node("assistant", old.head + begun,
                                       { head: old.head, tokens, model: Models.chosen() });
        if (token && Tokens.isSpecial(token, vocabulary)) {         /* the reply ends here */
            Conversation.add(old.parent, { ...node, finish: "stop" });
            keep();
            return render();
        }
        const known = tokens.map((t) => Tokens.idOf(t, vocabulary)), sure = !known.includes(undefined);
        const own = sure ? known : await Writer.ids(begun, false);
        const head = old.head ? await Writer.ids(old.head, false) : [];
        const prompt = [...await promptIds(old.parent), ...head, ...own];
        Conversation.add(old.parent, node);
        live = { node };
        await write(node, (on) => Writer.complete(prompt, on));
        if (!broken) return;
        node.content = old.head + Tokens.join(node.tokens, vocabulary).text.slice(lead);
        render();
    }

    const attempt = (f) => f().catch(Dom.complain);

    /* ---- a message ---- */

    function action(text, f, more = {}) {
        return Dom.make("button", { type: "button", class: "quiet", disabled: Writer.busy(), on: { click: f },
                                    ...more }, text);
    }

    function branches(node) {
        const all = node.parent.children, at = all.indexOf(node);
        if (all.length < 2) return [];
        const go = (to) => () => {
            node.parent.chosen = to;
            keep();
            render();
        };
        return [action("\u2039", go(at - 1), { "aria-label": "The branch before", disabled: Writer.busy() || !at }),
                Dom.make("span", { class: "count" }, `${at + 1} of ${all.length}`),
                action("\u203a", go(at + 1), { "aria-label": "The next branch",
                                               disabled: Writer.busy() || at === all.length - 1 })];
    }

    function edit(node, body) {
        const text = Dom.make("textarea", { rows: Math.min(12, node.content.split("\n").length + 1),
                                            "aria-label": "Changed message" });
        text.value = node.content;
        const done = () => {
            const head = node.role === "assistant" ? text.value : "";
            const changed = Conversation.add(node.parent, Conversation.node(node.role, text.value, { head }));
            keep();
            render();
            if (node.role === "user") attempt(() => reply(changed));
        };
        const row = Dom.make("div", { class: "row" },
            Dom.make("button", { type: "button", class: "main", on: { click: done } },
                     node.role === "user" ? "Send as a new branch" : "Keep as a new branch"),
            Dom.make("button", { type: "button", on: { click: render } }, "Cancel"));
        body.replaceChildren(text, row);
        text.focus();
    }

    function actions(node, body) {
        const last = !node.children.length, all = [...branches(node)];
        if (node.role === "assistant") {
            all.push(action("Regenerate", () => attempt(() => reply(node.parent))));
            if (last && node.finish !== "stop")
                all.push(action("Continue", () => attempt(() => goOn(node, node.tokens.length))));
        }
        else if (last) all.push(action("Ask for a reply", () => attempt(() => reply(node))));
        all.push(action("Edit", () => edit(node, body)));
        if (node.finish === "length") all.push(Dom.make("span", {}, "cut off at the longest length"));
        if (node.finish === "stopped") all.push(Dom.make("span", {}, "stopped"));
        return Dom.make("footer", {}, ...all);
    }

    function body(node, writing) {
        if (node.role !== "assistant") return Dom.make("div", { class: "body" }, node.content);
        const choose = writing ? null : (index, token) => attempt(() => goOn(node, index, token));
        const head = node.head || (node.tokens.length ? "" : node.content);
        const view = new Tokens.View({ label: "Tokens of the reply", model: node.model ?? Models.chosen(), choose, head,
                                       vocabulary });
        view.append(node.tokens);
        if (writing) live.view = view;
        if (!writing) view.finish(node.content);
        view.element.classList.toggle("waiting", writing);
        return Dom.make("div", { class: "body" }, view.element);
    }

    function show(node) {
        const writing = live?.node === node, inner = body(node, writing);
        const names = { user: "You", assistant: node.model ?? "Model", system: "System" };
        return Dom.make("article", { class: "message", "data-role": node.role },
                        Dom.make("h3", {}, names[node.role]), inner, writing ? null : actions(node, inner));
    }

    function render() {
        Popup.close();
        const path = Conversation.path(root);
        Dom.at("messages").replaceChildren(...path.map(show));
        Dom.at("chat-save").disabled = !path.length;
        Dom.at("chat-new").disabled = !path.length || Writer.busy();
        Dom.at("chat-open").disabled = Writer.busy();
    }

    function busy() {
        const send = Dom.at("chat-send");
        send.textContent = live ? "Stop" : "Send";
        send.classList.toggle("main", !live);
        send.disabled = Writer.busy() && !live;
        if (!live) return render();
        for (const button of document.querySelectorAll("#messages footer button")) button.disabled = true;
    }

    /* ---- keeping it ---- */

    /* A reload of the page finds it again; one too long for that is only saved by hand. */
    function keep() {
        saved = !root.children.length;
        try {
            sessionStorage.setItem(STORE, Conversation.save(root, { options: {} }));
        } catch {
            sessionStorage.removeItem(STORE);
        }
    }

    function restore() {
        const kept = sessionStorage.getItem(STORE);
        try {
            if (kept) ({ root } = Conversation.load(kept));
            saved = !root.children.length;
        } catch { /* an empty conversation has nothing to load */ }
    }

    function save() {
        const text = Conversation.save(root, { model: Models.chosen(), system: Dom.at("system").value,
                                               options: Settings.given() });
        const url = URL.createObjectURL(new Blob([text], { type: "application/json" }));
        Dom.make("a", { href: url, download: "conversation.json" }).click();
        setTimeout(() => URL.revokeObjectURL(url), 1000);
        saved = true;
    }

    async function load(file) {
        const read = Conversation.load(await file.text());
        Dom.clearFault();
        ({ root } = read);
        Dom.at("system").value = read.system;
        const left = Settings.take(read.options);
        keep();
        saved = true;
        render();
        Dom.say("The conversation is open.");
        if (left.length)
            Dom.complain(new Error(`The conversation is open without these options of it: ${left.join(", ")}.`));
    }

    const mayLeave = () => saved || confirm("This conversation was not saved. Leave it all the same?");

    /* ---- the composer ---- */

    function send() {
        if (live) return Writer.stop();
        const text = Dom.at("chat-text"), path = Conversation.path(root);
        if (!text.value.trim()) return text.focus();
        const node = Conversation.add(path[path.length - 1] ?? root, Conversation.node("user", text.value));
        text.value = "";
        keep();
        render();
        attempt(() => reply(node));
    }

    /* Without a chat template there is no way to put messages before the model. */
    async function modelChanged() {
        const none = Dom.at("chat-none");
        try {
            await Api.json("/apply-template", { model: Models.chosen(), messages: [{ role: "user", content: "?" }] });
            none.hidden = true;
        } catch (e) {
            none.hidden = e.code !== "no_chat_template";
            none.replaceChildren(`There is no chat with this model: ${e.message}. `,
                                 Dom.make("a", { href: "#completion" }, "Write completions with it"), ".");
        }
        Dom.at("chat-form").hidden = !none.hidden;
        vocabulary = await Api.vocabulary(Models.chosen()).catch(() => null);
        if (!live) render();
    }

    function start() {
        Dom.at("chat-form").addEventListener("submit", (e) => {
            e.preventDefault();
            send();
        });
        Dom.at("chat-text").addEventListener("keydown", (e) => {
            if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
            e.preventDefault();
            if (!live) send();
        });
        Dom.at("chat-new").addEventListener("click", () => {
            if (!mayLeave()) return;
            root = Conversation.create();
            keep();
            render();
            Dom.at("chat-text").focus();
        });
        Dom.at("chat-save").addEventListener("click", () => attempt(async () => save()));
        Dom.at("chat-open").addEventListener("click", () => mayLeave() && Dom.at("chat-file").click());
        Dom.at("chat-file").addEventListener("change", (e) => {
            const [file] = e.target.files;
            if (file) attempt(() => load(file));
            e.target.value = "";
        });
        document.addEventListener("lathe-busy", busy);
        restore();
        render();
    }

    return { start, modelChanged };
})();
