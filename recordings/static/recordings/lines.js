/* The lines of a conversation: which one is being spoken, and moving between them. */
"use strict";

const EARLY_MS = 60; // browsers seek a little before the wanted moment

export class Lines {
  constructor(root, sound) {
    this.root = root;
    this.sound = sound;
    this.calm = window.matchMedia("(prefers-reduced-motion: reduce)");
    this.read();
  }

  /** Three hours have thousands of lines: they are read once, not at each frame. */
  read() {
    this.all = [...this.root.querySelectorAll("button.call-line")];
    this.begins = this.all.map((line) => Number(line.dataset.seek));
    this.ends = this.all.map((line, n) => Number(line.dataset.until ?? this.begins[n]));
    this.rove(this.all[0]);
  }

  get marked() {
    return this.root.querySelector('.call-line[aria-current="true"]');
  }

  spokenAt(ms) {
    // the last one that began: who interrupts is heard
    for (let n = this.all.length - 1; n >= 0; n -= 1) {
      const begin = this.begins[n];
      if (begin <= ms + EARLY_MS && ms < Math.max(this.ends[n], begin + EARLY_MS)) return this.all[n];
    }
    return null;
  }

  mark = () => {
    const { player } = this.sound;
    if (!player) return;
    const now = player.paused && !player.currentTime ? null : this.spokenAt(this.sound.ms);
    const before = this.marked;
    if (now === before) return;
    before?.removeAttribute("aria-current");
    if (!now) return;
    now.setAttribute("aria-current", "true");
    this.show(now);
  };

  show(line) {
    line.scrollIntoView({ block: "nearest", behavior: this.calm.matches ? "auto" : "smooth" });
  }

  hear(line) {
    this.rove(line);
    this.sound.seek(Number(line.dataset.seek));
    this.sound.play();
  }

  /** To the line before or after what is heard now. */
  jump(by) {
    const ms = this.sound.ms;
    let n = -1;
    this.begins.forEach((begin, at) => {
      if (begin <= ms + EARLY_MS) n = at;
    });
    // back means the beginning of this line first, as in every player
    if (by < 0 && n >= 0 && ms - this.begins[n] > 1500) n += 1;
    const next = this.all[Math.min(this.all.length - 1, Math.max(0, n + by))];
    if (!next) return;
    this.hear(next);
    if (document.activeElement?.closest(".call-line")) next.focus({ preventScroll: true });
  }

  // one stop for Tab, arrows between the lines
  rove(line) {
    for (const other of this.all) other.tabIndex = other === line ? 0 : -1;
  }

  step(by) {
    if (!this.all.length) return;
    const here = this.all.indexOf(document.activeElement);
    const from = here >= 0 ? here : this.all.indexOf(this.marked) - (by < 0 ? 0 : by - 1);
    const next = this.all[Math.min(this.all.length - 1, Math.max(0, from + by))];
    this.rove(next);
    next.focus();
  }
}
