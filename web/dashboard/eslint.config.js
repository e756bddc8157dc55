import reactHooks from "eslint-plugin-react-hooks";
import tseslint from "typescript-eslint";

const TEXT_ONLY = "what trainers say is text: let Preact write it as text";

export default tseslint.config(
  { ignores: ["node_modules", "eslint.config.js"] },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    plugins: { "react-hooks": reactHooks },
    rules: {
      "react-hooks/rules-of-hooks": "error",
      "react-hooks/exhaustive-deps": "error",
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true, allowBoolean: true }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      "max-lines": ["error", { max: 400, skipBlankLines: true, skipComments: true }],
      "max-lines-per-function": ["error", { max: 100, skipBlankLines: true, skipComments: true }],
      complexity: ["error", 12],
      "no-restricted-properties": [
        "error",
        { property: "innerHTML", message: TEXT_ONLY },
        { property: "outerHTML", message: TEXT_ONLY },
        { property: "insertAdjacentHTML", message: TEXT_ONLY },
        { object: "document", property: "write", message: TEXT_ONLY },
      ],
      "no-restricted-syntax": [
        "error",
        { selector: "JSXAttribute[name.name='dangerouslySetInnerHTML']", message: TEXT_ONLY },
      ],
    },
  },
  { files: ["**/*.test.ts"], rules: { "max-lines-per-function": "off" } }, // a describe holds all of its tests
);
