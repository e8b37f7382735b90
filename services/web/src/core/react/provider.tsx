"use client";

import { QueryClient, QueryClientProvider } from "@tanstack/react-query";
import { createContext, type ReactNode, use, useEffect, useMemo, useState, useSyncExternalStore } from "react";
import type { Api } from "@/api/client";
import type { Chat } from "../chat";
import { Core } from "../core";
import { Problem } from "../types";

const CoreContext = createContext<Core | null>(null);

/**
 * Gives its children the core: who is signed in, and with that the live conversations. Stands once, around all pages.
 * What is fetched by TanStack Query is forgotten when somebody else signs in.
 */
export function CoreProvider({ children }: { children: ReactNode }) {
  const [core] = useState(() => new Core());
  const [queries] = useState(createQueries);
  useEffect(() => {
    const forget = core.onPerson(() => queries.clear());
    core.start();
    return () => {
      forget();
      core.stop();
    };
  }, [core, queries]);
  return (
    <CoreContext value={core}>
      <QueryClientProvider client={queries}>{children}</QueryClientProvider>
    </CoreContext>
  );
}

function createQueries(): QueryClient {
  return new QueryClient({
    defaultOptions: {
      queries: {
        staleTime: 60_000,
        // Only what may pass is tried again; nobody waits long for a refusal.
        retry: (count, error) => count < 3 && Problem.from(error).passing,
        retryDelay: (count, error) => Problem.from(error).retryAfterMs ?? Math.min(1_000 * 2 ** count, 8_000),
      },
    },
  });
}

export function useCore(): Core {
  const core = use(CoreContext);
  if (!core) throw new Error("CoreProvider is missing");
  return core;
}

/** The REST API: `ok(api.GET("/api/v1/…"))` with `ok` of `@/api/client`. Rejects with Problems. */
export function useApi(): Api {
  return useCore().api;
}

/** The live part. Throws where nobody is signed in: such screens are not shown then. */
export function useChat(): Chat {
  const core = useCore();
  const subscribe = useMemo(() => core.onPerson.bind(core), [core]);
  const chat = useSyncExternalStore(
    subscribe,
    () => core.chat,
    () => null,
  );
  if (!chat) throw new Error("Nobody is signed in");
  return chat;
}
