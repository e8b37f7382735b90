"use client";

import { useMemo } from "react";
import { useStore } from "zustand";
import type { Credentials, Me, Registration, SessionState } from "../types";
import { useCore } from "./provider";

/** Who is signed in, as far as it is known. */
export function useSession(): SessionState {
  return useStore(useCore().session.store);
}

/** The person signed in. Throws where nobody is. */
export function useMe(): Me {
  const session = useSession();
  if (session.status !== "signed-in") throw new Error("Nobody is signed in");
  return session.me;
}

export interface SessionActions {
  /** Rejects with a Problem: `totp_required` asks for a code, `totp_wrong`, `suspended`, `too_many_attempts`, … */
  signIn(credentials: Credentials): Promise<void>;
  /** Makes an account and signs in. */
  register(registration: Registration): Promise<void>;
  /** Sets a new password by the token of a mail, upon which every session has ended. */
  resetPassword(token: string, newPassword: string): Promise<void>;
  /** Ends the session on this device, in all tabs. */
  signOut(): Promise<void>;
  /** Fetches the profile anew, after something changed it or the address was confirmed. */
  reload(): Promise<void>;
}

export function useSessionActions(): SessionActions {
  const { session } = useCore();
  return useMemo(
    () => ({
      signIn: (credentials) => session.signIn(credentials),
      register: (registration) => session.register(registration),
      resetPassword: (token, newPassword) => session.resetPassword(token, newPassword),
      signOut: () => session.signOut(),
      reload: () => session.reload(),
    }),
    [session],
  );
}
