// Which files are listed, and what is told of each.

/** [kind, title, how many] of every kind, all of them first under the kind "". */
export function kindsOf(items, all) {
  const kinds = new Map([["", ["", all, items.length]]]);
  for (const { kind, title } of items) {
    const [, , count] = kinds.get(kind) ?? [kind, title, 0];
    kinds.set(kind, [kind, title, count + 1]);
  }
  return [...kinds.values()];
}

/** Those of a kind ("" for any) whose names hold every word that is searched for. */
export function found(items, kind, searched) {
  const wanted = searched.trim().toLowerCase().split(/\s+/).filter(Boolean);
  const named = (item) => wanted.every((word) => item.name.toLowerCase().includes(word));
  return items.filter((item) => (!kind || item.kind === kind) && named(item));
}

export function factsOf(item, say) {
  const hash = item.hash || (item.hashing ? say("hashing") : "");
  const used = item.used ? say("used", { n: item.used }) : "";
  return [item.family, item.size, hash, used].filter(Boolean).join(" · ");
}
