"use client";

import { useRouter } from "next/navigation";
import { useEffect } from "react";
import { useSession } from "@/core/react";

/** Where to go after signing in: the page that was asked for, if it is one of ours. */
export function destinationOf(search: string): string {
  const next = new URLSearchParams(search).get("next") ?? "/";
  return /^\/(?![/\\])/.test(next) ? next : "/";
}

/** Whoever is signed in already, in this tab or another, has no use for these pages. */
export function useLeaveWhenSignedIn(): void {
  const router = useRouter();
  const { status } = useSession();
  useEffect(() => {
    if (status === "signed-in") router.replace(destinationOf(location.search));
  }, [status, router]);
}
