/** The keys there are, by where they work, for the list and its title in the messages `shortcuts.…`. */
export const SHORTCUTS = {
  everywhere: [
    ["Ctrl+K", "switcher"],
    ["Ctrl+Shift+F", "search"],
    ["Ctrl+/", "list"],
    ["Alt+↓", "next"],
    ["Alt+↑", "previous"],
    ["Alt+Shift+↓", "nextUnread"],
    ["Alt+Shift+↑", "previousUnread"],
    ["F6", "regions"],
    ["Alt+I", "details"],
    ["Esc", "close"],
  ],
  inMessages: [
    ["↑ ↓", "move"],
    ["Home End", "ends"],
    ["R", "reply"],
    ["+", "react"],
    ["E", "edit"],
    ["P", "pin"],
    ["Del", "delete"],
  ],
  writing: [
    ["Enter", "send"],
    ["Shift+Enter", "line"],
    ["↑", "editLast"],
    ["Ctrl+U", "upload"],
    ["Esc", "cancelEdit"],
  ],
} as const;

type Keys = Pick<KeyboardEvent, "key" | "ctrlKey" | "metaKey" | "altKey" | "shiftKey">;

export type Command =
  | "switcher"
  | "search"
  | "list"
  | "next"
  | "previous"
  | "nextUnread"
  | "previousUnread"
  | "regions"
  | "regionsBack"
  | "details"
  | "close"
  | "upload";

/** What keys mean anywhere on the page; Command counts as Ctrl. Null: nothing. */
export function commandOf({ key, ctrlKey, metaKey, altKey, shiftKey }: Keys): Command | null {
  const control = ctrlKey || metaKey;
  if (key === "F6" && !control && !altKey) return shiftKey ? "regionsBack" : "regions";
  if (key === "Escape" && !control && !altKey && !shiftKey) return "close";
  if (control && !altKey) {
    if (key === "/") return "list";
    const letter = key.toLowerCase();
    if (letter === "k" && !shiftKey) return "switcher";
    if (letter === "u" && !shiftKey) return "upload";
    return letter === "f" && shiftKey ? "search" : null;
  }
  if (altKey && !control) {
    if (key === "ArrowDown") return shiftKey ? "nextUnread" : "next";
    if (key === "ArrowUp") return shiftKey ? "previousUnread" : "previous";
    return key.toLowerCase() === "i" && !shiftKey ? "details" : null;
  }
  return null;
}
