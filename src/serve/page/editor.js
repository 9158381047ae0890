/* A text area that grows with its text and can mark a place in it. */
"use strict";

class Editor {
    constructor(frame) {
        this.area = frame.querySelector("textarea");
        this.back = frame.querySelector("pre");
        this.mark = null;
        this.area.addEventListener("input", () => {
            this.mark = null;
            this.draw();
        });
        new ResizeObserver(() => this.draw()).observe(frame);
    }

    get value() {
        return this.area.value;
    }

    set value(text) {
        this.area.value = text;
        this.mark = null;
        this.draw();
    }

    /* Marks from an offset to the end of the word there; null: nothing. */
    setMark(offset) {
        this.mark = offset;
        this.area.setAttribute("aria-invalid", String(offset !== null));
        this.draw();
    }

    /* Where a line and column are, counted in characters from 1. */
    offset(line, column) {
        const lines = this.value.split("\n"), before = lines.slice(0, line - 1).join("\n");
        const inside = [...(lines[line - 1] ?? "")].slice(0, column - 1).join("");
        return Math.min(this.value.length, before.length + (line > 1 ? 1 : 0) + inside.length);
    }

    goTo(offset) {
        this.area.focus();
        this.area.setSelectionRange(offset, offset);
    }

    draw() {
        const text = this.value;
        this.back.replaceChildren(text);
        if (this.mark !== null) {
            const word = /^[\w-]+|^[^\n]?/u.exec(text.slice(this.mark))[0];
            const mark = document.createElement("mark");
            mark.textContent = word || "\u00a0";
            this.back.replaceChildren(text.slice(0, this.mark), mark, text.slice(this.mark + word.length));
        }
        this.back.append("\n");             /* a last line end counts in a text area and not in a pre */
        const rows = Number(this.area.rows) * 1.5;
        this.area.style.height = "auto";
        this.area.style.height = `max(${this.back.scrollHeight}px, calc(${rows}em + .9rem))`;
    }
}
