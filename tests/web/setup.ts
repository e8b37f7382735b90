/** CI draws the same examples each time, as Hypothesis does there: what is new is found on people's own machines. */

import fc from "fast-check";

if (process.env.CI) fc.configureGlobal({ seed: 1 });
