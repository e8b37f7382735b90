/**
 * The cookies that hold what scripts must not: the refresh token, the access token made by it last, and the device's own.
 * They are sent to `/session` alone, and never with what another site began.
 */

const NAMES = { refresh: "chat_refresh", access: "chat_access", device: "chat_device" } as const;

export type Kept = keyof typeof NAMES;

/** As long as browsers keep a cookie; the user service decides how long a session lasts. */
export const LONG_SECONDS = 400 * 24 * 3600;

export function readCookie(request: Request, kept: Kept): string | null {
  for (const pair of request.headers.get("cookie")?.split(";") ?? []) {
    const [name, value] = pair.trim().split("=", 2);
    if (name === NAMES[kept] && value) return value;
  }
  return null;
}

/** Adds a cookie to an answer; with `seconds` 0 it is forgotten. */
export function setCookie(answer: Response, request: Request, kept: Kept, value: string, seconds: number): void {
  const secure = request.headers.get("x-forwarded-proto") === "https" ? "; Secure" : "";
  const attributes = `Path=/session; Max-Age=${seconds}; HttpOnly; SameSite=Strict${secure}`;
  answer.headers.append("Set-Cookie", `${NAMES[kept]}=${value}; ${attributes}`);
}

export function dropCookie(answer: Response, request: Request, kept: Kept): void {
  setCookie(answer, request, kept, "", 0);
}
