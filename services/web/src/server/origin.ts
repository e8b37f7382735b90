/** Whether a request that changes something was sent by a page of ours. */

/**
 * Browsers send `Origin` with every request that is no GET. Where there is none, `Sec-Fetch-Site` must say so. A page of
 * another site can set neither, nor `X-Forwarded-Host`.
 */
export function isOwnPage(request: Request): boolean {
  const site = request.headers.get("sec-fetch-site");
  if (site && site !== "same-origin") return false;
  const origin = request.headers.get("origin");
  if (!origin) return site === "same-origin";
  if (!URL.canParse(origin)) return false;
  const { host } = new URL(origin);
  return host === request.headers.get("host") || host === request.headers.get("x-forwarded-host");
}
