/* The call page: lines and sound belong together, and a page of a running call follows it. */
"use strict";

import { Keys } from "./keys.js";
import { Lines } from "./lines.js";
import { Panel } from "./panel.js";
import { Sound } from "./sound.js";
import { Wave, clock } from "./wave.js";

const REFRESH_MS = 3000;
const SPEEDS = [0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3];

const root = document.getElementById("call");
if (root) start();

function start() {
  const said = document.getElementById("call-said");
  const say = (words) => {
    if (!said) return;
    said.textContent = "";
    said.textContent = words;
  };
  const sound = new Sound(root);
  const lines = new Lines(root, sound);
  const wave = new Wave(root, sound, lines);
  const panel = new Panel(root, { now: () => clock(sound.ms), changed: () => refreshOnce(), say });
  const keys = new Keys(does);
  sound.onMove(lines.mark);
  sound.onMove(wave.draw);

  // --- what keys and buttons do ------------------------------------------------------------------

  function does(key) {
    const { player } = sound;
    if (key === "ArrowDown") lines.step(1);
    else if (key === "ArrowUp") lines.step(-1);
    else if (key === "n") return next();
    else if (key === "c") return panel.comment();
    else if (!player) return false;
    else if (key === " ") sound.toggle();
    else if (key === "j") lines.jump(1);
    else if (key === "k") lines.jump(-1);
    else if (key === "ArrowRight") sound.seek(sound.ms + 5000);
    else if (key === "ArrowLeft") sound.seek(sound.ms - 5000);
    else if (key === "m") toMark(1);
    else if (key === "M") toMark(-1);
    else if (key === ">") setSpeed(SPEEDS.find((each) => each > sound.speed) ?? 3);
    else if (key === "<") setSpeed(SPEEDS.findLast((each) => each < sound.speed) ?? 0.5);
    else if (key === "s") setSkip(!sound.skips);
    else return false;
    return true;
  }

  function next() {
    const form = document.getElementById("review-next");
    form?.requestSubmit();
    return Boolean(form);
  }

  function toMark(by) {
    const links = [...root.querySelectorAll("[data-mark]")];
    const found =
      by > 0
        ? links.find((link) => Number(link.dataset.at) > sound.ms + 50)
        : links.findLast((link) => Number(link.dataset.at) < sound.ms - 1000);
    if (!found) {
      say("There is no more marker.");
      return;
    }
    sound.seek(Number(found.dataset.at));
    say(found.textContent.trim().replace(/\s+/g, " "));
  }

  function setSpeed(speed) {
    sound.setSpeed(speed);
    const list = root.querySelector("[data-do=speed]");
    if (list) list.value = String(speed);
    say(`Speed ${speed}`);
  }

  function setSkip(on) {
    sound.skips = on;
    const box = root.querySelector("[data-do=skip]");
    if (box) box.checked = on;
    say(on ? "Silence is skipped" : "Silence is played");
  }

  root.addEventListener("click", (event) => {
    const line = event.target.closest("button.call-line");
    if (line) lines.hear(line);
    const mark = event.target.closest("[data-mark]");
    if (mark && sound.player) {
      event.preventDefault();
      sound.seek(Number(mark.dataset.at));
      sound.play();
    }
    const tool = event.target.closest("button[data-do]")?.dataset.do;
    if (tool === "previous") lines.jump(-1);
    if (tool === "next") lines.jump(1);
    if (tool === "help") keys.help();
  });
  root.addEventListener("change", (event) => {
    if (event.target.dataset.do === "speed") setSpeed(Number(event.target.value));
    if (event.target.dataset.do === "skip") setSkip(event.target.checked);
  });

  // --- a call that is still on, and one somebody wrote about -------------------------------------

  const shown = new Map();
  const partsOf = (node) => [...node.querySelectorAll("[data-part]")];
  for (const part of partsOf(root)) shown.set(part.dataset.part, part.innerHTML);

  function attach() {
    sound.attach();
    wave.attach();
    lines.read();
    wave.readMarks();
    for (const tools of root.querySelectorAll(".sound-tools")) tools.hidden = false;
    const list = root.querySelector("[data-do=speed]");
    if (list) list.value = String(sound.speed);
  }

  function replace(part, html) {
    const focused = part.contains(document.activeElement) && document.activeElement.dataset.n;
    const open = [...part.querySelectorAll("details[open]")].map((each) => each.dataset.turn);
    part.innerHTML = html;
    for (const turn of open) part.querySelector(`details[data-turn="${turn}"]`)?.setAttribute("open", "");
    if (focused) part.querySelector(`[data-n="${focused}"]`)?.focus();
  }

  function update(html) {
    const fresh = new DOMParser().parseFromString(html, "text/html");
    for (const part of partsOf(fresh)) {
      const name = part.dataset.part;
      if (name === "review" || shown.get(name) === part.innerHTML) continue; // people type there
      shown.set(name, part.innerHTML);
      replace(root.querySelector(`[data-part="${name}"]`), part.innerHTML);
    }
    root.querySelector(".call").dataset.live = fresh.querySelector(".call").dataset.live;
    attach();
    lines.mark();
  }

  async function refreshOnce() {
    if (!root.dataset.fragment) return false;
    try {
      const answer = await fetch(root.dataset.fragment, { credentials: "same-origin" });
      if (answer.status === 403 || answer.status === 404 || answer.redirected) return false;
      if (answer.ok) update(await answer.text());
    } catch {
      // the server is away for a moment: the page stays and asks again
    }
    return true;
  }

  async function refresh() {
    if (!document.hidden && !(await refreshOnce())) return;
    if (root.querySelector(".call").dataset.live === "yes") setTimeout(refresh, REFRESH_MS);
  }

  function begin() {
    const at = Number(root.dataset.at ?? new URLSearchParams(location.hash.slice(1)).get("at"));
    if (at > 0) sound.seek(at);
  }

  attach();
  // a search led to a line: keys go on from there
  const asked = root.querySelector(`button.call-line[id="${CSS.escape(location.hash.slice(1))}"]`);
  if (asked) {
    rove(asked);
    asked.focus({ preventScroll: true });
  }
  begin();
  if (root.querySelector(".call").dataset.live === "yes") setTimeout(refresh, REFRESH_MS);
}
