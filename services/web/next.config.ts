import type { NextConfig } from "next";

/** With every answer; pages have their content security policy besides (`src/proxy.ts`). */
const HEADERS = {
  "X-Content-Type-Options": "nosniff",
  // Links of mails carry tokens. Not `no-referrer`: browsers then keep the origin of our own requests from us, too.
  "Referrer-Policy": "same-origin",
  "Cross-Origin-Opener-Policy": "same-origin",
  "Cross-Origin-Resource-Policy": "same-origin",
  "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
};

const config: NextConfig = {
  output: "standalone",
  // This folder alone is the application; without it the lock files of folders above would count.
  outputFileTracingRoot: import.meta.dirname,
  // It resizes pictures, which is not done here.
  outputFileTracingExcludes: { "*": ["node_modules/sharp/**", "node_modules/@img/**"] },
  turbopack: { root: import.meta.dirname },
  reactStrictMode: true,
  // Without the tests, which are not there where images are built.
  typescript: { tsconfigPath: "tsconfig.build.json" },
  poweredByHeader: false,
  // Pictures come from the file service in the sizes it made.
  images: { unoptimized: true },
  // The edge compresses.
  compress: false,
  // One registry of metrics for all bundles.
  serverExternalPackages: ["prom-client"],
  headers: async () => [
    { source: "/:path*", headers: Object.entries(HEADERS).map(([key, value]) => ({ key, value })) },
  ],
};

export default config;
