/* Shows how it goes on, for some minutes after a number was connected or a test call asked for. */
"use strict";

document.addEventListener("DOMContentLoaded", () => {
  const POLL_MS = 2000;
  const UNTIL_MS = Date.now() + 10 * 60 * 1000;
  const place = document.getElementById("con-state");
  if (!place) return;
  let shown = "";

  async function poll() {
    try {
      const answer = await fetch(place.dataset.url, { credentials: "same-origin" });
      if (answer.redirected || [403, 404].includes(answer.status)) return;
      const html = answer.ok ? await answer.text() : shown;
      if (html !== shown) place.innerHTML = html; // unchanged, it keeps the focus
      shown = html;
    } catch {
      // the server is away for a moment: ask again
    }
    const isOver = place.dataset.url.endsWith("testcall/") && !place.querySelector("[data-waiting]");
    if (Date.now() < UNTIL_MS && !isOver) setTimeout(poll, POLL_MS);
  }

  setTimeout(poll, POLL_MS);
});
