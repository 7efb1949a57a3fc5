// Which pictures are selected, by their ids. `items` are those that are shown, in their order.

export class Selection {
  #ids = new Set();
  #last = -1; // the place that was picked last, where a range begins

  get size() {
    return this.#ids.size;
  }

  has(id) {
    return this.#ids.has(id);
  }

  /** In the order they are shown. */
  of(items) {
    return items.filter((item) => this.#ids.has(item.id));
  }

  /** One picture on or off, or all between it and the one before. */
  pick(items, place, isOn, isRange) {
    const from = isRange && this.#last >= 0 ? this.#last : place;
    const [first, last] = [Math.min(from, place), Math.max(from, place)];
    for (const { id } of items.slice(first, last + 1)) {
      if (isOn) this.#ids.add(id);
      else this.#ids.delete(id);
    }
    this.#last = place;
  }

  all(items) {
    for (const { id } of items) this.#ids.add(id);
  }

  clear() {
    this.#ids.clear();
  }

  /** Other pictures are shown: those that are gone count no more. */
  keep(items) {
    this.#ids = new Set(this.of(items).map((item) => item.id));
    this.#last = -1;
  }
}
