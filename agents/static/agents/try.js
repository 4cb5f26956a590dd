/* “Try it” on the page of a provider account: asks, waits for a worker, shows and plays. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const POLL_MS = 500;
  const section = document.getElementById("try-it");
  const form = section?.querySelector("form");
  if (!section) return;
  const last = section.querySelector(".try-last");
  const status = section.querySelector(".try-status");
  const player = section.querySelector("audio");
  const button = form?.querySelector("[type=submit]");
  let mine = null; // the trial this page asked for
  let asking = false;
  let shown = "";

  const rowOf = (trial) => last.querySelector(`[data-trial="${trial}"]`);
  const isOpen = () => last.querySelector('[data-state="open"]') !== null;

  function say(words, tone = "") {
    if (!status || (status.textContent === words && status.dataset.tone === tone)) return;
    status.textContent = words;
    status.dataset.tone = tone;
  }

  async function play(url) {
    // as a whole: a player which jumps wants parts of it, which our server does not give
    try {
      const answer = await fetch(url, { credentials: "same-origin" });
      if (!answer.ok || answer.redirected) throw new Error(answer.status);
      if (player.src) URL.revokeObjectURL(player.src);
      player.src = URL.createObjectURL(await answer.blob());
      player.hidden = false;
      await player.play();
    } catch (problem) {
      // a browser may forbid to begin by itself; then the player is there to be pressed
      if (problem.name !== "NotAllowedError") say("The sound is gone. Load the page again.", "bad");
    }
  }

  function show(html) {
    if (html !== shown) last.innerHTML = html; // unchanged, it keeps the focus
    shown = html;
    const row = mine && rowOf(mine);
    if (!row) return;
    say(row.dataset.state === "open" ? `${row.dataset.words} …` : row.dataset.words, row.dataset.state);
    if (row.dataset.state === "open") return;
    mine = null;
    const again = row.querySelector("[data-sound]");
    if (again) play(again.dataset.sound);
  }

  function settle() {
    if (button) button.disabled = asking || mine !== null;
  }

  async function poll() {
    let wait = POLL_MS;
    try {
      const answer = await fetch(section.dataset.url, { credentials: "same-origin" });
      if (answer.redirected || [403, 404].includes(answer.status)) {
        mine = null;
        settle();
        return say("You may not see this any more. Load the page again.", "bad");
      }
      if (!answer.ok) throw new Error(answer.status);
      show(await answer.text());
    } catch {
      say("The server does not answer; asking again.", "bad");
      wait = 4 * POLL_MS;
    }
    settle();
    if (mine !== null || isOpen()) setTimeout(poll, wait);
  }

  async function ask() {
    const wasOpen = isOpen();
    asking = true;
    settle();
    say("Asking …", "open");
    try {
      const body = new FormData(form);
      const answer = await fetch(section.dataset.url, { method: "POST", body, credentials: "same-origin" });
      if (answer.redirected || answer.status === 403) {
        say("You may not try this any more. Load the page again.", "bad");
      } else if (!answer.ok) {
        const isOurs = answer.headers.get("Content-Type")?.startsWith("text/plain");
        say(isOurs ? await answer.text() : "The server failed. Try again.", "bad");
      } else {
        const html = await answer.text();
        mine = new DOMParser().parseFromString(html, "text/html").querySelector("[data-asked]").dataset.asked;
        show(html);
        if (!wasOpen) setTimeout(poll, POLL_MS);
      }
    } catch {
      say("The server does not answer. Try again.", "bad");
    }
    asking = false;
    settle();
  }

  form?.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!asking && mine === null) ask();
  });
  last.addEventListener("click", (event) => {
    const again = event.target.closest("[data-sound]");
    if (again && player) play(again.dataset.sound);
  });
  if (isOpen()) setTimeout(poll, POLL_MS);
});
