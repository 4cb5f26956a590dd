// Says what the opening hours being typed mean: open now or not, and until when.
"use strict";

document.addEventListener("DOMContentLoaded", () => {
    const names = ["expression", "timezone", "country", "closed_on"];
    const fields = names.map((name) => document.getElementById(`id_${name}`));
    if (fields.includes(null)) return;
    const words = document.createElement("p");
    words.setAttribute("role", "status");
    words.style.marginTop = "0.5rem";
    words.style.fontWeight = "600";
    fields[0].closest("div").append(words);
    const base = location.pathname.replace(/(add|[^/]+\/change)\/$/, "");
    let waiting;
    let asked = 0;

    async function look() {
        const mine = ++asked;
        const typed = new URLSearchParams(names.map((name, n) => [name, fields[n].value]));
        try {
            const answer = await (await fetch(`${base}preview/?${typed}`)).json();
            if (mine === asked) words.textContent = (answer.fine ? "✓ " : "✗ ") + answer.words;
        } catch {
            words.textContent = "";
        }
    }

    for (const field of fields) {
        field.addEventListener("input", () => {
            clearTimeout(waiting);
            waiting = setTimeout(look, 300);
        });
    }
    look();
});
