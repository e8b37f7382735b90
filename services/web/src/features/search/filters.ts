import type { SearchFilters } from "@/core/types";

const DAY_MS = 24 * 3600_000;
const DATE = /^\d{4}-\d{2}-\d{2}$/;

/** A search as its address has it: days without times, in the reader's zone. */
export interface SearchForm {
  query: string;
  conversationId: string;
  from: string;
  after: string;
  before: string;
  hasFile: boolean;
}

export function formOf(address: URLSearchParams): SearchForm {
  const day = (name: string) => (DATE.test(address.get(name) ?? "") ? (address.get(name) as string) : "");
  return {
    query: address.get("q") ?? "",
    conversationId: address.get("in") ?? "",
    from: address.get("from") ?? "",
    after: day("after"),
    before: day("before"),
    hasFile: address.get("has") === "file",
  };
}

export function searchPath(form: SearchForm): string {
  const address = new URLSearchParams();
  const fields = {
    q: form.query.trim(),
    in: form.conversationId,
    from: form.from,
    after: form.after,
    before: form.before,
  };
  for (const [name, value] of Object.entries(fields)) if (value) address.set(name, value);
  if (form.hasFile) address.set("has", "file");
  const text = address.toString();
  return text ? `/search?${text}` : "/search";
}

/** What is asked of the server: from the beginning of the first day to the end of the last, as days are here. */
export function filtersOf(form: SearchForm): SearchFilters {
  const startOf = (day: string) => Date.parse(`${day}T00:00:00`);
  return {
    query: form.query,
    conversationId: form.conversationId || null,
    from: form.from || null,
    after: form.after ? new Date(startOf(form.after)).toISOString() : null,
    before: form.before ? new Date(startOf(form.before) + DAY_MS).toISOString() : null,
    hasFile: form.hasFile,
  };
}
