// Every key of the page: [where, [[keys, what they do] …]]. Keys are named as browsers name them, after what is held.
// What they do stands with each part of the page; the tests hold the two together.

export const SHORTCUTS = [
  [
    "everywhere",
    [
      [["?"], "this_list"],
      [["Control Enter"], "generate"],
      [["Escape"], "fold"],
      [["Control v"], "paste"],
      [["ArrowLeft", "ArrowRight"], "tabs"],
    ],
  ],
  [
    "prompt",
    [
      [["Control ArrowUp", "Control ArrowDown"], "weigh"],
      [["Alt ArrowLeft", "Alt ArrowRight"], "move"],
    ],
  ],
  [
    "picture",
    [
      [["ArrowLeft", "ArrowRight"], "step"],
      [["+", "-"], "zoom"],
      [["Shift ArrowLeft", "Shift ArrowRight", "ArrowUp", "ArrowDown"], "pan"],
      [["0"], "fit"],
      [["1"], "full_size"],
      [["f"], "screen"],
    ],
  ],
  [
    "painter",
    [
      [["[", "]"], "width"],
      [["+", "-"], "zoom"],
      [["0"], "fit"],
      [["Control z"], "undo"],
    ],
  ],
];

const NAMES = {
  ArrowLeft: "←",
  ArrowRight: "→",
  ArrowUp: "↑",
  ArrowDown: "↓",
  Control: "Ctrl",
  Escape: "Esc",
  "-": "−",
};

/** What stands on the keys: ["Ctrl", "↑"]. */
export const capsOf = (keys) =>
  keys.split(" ").map((key) => NAMES[key] ?? (/^[a-z]$/.test(key) ? key.toUpperCase() : key));

/** What a browser tells of keys that are pressed together. */
export function eventOf(keys) {
  const held = keys.split(" ");
  const key = held.pop();
  const isHeld = (name) => held.includes(name);
  return { key, ctrlKey: isHeld("Control"), altKey: isHeld("Alt"), shiftKey: isHeld("Shift"), metaKey: false };
}

/** Whether a key asks for the list: not where it is a letter of a text. */
export const asksForList = ({ key, ctrlKey, metaKey, altKey }, isWriting) =>
  key === "?" && !ctrlKey && !metaKey && !altKey && !isWriting;
