/* The call page: lines and sound belong together, and a page of a running call follows it. */
"use strict";

(() => {
  const REFRESH_MS = 3000;
  const EARLY_MS = 60; // browsers seek a little before the wanted moment
  const RETRY_MS = 10000;

  const root = document.getElementById("call");
  if (!root) return;
  const calm = window.matchMedia("(prefers-reduced-motion: reduce)");
  let failedAt = -Infinity;

  const audio = () => root.querySelector("audio");
  const lines = () => [...root.querySelectorAll("button.call-line")];
  const marked = () => root.querySelector('.call-line[aria-current="true"]');

  // --- the line being spoken ---------------------------------------------------------------------

  function spokenAt(ms) {
    // the last one that began: who interrupts is heard
    let found = null;
    for (const line of lines()) {
      const begin = Number(line.dataset.seek);
      const end = Number(line.dataset.until ?? begin);
      if (begin <= ms + EARLY_MS && ms < Math.max(end, begin + EARLY_MS)) found = line;
    }
    return found;
  }

  function mark() {
    const player = audio();
    if (!player) return;
    const now = player.paused && !player.currentTime ? null : spokenAt(player.currentTime * 1000);
    const before = marked();
    if (now === before) return;
    before?.removeAttribute("aria-current");
    if (!now) return;
    now.setAttribute("aria-current", "true");
    now.scrollIntoView({ block: "nearest", behavior: calm.matches ? "auto" : "smooth" });
  }

  function hear(line) {
    const player = audio();
    if (!player) return;
    player.currentTime = Number(line.dataset.seek) / 1000;
    player.play().catch(() => {}); // a browser may forbid it; the position is set all the same
  }

  function toggle() {
    const player = audio();
    if (!player) return;
    if (player.paused) player.play().catch(() => {});
    else player.pause();
  }

  // --- keys: one stop for Tab, arrows between the lines ------------------------------------------

  function rove(line) {
    for (const other of lines()) other.tabIndex = other === line ? 0 : -1;
  }

  function step(by) {
    const all = lines();
    if (!all.length) return;
    const here = all.indexOf(document.activeElement);
    const from = here >= 0 ? here : all.indexOf(marked()) - (by < 0 ? 0 : by - 1);
    const next = all[Math.min(all.length - 1, Math.max(0, from + by))];
    rove(next);
    next.focus();
  }

  function isElsewhere(target) {
    return target !== document.body && !target.closest(".call-line");
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isElsewhere(event.target)) return;
    if (!audio() && event.key === " ") return;
    if (event.key === " ") toggle();
    else if (event.key === "ArrowDown") step(1);
    else if (event.key === "ArrowUp") step(-1);
    else return;
    event.preventDefault();
  });
  document.addEventListener("keyup", (event) => {
    // else the space bar would click the line as well
    if (event.key === " " && event.target.closest?.("button.call-line")) event.preventDefault();
  });
  root.addEventListener("click", (event) => {
    const line = event.target.closest("button.call-line");
    if (!line) return;
    rove(line);
    hear(line);
  });

  // --- the sound ---------------------------------------------------------------------------------

  function onTrouble(player) {
    // the link has run out: ask for a new one, once, and go on where we were
    const again = performance.now() - failedAt > RETRY_MS && player.currentTime > 0;
    failedAt = performance.now();
    if (!again) {
      root.querySelector(".call-trouble").hidden = false;
      return;
    }
    const position = player.currentTime;
    const wasPlaying = !player.paused;
    player.load();
    player.currentTime = position;
    if (wasPlaying) player.play().catch(() => {});
  }

  function attach() {
    rove(lines()[0]);
    const player = audio();
    if (!player || player.dataset.attached) return;
    player.dataset.attached = "yes";
    for (const name of ["timeupdate", "seeking", "seeked", "play"]) {
      player.addEventListener(name, mark);
    }
    player.addEventListener("error", () => onTrouble(player));
    if (player.error) onTrouble(player);
    // `timeupdate` comes four times a second; short words need more
    const follow = () => {
      mark();
      if (!player.paused) requestAnimationFrame(follow);
    };
    player.addEventListener("play", follow);
  }

  // --- a call that is still on -------------------------------------------------------------------

  const shown = new Map();
  const partsOf = (node) => [...node.querySelectorAll("[data-part]")];
  for (const part of partsOf(root)) shown.set(part.dataset.part, part.innerHTML);

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
      if (shown.get(name) === part.innerHTML) continue;
      shown.set(name, part.innerHTML);
      replace(root.querySelector(`[data-part="${name}"]`), part.innerHTML);
    }
    root.querySelector(".call").dataset.live = fresh.querySelector(".call").dataset.live;
    attach();
    mark();
  }

  async function refresh() {
    if (!document.hidden) {
      try {
        const answer = await fetch(root.dataset.fragment, { credentials: "same-origin" });
        if (answer.status === 403 || answer.status === 404 || answer.redirected) return;
        if (answer.ok) update(await answer.text());
      } catch {
        // the server is away for a moment: the page stays and asks again
      }
    }
    if (root.querySelector(".call").dataset.live === "yes") setTimeout(refresh, REFRESH_MS);
  }

  attach();
  // a search led to a line: keys go on from there
  const asked = root.querySelector(`button.call-line[id="${CSS.escape(location.hash.slice(1))}"]`);
  if (asked) {
    rove(asked);
    asked.focus({ preventScroll: true });
  }
  if (root.querySelector(".call").dataset.live === "yes") setTimeout(refresh, REFRESH_MS);
})();
