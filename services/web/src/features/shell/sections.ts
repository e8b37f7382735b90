import type { Conversation } from "@/core/types";

/** A part of the list of conversations. */
export interface Section {
  name: "favourites" | "channels" | "groups" | "direct";
  items: readonly Conversation[];
}

const SECTION_OF = { channel: "channels", group: "groups", direct: "direct" } as const;

/**
 * The list in its parts, favourites first; parts without anything are left out. Channels stay in the order of their
 * names, so that they are found where they were; people and groups come as they were last written to.
 */
export function sectionsOf(items: readonly Conversation[], favourites: ReadonlySet<string>): Section[] {
  const sections: Record<Section["name"], Conversation[]> = { favourites: [], channels: [], groups: [], direct: [] };
  for (const item of items) sections[favourites.has(item.id) ? "favourites" : SECTION_OF[item.type]].push(item);
  sections.channels.sort((one, other) => (one.name ?? "").localeCompare(other.name ?? ""));
  return (Object.keys(sections) as Section["name"][])
    .map((name) => ({ name, items: sections[name] }))
    .filter((section) => section.items.length > 0);
}

/** All conversations in the order of the list. */
export function inOrder(sections: readonly Section[]): Conversation[] {
  return sections.flatMap((section) => section.items);
}

/** The conversation before or after one in the list (`unread`: the next with something new), going round at the ends. */
export function neighbourOf(
  list: readonly Conversation[],
  id: string | null,
  step: 1 | -1,
  unread: boolean,
): Conversation | undefined {
  const at = list.findIndex((one) => one.id === id);
  for (let count = 1; count <= list.length; count++) {
    const start = at < 0 && step < 0 ? 0 : at;
    const next = list[(start + step * count + list.length * 2) % list.length];
    if (next && next.id !== id && (!unread || next.unread > 0)) return next;
  }
  return undefined;
}

/** The set with the item in it if it was not, without it if it was. */
export function toggled<Item>(set: ReadonlySet<Item>, item: Item): ReadonlySet<Item> {
  const next = new Set(set);
  if (!next.delete(item)) next.add(item);
  return next;
}
