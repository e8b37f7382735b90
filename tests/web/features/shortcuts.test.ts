import { describe, expect, it } from "vitest";
import { commandOf } from "@/features/shortcuts/shortcuts";

function pressed(text: string) {
  const parts = text.split("+");
  const key = parts.at(-1) ?? "";
  const has = (name: string) => parts.slice(0, -1).includes(name);
  return { key, ctrlKey: has("Ctrl"), metaKey: has("Meta"), altKey: has("Alt"), shiftKey: has("Shift") };
}

describe("commandOf", () => {
  it.each([
    ["Ctrl+k", "switcher"],
    ["Meta+k", "switcher"],
    ["Ctrl+/", "list"],
    ["Ctrl+Shift+F", "search"],
    ["Alt+ArrowDown", "next"],
    ["Alt+Shift+ArrowUp", "previousUnread"],
    ["F6", "regions"],
    ["Shift+F6", "regionsBack"],
    ["Alt+i", "details"],
    ["Ctrl+u", "upload"],
    ["Escape", "close"],
  ])("%s is %s", (keys, command) => {
    expect(commandOf(pressed(keys))).toBe(command);
  });

  it.each(["k", "Ctrl+f", "Ctrl+Shift+K", "Alt+Ctrl+ArrowDown", "ArrowDown", "Ctrl+c", "Shift+Escape"])(
    "%s is left to the browser",
    (keys) => {
      expect(commandOf(pressed(keys))).toBeNull();
    },
  );
});
