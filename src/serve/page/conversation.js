/* A conversation with its branches: a tree of messages, of which one path is chosen; and the file it is kept in. */
"use strict";

const Conversation = (() => {
    const DEEPEST = 1000;
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

    /* ---- the file, as `lathe chat` has it (doc/formats/conversation.md) ----
     * The messages are those of the chosen path.  What the page knows besides is in a member "page" of each: tokens,
     * head, finish, model, and the branches that are not chosen, as trees; at: the place of the chosen one. */

    const ours = ({ head, tokens, finish, model }) => ({ head, tokens, finish, model });
    const tree = (n) => ({ role: n.role, content: n.content, page: ours(n), chosen: n.chosen,
                           children: n.children.map(tree) });

    function told(n) {
        const { children, chosen } = n.parent, branches = children.filter((c) => c !== n).map(tree);
        return { role: n.role, content: n.content, ...(n.finish === "stopped" ? { partial: true } : {}),
                 page: { ...ours(n), at: chosen, branches } };
    }

    function save(root, { model, system, options }) {
        const messages = path(root).map(told);
        if (system && messages[0]?.role !== "system") messages.unshift({ role: "system", content: system });
        return JSON.stringify({ ...(model ? { model } : {}), options, messages }, null, 1);
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

    function readOne(m) {
        check(ROLES.includes(m?.role), `a role is one of ${ROLES.join(", ")}, not ${JSON.stringify(m?.role)}`);
        check(typeof m.content === "string", "a content is a text");
        const { head = "", tokens = [], finish = m.partial ? "stopped" : null, model = null } = m.page ?? {};
        check(Array.isArray(tokens), "tokens are a list");
        return node(m.role, m.content, { head: String(head), tokens: tokens.map(readToken), finish, model });
    }

    function readTree(m, parent, depth) {
        check(depth < DEEPEST, "its branches are nested too deep");
        const made = add(parent, readOne(m)), children = m.children ?? [];
        for (const child of children) readTree(child, made, depth + 1);
        made.chosen = Math.min(Number(m.chosen) || 0, Math.max(0, children.length - 1));
    }

    /* An object with messages, or messages alone; what is wrong is said and nothing is taken. */
    function load(text) {
        let file;
        try {
            file = JSON.parse(text);
        } catch (e) {
            throw new Error(`This is no conversation: ${e.message}.`);
        }
        const root = create(), list = Array.isArray(file) ? file : file?.messages;
        check(Array.isArray(list) && list.length, "expected a list of messages");
        const system = list[0]?.role === "system" ? readOne(list[0]).content : "";
        let parent = root;
        for (const m of list.slice(list[0]?.role === "system" ? 1 : 0)) {
            const made = readOne(m), { at = 0, branches = [] } = m.page ?? {};
            check(Array.isArray(branches) && at >= 0 && at <= branches.length, "a branch is not where it should be");
            for (const b of branches) readTree(b, parent, 0);
            made.parent = parent;
            parent.children.splice(at, 0, made);
            parent.chosen = at;
            parent = made;
        }
        return { root, system, options: file.options ?? {} };
    }

    return { create, node, add, path, messages, remove, save, load };
})();
