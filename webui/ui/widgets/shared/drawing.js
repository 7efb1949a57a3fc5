// Drawings in SVG.
const SPACE = "http://www.w3.org/2000/svg";

/** An element of a drawing. Attributes: `text`, and any other by its name. */
export function drawn(name, attributes = {}, ...children) {
  const made = document.createElementNS(SPACE, name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "text") made.textContent = value;
    else made.setAttribute(key, String(value));
  }
  made.append(...children.filter(Boolean));
  return made;
}
