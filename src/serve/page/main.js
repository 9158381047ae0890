/* The frame: sections, models, theme, key. */
"use strict";

const Models = (() => {
    let list = [];

    const chosen = () => Dom.at("models").value;
    /* Tokens the chosen model holds; null: any number. */
    const limit = () => list.find((m) => m.id === chosen())?.max_model_len ?? null;

    function changed() {
        Popup.close();
        Dom.clearFault();
        Chat.modelChanged();
        Sections.open();
    }

    async function load() {
        ({ data: list } = await Api.json("/v1/models"));
        Dom.at("models").replaceChildren(...list.map((m) => Dom.make("option", { value: m.id }, m.id)));
        Settings.build((await Api.json("/controls")).data);
        changed();
    }

    function start() {
        Dom.at("models").addEventListener("change", changed);
    }

    return { start, load, chosen, limit };
})();

const Sections = (() => {
    const names = ["chat", "completion", "grammar", "model", "load"];
    const opened = { grammar: () => Grammar.open(), model: () => Card.open(), load: () => Load.open() };
    const sampling = ["chat", "completion", "grammar"];

    const current = () => names.includes(location.hash.slice(1)) ? location.hash.slice(1) : names[0];

    function show() {
        const name = current();
        Popup.close();
        Load.close();
        for (const n of names) Dom.at(n).hidden = n !== name;
        for (const a of document.querySelectorAll("nav a")) {
            if (a.hash === `#${name}`) a.setAttribute("aria-current", "page");
            else a.removeAttribute("aria-current");
        }
        Dom.at("settings-side").hidden = !sampling.includes(name);
        document.querySelector(".for-chat").hidden = name !== "chat";
        document.querySelector(".frame").classList.toggle("wide", !sampling.includes(name));
        document.title = `${document.querySelector("nav a[aria-current]").textContent} \u2013 Lathe`;
    }

    /* Asks the server for what the section shows, once there is a model to ask about. */
    function open() {
        if (Models.chosen()) opened[current()]?.();
    }

    function start() {
        addEventListener("hashchange", () => {
            show();
            open();
            scrollTo(0, 0);
            Dom.at("main").focus({ preventScroll: true });
        });
        Dom.at("skip").addEventListener("click", (e) => {        /* the address says which section is open */
            e.preventDefault();
            Dom.at("main").focus();
        });
        show();
    }

    return { start, open };
})();

const Theme = (() => {
    const STORE = "lathe-theme", all = ["system", "light", "dark"];

    function set(theme) {
        document.documentElement.dataset.theme = theme;
        Dom.at("theme").textContent = `Theme: ${theme}`;
        localStorage.setItem(STORE, theme);
    }

    function start() {
        const kept = localStorage.getItem(STORE);
        set(all.includes(kept) ? kept : all[0]);
        Dom.at("theme").addEventListener("click", () =>
            set(all[(all.indexOf(document.documentElement.dataset.theme) + 1) % all.length]));
    }

    return { start };
})();

const Key = (() => {
    function ask() {
        Dom.at("key-open").hidden = false;
        Dom.at("key").value = Api.key();
        if (!Dom.at("key-dialog").open) Dom.at("key-dialog").showModal();
    }

    function start() {
        Dom.at("key-open").hidden = !Api.key();
        Dom.at("key-open").addEventListener("click", ask);
        document.addEventListener("lathe-key", ask);
        Dom.at("key-cancel").addEventListener("click", () => Dom.at("key-dialog").close());
        Dom.at("key-form").addEventListener("submit", () => {
            Api.setKey(Dom.at("key").value);
            Dom.clearFault();
            Models.load().catch(Dom.complain);
        });
    }

    return { start };
})();

Theme.start();
Popup.start();
Key.start();
Settings.start();
Chat.start();
Completion.start();
Grammar.start();
Sections.start();
Models.start();
Models.load().catch(Dom.complain);
