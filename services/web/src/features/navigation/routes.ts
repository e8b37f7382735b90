/** Where one is in the app, as its address says. */
export type Route =
  | { screen: "home" }
  | { screen: "conversation"; id: string; seq: number | null; thread: string | null; panel: "details" | "pins" | null }
  | { screen: "people" }
  | { screen: "channels" }
  | { screen: "search"; query: URLSearchParams }
  | { screen: "settings"; section: string | null }
  | { screen: "moderation"; section: string | null }
  | { screen: "administration"; section: string | null }
  | { screen: "nowhere" };

const PLAIN = ["people", "channels"] as const;
const SECTIONED = ["settings", "moderation", "administration"] as const;

function isOneOf<Text extends string>(texts: readonly Text[], text: string | undefined): text is Text {
  return texts.some((one) => one === text);
}

/** The screen for an address within the app. */
export function routeOf(path: string, query: URLSearchParams): Route {
  const [first, second, third, ...rest] = path.split("/").filter(Boolean).map(decodeURIComponent);
  if (rest.length > 0) return { screen: "nowhere" };
  if (first === undefined) return { screen: "home" };
  if (first === "c" && second) {
    const seq = third === undefined ? null : Number(third);
    if (seq !== null && !(Number.isSafeInteger(seq) && seq > 0)) return { screen: "nowhere" };
    const panel = query.get("panel");
    return {
      screen: "conversation",
      id: second,
      seq,
      thread: query.get("thread"),
      panel: panel === "details" || panel === "pins" ? panel : null,
    };
  }
  if (third !== undefined) return { screen: "nowhere" };
  if (isOneOf(SECTIONED, first)) return { screen: first, section: second ?? null };
  if (second !== undefined) return { screen: "nowhere" };
  if (first === "search") return { screen: "search", query };
  return isOneOf(PLAIN, first) ? { screen: first } : { screen: "nowhere" };
}

/** The address of a conversation, at a message (`seq`), with a thread or a panel beside it. */
export function conversationPath(
  id: string,
  at: { seq?: number | null; thread?: string | null; panel?: "details" | "pins" | null } = {},
): string {
  const path = `/c/${encodeURIComponent(id)}${at.seq ? `/${at.seq}` : ""}`;
  if (at.thread) return `${path}?thread=${encodeURIComponent(at.thread)}`;
  return at.panel ? `${path}?panel=${at.panel}` : path;
}
