/* Keys of the call page, and the list of them. Letters can be switched off: dictation types them. */
"use strict";

const KEEP = "review-letters";

export class Keys {
  constructor(does) {
    this.does = does;
    this.dialog = document.getElementById("keys");
    this.letters = this.remembered();
    const box = this.dialog?.querySelector("[data-do=letters]");
    if (box) {
      box.checked = this.letters;
      box.addEventListener("change", () => this.remember(box.checked));
    }
    document.addEventListener("keydown", (event) => this.onKey(event));
    document.addEventListener("keyup", (event) => {
      // else the space bar would click the line as well
      if (event.key === " " && event.target.closest?.("button.call-line")) event.preventDefault();
    });
  }

  help() {
    if (!this.dialog || this.dialog.open) return;
    this.dialog.showModal();
  }

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || event.defaultPrevented) return;
    if (this.dialog?.open || isTyping(event.target)) return;
    const isLetter = event.key.length === 1 && event.key !== " ";
    if (isLetter && !this.letters && event.key !== "?") return;
    // buttons, links and the like keep the keys which are theirs
    if (!isLetter && isElsewhere(event.target)) return;
    const key = event.shiftKey && isLetter ? event.key : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    if (key === "?") this.help();
    else if (!this.does(key)) return;
    event.preventDefault();
  }

  remembered() {
    try {
      return localStorage.getItem(KEEP) !== "off";
    } catch {
      return true;
    }
  }

  remember(on) {
    this.letters = on;
    try {
      localStorage.setItem(KEEP, on ? "on" : "off");
    } catch {
      // then it is for this page only
    }
  }
}

function isElsewhere(target) {
  return target !== document.body && !target.closest(".call-line, .wave-view");
}

function isTyping(target) {
  return Boolean(target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable=true]"));
}
