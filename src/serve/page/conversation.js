/* A conversation with its branches: a tree of messages, of which one path is chosen; and the file it is kept in. */
"use strict";

const Conversation = (() => {
    const FORMAT = "lathe-conversation 1";
    const ROLES = ["system", "user", "assistant"];

    /* head: the beginning of the content, as far as it is not of the tokens. */
    const node = (role, content, more = {}) => ({ role, content, head: "", tokens: [], finish: null, model: null,
                                                  parent: null, children: [], chosen: 0, ...more });

    const create = () => node("root", "");

    /* Makes it the chosen child. */
    function add(parent, child) {
        child.parent = parent;
        parent.chosen = parent.children.push(child) - 1;
        return child;
    }

    /* The chosen messages below a node, first to last. */
    function path(root) {
        const all = [];
        for (let n = root.children[root.chosen]; n; n = n.children[n.chosen]) all.push(n);
        return all;
    }

    /* What a request sends that asks for what comes after a node. */
    function messages(last, system) {
        const all = [];
        for (let n = last; n.parent; n = n.parent) all.unshift({ role: n.role, content: n.content });
        if (system && all[0]?.role !== "system") all.unshift({ role: "system", content: system });
        return all;
    }

    function remove(child) {
        const { parent } = child;
        parent.children.splice(parent.children.indexOf(child), 1);
        parent.chosen = Math.max(0, parent.children.length - 1);
    }

    /* ---- the file ---- */

    const plain = ({ role, content, head, tokens, finish, model, children, chosen }) =>
        ({ role, content, head, model, finish, tokens, chosen, children: children.map(plain) });

    function save(root, more) {
        return JSON.stringify({ format: FORMAT, ...more, chosen: root.chosen, messages: root.children.map(plain) },
                              null, 1);
    }

    function check(is, what) {
        if (!is) throw new Error(`This is no conversation: ${what}.`);
    }

    function readToken(t) {
        check(typeof t?.text === "string" && (t.logp === null || typeof t.logp === "number"),
              "a token needs a text and a log-probability");
        const tops = (t.tops ?? []).map((o) => readToken({ ...o, tops: [] }));
        return { text: t.text, bytes: t.bytes, id: t.id, logp: t.logp, tops };
    }

    function readMessage(m, parent, depth) {
        check(depth < 2000, "it is nested too deep");
        check(ROLES.includes(m?.role), `a role is one of ${ROLES.join(", ")}, not ${JSON.stringify(m?.role)}`);
        check(typeof m.content === "string", "a content is a text");
        const made = add(parent, node(m.role, m.content, {
            head: String(m.head ?? ""), tokens: (m.tokens ?? []).map(readToken), finish: m.finish ?? null,
            model: m.model ?? null,
        }));
        for (const child of m.children ?? []) readMessage(child, made, depth + 1);
        made.chosen = Math.min(Number(m.chosen) || 0, Math.max(0, made.children.length - 1));
        return made;
    }

    /* Our own format, or messages as OpenAI's interface has them, one after the other. */
    function load(text) {
        let file;
        try {
            file = JSON.parse(text);
        } catch (e) {
            throw new Error(`This is no conversation: ${e.message}.`);
        }
        const root = create(), list = Array.isArray(file) ? file : file?.messages;
        check(Array.isArray(list) && list.length, "expected a list of messages");
        if (file.format === FORMAT) {
            for (const m of list) readMessage(m, root, 0);
            root.chosen = Math.min(Number(file.chosen) || 0, list.length - 1);
        } else {
            let at = root;
            for (const m of list) at = readMessage({ ...m, children: [] }, at, 0);
        }
        return { root, system: typeof file.system === "string" ? file.system : null, settings: file.settings ?? null };
    }

    return { create, node, add, path, messages, remove, save, load };
})();
