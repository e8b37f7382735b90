import { gemoji } from "gemoji";

export interface Emoji {
  emoji: string;
  /** Short codes, the usual one first. */
  names: string[];
  words: string[];
  category: string;
}

/** Every emoji by category, with the names that GitHub gave them. Loaded when somebody first asks for one. */
export const EMOJI: readonly Emoji[] = gemoji.map(({ emoji, names, tags, description, category }) => ({
  emoji,
  names,
  words: [...tags, ...description.split(" ")],
  category,
}));
