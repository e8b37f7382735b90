import type { NextConfig } from "next";

const config: NextConfig = {
  output: "standalone",
  // This folder alone is the application; without it the lock files of folders above would count.
  outputFileTracingRoot: import.meta.dirname,
  turbopack: { root: import.meta.dirname },
  reactStrictMode: true,
  poweredByHeader: false,
  // Pictures come from the file service in the sizes it made.
  images: { unoptimized: true },
  // The edge compresses.
  compress: false,
};

export default config;
