// Frames shown one after the other, over and over.

/** The frame to be shown after so many milliseconds, beginning with `from`. */
export const frameAt = (milliseconds, fps, frames, from = 0) =>
  frames ? (from + Math.floor((milliseconds * fps) / 1000)) % frames : 0;

export class Player {
  /** `show`: called with the place of a frame. */
  constructor(show) {
    Object.assign(this, { show, frames: 0, fps: 12, place: 0, isPlaying: false });
  }

  /** What is there now; a new animation begins at its first frame. */
  take(frames, fps) {
    Object.assign(this, { frames, fps });
    if (this.place >= frames) this.place = 0;
  }

  go(place) {
    this.place = place;
    this.show(place);
  }

  play(now = performance.now()) {
    Object.assign(this, { isPlaying: true, since: now, from: this.place });
    this.#next();
  }

  pause() {
    this.isPlaying = false;
  }

  #next() {
    requestAnimationFrame((now) => {
      if (!this.isPlaying) return;
      const place = frameAt(Math.max(0, now - this.since), this.fps, this.frames, this.from);
      if (place !== this.place) this.go(place);
      this.#next();
    });
  }
}
