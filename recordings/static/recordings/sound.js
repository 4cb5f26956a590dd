/* The player of a call page: position, speed, silence, and a link which runs out. */
"use strict";

const RETRY_MS = 10000;
const STALLED_MS = 4000; // without a byte although one is waited for
const KEEP = "review-speed";

export class Sound {
  constructor(root) {
    this.root = root;
    this.silences = []; // [from, until] in ms
    this.skips = false;
    this.failedAt = -Infinity;
    this.listeners = [];
    this.speed = remembered();
  }

  get player() {
    return this.root.querySelector("audio");
  }

  get ms() {
    return (this.player?.currentTime ?? 0) * 1000;
  }

  get lengthMs() {
    const seconds = this.player?.duration;
    return Number.isFinite(seconds) ? seconds * 1000 : 0;
  }

  get isPlaying() {
    return Boolean(this.player && !this.player.paused);
  }

  onMove(listener) {
    this.listeners.push(listener);
  }

  moved = () => {
    this.skipSilence();
    for (const listener of this.listeners) listener();
  };

  seek(ms) {
    const { player } = this;
    if (!player) return;
    player.currentTime = Math.max(0, this.lengthMs ? Math.min(ms, this.lengthMs) : ms) / 1000;
    this.moved();
  }

  play() {
    this.player?.play().catch(() => {}); // a browser may forbid it; the position is set all the same
  }

  toggle() {
    if (this.isPlaying) this.player.pause();
    else this.play();
  }

  setSpeed(speed) {
    this.speed = Math.min(3, Math.max(0.5, speed));
    // loading anew goes back to the default speed
    if (this.player) this.player.defaultPlaybackRate = this.player.playbackRate = this.speed;
    try {
      localStorage.setItem(KEEP, this.speed);
    } catch {
      // then it is not remembered
    }
  }

  skipSilence() {
    if (!this.skips || !this.isPlaying || this.player.seeking) return;
    const { ms } = this;
    const silence = this.silences.find(([from, until]) => from <= ms && ms < until - 100);
    if (silence) this.player.currentTime = silence[1] / 1000;
  }

  attach() {
    const { player } = this;
    if (!player || player.dataset.attached) return;
    player.dataset.attached = "yes";
    this.setSpeed(this.speed);
    for (const name of ["timeupdate", "seeking", "seeked", "play", "pause", "loadedmetadata", "durationchange"]) {
      player.addEventListener(name, this.moved);
    }
    player.addEventListener("loadedmetadata", () => {
      player.dataset.loaded = "yes";
    });
    this.renewed();
    // Chrome tells no error when a link has run out: it waits for ever
    for (const name of ["waiting", "seeking"]) player.addEventListener(name, () => this.onLack(player));
    for (const name of ["progress", "canplay"]) {
      player.addEventListener(name, () => {
        this.heardAt = performance.now();
      });
    }
    player.addEventListener("error", () => this.onTrouble(player));
    if (player.error) this.onTrouble(player);
    // `timeupdate` comes four times a second; short words need more
    const follow = () => {
      this.moved();
      if (!player.paused) requestAnimationFrame(follow);
    };
    player.addEventListener("play", follow);
  }

  onTrouble(player) {
    // the link has run out: ask for a new one, once, and go on where we were
    const again = performance.now() - this.failedAt > RETRY_MS && player.dataset.loaded;
    this.failedAt = performance.now();
    if (!again) {
      this.root.querySelector(".call-trouble").hidden = false;
      return;
    }
    this.renew(player);
  }

  onLack(player) {
    if (!player.dataset.loaded || hasSoundAt(player)) return;
    const age = performance.now() - this.linkedAt;
    if (age > Number(player.dataset.good) * 950) this.renew(player);
    else this.watch(player);
  }

  /** For links which end earlier than they should, and for a computer which slept. */
  watch(player) {
    this.heardAt = performance.now();
    clearInterval(this.watching);
    this.watching = setInterval(() => {
      const quiet = performance.now() - Math.max(this.heardAt, this.linkedAt);
      if (hasSoundAt(player) || player.error) clearInterval(this.watching);
      else if (quiet > STALLED_MS && performance.now() - this.linkedAt > RETRY_MS) this.renew(player);
    }, 500);
  }

  /** Another link, from our server, and on from where the listener was. */
  renew(player) {
    const position = player.currentTime;
    const wasPlaying = !player.paused;
    this.renewed();
    player.load();
    player.currentTime = position;
    if (wasPlaying) this.play();
  }

  renewed() {
    clearInterval(this.watching);
    this.linkedAt = this.heardAt = performance.now();
  }
}

function hasSoundAt({ buffered, currentTime, readyState }) {
  if (readyState >= HTMLMediaElement.HAVE_FUTURE_DATA) return true;
  for (let n = 0; n < buffered.length; n += 1) {
    if (buffered.start(n) <= currentTime && currentTime < buffered.end(n) - 0.5) return true;
  }
  return false;
}

function remembered() {
  try {
    const speed = Number(localStorage.getItem(KEEP));
    return speed >= 0.5 && speed <= 3 ? speed : 1;
  } catch {
    return 1;
  }
}
