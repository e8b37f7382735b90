import { defineConfig } from "vitest/config";

const tests = new URL("../../tests/web/", import.meta.url).pathname;

export default defineConfig({
  resolve: { alias: { "@": new URL("./src", import.meta.url).pathname } },
  server: { fs: { allow: [".", tests] } },
  test: {
    dir: tests,
    include: ["**/*.test.{ts,tsx}"],
    setupFiles: [`${tests}setup.ts`],
    // What draws runs in a document; a file may say otherwise in its first line.
    environment: "node",
    restoreMocks: true,
    unstubGlobals: true,
  },
});
