// One line above the pictures: what was done or went wrong, and how to undo it.

export class Notice {
  constructor(line, undo) {
    this.line = line;
    this.undo = line.querySelector(".undo");
    this.undo.textContent = undo;
  }

  say(text, { isFault = false, undo = null } = {}) {
    this.line.hidden = !text;
    this.line.classList.toggle("fault", isFault);
    this.line.firstElementChild.textContent = text;
    this.undo.hidden = !undo;
    this.undo.onclick = undo;
  }

  /** Takes back what was told, if nothing else was since. */
  unsay(text) {
    if (this.line.firstElementChild.textContent === text) this.say("");
  }

  /** The same work; what it throws is told. */
  attempt(work) {
    return async (...given) => {
      try {
        return await work(...given);
      } catch (error) {
        this.say(error.message, { isFault: true });
        return undefined;
      }
    };
  }
}
