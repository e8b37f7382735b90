/** What every page is sent with: a content security policy whose nonce is this answer's alone. */

import { type NextRequest, NextResponse } from "next/server";

export function proxy(request: NextRequest): NextResponse {
  const nonce = btoa(String.fromCharCode(...crypto.getRandomValues(new Uint8Array(16))));
  const policy = policyOf(nonce);
  // Next.js takes the nonce from here for its own scripts; `x-nonce` is for ours.
  const headers = new Headers(request.headers);
  headers.set("Content-Security-Policy", policy);
  headers.set("x-nonce", nonce);
  const response = NextResponse.next({ request: { headers } });
  response.headers.set("Content-Security-Policy", policy);
  return response;
}

function policyOf(nonce: string): string {
  // React's development build explains errors by eval.
  const development = process.env.NODE_ENV === "development" ? " 'unsafe-eval'" : "";
  return [
    "default-src 'self'",
    `script-src 'nonce-${nonce}' 'strict-dynamic'${development}`,
    `style-src 'self' 'nonce-${nonce}'`,
    // Files of messages are fetched with the access token and shown as blobs.
    "img-src 'self' blob: data:",
    "media-src 'self' blob:",
    // Else the rule for scripts would count, and a worker's address cannot carry a nonce.
    "worker-src 'self'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
    "frame-src 'none'",
    "frame-ancestors 'none'",
  ].join("; ");
}

export const config = {
  matcher: [
    // Pages: neither assets, nor what is no document. What is only prefetched is never shown as a document of its own.
    {
      source: "/((?!_next/static|session|livez|readyz|metrics|.*\\.[a-z0-9]+$).*)",
      missing: [{ type: "header", key: "next-router-prefetch" }],
    },
  ],
};
