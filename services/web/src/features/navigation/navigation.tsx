"use client";

import { usePathname, useSearchParams } from "next/navigation";
import { type ComponentProps, useMemo } from "react";
import { type Route, routeOf } from "./routes";

/**
 * Goes to another screen. The app is one page of the server: going about in it asks the server nothing, and works
 * offline. Next.js follows the History API.
 */
export function navigate(path: string, how: "push" | "replace" = "push"): void {
  if (path === location.pathname + location.search) return;
  if (how === "push") history.pushState(null, "", path);
  else history.replaceState(null, "", path);
}

export function useRoute(): Route {
  const path = usePathname();
  const query = useSearchParams();
  return useMemo(() => routeOf(path, new URLSearchParams(query)), [path, query]);
}

/** A link to another screen of the app: a plain link to the browser, which opens it in a tab, copies it and so on. */
export function AppLink({ href, onClick, ...rest }: ComponentProps<"a"> & { href: string }) {
  return (
    <a
      href={href}
      onClick={(event) => {
        onClick?.(event);
        const plain = event.button === 0 && !(event.metaKey || event.ctrlKey || event.shiftKey || event.altKey);
        if (event.defaultPrevented || !plain) return;
        event.preventDefault();
        navigate(href);
      }}
      {...rest}
    />
  );
}
