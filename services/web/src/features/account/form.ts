import { Problem } from "@/core/types";

/** The text of a form's field. */
export function textOf(form: FormData, name: string): string {
  const value = form.get(name);
  return typeof value === "string" ? value : "";
}

/** What the server says against one field of a body (`username` for `body.username`), else undefined. */
export function fieldError(error: unknown, name: string): string | undefined {
  if (!(error instanceof Problem)) return undefined;
  return error.errors?.find(({ field }) => field.split(".").at(-1) === name)?.message;
}
