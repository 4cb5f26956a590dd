/* The review panel: its forms are sent without leaving the page, so that the sound plays on. */
"use strict";

export class Panel {
  constructor(root, { now, changed, say }) {
    Object.assign(this, { root, now, changed, say });
    root.addEventListener("submit", (event) => this.onSubmit(event));
    root.addEventListener("click", (event) => this.onClick(event));
    root.addEventListener("input", (event) => this.onInput(event));
    this.attach();
  }

  get part() {
    return this.root.querySelector('[data-part="review"]');
  }

  attach() {
    for (const button of this.root.querySelectorAll("[data-do=now]")) button.hidden = false;
    const made = this.root.querySelector("[data-made]");
    made?.focus();
    made?.select();
  }

  onSubmit(event) {
    const form = event.target;
    const asked = event.submitter?.dataset.ask ?? form.dataset.ask;
    if (asked && !window.confirm(asked)) {
      event.preventDefault();
      return;
    }
    if (!form.matches("[data-fetch]")) return;
    event.preventDefault();
    form.dataset.sent = "yes";
    this.send(form.action, new FormData(form, event.submitter), form);
  }

  async send(url, body, form = null) {
    let answer;
    try {
      answer = await fetch(url, {
        method: "POST", body, credentials: "same-origin", headers: { "X-Requested-With": "fetch" },
      });
    } catch {
      if (form) delete form.dataset.sent;
      this.say("The server does not answer. Nothing was changed.");
      return;
    }
    if (form && !answer.ok) delete form.dataset.sent;
    if (answer.status === 409) {
      const said = parsed(await answer.text()).querySelector("[data-said]")?.dataset.said;
      this.say(said ?? "That was not possible.");
      if (!form?.querySelector("textarea, input[name=tags]")) this.changed();
      return;
    }
    if (!answer.ok || answer.redirected) {
      this.say("That was not possible. Load the page again.");
      return;
    }
    this.show(await answer.text());
    this.changed();
  }

  /** What somebody typed into the other forms stays. */
  show(html) {
    const { part } = this;
    const typed = new Map();
    for (const field of part.querySelectorAll("textarea, input[name=tags]")) {
      if (field.value !== field.defaultValue && !field.closest("form").dataset.sent) {
        typed.set(keyOf(field), field.value);
      }
    }
    const place = document.activeElement?.closest("form")?.getAttribute("action");
    part.innerHTML = html;
    for (const field of part.querySelectorAll("textarea, input[name=tags]")) {
      const text = typed.get(keyOf(field));
      if (text !== undefined) field.value = text;
    }
    this.attach();
    this.say(part.querySelector("[data-said]")?.dataset.said ?? "");
    if (place && !part.contains(document.activeElement)) {
      const form = part.querySelector(`form[action="${place}"]`) ?? part.querySelector("form");
      form?.querySelector("textarea, input:not([type=hidden]), button")?.focus({ preventScroll: true });
    }
  }

  onClick(event) {
    const at = event.target.closest("[data-do=now]");
    if (at) this.setNow(at.form);
    const remove = event.target.closest("[data-delete]");
    if (remove) {
      event.preventDefault();
      if (window.confirm(remove.dataset.delete)) this.send(remove.href, this.blank());
    }
    const edit = event.target.closest("[data-edit]");
    if (edit) {
      event.preventDefault();
      this.edit(edit);
    }
  }

  /** Comment on what is heard now. */
  comment() {
    const form = this.root.querySelector("form[data-comment]");
    if (!form) return false;
    this.setNow(form);
    form.querySelector("textarea").focus();
    return true;
  }

  setNow(form) {
    form.querySelector("[data-now]").value = this.now();
  }

  edit(link) {
    const text = link.closest("li").querySelector(".review-text");
    const form = document.createElement("form");
    form.className = "review-form";
    form.method = "post";
    form.action = link.href;
    form.dataset.fetch = "";
    const area = document.createElement("textarea");
    Object.assign(area, { name: "text", value: text.textContent, required: true, maxLength: 4000, dir: "auto", rows: 3 });
    area.setAttribute("aria-label", "What you wrote");
    const save = Object.assign(document.createElement("button"), { textContent: "Save" });
    form.append(csrf(this.part), area, save);
    text.replaceWith(form);
    link.closest(".review-own").hidden = true;
    area.focus();
  }

  blank() {
    const body = new FormData();
    body.set("csrfmiddlewaretoken", csrf(this.part).value);
    return body;
  }

  async onInput(event) {
    const { suggest } = event.target.dataset;
    if (!suggest) return;
    const word = event.target.value.split(",").pop().trim();
    const before = event.target.value.slice(0, event.target.value.length - word.length);
    try {
      const answer = await fetch(`${suggest}?q=${encodeURIComponent(word)}`, { credentials: "same-origin" });
      if (!answer.ok) return;
      const { tags } = await answer.json();
      const options = tags.map((tag) => Object.assign(document.createElement("option"), { value: before + tag }));
      event.target.list.replaceChildren(...options);
    } catch {
      // then without suggestions
    }
  }
}

function keyOf(field) {
  return `${field.form.getAttribute("action")} ${field.form.elements.kind?.value ?? ""} ${field.name}`;
}

function csrf(part) {
  return part.querySelector("input[name=csrfmiddlewaretoken]").cloneNode();
}

function parsed(html) {
  return new DOMParser().parseFromString(html, "text/html");
}
