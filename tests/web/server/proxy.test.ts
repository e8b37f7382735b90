import { NextRequest } from "next/server";
import { expect, test } from "vitest";
import { proxy } from "@/proxy";

function policy(): Map<string, string> {
  const answer = proxy(new NextRequest("http://chat.test/"));
  const directives = answer.headers.get("content-security-policy")?.split("; ") ?? [];
  return new Map(directives.map((directive) => [directive.split(" ", 1)[0] ?? "", directive]));
}

test("no page runs a script that is not ours: each answer has a nonce of its own", () => {
  const [first, second] = [policy(), policy()];
  const nonce = /'nonce-([\w+/=]{24})'/;
  expect(first.get("script-src")).toMatch(nonce);
  expect(first.get("script-src")).not.toBe(second.get("script-src"));
  expect(nonce.exec(first.get("style-src") ?? "")?.[1]).toBe(nonce.exec(first.get("script-src") ?? "")?.[1]);
  for (const directive of first.values()) expect(directive).not.toMatch(/unsafe-(inline|eval)/);
  for (const closed of ["object-src", "base-uri", "frame-ancestors", "frame-src"]) {
    expect(first.get(closed)).toBe(`${closed} 'none'`);
  }
});
