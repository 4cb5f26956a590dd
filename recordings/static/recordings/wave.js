/* The waveform: both channels, what was played, markers; a slider for mouse and keys. */
"use strict";

const AGAIN_MS = [1500, 3000, 6000, 10000, 20000, 30000]; // while it is being made
const NAMES = { 1: ["Caller and bot"], 2: ["Caller", "Bot"] };

export function clock(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  const [h, m, s] = [Math.floor(seconds / 3600), Math.floor(seconds / 60) % 60, seconds % 60];
  const two = (n) => String(n).padStart(2, "0");
  return h ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`;
}

export class Wave {
  constructor(root, sound, lines) {
    Object.assign(this, { root, sound, lines, channels: [], marks: [] });
    new MutationObserver(() => this.redraw()).observe(document.documentElement, {
      attributeFilter: ["class"], // light or dark
    });
    this.resized = new ResizeObserver(() => this.redraw());
  }

  attach() {
    const box = this.root.querySelector(".wave");
    if (!box || box.dataset.attached) return;
    box.dataset.attached = "yes";
    this.box = box;
    this.view = box.querySelector(".wave-view");
    this.canvas = box.querySelector("canvas");
    this.words = box.querySelector(".wave-words");
    this.view.addEventListener("keydown", (event) => this.onKey(event));
    this.view.addEventListener("pointerdown", (event) => this.onPointer(event));
    this.view.addEventListener("pointermove", (event) => this.onHover(event));
    this.resized.observe(this.view);
    this.load(0);
  }

  get lengthMs() {
    return this.sound.lengthMs || this.durationMs || 0;
  }

  async load(tries) {
    const { box } = this;
    if (!box.dataset.shape) return;
    try {
      const answer = await fetch(box.dataset.shape, { credentials: "same-origin" });
      if (answer.status === 202) {
        this.say("The picture of the sound is being made.");
        if (tries < AGAIN_MS.length) setTimeout(() => this.load(tries + 1), AGAIN_MS[tries]);
        return;
      }
      if (!answer.ok) return;
      this.take(await answer.json());
    } catch {
      // the sound can be heard without its picture
    }
  }

  take(shape) {
    this.sound.silences = shape.silences;
    this.durationMs = shape.duration_ms;
    this.channels = shape.peaks.map((text) => Int8Array.from(atob(text), (c) => c.charCodeAt(0)));
    this.say(shape.error);
    this.root.classList.toggle("has-wave", this.channels.length > 0);
    this.redraw();
  }

  say(words) {
    this.box.hidden = false;
    this.words.textContent = words;
    this.words.hidden = !words;
    this.view.hidden = Boolean(words);
  }

  readMarks() {
    this.marks = [...this.root.querySelectorAll("[data-mark]")].map((link) => ({
      kind: link.dataset.mark,
      at: Number(link.dataset.at),
      until: link.dataset.until === undefined ? null : Number(link.dataset.until),
      words: link.textContent.trim().replace(/\s+/g, " "),
    }));
    this.redraw();
  }

  // --- drawing -----------------------------------------------------------------------------------

  redraw() {
    if (!this.canvas || !this.channels.length || !this.view.clientWidth) return;
    const scale = window.devicePixelRatio || 1;
    this.canvas.width = this.view.clientWidth * scale;
    this.canvas.height = this.view.clientHeight * scale;
    const css = getComputedStyle(this.view);
    const colour = (name) => css.getPropertyValue(name).trim();
    this.rest = this.layer(colour, [colour("--wave-rest"), colour("--wave-rest")]);
    this.played = this.layer(colour, [colour("--wave-caller"), colour("--wave-bot")]);
    this.drawnAt = null;
    this.draw();
  }

  layer(colour, fills) {
    const layer = document.createElement("canvas");
    layer.width = this.canvas.width;
    layer.height = this.canvas.height;
    const pen = layer.getContext("2d");
    const { width, height } = layer;
    const band = 14 * (window.devicePixelRatio || 1); // the markers' own strip
    const x = (ms) => (this.lengthMs ? (ms / this.lengthMs) * width : 0);
    pen.fillStyle = colour("--wave-silence");
    for (const [from, until] of this.sound.silences) pen.fillRect(x(from), band, x(until) - x(from), height);
    const lane = (height - band) / this.channels.length;
    this.channels.forEach((peaks, n) => drawLane(pen, peaks, fills[n] ?? fills[0], band + n * lane, lane, width));
    this.drawMarks(pen, colour, x, band);
    this.drawNames(pen, colour, band, lane);
    return layer;
  }

  drawMarks(pen, colour, x, band) {
    for (const mark of this.marks) {
      pen.fillStyle = colour(`--mark-${mark.kind}`) || colour("--wave-text");
      if (mark.until !== null) {
        pen.globalAlpha = 0.2;
        pen.fillRect(x(mark.at), 0, Math.max(2, x(mark.until) - x(mark.at)), pen.canvas.height);
        pen.globalAlpha = 1;
      }
      const at = x(mark.at);
      pen.fillRect(at, 0, Math.max(1, band / 14), pen.canvas.height);
      pen.beginPath();
      pen.moveTo(at - band / 3, 0);
      pen.lineTo(at + band / 3, 0);
      pen.lineTo(at, band * 0.7);
      pen.fill();
    }
  }

  drawNames(pen, colour, band, lane) {
    const scale = window.devicePixelRatio || 1;
    pen.font = `600 ${11 * scale}px sans-serif`;
    (NAMES[this.channels.length] ?? []).forEach((name, n) => {
      const top = band + n * lane + 4 * scale;
      pen.fillStyle = colour("--wave-back");
      pen.globalAlpha = 0.8;
      pen.fillRect(4 * scale, top, pen.measureText(name).width + 8 * scale, 15 * scale);
      pen.globalAlpha = 1;
      pen.fillStyle = colour("--wave-text");
      pen.fillText(name, 8 * scale, top + 11 * scale);
    });
  }

  draw = () => {
    if (!this.view) return;
    const { ms, lengthMs } = this;
    this.tell(ms, lengthMs);
    if (!this.rest || !lengthMs) return;
    const at = Math.round((ms / lengthMs) * this.canvas.width);
    if (at === this.drawnAt) return;
    this.drawnAt = at;
    const pen = this.canvas.getContext("2d");
    const { width, height } = this.canvas;
    pen.clearRect(0, 0, width, height);
    if (at < width) pen.drawImage(this.rest, at, 0, width - at, height, at, 0, width - at, height);
    if (at > 0) pen.drawImage(this.played, 0, 0, at, height, 0, 0, at, height);
    pen.fillStyle = getComputedStyle(this.view).getPropertyValue("--wave-text");
    pen.fillRect(Math.min(at, width - 2), 0, 2, height);
  };

  get ms() {
    return this.sound.ms;
  }

  tell(ms, lengthMs) {
    const second = Math.floor(ms / 1000);
    const length = Math.floor(lengthMs / 1000);
    if (second === this.toldAt && length === this.toldLength) return;
    if (length !== this.toldLength) this.redrawSoon();
    [this.toldAt, this.toldLength] = [second, length];
    this.view.setAttribute("aria-valuemax", length);
    this.view.setAttribute("aria-valuenow", Math.min(second, length));
    this.view.setAttribute("aria-valuetext", `${clock(ms)} of ${clock(lengthMs)}`);
  }

  redrawSoon() {
    requestAnimationFrame(() => this.redraw()); // the length is known now: silences and markers move
  }

  // --- seeking -----------------------------------------------------------------------------------

  onKey(event) {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const by = { ArrowRight: 5, ArrowUp: 5, ArrowLeft: -5, ArrowDown: -5, PageUp: 30, PageDown: -30 };
    if (event.key in by) this.sound.seek(this.ms + by[event.key] * 1000);
    else if (event.key === "Home") this.sound.seek(0);
    else if (event.key === "End") this.sound.seek(this.lengthMs);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  onPointer(event) {
    if (event.button) return;
    this.view.setPointerCapture(event.pointerId);
    const seek = (at) => this.sound.seek(this.msAt(at));
    seek(event);
    this.view.onpointermove = seek;
    this.view.onpointerup = this.view.onpointercancel = () => {
      this.view.onpointermove = this.view.onpointerup = null;
    };
  }

  msAt(event) {
    const { left, width } = this.view.getBoundingClientRect();
    return Math.min(1, Math.max(0, (event.clientX - left) / width)) * this.lengthMs;
  }

  onHover(event) {
    const at = this.msAt(event);
    const near = (5 / this.view.clientWidth) * this.lengthMs;
    const mark = this.marks.find(
      (each) => Math.abs(each.at - at) < near || (each.until !== null && each.at <= at && at < each.until),
    );
    this.view.title = mark ? mark.words : clock(at);
  }
}

function drawLane(pen, peaks, fill, top, height, width) {
  const pairs = peaks.length / 2;
  let most = 8; // silence is not blown up to noise
  for (const peak of peaks) most = Math.max(most, Math.abs(peak));
  const middle = top + height / 2;
  const size = (height / 2 - 2) / most;
  const step = Math.max(1, Math.floor(window.devicePixelRatio || 1));
  pen.fillStyle = fill;
  for (let x = 0; x < width; x += step) {
    const first = Math.floor((x / width) * pairs);
    const last = Math.max(first + 1, Math.floor(((x + step) / width) * pairs));
    let [low, high] = [127, -127];
    for (let n = first; n < Math.min(last, pairs); n += 1) {
      low = Math.min(low, peaks[2 * n]);
      high = Math.max(high, peaks[2 * n + 1]);
    }
    if (low > high) continue;
    pen.fillRect(x, middle - high * size, step, Math.max(1, (high - low) * size));
  }
}
