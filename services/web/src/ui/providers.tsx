"use client";

import { setNonce } from "get-nonce";
import { Direction } from "radix-ui";
import { type ReactNode, useState } from "react";
import { Toaster } from "./toast";
import { TooltipProvider } from "./tooltip";

/** What the primitives need above them: the direction of reading, and the nonce under which dialogs may add styles. */
export function Providers(props: { direction: "ltr" | "rtl"; nonce: string | undefined; children: ReactNode }) {
  useState(() => {
    if (typeof document !== "undefined" && props.nonce) setNonce(props.nonce);
  });
  return (
    <Direction.Provider dir={props.direction}>
      <TooltipProvider delayDuration={400}>
        {props.children}
        <Toaster />
      </TooltipProvider>
    </Direction.Provider>
  );
}
