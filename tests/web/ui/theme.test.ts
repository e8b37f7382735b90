import { expect, it } from "vitest";
import { groundOf, initialsOf } from "@/ui/avatar";
import { themeAttributes } from "@/ui/theme";

it.each([
  [undefined, undefined, {}],
  ["system", undefined, {}],
  ["dark", undefined, { "data-theme": "dark" }],
  ["light", "more", { "data-theme": "light", "data-contrast": "more" }],
  ["<script>", "less", {}],
])("theme %s and contrast %s", (theme, contrast, attributes) => {
  expect(themeAttributes(theme, contrast)).toEqual(attributes);
});

it.each([
  ["Ada Lovelace", "AL"],
  ["ada", "A"],
  ["Mary Ann Evans", "ME"],
  ["  ", ""],
  ["ليلى الفارسي", "لا"],
  ["😀 Smile", "😀S"],
])("the initials of %j are %j", (name, initials) => {
  expect(initialsOf(name)).toBe(initials);
});

it("somebody's ground is always the same", () => {
  expect(groundOf("0192")).toBe(groundOf("0192"));
});
