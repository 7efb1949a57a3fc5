// The same limits as for Python: see pyproject.toml.
import js from "@eslint/js";
import globals from "globals";

const LIMITS = {
  complexity: ["error", 10],
  "max-lines": ["error", 400],
  "max-lines-per-function": ["error", 60],
  "max-params": ["error", 6],
  "max-statements-per-line": ["error", { max: 1 }],
};
const CLEAR = {
  eqeqeq: "error",
  "no-sequences": "error",
  "no-shadow": "error",
  "no-unused-expressions": "error",
  "no-var": "error",
  "prefer-const": "error",
  "one-var": ["error", { initialized: "never" }],
};

export default [
  { ignores: [".venv/", "outputs/", "models/", "presets/", "htmlcov/"] },
  js.configs.recommended,
  { rules: { ...LIMITS, ...CLEAR } },
  { files: ["webui/**/*.js"], languageOptions: { globals: globals.browser } },
  { files: ["tests/**/*.js"], languageOptions: { globals: globals.node } },
];
