"use client";

import { useLayoutEffect, useMemo, useState } from "react";
import { bridge, type Row } from "./rows";

/** The rows to draw now, on the way to those wanted: one end changes at a time, so that nothing jumps. */
export function useSteadyRows(wanted: readonly Row[]): readonly Row[] {
  const [drawn, setDrawn] = useState(wanted);
  const next = useMemo(() => (drawn === wanted ? wanted : (bridge(drawn, wanted) ?? wanted)), [drawn, wanted]);
  useLayoutEffect(() => setDrawn(next), [next]);
  return next;
}
