import { describe, expect, it } from "vitest";
import { destinationOf } from "@/features/account/use-leave-when-signed-in";
import { conversationPath, routeOf } from "@/features/navigation/routes";

const at = (address: string) => {
  const { pathname, searchParams } = new URL(address, "https://chat.example.com");
  return routeOf(pathname, searchParams);
};

describe("routeOf", () => {
  it.each([
    ["/", { screen: "home" }],
    ["/people", { screen: "people" }],
    ["/settings", { screen: "settings", section: null }],
    ["/settings/devices", { screen: "settings", section: "devices" }],
    ["/c/1", { screen: "conversation", id: "1", seq: null, thread: null, panel: null }],
    ["/c/1/42", { screen: "conversation", id: "1", seq: 42, thread: null, panel: null }],
    ["/c/1?thread=m", { screen: "conversation", id: "1", seq: null, thread: "m", panel: null }],
    ["/c/1?panel=pins", { screen: "conversation", id: "1", seq: null, thread: null, panel: "pins" }],
    ["/c/1?panel=else", { screen: "conversation", id: "1", seq: null, thread: null, panel: null }],
  ])("%s", (address, route) => {
    expect(at(address)).toEqual(route);
  });

  it.each(["/c", "/c/1/0", "/c/1/x", "/c/1/2/3", "/people/x", "/settings/a/b", "/else"])(
    "%s leads nowhere",
    (address) => {
      expect(at(address)).toEqual({ screen: "nowhere" });
    },
  );

  it.each([{}, { seq: 7 }, { thread: "a b" }, { seq: 7, thread: "m" }, { panel: "details" as const }])(
    "reads what conversationPath writes: %o",
    (place) => {
      const whole = { seq: null, thread: null, panel: null, ...place };
      expect(at(conversationPath("x/y", place))).toEqual({ screen: "conversation", id: "x/y", ...whole });
    },
  );
});

describe("after signing in", () => {
  it.each([
    ["", "/"],
    ["?next=%2Fc%2F1", "/c/1"],
    ["?next=https%3A%2F%2Fexample.org", "/"],
    ["?next=%2F%2Fexample.org", "/"],
    ["?next=%2F%5Cexample.org", "/"],
  ])("%s leads to %s", (search, path) => {
    expect(destinationOf(search)).toBe(path);
  });
});
