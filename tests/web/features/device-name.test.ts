import { expect, it } from "vitest";
import { deviceName } from "@/features/settings/device-name";

const MOZILLA = "Mozilla/5.0";

it.each([
  [`${MOZILLA} (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0`, "Firefox, Linux"],
  [`${MOZILLA} (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 Chrome/142.0 Safari/537.36 Edg/142.0`, "Edge, Windows"],
  [`${MOZILLA} (Linux; Android 15) AppleWebKit/537.36 Chrome/142.0 Mobile Safari/537.36`, "Chrome, Android"],
  [`${MOZILLA} (iPhone; CPU iPhone OS 18_1 like Mac OS X) AppleWebKit/605.1 Version/18.1 Safari/604.1`, "Safari, iOS"],
  [`${MOZILLA} (X11; Linux x86_64) AppleWebKit/537.36 HeadlessChrome/156.0 Safari/537.36`, "Chrome, Linux"],
  ["curl/8.11.0", "curl"],
  ["  ", null],
])("%s is %s", (userAgent, name) => {
  expect(deviceName(userAgent)).toBe(name);
});
